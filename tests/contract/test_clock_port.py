"""What every clock promises (ports.Clock)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeface.adapters.system.clock import RELEASED, SystemClock, VirtualClock
from edgeface.ports import Clock


@pytest.fixture(params=[SystemClock, VirtualClock], ids=["system", "virtual"])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_monotonic_time_never_runs_back(clock: Clock) -> None:
    readings = [clock.monotonic_s() for _ in range(1000)]
    assert readings == sorted(readings)


def test_wall_time_is_aware_and_utc(clock: Clock) -> None:
    assert clock.utc().utcoffset() == timedelta(0)


def test_a_clock_is_set_from_the_release_on(clock: Clock) -> None:
    assert clock.is_set() == (clock.utc() >= RELEASED)


def test_a_virtual_clock_moves_only_when_told() -> None:
    start = datetime(2026, 12, 24, 18, 0, tzinfo=timezone.utc)
    clock = VirtualClock(start)
    assert (clock.monotonic_s(), clock.utc()) == (0.0, start)
    clock.advance_to(1.5)
    assert (clock.monotonic_s(), clock.utc()) == (1.5, start + timedelta(seconds=1.5))
    clock.advance_to(1.0)
    assert clock.monotonic_s() == 1.5
    clock.advance(0.5)
    assert clock.monotonic_s() == 2.0


def test_a_virtual_clock_without_battery_is_not_set_until_the_time_comes() -> None:
    clock = VirtualClock(datetime(1970, 1, 1, tzinfo=timezone.utc))
    clock.advance(10)
    assert not clock.is_set()
    clock.set_utc(RELEASED + timedelta(days=1))
    assert clock.is_set()
    assert clock.monotonic_s() == 10.0


def test_a_virtual_clock_refuses_a_start_without_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(datetime(2026, 12, 24))  # noqa: DTZ001


def test_a_clock_behind_a_time_that_has_been_is_not_set_unless_the_network_set_it(tmp_path: Path) -> None:
    """A board without a battery that wakes up days behind; and a log that was once written by a wrong clock."""
    now, synchronised = datetime.now(timezone.utc), tmp_path / "synchronized"
    assert SystemClock(now - timedelta(days=1), synchronised).is_set()
    assert SystemClock(now + timedelta(minutes=1), synchronised).is_set()  # set back a little
    behind = SystemClock(now + timedelta(days=3), synchronised)
    assert not behind.is_set()
    synchronised.touch()
    assert behind.is_set()
