"""What the door is now, to be asked and never changed: status, alarms, the signal that is shown. Pure."""

from __future__ import annotations

from edgeface.domain.door_claims import Claims
from edgeface.domain.door_latch import Latch
from edgeface.domain.door_rules import DoorRule, Mode
from edgeface.domain.door_sensors import Sensors
from edgeface.domain.door_signals import ASKED, Conditions, Signal


class DoorView:
    """The part of DoorMachine that looks on."""

    def __init__(self, rule: DoorRule, claims: Claims, sensors: Sensors) -> None:
        self._rule, self._claims, self._sensors = rule, claims, sensors
        self._latch = Latch(claims)
        self._asked: tuple[Signal, float] | None = None

    @property
    def locked(self) -> bool:
        return not self._latch.energised

    @property
    def mode(self) -> Mode:
        return self._claims.mode

    @property
    def held_by(self) -> str | None:
        """What holds the door unlocked (a cause of DoorUnlocked); None where it is locked."""
        return self._claims.holding() if self._latch.energised else None

    @property
    def state(self) -> str:
        """One word for the diagram."""
        held = self.held_by
        if held is None:
            return "fault" if self._claims.fault else "lockdown" if self.mode is Mode.LOCKDOWN else "locked"
        return f"{held}_in_lockdown" if self.mode is Mode.LOCKDOWN and held != "fire" else held

    @property
    def grant_id(self) -> str | None:
        """Of the running pulse, or of the toggled door."""
        running = self._claims.grant or self._claims.toggled
        return None if running is None else running.grant_id

    @property
    def detail(self) -> str:
        """A sentence about the standing fault; empty where there is none."""
        return self._claims.fault

    @property
    def contact(self) -> str | None:
        """`open`, `closed`; None where no contact is wired."""
        return self._sensors.contact

    @property
    def alarms(self) -> tuple[str, ...]:
        return self._sensors.alarms

    def conditions(self, now_s: float) -> Conditions:
        """What the lights and the buzzer go by."""
        asked = self._asked
        if asked is not None and not 0 <= (now_s - asked[1]) * 1000 < ASKED[asked[0]]:
            asked = self._asked = None
        leaf = self._sensors.leaf
        return Conditions(
            self.held_by,
            leaf.forced,
            self._sensors.tampered,
            leaf.held_open,
            leaf.warned and self._rule.held_open_warning_s > 0,
            bool(self._claims.fault),
            self.mode is Mode.LOCKDOWN,
            None if asked is None else asked[0],
        )
