"""Failures lock out the one who fails, spoofs lock the door for a bounded time, and the enrolled are spared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.lockout import REMEMBERED_PROBES, DoorLockout, FailureRule, SpoofRule, TrackLockout
from edgeface.domain.types import Embedding, Floats


def face(seed: int) -> Floats:
    vector = np.random.default_rng(seed).standard_normal(128)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def view(of: Floats, seed: int, cosine: float = 0.75) -> Embedding:
    """Another picture of the same face, at this cosine."""
    side = face(seed + 1_000_000)
    side = side - (side @ of) * of
    vector = cosine * of + np.sqrt(1 - cosine**2) * side / np.linalg.norm(side)
    return Embedding(vector.astype(np.float32), "m@1")


STRANGER, ENROLLED = face(1), face(2)


def lock_out(lockout: TrackLockout, track: int = 1, of: Floats = STRANGER, at: float = 0.0) -> None:
    for i in range(5):
        lockout.failed(track, at + i, view(of, i))


def test_five_failures_then_delays_that_double() -> None:
    """Nothing for four, 30 s for the fifth, 60 s for the sixth, an hour at most."""
    lockout, now = TrackLockout(), 0.0
    delays = []
    for _ in range(16):
        now += 1.0
        begun = lockout.failed(1, now)
        delays.append(begun)
        now += begun or 0.0
    assert delays[:7] == [None] * 4 + [30.0, 60.0, 120.0]
    assert delays[-1] == 3600.0


def test_a_lockout_counts_down_and_failures_in_it_do_not_count() -> None:
    """Trying while locked out changes nothing; other tracks are free."""
    lockout = TrackLockout()
    lock_out(lockout)
    assert lockout.remaining_s(1, 14.0) == 20.0
    assert lockout.failed(1, 20.0) is None
    assert lockout.remaining_s(1, 34.0) == 0.0
    assert lockout.remaining_s(2, 14.0) == 0.0
    assert lockout.ended(33.0) == 0
    assert lockout.ended(34.0) == 1
    assert lockout.ended(35.0) == 0


def test_a_stranger_who_walks_out_and_in_again_stays_locked_out() -> None:
    """His new track inherits by his face, and goes on counting where he stopped."""
    lockout = TrackLockout()
    lock_out(lockout)
    lockout.track_gone(1)
    assert lockout.adopt(2, view(STRANGER, 50), 0.3, 10.0)
    assert lockout.remaining_s(2, 10.0) == 24.0
    assert lockout.failed(2, 40.0, view(STRANGER, 51)) == 60.0


def test_failures_before_the_lockout_follow_too() -> None:
    """Four failures, out, in, one more: locked out."""
    lockout = TrackLockout()
    for i in range(4):
        lockout.failed(1, float(i), view(STRANGER, i))
    lockout.track_gone(1)
    assert lockout.adopt(2, view(STRANGER, 50), 0.2, 6.0)
    assert lockout.failed(2, 7.0) == 30.0


def test_a_strangers_lockout_never_becomes_an_enrolled_persons() -> None:
    """A face unlike the failed one inherits nothing; neither does one nearer to its own template."""
    lockout = TrackLockout()
    lock_out(lockout)
    assert not lockout.adopt(2, view(ENROLLED, 60), 0.75, 10.0)
    twin = view(STRANGER, 61, cosine=0.6)
    assert not lockout.adopt(3, twin, 0.9, 10.0)
    assert lockout.remaining_s(2, 10.0) == lockout.remaining_s(3, 10.0) == 0.0


def test_what_was_inherited_by_mistake_is_lost_again() -> None:
    """One bad frame of an enrolled twin must not hold him for the whole lockout; a stranger keeps it."""
    lockout = TrackLockout()
    lock_out(lockout)
    assert lockout.adopt(2, view(STRANGER, 62, cosine=0.9), 0.3, 10.0)
    assert lockout.adopt(2, view(STRANGER, 63), 0.3, 10.1)
    assert not lockout.adopt(2, view(STRANGER, 64), 0.99, 10.2)
    assert lockout.remaining_s(2, 10.3) == 0.0
    assert not lockout.adopt(1, view(STRANGER, 64), 0.99, 10.2)
    assert lockout.remaining_s(1, 10.3) > 0.0


def test_a_grant_clears_the_person() -> None:
    """Four bad frames of somebody enrolled are forgotten with his grant, and so are his probes."""
    lockout = TrackLockout()
    for i in range(4):
        lockout.failed(1, float(i), view(ENROLLED, i))
    lockout.granted(1)
    assert lockout.remembered_probes == 0
    assert lockout.failed(1, 5.0) is None


def test_probes_are_forgotten_and_bounded() -> None:
    """64 at most, none a while after; another model's probe compares with nothing."""
    lockout = TrackLockout()
    for track in range(100):
        lockout.failed(track, 0.0, view(face(track), track))
    assert lockout.remembered_probes == REMEMBERED_PROBES
    other = Embedding(view(face(99), 99).vector, "m@2")
    assert not lockout.adopt(500, other, -1.0, 1.0)
    lockout.ended(599.0)
    assert lockout.remembered_probes == REMEMBERED_PROBES
    lockout.ended(600.0)
    assert lockout.remembered_probes == 0


def test_many_tracks_stay_bounded_and_a_broken_probe_is_not_kept() -> None:
    """A crowd of failing tracks doesn't grow memory; a NaN probe is passed over."""
    lockout = TrackLockout()
    for track in range(1000):
        lockout.failed(track, 1.0)
    assert len(lockout._tracks) <= 256
    broken = Embedding(np.full(128, np.nan, np.float32), "m@1")
    lockout.failed(2000, 1.0, broken)
    assert lockout.remembered_probes == 0
    assert not lockout.adopt(2001, broken, 0.0, 1.0)


def test_three_spoofs_lock_the_door_and_then_for_longer() -> None:
    """30 s, 60 s, ... five minutes at most; the door takes three new spoofs each time."""
    door, now, delays = DoorLockout(), 0.0, []
    for _ in range(6):
        for _ in range(2):
            now += 1
            assert door.spoofed(now) is None
        now += 1
        delays.append(door.spoofed(now))
        assert door.remaining_s(now) == delays[-1]
        now += delays[-1] or 0.0
        assert door.remaining_s(now) == 0.0
        assert door.ended(now)
        assert not door.ended(now)
    assert delays == [30.0, 60.0, 120.0, 240.0, 300.0, 300.0]


def test_spoofs_far_apart_and_a_calm_time() -> None:
    """Three spoofs over minutes don't lock; ten calm minutes begin at 30 s again."""
    door = DoorLockout()
    assert [door.spoofed(t) for t in (0.0, 40.0, 80.0)] == [None, None, None]
    assert door.spoofed(95.0) == 30.0
    assert [door.spoofed(t) for t in (800.0, 801.0, 802.0)] == [None, None, 30.0]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(0, 120), max_size=80))
def test_no_series_of_spoofs_locks_the_door_for_more_than_five_minutes(steps: list[float]) -> None:
    """Spoofs during a lockout don't prolong it, however they come."""
    door, now, ends = DoorLockout(), 0.0, 0.0
    for step in steps:
        now += step
        locked = door.remaining_s(now)
        begun = door.spoofed(now)
        if begun is not None:
            assert locked == 0.0
            assert begun <= 300.0
            ends = now + begun
        assert door.remaining_s(now) == pytest.approx(max(0.0, ends - now))


def test_rules_that_make_no_sense_are_refused() -> None:
    """A door lockout above five minutes would hand strangers a weapon."""
    for broken in ({"longest_s": 301.0}, {"spoofs": 0}, {"first_s": 0.0}):
        with pytest.raises(ValueError):
            SpoofRule(**broken)
    with pytest.raises(ValueError):
        FailureRule(failures=0)
