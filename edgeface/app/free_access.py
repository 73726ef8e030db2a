"""Free access by schedule: whoever knows the time asks the door process for it, again and again, and only while it is
right. A daemon that dies, or a clock that can't be right, ends it."""

from __future__ import annotations

from edgeface.domain.errors import DoorError
from edgeface.domain.schedule import Timetable
from edgeface.ports import Clock, Door

LEASE_MS = 30_000
RENEW_S = 10.0  # two renewals may fail
AGAIN_S = 2.0  # after a refusal: a lockdown may end


class FreeAccess:
    """`schedule` empty: never. One thread calls `tick`."""

    def __init__(self, door: Door, clock: Clock, timetable: Timetable, schedule: str, first_person: bool) -> None:
        self._door, self._clock, self._timetable = door, clock, timetable
        self._schedule, self._first_person = schedule, first_person
        self._next_s = float("-inf")
        self._asked = False

    def change(self, timetable: Timetable, schedule: str, first_person: bool) -> None:
        """Other hours from the next tick on."""
        self._timetable, self._schedule, self._first_person = timetable, schedule, first_person
        self._next_s = float("-inf")

    def tick(self) -> None:
        """Asks where it is time to. What the door process refuses or does not hear is asked again: its own events say
        what came of it."""
        now_s, wanted = self._clock.monotonic_s(), self._wanted()
        if now_s < self._next_s and wanted == self._asked:
            return
        if not (wanted or self._asked):
            return
        try:
            self._door.free(LEASE_MS if wanted else 0, self._first_person)
            self._asked, self._next_s = wanted, now_s + RENEW_S
        except DoorError:
            self._asked, self._next_s = wanted, now_s + AGAIN_S

    def _wanted(self) -> bool:
        if not self._schedule:
            return False
        known = self._clock.is_set() or not self._timetable.needs_clock(self._schedule)
        return known and self._timetable.allows(self._schedule, self._clock.utc())
