"""The mode that the door loop goes by: the stricter of the door process's and the site's."""

from __future__ import annotations

from edgeface.app.door_loop import DoorLoop
from edgeface.app.site_gate import SiteGate
from edgeface.domain.errors import DoorUnavailable, GrantRefused
from edgeface.domain.messages import SiteMode
from edgeface.ports import Clock, Door

ASK_S = 1.0  # how late a lockdown set at the door process is known here; it refuses by itself meanwhile


class DoorMode:
    """Belongs to the main thread. `gate` None: the door belongs to no site."""

    def __init__(self, door: Door, loop: DoorLoop, gate: SiteGate | None, clock: Clock) -> None:
        self._door, self._loop, self._gate, self._clock = door, loop, gate, clock
        self._given: int | None = None  # of the site's modes, the one that this door process was told of
        self._next_s = 0.0

    def tick(self) -> None:
        gate, now = self._gate, self._clock.monotonic_s()
        changed = gate is not None and self._given is not None and gate.mode_number != self._given
        if changed or now >= self._next_s:  # a lockdown doesn't wait
            self._next_s = now + ASK_S
            self.ask()

    def door_process_recovered(self) -> None:
        """It may know of no mode."""
        self._given, self._next_s = None, 0.0

    def ask(self) -> None:
        gate = self._gate
        try:
            status = self._door.status()
            self._loop.tampered = "tamper" in status.alarms  # also one that began before this daemon did
            mode = status.mode
            self._loop.mode = mode if gate is None else self._agreed(mode, gate)
        except (DoorUnavailable, GrantRefused):
            # said by its own event; a grant would find out by itself
            if gate is not None and gate.mode is SiteMode.LOCKDOWN:
                self._loop.mode = SiteMode.LOCKDOWN.value

    def _agreed(self, mode: str, gate: SiteGate) -> str:
        """A change of the site's mode is told to the door process once, so that a hand that locks the door is not
        overruled; a lockdown always. A door process that begins keeps a stricter mode of its own."""
        number, wanted = gate.mode_number, gate.mode.value
        if self._given is None:
            tell = mode != SiteMode.LOCKDOWN.value
        else:
            tell = number != self._given or wanted == SiteMode.LOCKDOWN.value
        if tell and mode != wanted:
            self._door.set_mode(wanted)
            mode = wanted
        self._given = number
        return wanted if wanted == SiteMode.LOCKDOWN.value else mode
