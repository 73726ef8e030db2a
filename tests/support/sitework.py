"""A site's agent as the domain sees it: what it would publish, without keys. For tests of the doors' side."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from edgeface.domain.messages import Manifest, Removal
from edgeface.domain.roster import Device, Party, Role, Roster
from edgeface.domain.shards import Gone, Held, Shards
from edgeface.domain.site import DoorSite
from edgeface.domain.site_steps import Arrival, KeepManifest, KeepRoster, Put, Remove, Step

ADMIN = Party("ann", b"a" * 32, b"A" * 32, (Role.ENROL, Role.REVOKE, Role.OPERATE))
OTHER = Party("bob", b"b" * 32, b"B" * 32, (Role.ENROL,))
AGENT = Party("agent", b"g" * 32, b"G" * 32)
DOOR = Device("front", b"d" * 32, b"D" * 32)

Message = tuple[str, object, bytes]  # what, value, hash


def hash_of(value: object) -> bytes:
    return hashlib.sha256(repr(value).encode()).digest()


def person_id(n: int) -> str:
    """People in three shards, so that they share them."""
    return f"{n % 3:02x}{n:030x}"


@dataclass
class Agent:
    """`log` is everything ever published, in order; `retained` is what the broker has now."""

    shards: Shards = field(default_factory=Shards)
    version: int = 0
    epoch: int = 1
    roster: Roster = field(default_factory=lambda: make_roster(1))
    log: list[Message] = field(default_factory=list)
    retained: dict[str, Message] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.say("roster", self.roster)
        self.say("epoch", 1)
        self.manifest()

    def say(self, what: str, value: object, key: str = "") -> None:
        message = (what, value, hash_of(value))
        self.log.append(message)
        self.retained[key or (f"epoch {value}" if what == "epoch" else what)] = message

    def put(self, n: int, text: str, admin: Party = ADMIN) -> None:
        record = person_id(n)
        entry = self.shards.get(record)
        if isinstance(entry, Gone):
            return
        seq = entry.seq + 1 if entry else 1
        content = hash_of((record, seq, text))
        self.shards.set(record, Held(seq, content))
        self.say("record", Arrival(record, seq, content, admin.id, self.version + 1, text), record)

    def remove(self, n: int, erased: bool = False) -> None:
        record = person_id(n)
        entry = self.shards.get(record)
        gone = Gone(erased or (isinstance(entry, Gone) and entry.erased))
        self.shards.set(record, gone)
        self.revoked.add(record)
        self.say("removal", Removal(record, 1, gone.erased), record)

    def rotate(self) -> None:
        self.epoch += 1
        self.say("epoch", self.epoch)

    def new_roster(self) -> None:
        self.roster = make_roster(self.roster.version + 1, self.epoch)
        self.say("roster", self.roster)

    def manifest(self) -> None:
        self.version += 1
        revoked = tuple(sorted(self.revoked))
        digests = self.shards.digests()
        self.say(
            "manifest",
            Manifest(self.version, self.epoch, self.roster.version, self.shards.count, digests, revoked),
        )


def make_roster(version: int, epoch: int = 1, *admins: Party, revoked: tuple[str, ...] = ()) -> Roster:
    return Roster(version, epoch, "HQ", b"r" * 32, admins or (ADMIN, OTHER), (AGENT,), (DOOR,), revoked)


def deliver(door: DoorSite, message: Message) -> Step:
    what, value, hash_ = message
    take = {
        "roster": lambda: door.take_roster(value, hash_),  # type: ignore[arg-type]
        "manifest": lambda: door.take_manifest(value, hash_),  # type: ignore[arg-type]
        "record": lambda: door.take_record(value),  # type: ignore[arg-type]
        "removal": lambda: door.take_removal(value),  # type: ignore[arg-type]
        "epoch": lambda: door.take_epoch(value),  # type: ignore[arg-type]
    }
    return take[what]()


@dataclass
class Disk:
    """What a door made durable, and a guard: nobody who was removed is ever stored."""

    people: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    roster: int = 0
    manifest: int = 0

    def apply(self, step: Step) -> None:
        for effect in step.effects:
            if isinstance(effect, Put):
                assert effect.arrival.id not in self.removed, "somebody removed came back"
                assert effect.arrival.seq > self.people.get(effect.arrival.id, 0), "a record went back"
                self.people[effect.arrival.id] = effect.arrival.seq
            elif isinstance(effect, Remove):
                self.removed.add(effect.id)
                self.people.pop(effect.id, None)
            elif isinstance(effect, KeepRoster):
                assert effect.roster.version > self.roster
                self.roster = effect.roster.version
            elif isinstance(effect, KeepManifest):
                assert effect.manifest.version > self.manifest
                self.manifest = effect.manifest.version
