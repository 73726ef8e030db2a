"""Messages that can't be read yet, bounded: the oldest goes first, for the broker has them still."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

MAX_MESSAGES = 4096
MAX_BYTES = 8 * 1024 * 1024


class HeldAside:
    """Not thread-safe."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: deque[tuple[int, bytes]] = deque()
        self._bytes = 0

    def hold(self, epoch: int, message: bytes) -> None:
        self._messages.append((epoch, message))
        self._bytes += len(message)
        while len(self._messages) > self._max_messages or self._bytes > self._max_bytes:
            self._bytes -= len(self._messages.popleft()[1])

    def release(self, epoch: int) -> tuple[bytes, ...]:
        """Those of this epoch, in the order in which they came."""
        found = tuple(message for e, message in self._messages if e == epoch)
        self._keep((e, message) for e, message in self._messages if e != epoch)
        return found

    def drop_before(self, epoch: int) -> None:
        """An epoch that is over brings nothing any more."""
        self._keep((e, message) for e, message in self._messages if e >= epoch)

    def _keep(self, messages: Iterable[tuple[int, bytes]]) -> None:
        self._messages = deque(messages)
        self._bytes = sum(len(message) for _, message in self._messages)

    def __len__(self) -> int:
        return len(self._messages)
