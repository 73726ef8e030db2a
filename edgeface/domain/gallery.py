"""The versioned gallery as rules alone: what may be applied, what two doors compare, who is enrolled already.

Per record only a higher `seq` is accepted, and a tombstone is final, whatever comes after it. The digest doesn't depend
on the order in which records came, so two doors that hold the same have the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeface.domain.matching import GalleryMatrix
from edgeface.domain.types import Embedding, Template

_RECORD_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Record:
    """`content` is the SHA-256, in hex, of the record's canonical bytes with its templates still rotated: turning them
    back rounds, and the digest must be the same on every door."""

    id: str
    seq: int
    content: str

    @classmethod
    def of(cls, record_id: str, seq: int, canonical: bytes) -> Record:
        return cls(record_id, seq, hashlib.sha256(canonical).hexdigest())


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The record is gone for good."""

    id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Applied:
    """`replaced` is the seq that stood there, None for a new record."""

    id: str
    seq: int
    replaced: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    why: Literal["malformed", "removed", "replayed", "older"]
    message: str


class Gallery:
    """Which records are in force. Not thread-safe."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._tombstones: dict[str, Tombstone] = {}

    def apply(self, change: Record | Tombstone) -> Applied | Refused:
        """A record needs a higher seq than the one that stands. A tombstone applies whatever its seq: nothing may
        follow one, so it can't be out of date; of several the highest is kept."""
        if not _RECORD_ID.fullmatch(change.id) or type(change.seq) is not int or change.seq < 1:
            return Refused("malformed", "a record has an id of 32 hex digits and a sequence number from 1")
        standing = self._records.get(change.id)
        tombstone = self._tombstones.get(change.id)
        if isinstance(change, Tombstone):
            if tombstone is not None and change.seq <= tombstone.seq:
                return Refused("replayed", "this record was removed already")
            self._tombstones[change.id] = change
            self._records.pop(change.id, None)
            replaced = standing or tombstone
            return Applied(change.id, change.seq, replaced.seq if replaced else None)
        if not _SHA256.fullmatch(change.content):
            return Refused("malformed", "a record's content is named by its SHA-256")
        if tombstone is not None:
            return Refused("removed", "this record was removed, and a removal is final: enrol the person anew")
        if standing is not None and change.seq <= standing.seq:
            why: Literal["replayed", "older"] = "replayed" if change.seq == standing.seq else "older"
            return Refused(why, f"sequence number {change.seq} is not above {standing.seq}, which stands")
        self._records[change.id] = change
        return Applied(change.id, change.seq, standing.seq if standing else None)

    def seq(self, record_id: str) -> int | None:
        """Of the record in force; None where there is none."""
        record = self._records.get(record_id)
        return None if record is None else record.seq

    def removed(self, record_id: str) -> bool:
        return record_id in self._tombstones

    def __len__(self) -> int:
        return len(self._records)

    def digest(self) -> str:
        """SHA-256, in hex, over a line for each record and tombstone, sorted by id."""
        lines = [f"{r.id} {r.seq} {r.content}\n" for r in self._records.values()]
        lines += [f"{t.id} {t.seq} removed\n" for t in self._tombstones.values()]
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class AlreadyEnrolled:
    """Most of the new templates are this person's face."""

    person: str
    score: float


@dataclass(frozen=True, slots=True)
class Lookalike:
    """Somebody enrolled looks so much alike that the two may be taken for each other; a warning."""

    person: str
    score: float


def check_enrolment(
    templates: Sequence[Template],
    matrix: GalleryMatrix,
    threshold: float,
    lookalike_limit: float,
    replacing: str | None = None,
) -> AlreadyEnrolled | Lookalike | None:
    """Compares new templates with everybody but `replacing`. AlreadyEnrolled where at least half of them reach
    `threshold` with one person; Lookalike where any reaches `lookalike_limit`. `score` is the best cosine with that
    person. Templates of another model are passed over."""
    columns = np.array([p != replacing for p in matrix.people], dtype=np.bool_)[matrix.owners]
    found = [matrix.scores(Embedding(t.vector, t.model)) for t in templates]
    compared = [s[columns] for s in found if s is not None]
    owners = matrix.owners[columns]
    if not compared or owners.size == 0:
        return None
    best = np.full((len(compared), len(matrix.people)), -1.0, dtype=np.float32)
    for row, scores in zip(best, compared, strict=True):
        np.maximum.at(row, owners, scores)
    reached = np.count_nonzero(best >= threshold, axis=0)
    tops = best.max(axis=0)
    same = np.flatnonzero(reached * 2 >= len(compared))
    if same.size:
        who = int(same[tops[same].argmax()])
        return AlreadyEnrolled(matrix.people[who], float(tops[who]))
    who = int(tops.argmax())
    return Lookalike(matrix.people[who], float(tops[who])) if tops[who] >= lookalike_limit else None
