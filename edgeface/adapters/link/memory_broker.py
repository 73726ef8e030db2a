"""A broker inside one process: for dry runs and tests. What MQTT 3.1.1 promises at QoS 1 holds here too (persistent
sessions, retained messages, wildcards, wills, delivery until acknowledged); what a bad broker does can be asked for, by
a seed."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edgeface.adapters.link.connection import Presence
from edgeface.adapters.link.filters import matches

_IN_FLIGHT = 20  # Mosquitto's defaults
_QUEUED = 1000


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Shares, 0 to 1, of the messages to a subscriber that are dropped, sent twice, put before earlier ones, or held
    until `MemoryBroker.release`."""

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class _Stored:
    topic: str
    payload: bytes
    retained: bool
    duplicate: bool = False


@dataclass(eq=False, slots=True)
class _Session:
    filters: set[str] = field(default_factory=set)
    queue: deque[_Stored] = field(default_factory=deque)
    in_flight: dict[int, _Stored] = field(default_factory=dict)
    next_id: int = 1


class Client(Protocol):
    """A link, as the broker sees it; called with the broker's lock held."""

    client_id: str
    presence: Presence | None

    def came_up(self, resumed: bool) -> None: ...

    def went_down(self, reason: str) -> None: ...

    def take(self, topic: str, payload: bytes, retained: bool, duplicate: bool, packet_id: int) -> None: ...


class MemoryBroker:
    """Thread-safe. `allow(client, "read" | "write", topic)` is its ACL; refused writes vanish, as with Mosquitto."""

    def __init__(
        self,
        *,
        misbehaviour: Misbehaviour | None = None,
        seed: int = 0,
        allow: Callable[[str, str, str], bool] = lambda _client, _action, _topic: True,
    ) -> None:
        self.lock = threading.RLock()
        self.misbehaviour = misbehaviour or Misbehaviour()
        self._rng = random.Random(seed)
        self._allow = allow
        self._sessions: dict[str, _Session] = {}
        self._links: dict[str, Client] = {}
        self._online: dict[str, Client] = {}
        self._held: list[tuple[str, _Stored]] = []
        self._up = True
        self.retained: dict[str, bytes] = {}

    # -- what a test does to it -----------------------------------------------------------------------------------

    def stop(self, *, lose_database: bool = False) -> None:
        """Every connection is gone; sessions and retained messages too, if asked for. No wills: it is dead."""
        with self.lock:
            self._up = False
            for link in list(self._online.values()):
                self._drop(link, "The broker ended the connection.")
            if lose_database:
                self._sessions.clear()
                self.retained.clear()
                self._held.clear()

    def start(self) -> None:
        """Links that were started connect again."""
        with self.lock:
            self._up = True
            for link in list(self._links.values()):
                self.connect(link)

    def cut(self, client_id: str, *, reconnect: bool = True) -> None:
        """The client's connection is lost; its will is published, and it comes back at once or with `start`."""
        with self.lock:
            link = self._online.get(client_id)
            if link is not None:
                self._drop(link, "The network was cut.")
                self._will(link)
                if reconnect:
                    self.connect(link)

    def release(self) -> None:
        """Delivers what was held, in an order of its own."""
        with self.lock:
            held, self._held = self._held, []
            self._rng.shuffle(held)
            for client_id, stored in held:
                if (session := self._sessions.get(client_id)) is not None:
                    session.queue.append(stored)
                    self._deliver(client_id)

    def inject(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Published by nobody: no ACL, as the broker itself could."""
        with self.lock:
            self._route(topic, payload, retain)

    # -- what links ask of it --------------------------------------------------------------------------------------

    def connect(self, link: Client) -> None:
        with self.lock:
            self._links[link.client_id] = link
            if not self._up or link.client_id in self._online:
                return
            resumed = link.client_id in self._sessions
            session = self._sessions.setdefault(link.client_id, _Session())
            again = [_Stored(s.topic, s.payload, s.retained, True) for s in session.in_flight.values()]
            session.in_flight.clear()
            session.queue.extendleft(reversed(again))
            self._online[link.client_id] = link
            link.came_up(resumed)
            self._deliver(link.client_id)

    def leave(self, link: Client) -> None:
        with self.lock:
            self._links.pop(link.client_id, None)
            if self._online.pop(link.client_id, None) is not None and link.presence is not None:
                self._route(link.presence.topic, link.presence.offline, True)

    def publish(self, client_id: str, topic: str, payload: bytes, retain: bool) -> None:
        with self.lock:
            if self._allow(client_id, "write", topic):
                self._route(topic, payload, retain)

    def subscribe(self, client_id: str, topic_filter: str) -> None:
        with self.lock:
            self._sessions[client_id].filters.add(topic_filter)
            for topic, payload in list(self.retained.items()):
                if matches(topic_filter, topic):
                    self._queue(client_id, _Stored(topic, payload, True))

    def unsubscribe(self, client_id: str, topic_filter: str) -> None:
        with self.lock:
            self._sessions[client_id].filters.discard(topic_filter)

    def acknowledge(self, client_id: str, packet_ids: list[int]) -> None:
        with self.lock:
            if (session := self._sessions.get(client_id)) is not None:
                for packet_id in packet_ids:
                    session.in_flight.pop(packet_id, None)
                self._deliver(client_id)

    # -- within; the lock is held ----------------------------------------------------------------------------------

    def _route(self, topic: str, payload: bytes, retain: bool) -> None:
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        for client_id, session in list(self._sessions.items()):
            if any(matches(f, topic) for f in session.filters):
                self._queue(client_id, _Stored(topic, payload, False))

    def _queue(self, client_id: str, stored: _Stored) -> None:
        session, bad = self._sessions[client_id], self.misbehaviour
        if not self._allow(client_id, "read", stored.topic) or self._rng.random() < bad.drop:
            return
        if self._rng.random() < bad.delay:
            self._held.append((client_id, stored))
            return
        if len(session.queue) < _QUEUED:  # beyond, Mosquitto drops without a word
            place = self._rng.randint(0, len(session.queue)) if self._rng.random() < bad.reorder else len(session.queue)
            session.queue.insert(place, stored)
        if self._rng.random() < bad.duplicate:
            session.queue.append(_Stored(stored.topic, stored.payload, stored.retained, True))
        self._deliver(client_id)

    def _deliver(self, client_id: str) -> None:
        session, link = self._sessions[client_id], self._online.get(client_id)
        while link is not None and session.queue and len(session.in_flight) < _IN_FLIGHT:
            stored = session.queue.popleft()
            packet_id, session.next_id = session.next_id, session.next_id % 65535 + 1
            session.in_flight[packet_id] = stored
            link.take(stored.topic, stored.payload, stored.retained, stored.duplicate, packet_id)

    def _drop(self, link: Client, reason: str) -> None:
        self._online.pop(link.client_id, None)
        link.went_down(reason)

    def _will(self, link: Client) -> None:
        if link.presence is not None:
            self._route(link.presence.topic, link.presence.offline, True)
