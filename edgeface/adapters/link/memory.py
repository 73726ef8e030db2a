"""Implements ports.Link inside one process, over `memory_broker.MemoryBroker`: for dry runs and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgeface.adapters.link.connection import Presence
from edgeface.adapters.link.filters import check_filter, check_topic
from edgeface.adapters.link.inbox import Inbox, Ledger, Message
from edgeface.adapters.link.memory_broker import MemoryBroker
from edgeface.adapters.link.outgoing import Outgoing
from edgeface.domain.errors import LinkError, LinkUnavailable
from edgeface.ports import Inbound, LinkDown, LinkStatus, LinkUp, SubscriptionAnswered


class MemoryLink:
    """Implements ports.Link."""

    def __init__(
        self, broker: MemoryBroker, client_id: str, *, presence: Presence | None = None, largest: int = 1 << 20
    ) -> None:
        self.client_id, self.presence = client_id, presence
        self._broker, self._largest = broker, largest
        self._inbox = Inbox(1_000_000, 1 << 30)
        self._ledger = Ledger(self._acknowledge)
        self._wanted: list[str] = []
        self._unwanted: set[str] = set()
        self._known = LinkStatus()
        self._asked: set[str] = set()

    def start(self) -> None:
        self._broker.connect(self)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        message_id: str,
        retain: bool = False,
        timeout_s: float = 0.0,
        on_acknowledged: Callable[[str], None] | None = None,
    ) -> Outgoing:
        check_topic(topic)
        if len(payload) > self._largest:
            raise LinkError(f"The message {message_id} has {len(payload)} bytes; {self._largest} is the most.")
        with self._broker.lock:
            if not self._known.connected:
                raise LinkUnavailable(self._known.fault or "There is no connection to the broker yet.")
            message = Outgoing(message_id, topic, payload, retain, on_acknowledged)
            self._broker.publish(self.client_id, topic, payload, retain)
        message.settle()
        return message

    def subscribe(self, topic_filter: str) -> None:
        check_filter(topic_filter)
        with self._broker.lock:
            self._unwanted.discard(topic_filter)
            if topic_filter not in self._wanted:
                self._wanted.append(topic_filter)
            self._ask()

    def unsubscribe(self, topic_filter: str) -> None:
        check_filter(topic_filter)
        with self._broker.lock:
            self._wanted = [f for f in self._wanted if f != topic_filter]
            self._asked.discard(topic_filter)
            self._unwanted.add(topic_filter)
            self._ask()

    def receive(self, timeout_s: float) -> Inbound | None:
        return self._inbox.get(timeout_s)

    def status(self) -> LinkStatus:
        return self._known

    def close(self) -> None:
        with self._broker.lock:
            self._broker.leave(self)
            self._ledger.close()
            self._known = LinkStatus(connections=self._known.connections)

    # -- what the broker says; its lock is held --------------------------------------------------------------------

    def came_up(self, resumed: bool) -> None:
        self._ledger = Ledger(self._acknowledge)
        self._known = LinkStatus(connected=True, session_resumed=resumed, connections=self._known.connections + 1)
        if not resumed:
            self._asked.clear()
        self._inbox.tell(LinkUp(resumed))
        if self.presence is not None:
            self._broker.publish(self.client_id, self.presence.topic, self.presence.online, True)
        self._ask()

    def went_down(self, reason: str) -> None:
        self._ledger.close()
        self._inbox.forget(self._ledger)
        self._known = LinkStatus(connections=self._known.connections, fault=reason, fault_code="closed", failures=1)
        self._inbox.tell(LinkDown(reason))

    def take(self, topic: str, payload: bytes, retained: bool, duplicate: bool, packet_id: int) -> None:
        message = Message(topic, payload, retained, duplicate, packet_id, self._ledger)
        self._ledger.add(message)
        if len(payload) > self._largest:
            self._known = replace(self._known, oversized_in=self._known.oversized_in + 1)
            message.done()
        else:
            self._inbox.put(message)

    def _ask(self) -> None:
        if not self._known.connected:
            return
        for topic_filter in self._unwanted:
            self._broker.unsubscribe(self.client_id, topic_filter)
        self._unwanted.clear()
        for topic_filter in [f for f in self._wanted if f not in self._asked]:
            self._asked.add(topic_filter)
            self._inbox.tell(SubscriptionAnswered(topic_filter, True))
            self._broker.subscribe(self.client_id, topic_filter)

    def _acknowledge(self) -> None:
        self._broker.acknowledge(self.client_id, self._ledger.due())
