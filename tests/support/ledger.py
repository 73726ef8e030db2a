"""What a gallery must hold after the acknowledgements of workloads/gallery.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from support.people import person, same

from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.domain.errors import EdgefaceError, RecordConflict


class Ledger:
    def __init__(self) -> None:
        self.people: dict[str, tuple[int, int]] = {}  # id -> (number, seq)
        self.removed: dict[str, Mapping[str, Any]] = {}
        self.pending: Mapping[str, Any] | None = None  # begun, not acknowledged: may be there or not, never by half
        self.stale: list[bytes] = []  # sealed wrapping keys and what they wrapped, until one of the last renewals
        self.opened = False
        self.changes = 0

    def feed(self, ack: Mapping[str, Any]) -> None:
        self.opened = self.opened or ack["op"] == "open"
        self.pending = ack if ack["op"] in ("putting", "removing") else None
        if ack["op"] == "put":
            self.people[ack["id"]] = (ack["number"], ack["seq"])
            self.changes += 1
        elif ack["op"] == "removed":
            del self.people[ack["id"]]
            self.removed[ack["id"]] = ack
            self.changes += 1
        elif ack["op"] == "renewed":
            self.stale = [*self.stale, *map(bytes.fromhex, ack["stale"])][-300:]
            self.changes += 1

    def trace(self, raw: bytes) -> str | None:
        """What is in the files' bytes though it was destroyed."""
        for one in self.removed.values():
            if one and (bytes.fromhex(one["wrapped_key"]) in raw or bytes.fromhex(one["sealed"])[:48] in raw):
                return "an acknowledged removal left its key or its record on the disk"
        if any(needle in raw for needle in self.stale):
            return "an acknowledged renewal left the old wrapping key, or what it wrapped, on the disk"
        return None

    def complaint(self, gallery: SqliteGallery) -> str | None:
        """What is wrong; None where nothing is. Afterwards the pending change counts as what came of it."""
        check = gallery.check()
        if not check.sound:
            return f"damage: {check}"
        there = {p.id: p for p in gallery.people()}
        if self.pending is not None and (problem := self._settle(self.pending, there)):
            return problem
        if there.keys() != self.people.keys():
            return f"lost: {self.people.keys() - there.keys()}, back: {there.keys() - self.people.keys()}"
        for one, (number, seq) in self.people.items():
            if not same(there[one], person(number, seq=seq, templates=1 + seq % 5)):
                return f"an acknowledged change of {one} is lost, or there by half"
        for one in self.removed:
            try:
                gallery.put(dataclasses.replace(person(0), id=one, seq=10**6))
            except RecordConflict:
                continue
            except EdgefaceError as e:
                return f"it doesn't work: {e}"
            return f"{one} was removed and could come back"
        return None

    def _settle(self, pending: Mapping[str, Any], there: Mapping[str, Any]) -> str | None:
        one, before = pending["id"], self.people.get(pending["id"])
        now = there.get(one)
        if pending["op"] == "removing":
            if now is None:
                self.removed[one] = {}
                self.people.pop(one, None)  # settled before: the run since was killed before it began anything
            return None
        if now is None:
            return None if before is None else "a change in flight lost the person"
        if now.seq == pending["seq"]:
            self.people[one] = (pending["number"], pending["seq"])
        return None
