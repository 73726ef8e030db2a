"""Free access by schedule: asked for again and again, only while the time is right and known."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from edgeface.adapters.door.recording import RecordingDoor
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.door_lights import DoorLights
from edgeface.app.free_access import FreeAccess
from edgeface.domain.schedule import Schedule, Timetable, Window, time_zone

OPEN = datetime(2030, 1, 7, 8, 0, tzinfo=timezone.utc)  # a Monday
OFFICE = Timetable([Schedule("office", (Window.parse(["mon"], "08:00", "09:00"),), time_zone("UTC"))])


class Hall:
    def __init__(self, start: datetime, first_person: bool = False, schedule: str = "office") -> None:
        self.clock = VirtualClock(start)
        self.door = RecordingDoor(self.clock)
        self.free = FreeAccess(self.door, self.clock, OFFICE, schedule, first_person)

    def run(self, for_s: float) -> None:
        end_s = self.clock.monotonic_s() + for_s
        while self.clock.monotonic_s() < end_s:
            self.clock.advance(1.0)
            self.free.tick()

    @property
    def locked(self) -> bool:
        return self.door.status().locked


def test_it_is_open_in_its_hours_and_locked_outside() -> None:
    hall = Hall(OPEN - timedelta(minutes=5))
    hall.run(290)
    assert hall.locked
    hall.run(60)
    assert not hall.locked
    hall.run(3540)
    assert not hall.locked
    hall.run(60)
    assert hall.locked
    assert len(hall.door.energised) == 2, "open once and locked once, not with every renewal"


def test_it_waits_for_the_first_person() -> None:
    hall = Hall(OPEN, first_person=True)
    hall.run(600)
    assert hall.locked
    hall.door.grant("a" * 32, 1000)
    hall.run(600)
    assert not hall.locked


def test_a_daemon_that_hangs_lets_it_end() -> None:
    hall = Hall(OPEN)
    hall.run(60)
    assert not hall.locked
    hall.clock.advance(31.0)
    assert hall.locked


def test_a_clock_that_can_not_be_right_opens_nothing() -> None:
    hall = Hall(datetime(1970, 1, 5, 8, 30, tzinfo=timezone.utc))
    hall.run(60)
    assert hall.locked


def test_a_lockdown_stands_above_it_and_its_end_brings_it_back() -> None:
    hall = Hall(OPEN)
    hall.run(10)
    hall.door.set_mode("lockdown")
    hall.run(60)
    assert hall.locked
    hall.door.set_mode("normal")
    hall.run(5)
    assert not hall.locked


def test_an_operators_lock_holds_for_the_rest_of_the_window() -> None:
    hall = Hall(OPEN)
    hall.run(10)
    hall.door.lock()
    hall.run(600)
    assert hall.locked


def test_a_door_process_that_is_away_is_asked_again() -> None:
    hall = Hall(OPEN)
    hall.door.fail_with = "away"
    hall.run(10)
    hall.door.fail_with = ""
    hall.run(5)
    assert not hall.locked


def test_without_a_schedule_nothing_is_asked() -> None:
    hall = Hall(OPEN, schedule="")
    hall.run(600)
    assert hall.door.energised == []


def test_look_here_is_sent_now_and_then_and_never_where_there_are_no_lights() -> None:
    clock = VirtualClock(OPEN)
    door = RecordingDoor(clock)
    lights, none = DoorLights(door, clock, True), DoorLights(door, clock, False)
    for _ in range(30):
        clock.advance(0.1)
        lights.look()
        none.look()
    assert [signal for _, signal in door.shown] == ["look"] * 3
    lights.denied()
    assert door.shown[-1][1] == "denied"
    door.fail_with = "away"
    lights.denied()
