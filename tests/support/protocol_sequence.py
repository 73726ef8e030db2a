"""One door's life in messages, with what comes of each: for the vectors, and played by a test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from support import protocol as p

from edgeface.adapters.link import codec as c
from edgeface.domain import messages as m


@dataclass(frozen=True)
class Stage:
    """`outcome`: taken, known (nothing changes), waits, or the refusal."""

    name: str
    spec: c.Spec[Any]
    message: bytes
    outcome: str


def sequence() -> list[Stage]:
    man, ros = p.manifest(), p.ROSTER
    older = p.signed_person(p.person(1, seq=3))
    admin_removal = m.Removal(p.RECORD_ID, 5, False, p.AT)

    def roster(**changes: Any) -> bytes:
        return c.sign(c.ROSTER, replace(ros, **changes), p.SITE, p.ROOT)

    def manifest(**changes: Any) -> bytes:
        return c.sign(c.MANIFEST, replace(man, **changes), p.SITE, p.AGENT)

    def mode(version: int, value: m.SiteMode) -> bytes:
        return c.sign(c.MODE, m.ModeState(version, value, p.AT), p.SITE, p.ADMIN)

    return [
        Stage("the roster", c.ROSTER, roster(), "taken"),
        Stage("the same roster again", c.ROSTER, roster(), "known"),
        Stage("an older roster", c.ROSTER, roster(version=6), "rolled_back"),
        Stage("another roster with its version", c.ROSTER, roster(site_name="Elsewhere"), "conflict"),
        Stage("the key of epoch 2", c.GRANT, p.grant(), "taken"),
        Stage("an older state of the person", c.RECORD, p.record(older, since=30), "waits"),
        Stage("the manifest", c.MANIFEST, manifest(), "taken"),
        Stage("an older manifest", c.MANIFEST, manifest(version=41), "rolled_back"),
        Stage("another manifest with its version", c.MANIFEST, manifest(count=2), "conflict"),
        Stage("the person, as the manifest has him", c.RECORD, p.record(), "taken"),
        Stage("the same again, sealed for a later manifest", c.RECORD, p.record(since=50), "known"),
        Stage("the older state again", c.RECORD, p.record(older, since=30), "replayed"),
        Stage("an erasure, which the manifest had as a removal", c.REMOVAL,
              c.sign(c.REMOVAL, m.Removal(p.GONE_ID, 9, True, p.AT), p.SITE, p.AGENT), "taken"),
        Stage("a change that no manifest covers yet", c.RECORD, p.record(p.signed_person(p.person(seq=5)), since=43),
              "waits"),
        Stage("a removal by an admin alone", c.REMOVAL, c.sign(c.REMOVAL, admin_removal, p.SITE, p.ADMIN), "taken"),
        Stage("the removed person again", c.RECORD, p.record(), "removed"),
        Stage("lockdown", c.MODE, mode(5, m.SiteMode.LOCKDOWN), "taken"),
        Stage("an older mode", c.MODE, mode(4, m.SiteMode.FREE_ACCESS), "replayed"),
        Stage("a laxer mode with the same version", c.MODE, mode(5, m.SiteMode.NORMAL), "conflict"),
        Stage("a newer mode", c.MODE, mode(6, m.SiteMode.NORMAL), "taken"),
    ]  # fmt: skip
