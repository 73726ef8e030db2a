"""A site with real keys for tests of the doors' side: its owner, an admin and an agent in one, over any Link. It says
what the protocol says, and keeps every message, so that a test can replay, withhold or alter them."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass, field

from support.people import person, person_id

from edgeface.adapters.link import codec as c
from edgeface.adapters.link import topics
from edgeface.adapters.link.certificates import Authority
from edgeface.domain.messages import EpochKeys, Manifest, ModeState, PersonContent, Removal, SiteMode
from edgeface.domain.messages_door import (
    Beacon,
    BeaconRequest,
    Command,
    CommandAsk,
    CommandNonce,
    CommandOp,
    CommandReply,
    ErasureReceipt,
    PairingAnswer,
    Receipt,
)
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import ADMIN_ROLES, Device, Party, Role, Roster
from edgeface.domain.shards import Gone, Held, Shards
from edgeface.domain.types import Person
from edgeface.ports import Link, LinkDown, LinkUp, SubscriptionAnswered

NOBODY = c.PartyKeys.generate()


@dataclass
class Site:
    """`say` publishes and remembers (topic, payload, retained) in `said`. `answers`: whether it answers beacons."""

    link: Link | None = None
    root: c.RootKey = field(default_factory=c.RootKey.generate)
    agent: c.PartyKeys = field(default_factory=c.PartyKeys.generate)
    admin: c.PartyKeys = field(default_factory=c.PartyKeys.generate)
    answers: bool = True

    def __post_init__(self) -> None:
        self.id = self.root.site
        self.shards = Shards()
        self.epoch = c.new_epoch(1)
        self.devices: list[Device] = []
        self.admins = [Party("Ann", self.admin.ed25519, self.admin.x25519, ADMIN_ROLES)]
        self.revoked: set[str] = set()
        self.removed: set[str] = set()
        self.people: dict[str, c.Signed[PersonContent]] = {}
        self.version = self.roster_version = self.mode_version = 0
        self.said: list[tuple[str, bytes, bool]] = []
        self.receipts: list[Receipt] = []
        self.erasures: list[ErasureReceipt] = []
        self.nonces: list[CommandNonce] = []
        self.replies: list[CommandReply] = []
        self.heard: list[tuple[str, bytes]] = []
        self.new_roster(say=False)
        self.new_manifest(say=False)

    # -- state -----------------------------------------------------------------------------------------

    @property
    def trust(self) -> c.Trust:
        return c.Trust(self.root.public, self.roster)

    def new_roster(self, *, say: bool = True) -> None:
        self.roster_version += 1
        agent = Party("agent", self.agent.ed25519, self.agent.x25519, (Role.ENROL,))
        self.roster = Roster(
            self.roster_version, self.epoch.epoch, "HQ", self.root.public, tuple(self.admins), (agent,),
            tuple(self.devices), tuple(sorted(self.revoked)),
        )  # fmt: skip
        self.roster_raw = c.sign(c.ROSTER, self.roster, self.id, self.root)
        self.roster_hash = c.open_roster(self.roster_raw, self.root.public).hash
        if say:
            self.say("roster", self.roster_raw)

    def new_manifest(self, *, say: bool = True, revoked: bool = True) -> None:
        self.version += 1
        named = tuple(sorted(self.removed)) if revoked else ()
        digests = self.shards.digests()
        manifest = Manifest(self.version, self.epoch.epoch, self.roster_version, self.shards.count, digests, named)
        self.manifest_raw = c.sign(c.MANIFEST, manifest, self.id, self.agent)
        self.manifest_hash = c.open_signed(c.MANIFEST, self.manifest_raw, self.trust).hash
        if say:
            self.say("manifest", self.manifest_raw)

    def add_device(self, keys: c.PartyKeys, name: str = "front") -> Device:
        device = Device(name, keys.ed25519, keys.x25519, self.roster_version, self.version)
        self.devices = [*(d for d in self.devices if d.name != name), device]
        return device

    def remove_device(self, device: str) -> None:
        self.devices = [d for d in self.devices if d.id != device]
        self.revoked.add(device)

    def answer(self, offer: bytes, authority: Authority, host: str, port: int, now: object) -> bytes:
        """What the owner gives to a device that wants to be paired."""
        opened = c.open_offer(offer).value
        keys = Device("front", opened.ed25519, opened.x25519, self.roster_version + 1, self.version)
        self.devices = [*(d for d in self.devices if d.name != "front"), keys]
        self.new_roster(say=self.link is not None)
        grant = c.sign_grant(self.epoch, keys, self.id, self.root)
        certificate = authority.certify(opened.tls, keys.id, now)  # type: ignore[arg-type]
        answer = PairingAnswer(
            keys.id, self.root.public, self.roster_raw, grant, self.roster_version, self.version, host, port,
            authority.certificate.decode(), certificate.decode(),
        )  # fmt: skip
        return c.sign_answer(answer, self.root)

    # -- people -----------------------------------------------------------------------------------------

    def sign_person(self, who: Person, by: c.PartyKeys | None = None) -> c.Signed[PersonContent]:
        raw = c.sign(c.PERSON, PersonContent(who, os.urandom(16)), self.id, by or self.admin)
        return c.Signed(PersonContent(who, b""), (by or self.admin).id, _hash(raw), raw)

    def record(self, signed: c.Signed[PersonContent], epoch: EpochKeys | None = None) -> bytes:
        return c.seal_record(signed, epoch or self.epoch, self.id, self.agent, self.version + 1)

    def put(self, who: int | Person, *, seq: int = 1, log: bool = True) -> str:
        """Signed, sealed, said (retained and on the log); a manifest is still to come."""
        whom = person(who, seq=seq, templates=2) if isinstance(who, int) else who
        signed = self.sign_person(whom)
        self.people[whom.id] = signed
        self.shards.set(whom.id, Held(whom.seq, signed.hash))
        raw = self.record(signed)
        self.say_record(whom.id, raw, log=log)
        return whom.id

    def say_record(self, record: str, raw: bytes, *, log: bool = True) -> None:
        self.publish(topics.record(self.id, record), raw, retain=True)
        if log:
            self.say("gallery-log", raw, retain=False)

    def remove(self, record: str, *, erased: bool = False, by: c.PartyKeys | None = None, log: bool = True) -> bytes:
        self.people.pop(record, None)
        self.removed.add(record)
        self.shards.set(record, Gone(erased))
        raw = c.sign(c.REMOVAL, Removal(record, 99, erased), self.id, by or self.agent)
        if by is not None:
            self.publish(topics.removal(self.id, record), raw, retain=True)
        else:
            self.publish(topics.record(self.id, record), raw, retain=True)
        if log:
            self.say("gallery-log", raw, retain=False)
        return raw

    def mode(self, mode: SiteMode, *, version: int | None = None, say: bool = True) -> bytes:
        self.mode_version = version or self.mode_version + 1
        raw = c.sign(c.MODE, ModeState(self.mode_version, mode), self.id, self.admin)
        if say:
            self.say("mode", raw)
        return raw

    def rotate(self) -> EpochKeys:
        self.epoch = c.new_epoch(self.epoch.epoch + 1)
        return self.epoch

    def grant(self, device: Device, keys: EpochKeys | None = None) -> None:
        keys = keys or self.epoch
        raw = c.sign_grant(keys, device, self.id, self.agent)
        self.publish(topics.grant(self.id, device.id, keys.epoch), raw, retain=True)

    def republish(self) -> None:
        """The whole site, as after a broker that lost its database."""
        self.say("roster", self.roster_raw)
        for device in self.devices:
            self.grant(device)
        for record, signed in self.people.items():
            self.say_record(record, self.record(signed), log=False)
        for record in self.removed:
            entry = self.shards.get(record)
            erased = isinstance(entry, Gone) and entry.erased
            raw = c.sign(c.REMOVAL, Removal(record, 99, erased), self.id, self.agent)
            self.publish(topics.record(self.id, record), raw, retain=True)
        self.say("manifest", self.manifest_raw)

    # -- commands -----------------------------------------------------------------------------------------

    def ask(self, device: str) -> None:
        raw = c.sign(c.COMMAND_ASK, CommandAsk(secrets.token_hex(16), device), self.id, self.admin)
        self.publish(topics.of_device(self.id, device, "cmd/ask"), raw)

    def command(self, device: str, nonce: bytes, op: CommandOp, pulse_ms: int = 0, *, retain: bool = False) -> bytes:
        raw = c.sign(c.COMMAND, Command(device, nonce, op, pulse_ms), self.id, self.admin)
        self.publish(topics.of_device(self.id, device, "cmd/run"), raw, retain=retain)
        return raw

    # -- the wire -----------------------------------------------------------------------------------------

    def say(self, name: str, payload: bytes, *, retain: bool = True) -> None:
        self.publish(topics.of_site(self.id, name), payload, retain=retain)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.said.append((topic, payload, retain))
        if self.link is not None:
            self.link.publish(topic, payload, message_id=secrets.token_hex(8), retain=retain, timeout_s=30.0)

    def begin(self) -> None:
        assert self.link is not None
        for topic_filter in [*topics.agent_filters(self.id), f"edgeface/v1/{self.id}/device/#"]:
            self.link.subscribe(topic_filter)

    def turn(self, timeout_s: float = 0.0) -> bool:
        """Takes one message of a door; answers a beacon's request."""
        assert self.link is not None
        item = self.link.receive(timeout_s)
        if item is None:
            return False
        if isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
            return True
        item.done()
        self.heard.append((item.topic, item.payload))
        with contextlib.suppress(MessageRefused):
            self._hear(item.topic, item.payload)
        return True

    def _hear(self, topic: str, payload: bytes) -> None:
        name = topics.parse(topic).name
        if name == "beacon/ask" and self.answers:
            asked = c.open_signed(c.BEACON_REQUEST, payload, self.trust)
            self.beacon(asked.signer, asked.value)
        elif name == "receipt":
            self.receipts.append(c.open_signed(c.RECEIPT, payload, self.trust).value)
        elif name == "erasure":
            self.erasures.append(c.open_signed(c.ERASURE, payload, self.trust).value)
        elif name == "cmd/nonce":
            self.nonces.append(c.open_signed(c.COMMAND_NONCE, payload, self.trust).value)
        elif name == "cmd/reply":
            self.replies.append(c.open_signed(c.COMMAND_REPLY, payload, self.trust).value)

    def beacon(self, device: str, asked: BeaconRequest) -> None:
        beacon = Beacon(
            device, asked.nonce, self.version, self.manifest_hash, self.roster_version, self.roster_hash,
            self.mode_version,
        )  # fmt: skip
        raw = c.sign(c.BEACON, beacon, self.id, self.agent)
        self.publish(topics.of_device(self.id, device, "beacon/answer"), raw)


def _hash(raw: bytes) -> bytes:
    import hashlib

    from edgeface.adapters.link.frame import split

    return hashlib.sha256(split(raw, c.PERSON.limit).body).digest()


__all__ = ["NOBODY", "Site", "person", "person_id"]
