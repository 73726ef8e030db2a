"""When the key that wraps everybody's keys is renewed: within a day, whatever the clock says, and not in front of
somebody who stands at the door."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import RELEASED, VirtualClock
from edgeface.app.recorder import Recorder
from edgeface.app.renewal import GATHER_S, GRACE_S, LATEST_S, RETRY_S, KeyRenewal
from edgeface.domain.errors import StorageError
from edgeface.domain.events import Event
from edgeface.domain.gallery_keys import WrappingKey

HOUR_S = 3600.0


class Store:
    """What the worker sees of a gallery."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.state = WrappingKey(1, 0, None, False)
        self.full = False
        self.tries = 0

    def wrapping_key(self) -> WrappingKey:
        return self.state

    def remove(self) -> None:
        """Somebody is removed, at the wall clock's time."""
        since_s = max(0, int(self.clock.utc().timestamp()))
        self.state = replace(self.state, owed_since_s=self.state.owed_since_s or since_s)

    def renew(self) -> WrappingKey:
        self.tries += 1
        if self.full:
            raise StorageError("The disk is full.", "Make room.")
        self.state = WrappingKey(self.state.generation + 1, 0, None, False)
        return self.state

    def erase_traces(self) -> None:
        self.state = replace(self.state, traces=False)


class Case:
    def __init__(self, start: datetime = RELEASED) -> None:
        self.clock = VirtualClock(start)
        self.store = Store(self.clock)
        self.at_the_door = False
        self.told = 0
        self.events: list[Event] = []
        self.begin()

    def begin(self) -> None:
        """The daemon starts."""
        self.worker = KeyRenewal(
            self.store,
            lambda: nullcontext(self.store),
            Recorder(MemoryAudit(clock=self.clock, boot_id="test"), self.clock, [self.events.append]),
            self.clock,
            lambda: self.at_the_door,
            self._renewed,
        )

    def _renewed(self) -> None:
        self.told += 1

    def hours(self, hours: float) -> float | None:
        """Lets time pass; after how many hours the key was renewed."""
        before = self.store.state.generation
        for minute in range(round(hours * 60)):
            self.worker.look()
            if self.store.state.generation > before:
                return minute / 60
            self.clock.advance(60)
        return None


def test_nothing_is_renewed_where_nobody_was_removed() -> None:
    case = Case()
    assert case.hours(100) is None
    assert case.told == 0


def test_a_days_removals_share_one_renewal_and_it_is_told() -> None:
    case = Case()
    case.hours(1)
    case.store.remove()
    assert case.hours(1) is None
    case.store.remove()
    after = case.hours(24)
    assert after is not None
    assert 1 + after == pytest.approx(GATHER_S / HOUR_S, abs=0.1)
    assert case.told == 1
    assert [(e.kind, e.to_dict()["generation"]) for e in case.events] == [("wrapping_key_renewed", 2)]
    assert case.hours(48) is None


def test_it_waits_for_a_moment_without_anybody_and_not_for_ever() -> None:
    case = Case()
    case.hours(1)
    case.store.remove()
    case.at_the_door = True
    assert case.hours(GATHER_S / HOUR_S + 2) is None
    case.at_the_door = False
    assert case.hours(1) == 0
    case.store.remove()
    case.at_the_door = True
    after = case.hours(24)
    assert after == pytest.approx(LATEST_S / HOUR_S, abs=0.1)


@pytest.mark.parametrize("year", [1970, 2000, 2100])
def test_a_wrong_clock_makes_nothing_late(year: int) -> None:
    """In 1970 the wall clock says nothing; this process's own time counts."""
    case = Case(datetime(year, 1, 1, tzinfo=timezone.utc))
    case.hours(1)
    case.store.remove()
    after = case.hours(24)
    assert after is not None
    assert after <= LATEST_S / HOUR_S


@pytest.mark.parametrize("jump_h", [-24 * 365, -5, 5, 24 * 365 * 56])
def test_a_clock_that_jumps_makes_nothing_late(jump_h: float) -> None:
    case = Case(RELEASED + timedelta(days=400))
    case.hours(1)
    case.store.remove()
    case.at_the_door = True
    assert case.hours(1) is None
    case.clock.set_utc(case.clock.utc() + timedelta(hours=jump_h))
    after = case.hours(24)
    assert after is not None
    assert 1 + after <= LATEST_S / HOUR_S + 0.1


def test_what_was_owed_before_a_restart_is_done_soon_after_it() -> None:
    """Off for nobody knows how long, and the wall clock in 1970."""
    case = Case(datetime(1970, 1, 1, tzinfo=timezone.utc))
    case.store.remove()
    case.begin()
    assert case.hours(1) == 0
    assert case.told == 1
    case.store.remove()
    case.begin()
    case.at_the_door = True
    assert case.hours(1) == pytest.approx(GRACE_S / HOUR_S, abs=0.05)


def test_a_board_that_slept_counts_the_wall_clock() -> None:
    case = Case()
    case.hours(1)
    case.store.remove()
    case.hours(0.1)
    case.clock.set_utc(case.clock.utc() + timedelta(hours=20))  # monotonic time stands still in suspend
    assert case.hours(1) == 0


def test_a_full_disk_is_tried_again_and_not_every_minute() -> None:
    case = Case()
    case.store.remove()
    case.begin()
    case.store.full = True
    assert case.hours(2) is None
    assert case.store.tries == pytest.approx(2 * HOUR_S / RETRY_S, abs=1)
    case.store.full = False
    assert case.hours(1) is not None


def test_traces_that_a_reader_held_up_are_overwritten_without_another_change() -> None:
    case = Case()
    case.store.state = replace(case.store.state, traces=True)
    case.hours(0.1)
    assert not case.store.state.traces


def test_a_gallery_of_before_gets_a_key_of_its_own_by_itself() -> None:
    case = Case()
    case.store.state = WrappingKey(0, 0, None, False)
    case.begin()
    assert case.hours(1) == 0
    assert case.store.state.generation == 1


def test_a_renewal_by_a_command_beside_the_daemon_is_told_too() -> None:
    case = Case()
    case.hours(1)
    case.store.remove()
    case.hours(1)
    case.store.renew()
    case.hours(0.1)
    assert case.told == 1
    case.store.remove()
    assert case.hours(2) is None, "what is owed anew counts from its own beginning"
