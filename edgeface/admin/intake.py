"""What the agent does with each message that comes: requests, removals and modes of admins, reports of doors, and what
the broker retains of the agent's own."""

from __future__ import annotations

import os
from collections.abc import Callable

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.codec import PartyKeys
from edgeface.adapters.link.specs_site import REMOVAL
from edgeface.admin import status
from edgeface.admin.publication import URGENT
from edgeface.admin.requests import Requests, signed_person
from edgeface.admin.state import SiteState
from edgeface.domain.errors import LinkBusy, LinkUnavailable
from edgeface.domain.messages import Reply
from edgeface.domain.messages_door import Beacon
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.types import Person
from edgeface.ports import Link, ReceivedMessage

OWN = ("roster", "manifest")
SALT_BYTES = 16


class Intake:
    """`report(level, sentence)` hears what an operator should know. Not thread-safe."""

    def __init__(
        self,
        state: SiteState,
        keys: PartyKeys,
        link: Link,
        now_s: Callable[[], int],
        requests: Requests,
        report: Callable[[str, str], None],
    ) -> None:
        self._state, self._keys, self._link, self._now_s = state, keys, link, now_s
        self._requests, self._report = requests, report
        self.unseen: set[str] = set()  # of what the broker should retain of ours
        self._had: dict[str, int] = {}  # the versions that it had acknowledged when this connection began

    def connected(self) -> None:
        """A connection begins: what the broker retains of ours is looked at again."""
        self.unseen = set(OWN)
        self._had = {name: self._state.journal.number(f"acknowledged {name}") for name in OWN}

    def take(self, message: ReceivedMessage) -> None:
        """Durable when it returns. Raises MessageRefused, StorageError."""
        if not message.payload:
            return
        topic = topics.parse(message.topic)
        if topic.site != self._state.site:
            raise MessageRefused(Refusal.WRONG_SITE)
        handler = _HANDLERS.get(topic.name)
        if handler is not None:
            handler(self, topic, message)

    def sign_person(self, person: Person) -> bytes:
        """Made from photos, under the agent's own name."""
        return signed_person(person, os.urandom(SALT_BYTES), self._state.site, self._keys)

    # -- admins -------------------------------------------------------------------------------------------------------

    def _request(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        outer, request = codec.open_request(message.payload, self._keys, self._state.trust)
        self._answer(topic, outer.signer, outer.value.id, lambda: self._requests.execute(outer.signer, request))

    def _enrolment(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        outer, wanted = codec.open_enrolment(message.payload, self._keys, self._state.trust)
        made: list[Reply] = []
        if self._state.journal.reply(outer.signer, outer.value.id) is None:  # slow, so outside of the transaction
            made.append(self._requests.enrol(outer.signer, wanted, self.sign_person))
        self._answer(topic, outer.signer, outer.value.id, lambda: made[0])

    def _answer(self, topic: topics.Topic, admin: str, request: str, act: Callable[[], Reply]) -> None:
        """Effect and answer are one transaction; the same request again gets the same answer."""
        if topic.party != admin:
            raise MessageRefused(Refusal.WRONG_RECIPIENT, "another one's topic")
        journal = self._state.journal
        raw = journal.reply(admin, request)
        to = self._state.roster.admin(admin)
        if to is None:
            raise MessageRefused(Refusal.NOT_ALLOWED)
        with self._state.change():
            if raw is None:
                raw = codec.sign_reply(act(), request, to, self._state.site, self._keys)
                journal.put_reply(admin, request, self._now_s(), raw)
            journal.enqueue(URGENT, topics.of_admin(self._state.site, "reply", admin), raw, False)

    def _removal(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        """An admin's, who may have had no agent to ask. Taken over under the agent's own signature."""
        frame = codec.split(message.payload, REMOVAL.limit if topic.name == "removal" else codec.RECORD.limit)
        if topic.name == "gallery-log" and (frame.kind != REMOVAL.number or frame.signer == self._keys.id):
            return
        signed = codec.open_signed(REMOVAL, message.payload, self._state.trust)
        if topic.record is not None and signed.value.id != topic.record:
            raise MessageRefused(Refusal.WRONG_RECIPIENT, "another record's topic")
        with self._state.change():
            self._state.remove(signed.value.id, signed.value.erased)
            if topic.record is not None:
                self._state.journal.enqueue(URGENT, topics.removal(self._state.site, topic.record), b"", True)

    def _mode(self, _topic: topics.Topic, message: ReceivedMessage) -> None:
        try:
            self._state.take_mode(message.payload)
        except MessageRefused:
            # somebody without the right, or with an old state, wrote a retained topic
            ours = self._state.journal.get("mode")
            if ours is not None and ours != message.payload:
                self._state.journal.enqueue(URGENT, topics.of_site(self._state.site, "mode"), ours, True)
            raise

    # -- the broker's memory ------------------------------------------------------------------------------------------

    def _own(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        """What the broker has retained of ours, at each connection: it may have gone back. Older than what it
        acknowledged is lost; what it has not acknowledged yet is only on its way."""
        if not message.retained:
            return
        self.unseen.discard(topic.name)
        state = self._state
        if message.payload == state.journal.get(topic.name):
            return
        theirs = self._version(topic.name, message.payload)
        ours = state.roster.version if topic.name == "roster" else state.version
        if theirs is not None and self._had.get(topic.name, 0) <= theirs <= ours:
            return
        if theirs is not None and theirs > ours:
            self._report(
                "error",
                f"The broker has {topic.name} {theirs}, this journal only {ours}: the journal is an old copy, or"
                " another agent runs. What was changed since is not in it: restore the site from its backup instead.",
            )
            if topic.name == "manifest":
                with state.change():
                    state.journal.set("floor", b"%d" % theirs)
                    state.journal.set("changed", b"1")
        self._report("note", f"The broker had lost the {topic.name}: the site is published anew.")
        state.refill()

    def note_acknowledged(self, name: str, raw: bytes) -> None:
        """The broker has this roster or manifest: an older one there is a loss."""
        version = self._version(name, raw)
        if version is not None:
            self._state.journal.set(f"acknowledged {name}", b"%d" % version)

    def _version(self, name: str, payload: bytes) -> int | None:
        """None for what nobody may have put there."""
        try:
            if name == "roster":
                return codec.open_roster(payload, self._state.trust.root).value.version
            return codec.open_signed(codec.MANIFEST, payload, self._state.trust).value.version
        except MessageRefused:
            return None

    # -- doors --------------------------------------------------------------------------------------------------------

    def _receipt(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        assert topic.device is not None
        receipt = status.read_receipt(message.payload, topic.device, self._state.trust)
        self._state.confirm(topic.device, receipt, message.payload)

    def _erased(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        signed = codec.open_signed(codec.ERASURE, message.payload, self._state.trust)
        if signed.signer != topic.device:
            raise MessageRefused(Refusal.UNKNOWN_SIGNER)
        self._state.journal.put_erasure(signed.value.record, signed.signer, signed.value.rotated, message.payload)

    def _status(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        if topic.device is not None:
            self._state.presence[topic.device] = status.read_presence(message.payload)

    def _beacon(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        """What stands at this moment, sealed first where something changed. Not kept: a door asks again."""
        state = self._state
        asked = codec.open_signed(codec.BEACON_REQUEST, message.payload, state.trust)
        if asked.signer != topic.device:
            raise MessageRefused(Refusal.UNKNOWN_SIGNER)
        state.seal()
        if state.manifest is None:
            return
        beacon = Beacon(
            asked.signer,
            asked.value.nonce,
            state.version,
            state.manifest.hash,
            state.roster.version,
            state.roster_hash,
            state.mode[0].version if state.mode else 0,
        )
        raw = codec.sign(codec.BEACON, beacon, state.site, self._keys)
        to = topics.of_device(state.site, asked.signer, "beacon/answer")
        try:
            self._link.publish(to, raw, message_id=f"beacon-{asked.value.nonce.hex()}")
        except (LinkBusy, LinkUnavailable):
            pass  # the door asks again


_HANDLERS: dict[str, Callable[[Intake, topics.Topic, ReceivedMessage], None]] = {
    "request": Intake._request,
    "enrol": Intake._enrolment,
    "removal": Intake._removal,
    "gallery-log": Intake._removal,
    "mode": Intake._mode,
    "roster": Intake._own,
    "manifest": Intake._own,
    "receipt": Intake._receipt,
    "erasure": Intake._erased,
    "status": Intake._status,
    "beacon/ask": Intake._beacon,
}
