"""A door without a process: the real state machine on the caller's clock. Replays, dry runs and tests use it."""

from __future__ import annotations

import threading
from dataclasses import replace

from edgeface.domain.door import DoorMachine, Locked, Mode, Outcome, Refusal, Refused, Signal, Unlocked
from edgeface.domain.errors import DoorUnavailable, GrantRefused
from edgeface.domain.events import DoorLocked, DoorUnlocked, Event
from edgeface.ports import Clock, DoorStatus

_NEVER_MS = 10**12  # the heartbeat is part of the connection, and there is none


class RecordingDoor:
    """`energised` lists (t_s, level) of the relay's edges since the start. Pulses end at their very deadline on
    `clock`'s time, whenever they are asked about. `shown`: (t_s, signal), what the lights were asked for.
    `cards`: what a controller was told.
    `fail_with` makes every request raise DoorUnavailable."""

    def __init__(self, clock: Clock, max_pulse_ms: int = 10_000) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._machine = DoorMachine(max_pulse_ms, clock.monotonic_s(), silence_ms=_NEVER_MS)
        self._events: list[Event] = []
        self._level = False
        self._closed = False
        self.energised: list[tuple[float, bool]] = []
        self.cards: list[tuple[int, int, int]] = []
        self.shown: list[tuple[float, str]] = []
        self.fail_with = ""

    def grant(self, grant_id: str, pulse_ms: int, *, test: bool = False) -> None:
        with self._lock:
            now_s = self._advance()
            refusal = self._carry_out(self._machine.grant(grant_id, pulse_ms, now_s, test=test), now_s).refusal
        self._raise(refusal, "grant")

    def send_card(self, card: tuple[int, int, int]) -> None:
        with self._lock:
            self._advance()
            refusal = Refusal(Refused.NOT_ALLOWED, "the door is locked") if self._machine.locked else None
            if refusal is None:
                self.cards.append(card)
        self._raise(refusal, "number for the controller")

    def lock(self) -> None:
        with self._lock:
            now_s = self._advance()
            self._carry_out(self._machine.lock("requested", now_s), now_s)

    def status(self) -> DoorStatus:
        with self._lock:
            self._advance()
            machine = self._machine
            return DoorStatus(machine.locked, machine.mode.value, machine.grant_id, machine.detail, machine.held_by)

    def set_mode(self, mode: str) -> None:
        with self._lock:
            now_s = self._advance()
            refusal = self._carry_out(self._machine.set_mode(Mode(mode), now_s), now_s).refusal
        self._raise(refusal, "change of mode")

    def free(self, for_ms: int, first_person: bool) -> None:
        with self._lock:
            now_s = self._advance()
            refusal = self._carry_out(self._machine.free(for_ms, first_person, now_s), now_s).refusal
        self._raise(refusal, "change of mode")

    def show(self, signal: str) -> None:
        with self._lock:
            now_s = self._advance()
            self._carry_out(self._machine.show(Signal(signal), now_s), now_s)
            self.shown.append((now_s, signal))

    def poll_events(self) -> list[Event]:
        with self._lock:
            if not self._closed:
                self._pass_time()
            events, self._events = self._events, []
        return events

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                now_s = self._pass_time()
                self._carry_out(self._machine.client_gone(now_s), now_s)
                self._closed = True

    @staticmethod
    def _raise(refusal: Refusal | None, what: str) -> None:
        if refusal is not None:
            raise GrantRefused(refusal.code.value, f"The door refused the {what}: {refusal.message}.")

    def _advance(self) -> float:
        if self._closed or self.fail_with:
            raise DoorUnavailable(self.fail_with or "This door is closed.", "Nothing was opened.")
        return self._pass_time()

    def _pass_time(self) -> float:
        now_s = self._clock.monotonic_s()
        while (due_s := self._machine.next_deadline_s) is not None and due_s <= now_s:
            self._carry_out(self._machine.tick(due_s), due_s)
        return now_s

    def _carry_out(self, outcome: Outcome, t_s: float) -> Outcome:
        for action in outcome.actions:
            if action.on != self._level:
                self._level = action.on
                self.energised.append((t_s, action.on))
        for fact in outcome.facts:
            if isinstance(fact, Unlocked):
                self._events.append(DoorUnlocked(t_s, fact.grant_id, fact.pulse_ms, fact.cause))
            elif isinstance(fact, Locked):
                self._events.append(DoorLocked(t_s, fact.cause, fact.grant_id))
            else:
                self._events.append(replace(fact, t_s=t_s))
        return outcome
