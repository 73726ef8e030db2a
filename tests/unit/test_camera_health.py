from __future__ import annotations

import numpy as np
import pytest

from edgeface.adapters.camera.health import FrameHealth
from edgeface.domain.types import Frame


def run(pictures, *, fps=30.0, health=None):
    """All faults of a sequence of pictures at `fps`."""
    health = health or FrameHealth()
    found = []
    for i, pixels in enumerate(pictures):
        fault = health.update(Frame(pixels, i / fps, i))
        found.append(fault.fault if fault else None)
    return found


def noisy(base, sigma, seed, count):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.clip(np.rint(base + rng.normal(0, sigma, base.shape)), 0, 255).astype(np.uint8)


def doorway(level=1.0):
    y, x = np.mgrid[0:240, 0:320]
    grey = 40 + 120 * (x / 320) + 40 * ((y // 40) % 2)
    return np.repeat((grey * level)[..., None], 3, axis=2)


def test_a_still_lit_doorway_is_healthy():
    """Nothing moves for minutes at a door; sensor noise alone shows that the camera lives."""
    assert set(run(noisy(doorway(), 1.0, 1, 90))) == {None}


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0])
def test_a_dark_but_live_night_is_no_fault(sigma):
    """Most noise is clipped to black, and still the picture is alive."""
    assert set(run(noisy(doorway(0.02), sigma, 2, 120))) == {None}


@pytest.mark.parametrize("colour", [(0, 0, 0), (0, 135, 0), (16, 16, 16), (255, 0, 0)])
def test_a_flat_picture_is_reported_black_after_two_seconds(colour):
    """A dead sensor gives black, a decoder without data green, a lost input blue: all one flat colour."""
    picture = np.full((240, 320, 3), colour, np.uint8)
    found = run([picture.copy() for _ in range(75)])
    assert found[:58] == [None] * 58
    assert found[-1] == "black"


def test_an_exactly_repeated_picture_is_frozen_after_two_seconds():
    first = next(noisy(doorway(), 2, 3, 1))
    found = run([first.copy() for _ in range(75)])
    assert found[:58] == [None] * 58
    assert found[-1] == "frozen"


def test_a_repeat_that_was_encoded_anew_is_frozen_too():
    """One sample in thousands is off by one level: no lit scene is that quiet."""
    first = next(noisy(doorway(), 2, 3, 1))
    pictures = []
    for i in range(75):
        copy = first.copy()
        copy[4, 4, 1] = first[4, 4, 1] ^ (i & 1)
        pictures.append(copy)
    assert run(pictures)[-1] == "frozen"


def test_a_dark_picture_that_differs_outside_the_samples_is_not_frozen():
    """In the dark only identity to the last pixel counts."""
    base = next(noisy(doorway(0.05), 1.5, 4, 1))
    pictures = []
    for i in range(90):
        copy = base.copy()
        copy[1 + i % 3, 1, 0] += 1
        pictures.append(copy)
    assert set(run(pictures)) == {None}


def test_a_lamp_in_the_lens_is_reported_as_blinded():
    base = np.full((240, 320, 3), 254.0)
    base[:20] = 90
    found = run(noisy(base, 3, 5, 120))
    assert found[-1] == "blinded"
    assert found[30] is None


def test_a_moment_of_black_is_no_fault():
    """Two dropped pictures in a live sequence, again and again."""
    live = list(noisy(doorway(), 2, 6, 90))
    for i in range(10, 90, 10):
        live[i] = np.zeros_like(live[i])
    assert set(run(live)) == {None}


def test_after_a_reopening_the_same_hung_picture_is_still_a_repeat():
    """Opening again doesn't make a stale picture new, but the two seconds begin anew."""
    health = FrameHealth()
    picture = next(noisy(doorway(), 2, 7, 1))
    run([picture.copy() for _ in range(70)], health=health)
    health.reset()
    assert health.update(Frame(picture.copy(), 100.0, 0)) is None
    assert health.repeated


def test_a_change_of_size_is_no_repeat():
    health = FrameHealth()
    health.update(Frame(np.full((240, 320, 3), 90, np.uint8), 0.0, 0))
    health.update(Frame(np.full((480, 640, 3), 90, np.uint8), 0.1, 1))
    assert not health.repeated


def test_the_check_leaves_the_picture_alone():
    picture = next(noisy(doorway(), 2, 8, 1))
    before = picture.copy()
    FrameHealth().update(Frame(picture, 0.0, 0))
    assert np.array_equal(picture, before)
