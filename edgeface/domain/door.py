"""The door process's state machine: one relay, one client, the door's inputs. Stdlib alone, because doord may not load
numpy. Time is an argument, in seconds of one monotonic clock.

Every input gives an `Outcome`. The caller carries out its actions in order, *then* reports its facts. Where an action
fails (the pin can't be driven), the caller drops that outcome's facts, calls `fault` and reports that one's instead.

The relay follows `Claims.holding()` (door_claims.py): it is unlocked while something justifies it, and every claim ends
by itself. docs/operations.md shows the states as a diagram, drawn by exploring this very class.

Fail-secure: whatever is doubtful (a clock that runs backwards, a client that fell silent while its packets queued)
ends the claims that rest on it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgeface.domain.door_claims import Claims, Pulse
from edgeface.domain.door_events import PassageMissed
from edgeface.domain.door_facts import Energise, Fact, Locked, Outcome, Refusal, Refused, Unlocked, refuse
from edgeface.domain.door_grants import REMEMBERED_GRANTS, GrantBook, is_grant_id
from edgeface.domain.door_rules import (
    LONGEST_LEASE_MS,
    LONGEST_PULSE_MS,
    SILENCE_MS,
    DoorRule,
    GrantAction,
    Input,
    Mode,
)
from edgeface.domain.door_sensors import Sensors
from edgeface.domain.door_signals import ASKED, Signal
from edgeface.domain.door_view import DoorView

__all__ = ["LONGEST_PULSE_MS", "REMEMBERED_GRANTS", "SILENCE_MS", "DoorMachine", "DoorRule", "Energise", "Input",
           "Locked", "Mode", "Outcome", "Refusal", "Refused", "Signal", "Unlocked"]  # fmt: skip


class DoorMachine(DoorView):
    """Starts locked: carry out `start()` before anything else. `inputs`: what is wired, with its debouncing in ms.
    `mode`: the one that was kept. Not thread-safe; one loop owns it."""

    def __init__(
        self,
        max_pulse_ms: int,
        now_s: float,
        *,
        silence_ms: int = SILENCE_MS,
        rule: DoorRule | None = None,
        inputs: Mapping[Input, int] | None = None,
        mode: Mode = Mode.NORMAL,
    ) -> None:
        if not 1 <= max_pulse_ms <= LONGEST_PULSE_MS:
            raise ValueError(f"max_pulse_ms must be 1 to {LONGEST_PULSE_MS}, not {max_pulse_ms}")
        if silence_ms < 1:
            raise ValueError(f"silence_ms must be at least 1, not {silence_ms}")
        rule = rule or DoorRule()
        claims = Claims(rule, mode)
        super().__init__(rule, claims, Sensors(rule, inputs or {}, claims))
        self._max_pulse_ms = max_pulse_ms
        self._silence_s = silence_ms / 1000
        self._last_s = now_s
        self._book = GrantBook(max_pulse_ms)
        self._heard_s: float | None = None  # None: no client

    # -- what it is now ---------------------------------------------------------------------------------------

    @property
    def max_pulse_ms(self) -> int:
        return self._max_pulse_ms

    @property
    def next_deadline_s(self) -> float | None:
        """When `tick` must be called at the latest; None where nothing is pending."""
        pending = [self._claims.next_end_s, self._sensors.next_s]
        if self._heard_s is not None:
            pending.append(self._heard_s + self._silence_s)
        return min((each for each in pending if each is not None), default=None)

    # -- inputs: time and the client ----------------------------------------------------------------------------

    def start(self) -> Outcome:
        """Asserts the locked level once, at the start of the process; a kept free access unlocks after that."""
        return Outcome((Energise(False),), (Locked("starting", None),)).then(self._follow("starting"))

    def tick(self, now_s: float) -> Outcome:
        """Ends what is due: pulses at their deadline, a silent client. Call it at `next_deadline_s`, or oftener."""
        backwards = self._runs_backwards(now_s)
        self._last_s = now_s if math.isfinite(now_s) else self._last_s
        if backwards:  # how long anything has run is unknown now, and so is the client's silence
            if self._heard_s is not None:
                self._heard_s = min(self._heard_s, self._last_s)
            self._claims.drop_timed()
            return self._follow("relocked")
        running = self._claims.grant
        self._note_unlocked()
        ended = self._claims.expire(now_s)
        facts: tuple[Fact, ...] = ()
        if running is not None and self._claims.grant is None and self._sensors.unused:
            facts = (PassageMissed(now_s, running.grant_id),)
        outcome = self._follow(ended or "pulse_ended").then(Outcome(facts=facts))
        if self._is_silent(now_s):
            outcome = outcome.then(self._drop_client("client_silent")).dropped()
        return outcome.then(Outcome(facts=tuple(self._sensors.tick(now_s))))

    def heard(self, now_s: float) -> Outcome:
        """A well-formed packet of the client, its first one included. Packets that queued while this process was held
        up come too late: the client counts as silent, and is dropped."""
        due = self.tick(now_s)
        if not due.drop_client:
            self._heard_s = self._last_s
        return due

    def held_up(self, for_s: float) -> None:
        """This whole process was held up for so long (a starved machine), so the client's silence in that time
        says nothing about the client. The pulse's deadline stands."""
        if self._heard_s is not None and math.isfinite(for_s) and for_s > 0:
            self._heard_s = min(self._last_s + for_s, self._heard_s + for_s)

    def client_gone(self, now_s: float) -> Outcome:
        due = self.tick(now_s)
        return due.then(self._drop_client("client_gone"))

    def nonsense(self, now_s: float) -> Outcome:
        """A packet that can't be understood: lock, and drop the client."""
        due = self.tick(now_s)
        return due.then(self._drop_client("client_nonsense")).dropped()

    # -- inputs: what the client asks for -------------------------------------------------------------------------

    def grant(self, grant_id: object, pulse_ms: object, now_s: float, *, test: bool = False) -> Outcome:
        """One pulse of `pulse_ms`; both arguments are as parsed from JSON, their types are checked here. Counts as a
        packet heard. A refusal leaves the relay as it was, but a malformed grant locks, as every malformed packet
        does. An id counts as used once it was carried out. `test`: somebody tries the relay, nobody enters. It is a
        pulse whatever a grant does here (a toggled door would stay open), and begins no free access."""
        due, stale = self._asked_at(now_s)
        if stale is not None:
            return due.then(stale)
        if not isinstance(grant_id, str) or not is_grant_id(grant_id) or type(pulse_ms) is not int:
            refused = refuse(Refused.MALFORMED, "a grant needs an id of 32 hex digits and a whole number of ms")
            return due.then(self.nonsense(now_s)).then(refused)
        refusal = self._book.objection(grant_id, pulse_ms, self._claims)
        if refusal is not None:
            return due.then(refusal)
        self._book.remember(grant_id)
        claims = self._claims
        if claims.free or (test and claims.toggled is not None):  # it is open: no pulse is needed
            return due
        if not test:
            self._latch.first_person = claims.first_person_came()
        self._sensors.pulse_begins()
        if test or self._rule.grant_action is GrantAction.PULSE:
            claims.grant = Pulse(grant_id, now_s + pulse_ms / 1000)
        elif claims.toggled is None:
            claims.toggled = Pulse(grant_id, now_s + self._rule.toggle_max_s)
        else:
            claims.toggled = None
            return due.then(self._follow("toggled"))
        self._latch.pulse_id = grant_id
        return due.then(self._follow("granted", pulse_ms))

    def lock(self, cause: str, now_s: float) -> Outcome:
        """Locks now (`cause`: requested, stopping, ...). One that was requested leaves free access too. Only an
        active fire input stands above it. No fact where it was locked."""
        due = self.tick(now_s)
        if cause == "stopping":
            self._claims.drop_timed()
            if self._latch.energised:  # free access is kept for the next start; fire is wired past the device too
                return due.then(self._latch.move(False, cause))
        else:
            self._claims.drop_all()
        locked = due.then(self._follow(cause, assert_level=True))
        if self._claims.fire and cause == "requested":
            locked = locked.then(refuse(Refused.FIRE, "the fire input holds the door open"))
        return locked

    def set_mode(self, mode: Mode, now_s: float) -> Outcome:
        """Lockdown locks at once. Free access unlocks until the mode changes or a lock is asked for."""
        due = self.tick(now_s)
        if mode is Mode.FREE_ACCESS and self._claims.fault:
            return due.then(refuse(Refused.FAULT, self._claims.fault))
        if mode is Mode.LOCKDOWN:
            exit_s = self._claims.exit_until_s if self._rule.rex_in_lockdown else None
            self._claims.drop_timed()
            self._claims.exit_until_s = exit_s
        elif self.mode is Mode.LOCKDOWN and not self._rule.rex_in_lockdown:
            self._claims.exit_until_s = None  # refused then is not carried out now
        if mode is Mode.FREE_ACCESS:
            self._claims.drop_pulses()
            self._claims.toggled = self._latch.pulse_id = None
        self._claims.mode = mode
        return due.then(self._follow("requested", assert_level=True))

    def free(self, for_ms: object, first_person: object, now_s: float) -> Outcome:
        """Free access by schedule, for so long unless it is renewed; 0 ends it. `first_person`: it begins with the
        first grant. Whoever asks knows the time; when he is gone it ends."""
        due, stale = self._asked_at(now_s)
        if stale is not None:
            return due.then(stale)
        if type(for_ms) is not int or not 0 <= for_ms <= LONGEST_LEASE_MS or not isinstance(first_person, bool):
            refused = refuse(Refused.MALFORMED, f"free access lasts 0 to {LONGEST_LEASE_MS} ms at a time")
            return due.then(self.nonsense(now_s)).then(refused)
        if for_ms == 0:
            self._claims.lease = None
        elif self.mode is Mode.LOCKDOWN:
            return due.then(refuse(Refused.LOCKDOWN, "the door is in lockdown"))
        elif self._claims.fault:
            return due.then(refuse(Refused.FAULT, self._claims.fault))
        else:
            self._claims.renew(now_s + for_ms / 1000, first_person)
        return due.then(self._follow("free_access_ended"))

    def show(self, signal: Signal, now_s: float) -> Outcome:
        """The daemon's part of the lights: `look`, `denied`; anything else clears it."""
        due = self.heard(now_s)
        if not due.drop_client:
            self._asked = (signal, self._last_s) if signal in ASKED else None
        return due

    # -- inputs: the door's own -------------------------------------------------------------------------------------

    def sense(self, levels: Mapping[Input, bool], now_s: float) -> Outcome:
        """One reading of everything that is wired (True: active). Never depends on a client."""
        outcome = self.tick(now_s)
        for cause, told in self._sensors.read(levels, self._last_s):
            outcome = outcome.then(Outcome(facts=tuple(told))).then(self._follow(cause))
        return outcome

    def fault(self, detail: str, now_s: float) -> Outcome:
        """The pin can't be driven, or an input failed: lock and refuse grants until `fault_cleared`."""
        due = self.tick(now_s)
        self._claims.fault = detail or "the relay has a fault"
        self._claims.drop_timed()
        return due.then(self._follow("relocked", assert_level=True))

    def fault_cleared(self) -> None:
        self._claims.fault = ""

    # -- inside -----------------------------------------------------------------------------------------------

    def _follow(self, cause: str, pulse_ms: int = 0, *, assert_level: bool = False) -> Outcome:
        self._note_unlocked()
        outcome = self._latch.follow(self._last_s, cause, pulse_ms, assert_level=assert_level)
        self._note_unlocked()
        return outcome

    def _note_unlocked(self) -> None:
        if self._latch.energised or self._claims.exit_until_s is not None:
            self._sensors.leaf.unlocked_at(self._last_s)

    def _drop_client(self, cause: str) -> Outcome:
        self._heard_s = self._asked = None
        self._claims.drop_clients()
        return self._follow(cause, assert_level=True)

    def _asked_at(self, now_s: float) -> tuple[Outcome, Outcome | None]:
        """What is due, and a refusal where the packet may be stale."""
        backwards = self._runs_backwards(now_s)
        due = self.heard(now_s)
        if not (due.drop_client or backwards):
            return due, None
        why = "the door process was held up or its clock ran backwards: this request may be stale"
        return due, refuse(Refused.NOT_ALLOWED, why)

    def _runs_backwards(self, now_s: float) -> bool:
        return not (math.isfinite(now_s) and now_s >= self._last_s)

    def _is_silent(self, now_s: float) -> bool:
        return self._heard_s is not None and now_s - self._heard_s >= self._silence_s
