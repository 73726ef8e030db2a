"""The thread under the link: connects, keeps the connection, and begins again when it is lost."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edgeface.adapters.link import faults
from edgeface.adapters.link.backoff import Backoff
from edgeface.adapters.link.connection import Connection, Handlers, Target
from edgeface.adapters.link.inbox import Inbox, Ledger, Message
from edgeface.adapters.link.outgoing import Outgoing, Window
from edgeface.adapters.link.subscriptions import Subscriptions
from edgeface.adapters.link.tls import days_left
from edgeface.domain.errors import LinkUnavailable
from edgeface.ports import LinkDown, LinkStatus, LinkUp, SubscriptionAnswered

_SETTLED_S = 10.0  # a connection that lasted so long begins a new row of failures when it ends
_TICK_S = 1.0  # paho's keepalive is looked at so often
_FAREWELL_S = 1.0  # for the last messages when closing
_JOIN_S = 3.0  # a name lookup can't be interrupted; the thread is left behind then
_DAY_S = 86400.0
_STEP_S = 5.0  # the wall clock moved against the monotonic one by so much: it was set


@dataclass(frozen=True, slots=True)
class Limits:
    """Room for what waits. Beyond the inbox's, a message of QoS 1 ends the connection unacknowledged, and the broker
    delivers it again when half of the inbox is free; one of QoS 0 is dropped and counted."""

    waiting_in: int = 1000
    waiting_in_bytes: int = 16 << 20
    unacknowledged_out: int = 200
    unacknowledged_out_bytes: int = 8 << 20
    largest_out: int = 1 << 20


class Upkeep:
    """`start`, `request`, `status` and `close` from any thread; everything else happens in its own. `report` as in
    `mqtt.MqttLink`."""

    def __init__(
        self,
        target: Target,
        limits: Limits,
        backoff: Backoff,
        report: Callable[[str, LinkUnavailable | None], None],
        utc: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._target, self._limits, self._backoff = target, limits, backoff
        self._report, self._utc, self._rng = report, utc, rng
        self.inbox = Inbox(limits.waiting_in, limits.waiting_in_bytes)
        self.window = Window(limits.unacknowledged_out, limits.unacknowledged_out_bytes)
        self.subscriptions = Subscriptions()
        self._lock = threading.Lock()
        self._requests: deque[Callable[[Connection], None]] = deque()
        self._hear, self._speak = socket.socketpair()
        self._hear.setblocking(False)
        self._speak.setblocking(False)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self.known = LinkStatus()
        self._retry_at_s: float | None = None
        self._expires: datetime | None = None
        self._row = 0  # failures without a settled connection between them
        self._up_since_s = 0.0
        # of the connection that stands:
        self._connection: Connection | None = None
        self._ledger = Ledger(self._wake)
        self._sent: dict[int, Outgoing] = {}
        self._overflowed = False

    def start(self) -> None:
        self._thread.start()

    def request(self, request: Callable[[Connection], None]) -> None:
        """Done soon by the connection that stands; without one, `_on_up` finds the same in the tables."""
        if self.known.connected:
            self._requests.append(request)
            self._wake()

    def status(self) -> LinkStatus:
        retry_at_s, expires = self._retry_at_s, self._expires
        return replace(
            self.known,
            retry_in_s=None if retry_at_s is None else max(0.0, retry_at_s - time.monotonic()),
            unacknowledged_out=len(self.window),
            waiting_in=len(self.inbox),
            certificate_days_left=None if expires is None else days_left(expires, self._utc()),
        )

    def not_refused(self, topic_filter: str) -> None:
        """Nobody asks for it any more."""
        self._update(refused_filters=tuple(f for f in self.known.refused_filters if f != topic_filter))

    def close(self) -> None:
        self._closing.set()
        self._wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S + _FAREWELL_S)
        if not self._thread.is_alive():
            self._hear.close()
            self._speak.close()

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._look_at_certificates()
            connection = Connection(self._target, self._handlers(), self._hear)
            try:
                connection.open()
                self._connection = connection
                self._serve(connection)
            except LinkUnavailable as e:
                error: LinkUnavailable | None = e
            except Exception as e:  # a fault of ours or paho's must not end the link for good
                error = LinkUnavailable(f"The link stumbled over {type(e).__name__}: {e}.", "Please report this.")
            else:
                error = None
            finally:
                self._connection = None
                connection.close()
                self._forget()
            if error is not None and not self._closing.is_set():
                self._failed(error)
        self._update(connected=False)

    def _serve(self, connection: Connection) -> None:
        """Until it is to close; raises LinkUnavailable when the connection is lost."""
        looked_s = time.monotonic()
        while not self._closing.is_set():
            if connection.step(0.0 if self._requests and connection.up else _TICK_S):
                with contextlib.suppress(BlockingIOError):
                    self._hear.recv(4096)
            if connection.up:
                self._work(connection)
            if self._overflowed:
                raise LinkUnavailable(
                    f"More than {self._limits.waiting_in} messages waited to be applied.",
                    "The broker delivers them again when there is room.",
                    "overflow",
                )
            if time.monotonic() - looked_s > _DAY_S:
                looked_s = time.monotonic()
                self._look_at_certificates()
        if connection.up:
            self._farewell(connection)

    def _work(self, connection: Connection) -> None:
        while self._requests:
            self._requests.popleft()(connection)
        for packet_id in self._ledger.due():
            connection.acknowledge(packet_id)

    def _farewell(self, connection: Connection) -> None:
        self._work(connection)
        presence = self._target.presence
        last = connection.publish(presence.topic, presence.offline, True) if presence is not None else None
        by_s = time.monotonic() + _FAREWELL_S
        if last is not None:
            self._sent[last] = Outgoing("", "", b"", True)
        with contextlib.suppress(LinkUnavailable):
            while self._sent and time.monotonic() < by_s:
                connection.step(0.05)
                self._work(connection)
        connection.goodbye()

    def _failed(self, error: LinkUnavailable) -> None:
        ended = self._expires is not None and self._expires < self._utc()
        if ended and error.code in ("closed", "client_refused"):  # not every broker says why
            error = faults.own_certificate_expired(self._target.at)
        error = faults.with_clock(error, self._utc())
        was_up = self.known.connected
        settled = was_up and time.monotonic() - self._up_since_s > _SETTLED_S
        self._row = 1 if settled else self._row + 1
        delay_s = self._backoff.delay_s(self._row, self._rng)
        self._retry_at_s = time.monotonic() + delay_s
        self._update(connected=False, failures=self._row, fault=str(error), fault_code=error.code)
        if was_up:
            self.inbox.tell(LinkDown(error.message))
        self._report("warning" if self._row == 1 else "debug", error)
        self._pause(delay_s, error.code in faults.CLOCK_CODES)
        while self._overflowed and not self.inbox.drained and not self._closing.wait(0.05):
            pass
        self._overflowed = False
        self._retry_at_s = None

    def _pause(self, delay_s: float, until_clock_is_set: bool) -> None:
        """Until it is time to try again; or somebody sets the clock, where that may be what was wrong."""
        began_s, ahead_s = time.monotonic(), self._utc().timestamp() - time.monotonic()
        while not self._closing.is_set() and (left_s := began_s + delay_s - time.monotonic()) > 0:
            if until_clock_is_set and abs(self._utc().timestamp() - time.monotonic() - ahead_s) > _STEP_S:
                return
            self._closing.wait(min(left_s, _TICK_S) if until_clock_is_set else left_s)

    def _forget(self) -> None:
        self._ledger.close()
        self.inbox.forget(self._ledger)
        self._sent.clear()
        self.subscriptions.connection_ended()
        self._requests.clear()  # publications are in the window, filters in their table

    # -- what the connection says ---------------------------------------------------------------------------------

    def _handlers(self) -> Handlers:
        self._ledger = Ledger(self._wake)
        return Handlers(self._on_up, self._on_message, self._on_published, self._on_subscribed, self.subscriptions.left)

    def _on_up(self, session_resumed: bool) -> None:
        connection = self._connection
        assert connection is not None
        if not session_resumed:
            self.subscriptions.session_began()
        self._up_since_s = time.monotonic()
        self._update(
            connected=True,
            session_resumed=session_resumed,
            connections=self.known.connections + 1,
            failures=0,
            fault="",
            fault_code="",
        )
        self.inbox.tell(LinkUp(session_resumed))
        self._report("info", None)
        presence = self._target.presence
        if presence is not None:
            connection.publish(presence.topic, presence.online, True)
        self._requests.clear()
        for message in self.window.all():
            self.send(connection, message)
        self.subscriptions.ask(connection)

    def _on_message(
        self,
        packet_id: int,
        qos: int,
        topic: str,
        payload: bytes,
        retained: bool,
        duplicate: bool,
        left_out: int | None,
    ) -> None:
        message = Message(topic, payload, retained, duplicate, packet_id, self._ledger if qos else None)
        if qos:
            self._ledger.add(message)
        if left_out is not None or not topic:
            self._update(oversized_in=self.known.oversized_in + 1)
            message.done()
        elif not self.inbox.put(message):
            self._overflowed = self._overflowed or qos > 0
            self._update(dropped_in=self.known.dropped_in + 1)

    def _on_published(self, packet_id: int) -> None:
        message = self._sent.pop(packet_id, None)
        if message is not None and self.window.remove(message):
            message.settle()

    def _on_subscribed(self, packet_id: int, granted: list[bool]) -> None:
        for topic_filter, fine in self.subscriptions.granted(packet_id, granted):
            others = [f for f in self.known.refused_filters if f != topic_filter]
            self._update(refused_filters=tuple(others if fine else [*others, topic_filter]))
            self.inbox.tell(SubscriptionAnswered(topic_filter, fine))

    # -- what it is asked ------------------------------------------------------------------------------------------

    def send(self, connection: Connection, message: Outgoing) -> None:
        if message.carrier is not connection:
            message.carrier = connection
            self._sent[connection.publish(message.topic, message.payload, message.retain)] = message

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: it is over
            self._speak.send(b"\0")

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self.known = replace(self.known, **changes)

    def _look_at_certificates(self) -> None:
        with contextlib.suppress(LinkUnavailable):  # connecting says it
            self._expires = self._target.tls.expires() if self._target.tls is not None else None
