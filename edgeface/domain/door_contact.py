"""The door's leaf, as its contact tells: opened, closed, held open (with a warning before), forced open. Pure."""

from __future__ import annotations

from edgeface.domain.door_events import DoorClosed, DoorForcedOpen, DoorHeldOpen, DoorHeldOpenSoon, DoorOpened
from edgeface.domain.door_rules import DoorRule
from edgeface.domain.events import Event


class Leaf:
    """`forced` and `held_open` are the alarms that stand; closing the door ends both."""

    def __init__(self, rule: DoorRule) -> None:
        self._rule = rule
        self._grace_s = rule.latch_grace_ms / 1000
        self.open: bool | None = None  # None: no contact, or not read yet
        self.forced = self.held_open = self.warned = False
        self._opened_s = 0.0
        self._timing_from_s = 0.0  # of the held-open time: opened, or free access ended
        self._justified_until_s = float("-inf")

    def unlocked_at(self, now_s: float) -> None:
        """Told whenever the door is unlocked, or an exit is justified, so that an opening is no break-in."""
        self._justified_until_s = now_s + self._grace_s

    def changed(
        self, is_open: bool, since_s: float, now_s: float, justified: bool, grant_id: str | None
    ) -> list[Event]:
        """The contact moved at `since_s`; `justified`: the door is unlocked now or an exit was asked for."""
        was_forced, before = self.forced, self.open
        self.open = is_open
        if not is_open:
            open_s = max(0.0, now_s - self._opened_s)
            self.forced = self.held_open = self.warned = False
            if before and not was_forced:  # a leaf that bounces off its latch was not broken open
                self._justified_until_s = max(self._justified_until_s, since_s + self._grace_s)
            return [DoorClosed(now_s, round(open_s, 3))]
        self._opened_s = self._timing_from_s = since_s
        if justified or since_s <= self._justified_until_s:
            return [DoorOpened(now_s, grant_id)]
        self.forced = True
        return [DoorForcedOpen(now_s)]

    def found(self, is_open: bool, now_s: float) -> None:
        """The state at the start: nothing happened, but an open door's time begins."""
        self.open, self._opened_s, self._timing_from_s = is_open, now_s, now_s

    def tick(self, now_s: float, free: bool) -> list[Event]:
        """`free`: everybody may enter, so the door may stand open."""
        if not self.open:
            return []
        if free or now_s < self._timing_from_s:  # or the clock ran backwards: count anew
            self._timing_from_s = now_s
            self.held_open = self.warned = False
            return []
        events: list[Event] = []
        if not self.warned and now_s >= self._warning_s:
            self.warned = True
            if self._rule.held_open_warning_s > 0:
                events.append(DoorHeldOpenSoon(now_s, self._rule.held_open_warning_s))
        if not self.held_open and now_s >= self._alarm_s:
            self.held_open = True
            events.append(DoorHeldOpen(now_s, self._rule.held_open_s))
        return events

    @property
    def next_s(self) -> float | None:
        if not self.open or self.held_open:
            return None
        return self._alarm_s if self.warned else self._warning_s

    @property
    def _alarm_s(self) -> float:
        return self._timing_from_s + self._rule.held_open_s

    @property
    def _warning_s(self) -> float:
        return self._timing_from_s + self._rule.held_open_s - self._rule.held_open_warning_s
