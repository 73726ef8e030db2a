"""The site's agent: takes requests, answers doors, and keeps the broker's retained state as the journal has it. One
thread; `step` does what is due. Everything that came is acknowledged to the broker after its effect is durable, and
everything that goes out waits in the journal until the broker has acknowledged it."""

from __future__ import annotations

import os
import queue
from collections import Counter
from collections.abc import Callable

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.codec import PartyKeys
from edgeface.adapters.link.specs_site import REMOVAL
from edgeface.admin import status
from edgeface.admin.publication import URGENT
from edgeface.admin.requests import Requests, Templates, signed_person
from edgeface.admin.state import SiteState
from edgeface.domain.errors import LinkBusy, LinkUnavailable
from edgeface.domain.messages import Reply
from edgeface.domain.messages_door import Beacon
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.types import Person
from edgeface.ports import Link, LinkDown, LinkUp, ReceivedMessage, SubscriptionAnswered

BATCH = 100  # messages handed to the link at once
BURST = 64  # messages taken in before a manifest is made for them
RETAINED_WAIT_S = 5  # for the broker to send what it retains of ours; after that it has nothing
SALT_BYTES = 16


class Agent:
    """`report(level, sentence)` hears what an operator should know. Not thread-safe."""

    def __init__(
        self,
        state: SiteState,
        keys: PartyKeys,
        link: Link,
        now_s: Callable[[], int],
        *,
        templates: Templates | None = None,
        report: Callable[[str, str], None] = lambda _level, _sentence: None,
    ) -> None:
        self.state, self._keys, self._link, self._now_s, self._report = state, keys, link, now_s, report
        self.requests = Requests(state, templates)
        self.refusals: Counter[Refusal] = Counter()
        self._sent: set[int] = set()
        self._acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._answered: set[str] = set()
        self._unseen: set[str] = set()
        self._asked_s = 0
        self._filters = [*topics.agent_filters(state.site), *(topics.of_site(state.site, n) for n in _OWN)]

    def start(self) -> None:
        for topic_filter in self._filters:
            self._link.subscribe(topic_filter)
        self._link.start()

    # -- the loop -----------------------------------------------------------------------------------------------------

    def step(self, timeout_s: float) -> bool:
        """Waits so long at most for something to come; whether anything was done."""
        self._settle()
        done = self.state.rotate_some() if self.state.rotating else False
        item = self._link.receive(0.0 if done or self.state.changed else timeout_s)
        taken = 0
        while item is not None:
            self._take(item)
            taken += 1
            item = self._link.receive(0.0) if taken < BURST else None
        self._check_retained()
        done = self.state.seal() or done
        return self._publish() or done or taken > 0

    @property
    def ready(self) -> bool:
        """Connected, and every subscription answered: what was retained is here or on its way."""
        return self._link.status().connected and self._answered >= set(self._filters)

    @property
    def settled(self) -> bool:
        """Everything that stands is with the broker."""
        self._settle()
        state = self.state
        return not state.changed and not state.rotating and state.journal.pending_count() == 0

    # -- what comes in ------------------------------------------------------------------------------------------------

    def _take(self, item: object) -> None:
        if isinstance(item, LinkUp):
            self._up(item.session_resumed)
        elif isinstance(item, SubscriptionAnswered):
            if item.granted:
                self._answered.add(item.topic_filter)
            else:
                self._report("error", f"The broker refuses {item.topic_filter} to the agent: see its ACL.")
        elif not isinstance(item, LinkDown):
            message: ReceivedMessage = item  # type: ignore[assignment]
            try:
                self._handle(message)
            except MessageRefused as e:
                self.refusals[e.refusal] += 1
                self._report("warning", f"A message on {message.topic[:200]} was refused: {e.message}")
            message.done()

    def _up(self, resumed: bool) -> None:
        """A broker that kept its sessions may have lost what it acknowledged last: it is asked what it retains."""
        self._unseen, self._asked_s = set(_OWN), self._now_s()
        if not resumed:
            self._answered.clear()
            self.state.refill()
            return
        for name in _OWN:
            topic = topics.of_site(self.state.site, name)
            self._link.unsubscribe(topic)
            self._link.subscribe(topic)

    def _check_retained(self) -> None:
        if self._unseen and self.ready and self._now_s() - self._asked_s > RETAINED_WAIT_S:
            self._unseen.clear()
            self.state.refill()

    def _handle(self, message: ReceivedMessage) -> None:
        if not message.payload:
            return
        topic = topics.parse(message.topic)
        if topic.site != self.state.site:
            raise MessageRefused(Refusal.WRONG_SITE)
        handler = _HANDLERS.get(topic.name)
        if handler is not None:
            handler(self, topic, message)

    def _request(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        outer, request = codec.open_request(message.payload, self._keys, self.state.trust)
        self._answer(topic, outer.signer, outer.value.id, lambda: self.requests.execute(outer.signer, request))

    def _enrolment(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        outer, wanted = codec.open_enrolment(message.payload, self._keys, self.state.trust)
        self._answer(
            topic, outer.signer, outer.value.id, lambda: self.requests.enrol(outer.signer, wanted, self.sign_person)
        )

    def _answer(self, topic: topics.Topic, admin: str, request: str, act: Callable[[], Reply]) -> None:
        """Effect and answer are one transaction; the same request again gets the same answer."""
        if topic.party != admin:
            raise MessageRefused(Refusal.WRONG_RECIPIENT, "another one's topic")
        journal = self.state.journal
        raw = journal.reply(admin, request)
        with self.state.change():
            if raw is None:
                raw = self._sealed_reply(admin, request, act())
                journal.put_reply(admin, request, self._now_s(), raw)
            journal.enqueue(URGENT, topics.of_admin(self.state.site, "reply", admin), raw, False)

    def _sealed_reply(self, admin: str, request: str, reply: Reply) -> bytes:
        to = self.state.roster.admin(admin) or self.state.roster.agent(admin)
        if to is None:
            raise MessageRefused(Refusal.REVOKED_SIGNER)
        return codec.sign_reply(reply, request, to, self.state.site, self._keys)

    def sign_person(self, person: Person) -> bytes:
        return signed_person(person, os.urandom(SALT_BYTES), self.state.site, self._keys)

    def _removal(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        """An admin's, who may have had no agent to ask. Taken over under the agent's own signature."""
        frame = codec.split(message.payload, REMOVAL.limit if topic.name == "removal" else codec.RECORD.limit)
        if topic.name == "gallery-log" and (frame.kind != REMOVAL.number or frame.signer == self._keys.id):
            return
        signed = codec.open_signed(REMOVAL, message.payload, self.state.trust)
        if topic.record is not None and signed.value.id != topic.record:
            raise MessageRefused(Refusal.WRONG_RECIPIENT, "another record's topic")
        self.state.remove(signed.value.id, signed.value.erased)
        if topic.record is not None:
            self.state.journal.enqueue(URGENT, topics.removal(self.state.site, topic.record), b"", True)

    def _mode(self, _topic: topics.Topic, message: ReceivedMessage) -> None:
        try:
            self.state.take_mode(message.payload)
        except MessageRefused:
            self._put_back("mode", message)
            raise

    def _own(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        """What the broker has retained of ours, at each connection: it may have gone back."""
        if not message.retained:
            return
        self._unseen.discard(topic.name)
        state = self.state
        ours = state.journal.get(topic.name)
        if message.payload == ours:
            return
        if topic.name == "manifest" and ours is not None:
            theirs = codec.open_signed(codec.MANIFEST, message.payload, state.trust).value
            if theirs.version > state.version:
                self._report(
                    "error",
                    f"The broker has manifest {theirs.version}, the journal only {state.version}:"
                    " it is an old copy. What was changed since is not in it; check the people.",
                )
                with state.change():
                    state.journal.set("floor", b"%d" % theirs.version)
                    state.journal.set("changed", b"1")
        self._report("warning", f"The broker had an old {topic.name}: the site is published anew.")
        state.refill()

    def _put_back(self, name: str, message: ReceivedMessage) -> None:
        """Somebody without the right, or with an old state, wrote a retained topic."""
        ours = self.state.journal.get(name)
        if ours is not None and ours != message.payload:
            self.state.journal.enqueue(URGENT, topics.of_site(self.state.site, name), ours, True)

    def _receipt(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        assert topic.device is not None
        receipt = status.read_receipt(message.payload, topic.device, self.state.trust)
        self.state.confirm(topic.device, receipt, message.payload)

    def _erased(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        signed = codec.open_signed(codec.ERASURE, message.payload, self.state.trust)
        if signed.signer != topic.device:
            raise MessageRefused(Refusal.UNKNOWN_SIGNER)
        self.state.journal.put_erasure(signed.value.record, signed.signer, signed.value.rotated, message.payload)

    def _status(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        if topic.device is not None:
            self.state.presence[topic.device] = status.read_presence(message.payload)

    def _beacon(self, topic: topics.Topic, message: ReceivedMessage) -> None:
        """What stands at this moment, sealed first where something changed. Not kept: a door asks again."""
        state = self.state
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
        try:
            to = topics.of_device(state.site, asked.signer, "beacon/answer")
            self._link.publish(to, raw, message_id=f"beacon-{asked.value.nonce.hex()}")
        except (LinkBusy, LinkUnavailable):
            pass  # the door asks again

    # -- what goes out ------------------------------------------------------------------------------------------------

    def _publish(self) -> bool:
        if not self._link.status().connected:
            return False
        rows = self.state.journal.pending(BATCH, self._sent)
        for row in rows:
            try:
                self._link.publish(
                    row.topic,
                    row.payload,
                    message_id=str(row.number),
                    retain=row.retain,
                    on_acknowledged=lambda number: self._acknowledged.put(int(number)),
                )
            except (LinkBusy, LinkUnavailable):
                return False
            self._sent.add(row.number)
        return bool(rows)

    def _settle(self) -> None:
        """What the broker acknowledged since is no longer to be published."""
        numbers = []
        while not self._acknowledged.empty():
            numbers.append(self._acknowledged.get())
        if numbers:
            self.state.journal.published(numbers)
            self._sent.difference_update(numbers)


_OWN = ("roster", "manifest")
_HANDLERS: dict[str, Callable[[Agent, topics.Topic, ReceivedMessage], None]] = {
    "request": Agent._request,
    "enrol": Agent._enrolment,
    "removal": Agent._removal,
    "gallery-log": Agent._removal,
    "mode": Agent._mode,
    "roster": Agent._own,
    "manifest": Agent._own,
    "receipt": Agent._receipt,
    "erasure": Agent._erased,
    "status": Agent._status,
    "beacon/ask": Agent._beacon,
}
