"""Motion between keys: smooth, within the keys, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.camera.scene.motion import Motion
from edgeface.adapters.camera.scene.parse import Actor, Key, Role

STILL = Actor("a", "live", "x.png", sway=0.0, blink_every_s=0.0)
LIVELY = Actor("a", "live", "x.png")


def role(*xs):
    return Role("a", tuple(Key(float(i), x, 0.5, 0.2, yaw=10 * x) for i, x in enumerate(xs)))


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=6), st.floats(-1, 8))
@settings(max_examples=150, deadline=None)
def test_a_way_never_leaves_the_span_of_its_neighbouring_keys(xs, t):
    """A monotone cubic: somebody who walks from one place to another doesn't step back first."""
    x = Motion(role(*xs), STILL, [1], 8.0).pose(t).x
    i = min(max(int(np.floor(t)), 0), len(xs) - 1)
    near = xs[i : i + 2]
    assert min(near) - 1e-9 <= x <= max(near) + 1e-9


def test_it_passes_through_its_keys_and_holds_at_both_ends():
    motion = Motion(role(0.1, 0.7, 0.3), STILL, [1], 3.0)
    assert [motion.pose(t).x for t in (-1, 0, 1, 2, 9)] == pytest.approx([0.1, 0.1, 0.7, 0.3, 0.3])


def test_it_has_no_jumps_between_frames():
    motion = Motion(role(0.1, 0.7, 0.3), LIVELY, [1], 3.0)
    xs = np.array([motion.pose(t).x for t in np.arange(0, 2, 1 / 30)])
    assert np.abs(np.diff(xs)).max() < 0.05


def test_the_same_seed_moves_the_same_and_another_differently():
    def poses(seed):
        motion = Motion(role(0.1, 0.7), LIVELY, seed, 5.0)
        return [motion.pose(t / 10) for t in range(50)], [motion.closure(t / 30) for t in range(150)]

    assert poses([1, 2]) == poses([1, 2])
    assert poses([1, 2]) != poses([1, 3])


def test_the_living_blink_fully_and_as_long_as_people_do():
    motion = Motion(role(0.5), LIVELY, [4], 60.0)
    closure = np.array([motion.closure(t / 100) for t in range(6000)])
    starts = int(((closure[1:] > 0) & (closure[:-1] == 0)).sum())
    assert 12 <= starts <= 30
    assert closure.max() == 1.0
    assert 0.2 <= (closure > 0).sum() / 100 / starts <= 0.4


def test_without_sway_and_blinks_nothing_moves():
    motion = Motion(role(0.5), STILL, [4], 10.0)
    assert all(motion.closure(t / 30) == 0 for t in range(300))
    assert all(motion.pose(t / 7).x == 0.5 for t in range(70))
