"""What was handed over for sending and is not acknowledged yet: in order, bounded by count and bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from edgeface.domain.errors import LinkBusy


@dataclass(eq=False, slots=True)
class Outgoing:
    """Implements ports.Delivery."""

    message_id: str
    topic: str
    payload: bytes = field(repr=False)
    retain: bool
    on_acknowledged: Callable[[str], None] | None = None
    carrier: object = field(default=None, repr=False)  # the connection that it was sent over last
    _event: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def acknowledged(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        return self._event.wait(timeout_s)

    def settle(self) -> None:
        self._event.set()
        if self.on_acknowledged is not None:
            self.on_acknowledged(self.message_id)


class Window:
    """Thread-safe."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._messages: dict[int, Outgoing] = {}  # in order of arrival
        self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Outgoing, timeout_s: float) -> None:
        """Raises LinkBusy where no room comes in that time. A message larger than all the room goes alone."""
        size = len(message.payload)
        with self._changed:
            if not self._changed.wait_for(lambda: self._room(size), timeout_s):
                raise LinkBusy(
                    f"{len(self._messages)} messages are on their way to the broker and not acknowledged.",
                    "They are sent in order; try again shortly.",
                )
            self._messages[id(message)] = message
            self._bytes += size

    def remove(self, message: Outgoing) -> bool:
        """Whether it was there still."""
        with self._changed:
            if self._messages.pop(id(message), None) is None:
                return False
            self._bytes -= len(message.payload)
            self._changed.notify_all()
            return True

    def all(self) -> list[Outgoing]:
        with self._changed:
            return list(self._messages.values())

    def _room(self, size: int) -> bool:
        if not self._messages:
            return True
        return len(self._messages) < self._most and self._bytes + size <= self._most_bytes
