"""The door process's loop: one thread, one relay, one client. It carries out what `domain.door.DoorMachine` says and
decides nothing of its own; whatever it can't carry out ends the process, locked, and its supervisor starts anew."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from edgeface.adapters.door import wire
from edgeface.adapters.door.driver import Relay
from edgeface.domain.door import DoorMachine, Mode, Outcome, Refusal, Refused
from edgeface.domain.errors import DoorUnavailable
from edgeface.domain.events import DoorLocked, Event
from edgeface.doord import protocol, requests
from edgeface.doord.fitted import Fitted
from edgeface.doord.host import Listener, Stopping, Watchdogs, boot_s, hung_up, peer

SENSE_S = 0.02  # how often the inputs are read: a tenth of what a finger presses
UNSENT = 256  # events kept for a daemon that is away: a night of a busy exit
TICK_S = 0.1  # the longest turn: watchdogs are fed, and a suspend's end is noticed
HELD_UP_S = 0.15  # a turn that lasts this much longer than it should: the machine was starved or paused, not the client
_HARMLESS = (protocol.Hello, protocol.Ping, protocol.StatusAsked, protocol.LockAsked)
_KNOWN_WITHOUT_US = (
    "starting",
    "stopping",
    "client_gone",
    "client_silent",
    "client_nonsense",
)  # RemoteDoor tells these
_log = logging.getLogger("edgeface.doord")


class DoorServer:
    """`relay` is open, and so locked, already. `now_s` is the machine's clock, `event_s` that of reported events.
    `stop_wanted` is asked once a turn."""

    def __init__(
        self,
        relay: Relay,
        machine: DoorMachine,
        listener: Listener,
        allowed_uids: frozenset[int],
        signals: Stopping,
        watchdogs: Watchdogs,
        stop_wanted: Callable[[], bool] = lambda: False,
        now_s: Callable[[], float] = boot_s,
        event_s: Callable[[], float] = time.monotonic,
        fitted: Fitted | None = None,
    ) -> None:
        self._relay, self._machine, self._listener = relay, machine, listener
        self._allowed, self._signals, self._watchdogs = allowed_uids, signals, watchdogs
        self._stop_wanted, self._now_s, self._event_s = stop_wanted, now_s, event_s
        self._fitted = fitted or Fitted()
        self._client: socket.socket | None = None
        self._unsent: deque[Event] = deque(maxlen=UNSENT)
        self._selector = selectors.DefaultSelector()
        self._stale = False  # what is read now queued while this process was held up
        self.refused: Counter[str] = Counter()

    def run(self) -> None:
        """Until a signal, the supervisor's end, or a relay that can't be driven (DoorUnavailable). Locks on each."""
        self._selector.register(self._listener.socket, selectors.EVENT_READ, self._accept)
        self._selector.register(self._signals.wake, selectors.EVENT_READ, self._signals.drain)
        if self._fitted.reader is not None:
            self._fitted.reader.follow(self._selector, self._event_s())
        try:
            self._settle(self._machine.start())
            self._sense()
            self._watchdogs.ready()
            while not self._signals.stopping and not self._stop_wanted() and self._watchdogs.beat():
                wait_s, began_s = self._wait_s(), self._now_s()
                ready = self._selector.select(wait_s)
                late_s = self._now_s() - began_s - wait_s
                if late_s > HELD_UP_S:
                    self._catch_up(late_s)
                    continue
                for key, _ in ready:
                    key.data()
                self._sense()
                self._read_cards()
                self._fitted.panel.update(self._machine, self._now_s())
            self._watchdogs.stopping()
            self._settle(self._machine.lock("stopping", self._now_s()))
        finally:
            self._drop_client()
            self._relay.lock()
            self._fitted.rest()
            self._selector.close()

    def _catch_up(self, late_s: float) -> None:
        """After this process was held up: a pulse that is due ends first; then the queued packets count as signs
        of life, and grants among them as stale."""
        self._machine.held_up(late_s)
        self._settle(self._machine.tick(self._now_s()))
        self._stale = True
        try:
            while self._client is not None and self._read():
                pass
        finally:
            self._stale = False

    def _wait_s(self) -> float:
        now_s = self._now_s()
        wait_s = TICK_S if self._fitted.inputs is None else SENSE_S
        for due_s in (self._machine.next_deadline_s, self._fitted.panel.next_s(now_s)):
            if due_s is not None:
                wait_s = min(wait_s, max(0.0, due_s - now_s))
        if self._fitted.reader is not None and self._fitted.reader.due_s is not None:
            wait_s = min(wait_s, max(0.0, self._fitted.reader.due_s - self._event_s()))
        return wait_s

    def _read_cards(self) -> None:
        """To the client, or to nobody: never kept, never logged."""
        reader = self._fitted.reader
        if reader is None:
            return
        for message in reader.messages(self._event_s()):
            self._send(message)
        reader.follow(self._selector, self._event_s())
        if reader.broken:
            _log.warning("the card reader's lines can't be read; the door goes on without it")
            self._fitted.reader = None

    def _sense(self) -> None:
        """Time and inputs. Inputs that can't be read end the process, as a relay does: nobody would know of a fire."""
        inputs = self._fitted.inputs
        try:
            levels = {} if inputs is None else inputs.levels()
        except DoorUnavailable as error:
            self._settle(self._machine.fault(error.message, self._now_s()))
            raise
        self._settle(self._machine.sense(levels, self._now_s()))

    # -- the client -------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.socket.accept()
        except OSError:
            return
        connection.setblocking(False)
        if self._client is not None and hung_up(self._client):  # a daemon that comes back at once is not turned away
            self._client_left()
        pid, uid = peer(connection)
        if uid not in self._allowed:
            self._turn_away(connection, "not_allowed", f"user {uid} may not control this door", pid)
        elif self._client is not None:
            self._turn_away(connection, "busy", "another client controls this door", pid)
        else:
            self._client = connection
            self._selector.register(connection, selectors.EVENT_READ, self._read)
            self._settle(self._machine.heard(self._now_s()))  # a mute client is a silent one

    def _turn_away(self, connection: socket.socket, code: str, message: str, pid: int) -> None:
        self._count(code, f"process {pid}: {message}")
        with contextlib.suppress(OSError):
            connection.send(wire.encode(protocol.refusal_of(code, message, "hello")))
        connection.close()

    def _read(self) -> bool:
        """Takes one packet; False where there was none."""
        client = self._client
        if client is None:
            return False
        try:
            packet = b"" if hung_up(client) else client.recv(wire.MAX_PACKET + 1)
        except BlockingIOError:
            return False
        except OSError:
            packet = b""
        if not packet:
            self._client_left()
            return True
        try:
            request = protocol.parse(packet)
        except protocol.Nonsense as nonsense:
            self._count(nonsense.code, f"the client talks nonsense: {nonsense}")
            refusal = protocol.refusal_of(nonsense.code, str(nonsense))
            self._settle(self._machine.nonsense(self._now_s()), lambda: refusal)
            return True
        self._answer(request)
        return True

    def _answer(self, request: protocol.Request) -> None:
        mode = self._machine.mode
        outcome = requests.put(self._machine, request, self._now_s(), self._stale)
        asked = isinstance(request, protocol.ModeAsked) and outcome.refusal is None and not outcome.drop_client
        if asked or self._machine.mode is not mode:
            outcome = self._kept(outcome)
        elif isinstance(request, protocol.CardOutAsked) and outcome.refusal is None and not outcome.drop_client:
            outcome = self._fitted.send_card(request.card, outcome)
        if outcome.refusal is not None:
            self._count(outcome.refusal.code.value, outcome.refusal.message)
        try:
            self._settle(outcome, lambda: self._reply(request, outcome))
        except DoorUnavailable as error:
            self._send(protocol.refused(request, Refusal(Refused.FAULT, error.message)))
            raise
        if isinstance(request, protocol.Hello) and not outcome.drop_client:
            self._greet()

    def _kept(self, outcome: Outcome) -> Outcome:
        """The mode is on the disk before it is acknowledged. Where it can't be kept it is in force and said so; but
        nothing unlocks on a mode that the next start would not know of."""
        try:
            self._fitted.modes.keep(self._machine.mode)
            return outcome
        except OSError as error:
            refusal = Refusal(Refused.FAULT, f"the mode can't be kept: {error.strerror or error}")
        if self._machine.mode is Mode.FREE_ACCESS:
            outcome = outcome.then(self._machine.set_mode(Mode.NORMAL, self._now_s()))
        return replace(outcome, refusal=refusal)

    def _greet(self) -> None:
        """What happened while nobody listened, to a client that has just introduced itself."""
        while self._unsent and self._client is not None:
            self._send(self._unsent.popleft().to_dict())

    def _reply(self, request: protocol.Request, outcome: Outcome) -> dict[str, object]:
        if outcome.refusal is not None:
            return protocol.refused(request, outcome.refusal)
        return protocol.accepted(request, self._machine, self._detail())

    # -- carrying out -----------------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome, answer: Callable[[], dict[str, object]] | None = None) -> None:
        """Moves the relay, then reports, then answers. Where the relay fails it is locked if that can be done, and the
        DoorUnavailable goes on to end the process: its supervisor locks, and proves the pin anew."""
        try:
            self._carry_out(outcome)
        except DoorUnavailable as error:
            fault = self._machine.fault(error.message, self._now_s())
            with contextlib.suppress(DoorUnavailable):
                self._carry_out(fault)
                self._report(fault)
            raise
        self._report(outcome)  # first, so that a client that knows of its grant knows of the event too
        if answer is not None:
            self._send(answer())
        if outcome.drop_client:
            self._drop_client()

    def _carry_out(self, outcome: Outcome) -> None:
        for action in outcome.actions:
            if action.on:
                self._relay.energise()
            else:
                self._relay.lock()

    def _report(self, outcome: Outcome) -> None:
        for fact in outcome.facts:
            event = protocol.event_of(fact, self._event_s())
            _log.info("%s", event.to_dict())
            if self._client is not None:
                self._send(event.to_dict())
            elif not (isinstance(event, DoorLocked) and event.cause in _KNOWN_WITHOUT_US):
                self._unsent.append(event)

    def _send(self, message: dict[str, object]) -> None:
        if self._client is None:
            return
        try:
            self._client.send(wire.encode(message))
        except (OSError, wire.WireError) as error:  # gone, or not reading: either way not to be trusted with a pulse
            _log.debug("the client takes no answer: %s", error)
            self._client_left()

    def _client_left(self) -> None:
        self._drop_client()
        self._settle(self._machine.client_gone(self._now_s()))

    def _drop_client(self) -> None:
        if self._client is not None:
            self._selector.unregister(self._client)
            self._client.close()
            self._client = None

    def _detail(self) -> str:
        counts = ", ".join(f"{code} {count}" for code, count in sorted(self.refused.items()))
        return self._machine.detail or (f"refused since start: {counts}" if counts else "")

    def _count(self, code: str, message: str) -> None:
        self.refused[code] += 1
        if self.refused[code] == 1 or self.refused[code] % 100 == 0:  # a flood must not fill the journal
            _log.warning("%s (%s, %d so far)", message, code, self.refused[code])
