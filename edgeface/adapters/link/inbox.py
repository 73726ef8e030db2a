"""What came in and waits for its consumer: in order, bounded, with acknowledgements in the order of arrival."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edgeface.ports import Inbound, LinkDown, LinkUp, SubscriptionAnswered


@dataclass(eq=False, slots=True)
class Message:
    """Implements ports.ReceivedMessage. `packet_id` is that of its connection; 0 for QoS 0."""

    topic: str
    payload: bytes = field(repr=False)
    retained: bool
    duplicate: bool
    packet_id: int
    ledger: Ledger | None = field(repr=False)
    settled: bool = False

    def done(self) -> None:
        if self.ledger is not None:
            self.ledger.settle(self)


class Ledger:
    """The unacknowledged messages of one connection. A packet id means nothing on another one, so each has its own,
    and a closed one acknowledges nothing. Thread-safe."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._open: deque[Message] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def add(self, message: Message) -> None:
        with self._lock:
            self._open.append(message)

    def settle(self, message: Message) -> None:
        with self._lock:
            if self._closed or message.settled:
                return
            message.settled = True
            if self._open[0] is not message:
                return
        self._wake()

    def due(self) -> list[int]:
        """Packet ids to acknowledge now: a message is acknowledged once those before it are (MQTT 3.1.1, 4.6)."""
        out = []
        with self._lock:
            while self._open and self._open[0].settled:
                out.append(self._open.popleft().packet_id)
        return out

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._open.clear()


class Inbox:
    """Thread-safe."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._items: deque[Inbound] = deque()
        self._messages = self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Messages that wait."""
        return self._messages

    def put(self, message: Message) -> bool:
        """False where there is no room; then it isn't taken."""
        with self._changed:
            if self._messages and (
                self._messages >= self._most or self._bytes + len(message.payload) > self._most_bytes
            ):
                return False
            self._items.append(message)
            self._count(message, 1)
            self._changed.notify()
            return True

    def tell(self, fact: LinkUp | LinkDown | SubscriptionAnswered) -> None:
        """Always room: a connection that nobody saw come and go is forgotten, so they can't pile up."""
        with self._changed:
            if isinstance(fact, LinkDown):
                while self._items and isinstance(self._items[-1], SubscriptionAnswered):
                    self._items.pop()
                if self._items and isinstance(self._items[-1], LinkUp) and not self._must_be_told(self._items[-1]):
                    self._items.pop()
                    return
            self._items.append(fact)
            self._changed.notify()

    def forget(self, ledger: Ledger) -> None:
        """Drops what came over a connection that is gone: the broker delivers it again."""
        with self._changed:
            kept: deque[Inbound] = deque()
            for item in self._items:
                if isinstance(item, Message) and item.ledger is ledger:
                    self._count(item, -1)
                else:
                    kept.append(item)
            self._items = kept

    def get(self, timeout_s: float) -> Inbound | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, timeout_s):
                return None
            item = self._items.popleft()
            if isinstance(item, Message):
                self._count(item, -1)
            return item

    @property
    def drained(self) -> bool:
        return self._messages * 2 <= self._most and self._bytes * 2 <= self._most_bytes

    def _count(self, message: Message, sign: int) -> None:
        self._messages += sign
        self._bytes += sign * len(message.payload)

    def _must_be_told(self, fact: LinkUp) -> bool:
        """That a session was lost is never forgotten, unless it is told already."""
        return not fact.session_resumed and not any(
            isinstance(i, LinkUp) and not i.session_resumed for i in list(self._items)[:-1]
        )
