"""Two lights and a buzzer at the door, driven by domain/door_signals.py. A lamp that fails costs its light, nothing
else: the door's safety never rests on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from edgeface.adapters.door.driver import Relay
from edgeface.domain.door import DoorMachine
from edgeface.domain.door_signals import Lights, Signal, choose, lights, next_change_ms
from edgeface.domain.errors import DoorUnavailable

_log = logging.getLogger("edgeface.doord")


class Panel:
    """`lamps`: by their name in Lights; a Relay is one output pin, energised means lit."""

    def __init__(self, lamps: Mapping[str, Relay]) -> None:
        self._lamps = dict(lamps)
        self._signal, self._since_s = Signal.IDLE, 0.0
        self._shown = Lights()

    def update(self, machine: DoorMachine, now_s: float) -> None:
        signal = choose(machine.conditions(now_s))
        if signal is not self._signal or now_s < self._since_s:
            self._signal, self._since_s = signal, now_s
        self._show(lights(signal, (now_s - self._since_s) * 1000))

    def next_s(self, now_s: float) -> float | None:
        """When the lights change by themselves."""
        left_ms = next_change_ms(self._signal, (now_s - self._since_s) * 1000) if self._lamps else None
        return None if left_ms is None else now_s + left_ms / 1000

    def dark(self) -> None:
        self._show(Lights())

    def _show(self, wanted: Lights) -> None:
        before, self._shown = self._shown, wanted
        for name, lamp in list(self._lamps.items()):
            on = getattr(wanted, name)
            if on == getattr(before, name):
                continue
            try:
                if on:
                    lamp.energise()
                else:
                    lamp.lock()
            except DoorUnavailable as error:
                del self._lamps[name]
                _log.warning("the %s output is given up until the next start: %s", name, error)
