"""What is subscribed to, and what the broker's session has been told of it: over reconnects, nothing comes twice that
need not, and nothing that isn't wanted any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from edgeface.adapters.link.connection import Connection

_A_PACKET = 100  # filters; a broker's own limits are far above


class Subscriptions:
    """`want` and `drop` from any thread; the rest from the connection's."""

    def __init__(self) -> None:
        self._wanted: dict[str, bool] = {}  # filter -> whether this session was asked for it
        self._unwanted: set[str] = set()  # what this session may have still
        self._asking: dict[int, list[str]] = {}  # packet id -> filters, until the broker answers
        self._leaving: dict[int, list[str]] = {}
        self._lock = threading.Lock()

    def want(self, topic_filter: str) -> None:
        with self._lock:
            self._wanted.setdefault(topic_filter, False)
            self._unwanted.discard(topic_filter)

    def drop(self, topic_filter: str) -> None:
        with self._lock:
            self._wanted.pop(topic_filter, None)
            self._unwanted.add(topic_filter)

    def session_began(self) -> None:
        """The broker knows of no subscription. (One that it resumed has those of earlier connections; a new process
        asks again all the same, and is sent what is retained.)"""
        with self._lock:
            self._wanted = dict.fromkeys(self._wanted, False)
            self._unwanted.clear()

    def connection_ended(self) -> None:
        """What was not answered may not have arrived."""
        with self._lock:
            for topic_filter in (f for filters in self._asking.values() for f in filters if f in self._wanted):
                self._wanted[topic_filter] = False
            self._asking.clear()
            self._leaving.clear()

    def ask(self, connection: Connection) -> None:
        """Tells the session what it has not been told."""
        with self._lock:
            old = list(self._unwanted.difference(*self._leaving.values()))
            new = [f for f, asked in self._wanted.items() if not asked]
            self._wanted.update(dict.fromkeys(new, True))
        for some in _parts(old):
            self._leaving[connection.unsubscribe(some)] = some
        for some in _parts(new):
            self._asking[connection.subscribe(some)] = some

    def granted(self, packet_id: int, answers: list[bool]) -> list[tuple[str, bool]]:
        return list(zip(self._asking.pop(packet_id, []), answers, strict=False))

    def left(self, packet_id: int) -> None:
        with self._lock:
            self._unwanted.difference_update(self._leaving.pop(packet_id, []))


def _parts(filters: list[str]) -> Iterator[list[str]]:
    for i in range(0, len(filters), _A_PACKET):
        yield filters[i : i + _A_PACKET]
