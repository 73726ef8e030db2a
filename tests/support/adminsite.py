"""A site made as an admin makes it, with a broker in memory or a real one, and doors that only speak the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from support.broker import CONFIG
from support.protocol import person as protocol_person

from edgeface.adapters.link import certificates, codec, topics
from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker
from edgeface.admin import creation
from edgeface.admin.desk import Desk, open_desk
from edgeface.admin.devices import Owner, read_offer
from edgeface.admin.home import Home
from edgeface.admin.people import People
from edgeface.domain.messages import EpochKeys
from edgeface.domain.messages_door import BeaconRequest, PairingOffer, Receipt
from edgeface.domain.roster import Roster
from edgeface.domain.site import DoorSite
from edgeface.domain.site_steps import Arrival, AskAgain, SavedSite
from edgeface.domain.types import Person
from edgeface.ports import Link, LinkDown, LinkUp, SubscriptionAnswered

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
AT = int(NOW.timestamp())
CODE = b"RECOVERY"
ACL = CONFIG / "acl"


def now() -> datetime:
    return NOW


def now_s() -> int:
    return AT


def make_site(folder: Path, hosts: tuple[str, ...] = ("localhost",), port: int = 8883, photos: bool = False) -> Home:
    wanted = creation.Wanted("Headquarters", "Ann", hosts, port, photos)
    return creation.create(folder, wanted, CODE, None, ACL, datetime.now(timezone.utc))


def memory_connect(broker: MemoryBroker):  # type: ignore[no-untyped-def]
    def connect(home: Home, name: str, keep: bool) -> Link:
        return MemoryLink(broker, name if name == "agent" else f"{home.info.admin}.{name}", largest=8 << 20)

    return connect


def someone(name: str = "Grace Hopper", **changes: object) -> Person:
    import os

    return protocol_person(2, **({"id": os.urandom(16).hex(), "name": name, "seq": 1} | changes))


@dataclass
class Site:
    """Everything of one site on a broker in memory."""

    home: Home
    broker: MemoryBroker = field(default_factory=MemoryBroker)

    @contextmanager
    def desk(self, home: Home | None = None) -> Iterator[Desk]:
        with open_desk(home or self.home, now_s, connect=memory_connect(self.broker)) as desk:
            yield desk

    def owner(self, desk: Desk) -> Owner:
        return Owner(self.home, desk, ACL, now)

    def people(self, desk: Desk, home: Home | None = None) -> People:
        return People(desk, home or self.home, now_s)


class PaperDoor:
    """A door that keeps everything in memory: pairs, takes what the broker brings, sends receipts."""

    def __init__(self, name: str = "front") -> None:
        self.keys, self.name = codec.PartyKeys.generate(), name
        tls, self.tls_key = certificates.new_key()
        offer = PairingOffer(self.keys.ed25519, self.keys.x25519, tls, name, "test", AT)
        self.offer = codec.sign_offer(offer, self.keys)
        self.refused: list[str] = []
        self.names: dict[str, str] = {}
        self.messages = 0

    def pair(self, answer: bytes) -> None:
        self.answer = codec.open_answer(answer, self.keys).value
        self.root = self.answer.root
        roster = codec.open_roster(self.answer.roster, self.root)
        self.trust = codec.Trust(self.root, roster.value)
        self.epochs: dict[int, EpochKeys] = {}
        self.site = DoorSite(
            self.keys.id,
            SavedSite(roster_floor=self.answer.roster_floor, manifest_floor=self.answer.manifest_floor),
        )
        self.site.take_roster(roster.value, roster.hash)
        self._take_grant(self.answer.grant)

    def connect(self, link: Link) -> None:
        self.link = link
        self._shards: set[int] = set()
        for one in topics.door_filters(self.trust.site, self.keys.id):
            link.subscribe(one)
        link.start()

    def work(self) -> None:
        """Everything that is there now."""
        while (item := self.link.receive(0.0)) is not None:
            if isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
                continue
            if item.payload:
                self.take(item.topic, item.payload)
            item.done()
        self.ask_for_shards()

    def ask_for_shards(self) -> None:
        wanted = set(sorted(self.site.wanted_shards())[:8])
        site = self.trust.site
        for number in self._shards - wanted:
            self.link.unsubscribe(topics.shard(site, number))
        for number in wanted:
            self.link.unsubscribe(topics.shard(site, number))
            self.link.subscribe(topics.shard(site, number))
        self._shards = wanted

    def take(self, where: str, payload: bytes) -> None:
        self.messages += 1
        topic = topics.parse(where)
        try:
            step = self._step(topic, payload)
        except codec.MessageRefused as e:
            self.refused.append(e.refusal.value)
            return
        if step is None:
            return
        if step.refusal is not None:
            self.refused.append(step.refusal.value)
        for effect in step.effects:
            if isinstance(effect, AskAgain):
                for name in ("manifest", "mode"):
                    self.link.unsubscribe(topics.of_site(self.trust.site, name))
                    self.link.subscribe(topics.of_site(self.trust.site, name))
        for held in step.released:
            self.take(topics.of_site(self.trust.site, "gallery-log"), held)

    def _step(self, topic: topics.Topic, payload: bytes):  # type: ignore[no-untyped-def]
        if topic.name == "roster":
            roster = codec.open_roster(payload, self.root)
            step = self.site.take_roster(roster.value, roster.hash)
            if self.site.roster is not None:
                self.trust = codec.Trust(self.root, self.site.roster)
            return step
        if topic.name == "manifest":
            signed = codec.open_signed(codec.MANIFEST, payload, self.trust)
            return self.site.take_manifest(signed.value, signed.hash)
        if topic.name == "mode":
            return self.site.take_mode(codec.open_signed(codec.MODE, payload, self.trust).value)
        if topic.name == "grant":
            return self._take_grant(payload)
        if topic.name in ("gallery-log", "gallery", "removal"):
            if codec.split(payload, codec.RECORD.limit).kind == codec.REMOVAL.number:
                return self.site.take_removal(codec.open_signed(codec.REMOVAL, payload, self.trust).value)
            record = codec.open_signed(codec.RECORD, payload, self.trust).value
            if record.epoch not in self.epochs:
                return self.site.hold_aside(record.epoch, payload)
            person = codec.open_record(record, self.epochs[record.epoch], self.trust)
            self.names[record.id] = person.value.person.name
            return self.site.take_record(Arrival(record.id, record.seq, person.hash, record.by, record.since))
        return None

    def _take_grant(self, raw: bytes):  # type: ignore[no-untyped-def]
        keys = codec.open_grant(raw, self.keys, self.trust)
        self.epochs[keys.epoch] = keys
        return self.site.take_epoch(keys.epoch)

    @property
    def people(self) -> set[str]:
        return {i for i, e in self.site.shards if hasattr(e, "seq")}

    def receipt(self) -> Receipt:
        standing = self.site.standing()
        return Receipt(
            standing.manifest, self.site.manifest_hash, self.site.shards.overall(), standing.people, standing.people,
            standing.roster, standing.epoch, standing.mode, standing.in_step, standing.shards_behind, 1, bytes(32),
            "mobilefacenet-arcface-1", len(self.refused), AT,
        )  # fmt: skip

    def report(self) -> None:
        site = self.trust.site
        raw = codec.sign(codec.RECEIPT, self.receipt(), site, self.keys)
        self.link.publish(topics.of_device(site, self.keys.id, "receipt"), raw, message_id="receipt", retain=True)
        status = topics.of_device(site, self.keys.id, "status")
        self.link.publish(status, b'{"state":"online"}', message_id="status", retain=True)

    def ask_beacon(self, nonce: bytes) -> None:
        raw = codec.sign(codec.BEACON_REQUEST, BeaconRequest(nonce), self.trust.site, self.keys)
        to = topics.of_device(self.trust.site, self.keys.id, "beacon/ask")
        self.link.publish(to, raw, message_id="ask")


def roster_of(home: Home) -> Roster:
    journal = home.journal()
    try:
        return codec.open_roster(journal.get("roster") or b"", home.root_public).value
    finally:
        journal.close()


def pair(site: Site, name: str = "front") -> PaperDoor:
    door = PaperDoor(name)
    with site.desk() as desk:
        door.pair(site.owner(desk).add_device(read_offer(codec.offer_text(door.offer)), name))
        assert desk.flush(10)
    door.connect(MemoryLink(site.broker, door.keys.id))
    return door


def settle(door: PaperDoor, rounds: int = 40) -> None:
    for _ in range(rounds):
        door.work()
