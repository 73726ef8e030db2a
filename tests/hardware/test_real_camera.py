"""A real camera on this machine, where there is one. EDGEFACE_TEST_CAMERA names it (a camera source); without that,
the first capture device. Nobody has to stand before it."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from edgeface.adapters.camera.devices import list_cameras
from edgeface.adapters.camera.health import FrameHealth
from edgeface.adapters.camera.sources import open_source

SOURCE = os.environ.get("EDGEFACE_TEST_CAMERA", "")
pytestmark = pytest.mark.skipif(
    not SOURCE and not any(c.capture for c in list_cameras()),
    reason="no camera on this machine (set EDGEFACE_TEST_CAMERA to a camera source to choose one)",
)


@pytest.fixture
def camera():
    camera = open_source(SOURCE or "v4l2:auto")
    yield camera
    camera.close()


def test_three_seconds_of_live_pictures(camera):
    """They rise in time, are fresh, live and of the rate that the driver states, within a wide margin."""
    info = camera.open()
    health, frames = FrameHealth(), []
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        frame = camera.read(2.0)
        assert time.monotonic() - frame.captured_s < 1.0
        fault = health.update(frame)
        assert fault is None or fault.fault != "frozen", fault
        frames.append(frame)
    times = np.array([f.captured_s for f in frames])
    assert (np.diff(times) > 0).all()
    assert len(frames) > 3.0 * info.fps * 0.3
    assert frames[0].pixels.shape == (info.height, info.width, 3)


def test_it_opens_again_at_once(camera):
    for _ in range(3):
        camera.open()
        camera.read(5.0)
        camera.close()
