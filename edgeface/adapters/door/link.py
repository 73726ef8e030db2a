"""One connection to the door process, from connect to its end. Never reused: an answer that comes late dies with it and
can't be taken for a later request's."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence

from edgeface.adapters.door import wire
from edgeface.domain.errors import DoorUnavailable

HELD_UP_S = 0.15  # a wait that lasts this much longer than it should was no silence of the other end
_MOST_EARLY = 64  # a peer that sends nothing but events is none of ours
SILENT_AFTER_S = 0.7  # the door process answers every ping; without answers it hangs


class Link:
    """`connect` makes one. One thread runs `serve`; any other may `ask`, one at a time."""

    def __init__(self, connection: socket.socket, max_pulse_ms: int, early: Sequence[dict[str, object]] = ()) -> None:
        self.max_pulse_ms = max_pulse_ms
        self._early = tuple(early)  # events that overtook the answer to hello
        self._socket = connection
        self._changed = threading.Condition()
        self._awaited: tuple[str, str | None] | None = None  # op, grant id
        self._answer: dict[str, object] | None = None
        self._broken = ""

    @classmethod
    def connect(cls, path: str, timeout_s: float) -> Link:
        """Raises DoorUnavailable."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(timeout_s)
            connection.connect(path)
            with contextlib.suppress(OSError):  # turned away already: its reason waits to be read
                connection.send(wire.encode({"op": "hello"}))
            early: list[dict[str, object]] = []
            while "event" in (answer := wire.decode(_receive(connection))) and len(early) < _MOST_EARLY:
                early.append(answer)
        except (OSError, wire.WireError) as error:
            connection.close()
            raise DoorUnavailable(
                f"The door process at {path} can't be reached: {_reason(error)}.",
                "Is edgeface-doord running, and may this user open its socket?",
            ) from error
        if answer.get("ok") is not True:
            connection.close()
            raise DoorUnavailable(
                f"The door process at {path} refuses this client: {clean(answer.get('message'))}.",
                "One daemon at a time controls a door; its user must be allowed (--allow-uid).",
            )
        limit = answer.get("max_pulse_ms")
        return cls(connection, limit if type(limit) is int else 0, early)

    def serve(
        self, heartbeat_s: float, alive: Callable[[], bool], on_event: Callable[[dict[str, object]], None]
    ) -> str:
        """Pings, and takes what comes, until the connection ends; why it ended."""
        next_ping_s = heard_s = time.monotonic()
        for message in self._early:
            on_event(message)
        try:
            while not self._broken:
                now_s = time.monotonic()
                if now_s >= next_ping_s:
                    next_ping_s = now_s + heartbeat_s
                    if not alive():
                        return self.abandon("this daemon's own watchdog says that it hangs")
                    self._socket.send(wire.encode({"op": "ping"}))
                wait_s = max(0.005, next_ping_s - now_s)
                self._socket.settimeout(wait_s)
                try:
                    packet = self._socket.recv(wire.MAX_PACKET + 1)
                except TimeoutError:
                    late_s = time.monotonic() - now_s - wait_s
                    if late_s > HELD_UP_S:  # this machine was starved or paused, the door process perhaps with it
                        heard_s += late_s
                    if time.monotonic() - heard_s >= SILENT_AFTER_S + heartbeat_s:
                        return self.abandon("it does not answer")
                    continue
                if not packet:
                    return self.abandon("it closed the connection")
                heard_s = time.monotonic()
                self._take(wire.decode(packet), on_event)
        except (OSError, wire.WireError) as error:
            return self.abandon(_reason(error))
        finally:
            self._socket.close()
        return self._broken

    def ask(self, message: dict[str, object], timeout_s: float) -> dict[str, object]:
        """The answer. Raises DoorUnavailable; the connection is given up then, which locks the door."""
        op, grant_id = str(message["op"]), message.get("id")
        with self._changed:
            self._answer, self._awaited = None, (op, grant_id if isinstance(grant_id, str) else None)
            if not self._broken:
                try:
                    self._socket.send(wire.encode(message))
                except OSError as error:
                    self.abandon(_reason(error))
            self._changed.wait_for(self._over, timeout_s)
            answer, self._awaited = self._taken(), None
            if answer is not None:
                return answer
            why = self.abandon(f"no answer to {op} within {timeout_s:g} s")  # or what ended it before
        raise DoorUnavailable(f"The door process did not answer: {why}.", "The door locks by itself.")

    def abandon(self, why: str) -> str:
        """Ends the connection, which locks the door; `serve` notices and closes. Returns the first reason given."""
        with self._changed:
            self._broken = self._broken or why
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._changed.notify_all()
            return self._broken

    def _over(self) -> bool:
        return self._answer is not None or self._broken != ""

    def _taken(self) -> dict[str, object] | None:
        return self._answer

    def _take(self, message: dict[str, object], on_event: Callable[[dict[str, object]], None]) -> None:
        if "event" in message:
            on_event(message)
            return
        with self._changed:
            if self._awaited is None:
                return
            op, grant_id = self._awaited
            refused = message.get("ok") is not True and message.get("re") is None  # nonsense has no op to name
            if refused or (message.get("re") == op and message.get("id", grant_id) == grant_id):
                self._answer = message
                self._changed.notify_all()


def clean(value: object) -> str:
    """A peer's text on one line, bounded."""
    text = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else "?" for c in text[:400]).rstrip(".")


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(wire.MAX_PACKET + 1)
    except ConnectionResetError:  # closed with our hello unread: the reason that it left is behind this error
        return connection.recv(wire.MAX_PACKET + 1)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
