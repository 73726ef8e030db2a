"""Everything that is wired to the door process, from raw levels to facts and claims. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeface.domain.door_claims import Claims
from edgeface.domain.door_contact import Leaf
from edgeface.domain.door_events import (
    ExitButtonFreed,
    ExitButtonStuck,
    ExitRequested,
    FireReleaseEnded,
    FireReleaseStarted,
    PassageSeen,
    PassageUngranted,
    TamperEnded,
    TamperStarted,
)
from edgeface.domain.door_inputs import Change, Debounce
from edgeface.domain.door_rules import DoorRule, Input, Relock
from edgeface.domain.events import Event

_AT_REST = (Input.FIRE, Input.TAMPER)  # to burn when the process begins is news; to stand open is a state
_ORDER = (Input.FIRE, Input.REX, Input.CONTACT, Input.PASSAGE, Input.TAMPER)  # an exit goes before the opening


class Sensors:
    """Changes the claims as the inputs demand; DoorMachine makes the relay follow."""

    def __init__(self, rule: DoorRule, inputs: Mapping[Input, int], claims: Claims) -> None:
        self._rule, self._claims = rule, claims
        self._inputs = {name: Debounce(inputs[name], name in _AT_REST) for name in _ORDER if name in inputs}
        self.leaf = Leaf(rule)
        self.tampered = False
        self._used = False  # somebody went through since the last grant
        self._pressed_s: float | None = None
        self._stuck = False

    @property
    def contact(self) -> str | None:
        return None if self.leaf.open is None else "open" if self.leaf.open else "closed"

    @property
    def alarms(self) -> tuple[str, ...]:
        standing = {
            "fire": self._claims.fire,
            "forced_open": self.leaf.forced,
            "held_open": self.leaf.held_open,
            "tamper": self.tampered,
            "exit_button_stuck": self._stuck,
        }
        return tuple(name for name, stands in standing.items() if stands)

    @property
    def unused(self) -> bool:
        """Whether an input can tell that nobody has gone through since the last grant."""
        told_by = Input.PASSAGE if self._rule.turnstile else Input.CONTACT
        return told_by in self._inputs and not self._used

    @property
    def next_s(self) -> float | None:
        pending = [self.leaf.next_s]
        if self._pressed_s is not None and not self._stuck:
            pending.append(self._pressed_s + self._rule.rex_stuck_s)
        return min((each for each in pending if each is not None), default=None)

    def pulse_begins(self) -> None:
        self._used = bool(self.leaf.open)

    def tick(self, now_s: float) -> list[Event]:
        """Alarms that come by waiting."""
        events: list[Event] = []
        if self._pressed_s is not None:
            self._pressed_s = min(self._pressed_s, now_s)
            if not self._stuck and now_s >= self._pressed_s + self._rule.rex_stuck_s:
                self._stuck = True
                events.append(ExitButtonStuck(now_s, self._rule.rex_stuck_s))
        may_stand_open = self._claims.free or self._claims.fire or self._claims.toggled is not None
        return events + self.leaf.tick(now_s, may_stand_open)

    def read(self, levels: Mapping[Input, bool], now_s: float) -> Iterator[tuple[str, list[Event]]]:
        """For each input that changed: why the relay locks, where it does, and what to report. The claims are changed
        already; the relay must follow before the next one is asked for."""
        for name, input_ in self._inputs.items():
            if name not in levels:
                continue
            change = input_.sample(levels[name], now_s)
            if change is not None:
                yield self._changed(name, change, now_s)

    def _changed(self, name: Input, change: Change, now_s: float) -> tuple[str, list[Event]]:
        if name is Input.FIRE:
            return self._fire(change, now_s)
        if name is Input.REX:
            return self._rex(change, now_s)
        if name is Input.CONTACT:
            return self._contact(change, now_s)
        if name is Input.PASSAGE:
            return self._passage(change, now_s)
        return self._tamper(change, now_s)

    def _fire(self, change: Change, now_s: float) -> tuple[str, list[Event]]:
        self._claims.fire = change.active
        return "fire_ended", [FireReleaseStarted(now_s) if change.active else FireReleaseEnded(now_s)]

    def _rex(self, change: Change, now_s: float) -> tuple[str, list[Event]]:
        """The press opens, not the being pressed: a short circuit gives one pulse and then an alarm."""
        self._pressed_s = change.since_s if change.active else None
        if not change.active:
            freed, self._stuck = self._stuck, False
            return "pulse_ended", [ExitButtonFreed(now_s)] if freed else []
        if change.first:  # it was pressed before this process began: nobody asks just now
            return "pulse_ended", []
        self._claims.exit_until_s = now_s + self._rule.rex_pulse_ms / 1000
        return "pulse_ended", [ExitRequested(now_s, self._claims.holding() is not None)]

    def _contact(self, change: Change, now_s: float) -> tuple[str, list[Event]]:
        if change.first:
            self.leaf.found(change.active, now_s)
            return "opened", []
        grant = self._claims.grant
        justified = self._claims.holding() is not None or self._claims.exit_until_s is not None
        grant_id = None if grant is None else grant.grant_id
        events = self.leaf.changed(change.active, change.since_s, now_s, justified, grant_id)
        if change.active:
            self._used = True
        if self._rule.relock is (Relock.ON_OPEN if change.active else Relock.ON_CLOSE):
            self._claims.drop_pulses()
        return "opened" if change.active else "closed", events

    def _passage(self, change: Change, now_s: float) -> tuple[str, list[Event]]:
        if not change.active or change.first:
            return "passed", []
        grant, exiting = self._claims.grant, self._claims.exit_until_s is not None
        if grant is not None:
            self._used = True
            self._claims.grant = None
            return "passed", [PassageSeen(now_s, grant.grant_id)]
        self._claims.exit_until_s = None
        ungranted = not exiting and self._claims.holding() is None
        return "passed", [PassageUngranted(now_s)] if ungranted else []

    def _tamper(self, change: Change, now_s: float) -> tuple[str, list[Event]]:
        self.tampered = change.active
        return "relocked", [TamperStarted(now_s) if change.active else TamperEnded(now_s)]
