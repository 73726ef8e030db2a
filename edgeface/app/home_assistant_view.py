"""The door as Home Assistant is shown it, put together from those who know: door process, door loop, site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgeface.app.door_loop import DoorLoop
from edgeface.app.site_gate import SiteGate
from edgeface.domain.errors import DoorError
from edgeface.domain.events import DoorUnlocked, Event
from edgeface.domain.home_assistant import View
from edgeface.ports import Clock, Door

PERSON_S = 5.0  # somebody who is not seen for a moment has not left
WARM_S = 30.0  # between two looks at the temperature
DEGREES = 0.5  # less is no news


class DoorWatch:
    """Belongs to one thread. `in_step`: whether the site's gallery is here, whole; `temperature_c`: the machine's."""

    def __init__(
        self,
        door: Door,
        loop: DoorLoop,
        gate: SiteGate,
        in_step: Callable[[], bool],
        temperature_c: Callable[[], float | None],
        clock: Clock,
    ) -> None:
        self._door, self._loop, self._gate, self._clock = door, loop, gate, clock
        self._in_step, self._read_temperature = in_step, temperature_c
        self._seen_s = float("-inf")
        self._warm_at_s = float("-inf")
        self._temperature_c: float | None = None
        self._view = View()

    def look(self) -> View:
        now = self._clock.monotonic_s()
        try:
            status = self._door.status()
            self._view = View(
                lock="locked" if status.locked else "unlocked",
                open=None if status.contact is None else status.contact == "open",
                tampered="tamper" in status.alarms,
            )
        except DoorError:
            self._view = View()  # the door process is away: it has locked, but nobody can tell
        step = self._in_step() and self._gate.gallery() not in ("unconfirmed", "refused")
        self._view = replace(self._view, person=self._person(now), in_step=step, temperature_c=self._temperature(now))
        return self._view

    def after(self, event: Event) -> View:
        """What an event of the lock says about it, the rest as it was seen last."""
        return replace(self._view, lock="unlocked" if isinstance(event, DoorUnlocked) else "locked")

    def _person(self, now_s: float) -> bool | None:
        view = self._loop.latest
        if view is None:
            return None  # no picture
        if any(track.visible for track in view.tracks):
            self._seen_s = now_s
        return now_s - self._seen_s < PERSON_S

    def _temperature(self, now_s: float) -> float | None:
        if now_s >= self._warm_at_s:
            self._warm_at_s = now_s + WARM_S
            read = self._read_temperature()
            known = self._temperature_c
            if read is None or known is None or abs(read - known) >= DEGREES:
                self._temperature_c = read
        return self._temperature_c
