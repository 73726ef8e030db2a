"""The sensor: noise that follows the light, and the same frame the same however often it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.adapters.camera.scene.parse import Sensor
from edgeface.adapters.camera.scene.sensor import SensorModel

CLEAN = Sensor(noise=0, drift=0, blur_px=0, vignette=0)


def flat(grey):
    return np.full((240, 320, 3), grey, np.uint8)


def test_without_faults_a_sensor_is_a_window():
    picture = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert np.array_equal(SensorModel(CLEAN, 320, 240, 1).expose(picture.copy(), 5, 0.5), picture)


def test_a_frame_is_the_same_in_whatever_order_and_others_differ():
    sensor = SensorModel(Sensor(), 320, 240, 1)
    first = [sensor.expose(flat(120), i, i / 30) for i in (0, 1, 2)]
    again = [SensorModel(Sensor(), 320, 240, 1).expose(flat(120), i, i / 30) for i in (2, 0)]
    assert np.array_equal(first[2], again[0])
    assert np.array_equal(first[0], again[1])
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], SensorModel(Sensor(), 320, 240, 2).expose(flat(120), 0, 0.0))


def test_noise_grows_with_the_light_and_has_no_bias():
    """Shot noise: the variance rises linearly with the signal."""
    sensor = SensorModel(Sensor(drift=0, blur_px=0, vignette=0), 320, 240, 1)
    frames = {g: sensor.expose(flat(g), 3, 0.1).astype(float) for g in (30, 120, 210)}
    variance = {g: f.var() for g, f in frames.items()}
    assert variance[30] < variance[120] < variance[210]
    slope = (variance[210] - variance[30]) / 180
    assert slope == pytest.approx((variance[120] - variance[30]) / 90, rel=0.25)
    assert all(abs(f.mean() - g) < 0.6 for g, f in frames.items())


def test_corners_are_darker_and_the_light_drifts():
    sensor = SensorModel(Sensor(noise=0, vignette=0.3, drift=0.1), 320, 240, 1)
    frame = sensor.expose(flat(200), 0, 0.0)
    assert frame[0, 0, 0] < 0.8 * frame[120, 160, 0]
    levels = [sensor.expose(flat(128), i, i / 2).mean() for i in range(30)]
    assert 4 < max(levels) - min(levels) < 30


def test_jpeg_loses_what_jpeg_loses():
    picture = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    sensor = SensorModel(Sensor(noise=0, drift=0, blur_px=0, vignette=0, jpeg=40), 320, 240, 1)
    out = sensor.expose(picture.copy(), 0, 0.0)
    assert out.shape == picture.shape
    assert not np.array_equal(out, picture)
