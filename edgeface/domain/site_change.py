"""What passes between the parts of a door's synchronisation: a message that is verified, and what is to be made durable
in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeface.domain.types import Person


@dataclass(frozen=True, slots=True)
class Opened:
    """A verified message. `value` is one of domain.messages or messages_door, a Roster, or EpochKeys; `hash` is SHA-256
    of the signed body; `raw` the whole message as it came; `retained` as the broker marked it."""

    value: object
    signer: str
    hash: bytes
    raw: bytes = field(repr=False)
    retained: bool = False


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """`content` is SHA-256 of what the admin signed; it outlives the epoch."""

    person: Person
    content: bytes


@dataclass(frozen=True, slots=True)
class SiteChange:
    """All of it or none. `values` are the site's own state by name, None to forget one; `removals` are (record id,
    whether an erasure receipt is owed). `rotation_seed`: turn every template by this matrix from now on."""

    puts: tuple[StoredPerson, ...] = ()
    removals: tuple[tuple[str, bool], ...] = ()
    values: Mapping[str, bytes | None] = field(default_factory=dict)
    rotation_seed: bytes | None = None
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class OwedErasure:
    """A person was erased and the site wants to know; `rotated` once the key that wrapped the person's key is destroyed
    too. Both times are Unix time, 0 where the device's clock could not be right."""

    record: str
    destroyed_s: int
    rotated: bool = False
    rotated_s: int = 0
