"""What a door's site (site.DoorSite) takes in, and what it says is to be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgeface.domain.messages import Manifest, ModeState
from edgeface.domain.refusal import Refusal
from edgeface.domain.roster import Roster
from edgeface.domain.shards import Gone, Held


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record whose agent's and admin's signatures are good. `content` is SHA-256 of what the admin signed; `by` is
    the admin; `since` is the record's; `payload` is handed back when it is to be stored."""

    id: str
    seq: int
    content: bytes
    by: str
    since: int
    payload: object = None


@dataclass(frozen=True, slots=True)
class KeepRoster:
    roster: Roster
    hash: bytes


@dataclass(frozen=True, slots=True)
class KeepManifest:
    manifest: Manifest
    hash: bytes


@dataclass(frozen=True, slots=True)
class KeepMode:
    mode: ModeState


@dataclass(frozen=True, slots=True)
class Put:
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Remove:
    """Crypto-erase. `known` is False where this door never had the record: only the removal is to be kept. With
    `erased` an erasure receipt is owed."""

    id: str
    erased: bool
    known: bool


@dataclass(frozen=True, slots=True)
class EnterEpoch:
    """The gallery is complete under this epoch: match with its matrix, and forget the keys of those before it."""

    epoch: int


@dataclass(frozen=True, slots=True)
class AskAgain:
    """There is a new roster: what was refused for its signer may be good now. Subscribe again to the retained topics
    (manifest, mode, removals, grants, wanted shards); the broker then sends them again."""


Effect = KeepRoster | KeepManifest | KeepMode | Put | Remove | EnterEpoch | AskAgain


@dataclass(frozen=True, slots=True)
class Step:
    """Make the effects durable, all or none, then acknowledge. Neither effects nor refusal: it was known already.
    `released` are messages that were held aside, to be opened now."""

    effects: tuple[Effect, ...] = ()
    refusal: Refusal | None = None
    released: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """`in_step`: all that the newest manifest says is here, under its roster and its epoch."""

    in_step: bool
    member: bool
    manifest: int
    roster: int
    epoch: int
    mode: int
    people: int
    shards_behind: int
    waiting: int
    held_aside: int
    lacks_key: bool
    lacks_roster: bool


@dataclass
class SavedSite:
    """What a door keeps over a restart; the floors come from pairing. `epochs` are those whose key it has."""

    roster: Roster | None = None
    roster_hash: bytes = b""
    manifest: Manifest | None = None
    manifest_hash: bytes = b""
    mode: ModeState | None = None
    entries: Iterable[tuple[str, Held | Gone]] = ()
    epochs: Iterable[int] = ()
    epoch: int = 0
    roster_floor: int = 0
    manifest_floor: int = 0
