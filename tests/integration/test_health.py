"""The daemon looks after its machine: slower when it is hot, never looser; every alarm begins and ends by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.doorway import Seen, enrolled
from support.running import Running

from edgeface.adapters.system.starts import StartCount
from edgeface.app import machine
from edgeface.app.health import Alarms
from edgeface.domain.events import Event


class Board:
    """A machine whose readings the test sets."""

    def __init__(self) -> None:
        self.heat: float | None = 50.0
        self.limits: tuple[str, ...] | None = ()
        self.free: int | None = 1 << 30

    def temperature_c(self) -> float | None:
        return self.heat

    def throttled(self) -> tuple[str, ...] | None:
        return self.limits

    def disk_free_bytes(self, path: Path) -> int | None:
        return self.free

    def rss_bytes(self) -> int | None:
        return None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "READ_S", 0.05)


def on(board: Board, **settings) -> Running:
    running = Running(enrolled("ada"), faces=[Seen("ada")], **settings)
    running.daemon.machine._machine = board
    return running


def standing(running: Running) -> set[str]:
    return set(running.daemon.alarms.standing)


@pytest.mark.usefixtures("quick")
def test_an_overheated_board_looks_at_fewer_pictures_and_lets_in_by_the_same_rules() -> None:
    board = Board()
    running = on(board, health={"hot_fps": 4.0}, decision={"freshness_ms": 2000, "cooldown_s": 0.0})
    told: dict[str, object] = {}

    def script() -> None:
        running.until(lambda: running.count("access_granted") >= 1)
        rules = running.parts.loop.rules
        board.heat = 91.0
        running.until(lambda: standing(running) == {"overheating"})
        running.frames_pass(2)
        at_s, at = running.clock.monotonic_s(), running.daemon.frames
        running.frames_pass(6)
        told["fps"] = (running.daemon.frames - at) / (running.clock.monotonic_s() - at_s)
        granted = running.count("access_granted")
        running.until(lambda: running.count("access_granted") > granted)
        assert running.parts.loop.rules is rules
        board.heat = 60.0
        running.until(lambda: not standing(running))
        running.frames_pass(20)

    running.play(script)
    assert told["fps"] <= 5.0  # the camera gives 40
    slow = [e for e in running.events if e.kind == "access_granted"][-1]
    assert slow.evidence_ms >= 400  # three frames that agree, a quarter of a second apart
    alarms = [(e.kind, e.alarm) for e in running.events if e.kind.startswith("alarm")]
    assert alarms == [("alarm_started", "overheating"), ("alarm_ended", "overheating")]


@pytest.mark.usefixtures("quick")
def test_disk_power_and_clock_are_alarms_that_end_by_themselves() -> None:
    board = Board()
    running = on(board)
    right = running.clock.is_set

    def script() -> None:
        board.free, board.limits = 1 << 20, ("undervoltage",)
        running.clock.is_set = lambda: False
        running.until(lambda: standing(running) == {"disk_low", "power", "clock"})
        board.free, board.limits = 1 << 30, ()
        running.clock.is_set = right
        running.until(lambda: not standing(running))

    running.play(script)
    ended = [e for e in running.events if e.kind == "alarm_ended"]
    assert {e.alarm for e in ended} == {"disk_low", "power", "clock"}
    for event in running.events:
        if event.kind == "alarm_started":
            assert event.detail.endswith(".")


def test_an_alarm_that_stands_is_said_once() -> None:
    recorded: list[Event] = []
    running = Running()
    alarms = Alarms(recorded.extend, running.clock)
    for _ in range(3):
        alarms.set("disk_low", "Full.")
    for _ in range(3):
        alarms.set("disk_low", None)
    assert [e.kind for e in recorded] == ["alarm_started", "alarm_ended"]


def test_starts_that_do_not_last_are_counted_across_processes(tmp_path: Path) -> None:
    path = tmp_path / "state" / "starts.json"
    for expected in (0, 1, 2):
        starts = StartCount(path)
        assert starts.failed == expected
        starts.begin()
    starts.lasted()
    assert StartCount(path).failed == 0
    assert [p.name for p in path.parent.iterdir()] == ["starts.json"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_person_must_mend_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "starts.json"
    for _ in range(3):
        starts = StartCount(path)
        starts.begin()
        starts.does_not_count()
    assert StartCount(path).failed == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"failed_starts": -1}', '{"failed_starts": true}', "\xff", "9" * 5000]
)
def test_a_damaged_count_keeps_no_door_from_working(tmp_path: Path, text: str) -> None:
    path = tmp_path / "starts.json"
    path.write_text(text, encoding="latin-1")
    starts = StartCount(path)
    assert starts.failed == 0
    starts.begin()
    assert json.loads(path.read_text()) == {"failed_starts": 1}


def test_a_disk_that_refuses_the_count_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    starts = StartCount(tmp_path / "file" / "starts.json")
    starts.begin()
    starts.lasted()
    assert starts.failed == 0


def test_a_start_that_went_well_for_long_enough_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "READ_S", 0.02)
    running = on(Board(), health={"lasting_min": 0.001})
    told: list[int] = []
    running.daemon.lasted = lambda: told.append(1)
    running.play(lambda: (running.until(lambda: bool(told)), running.frames_pass(10)))
    assert told == [1]
