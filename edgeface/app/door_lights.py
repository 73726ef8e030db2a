"""What lights and buzzer tell the person before the camera, beyond what the door process shows by itself."""

from __future__ import annotations

from edgeface.domain.errors import DoorError
from edgeface.ports import Clock, Door

LOOK_EVERY_S = 1.0  # the door process shows it for two


class DoorLights:
    """`fitted` False: there are none, and nothing is sent. Belongs to the door loop's thread."""

    def __init__(self, door: Door, clock: Clock, fitted: bool) -> None:
        self._door, self._clock, self._fitted = door, clock, fitted
        self._look_s = float("-inf")

    def denied(self) -> None:
        self._show("denied")

    def look(self) -> None:
        """Somebody is there and has not been decided on; asked with every frame, sent now and then."""
        now_s = self._clock.monotonic_s()
        if now_s - self._look_s >= LOOK_EVERY_S:
            self._look_s = now_s
            self._show("look")

    def _show(self, signal: str) -> None:
        if not self._fitted:
            return
        try:
            self._door.show(signal)
        except DoorError:
            pass  # a lamp is no reason to delay a decision; a door process that is gone says so by its own event
