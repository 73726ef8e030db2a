"""What a small camera adds to a scene: defocus, vignetting, drifting light, shot and read noise, JPEG.

Noise follows the usual model, variance = read^2 + gain * signal (EMVA 1288), slightly correlated between neighbours
as after demosaicing. Every frame's noise is a piece of one tile, chosen by (seed, index): the same frame always gets
the same noise, in whatever order frames are asked for.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from edgeface.adapters.camera.scene.parse import Sensor
from edgeface.domain.types import Pixels

_TILE_MARGIN_PX = 96  # how far the noise tile reaches beyond the frame: some 9,000 different pieces
_UNIT = 64  # tile values are 64 for one standard deviation
_READ, _SHOT = 1.1, 0.045  # variance 1.2 at black, 10 at mid grey: a webcam's in a lit room
_DRIFT_HZ = (0.07, 0.19)


class SensorModel:
    """For frames of one size."""

    def __init__(self, sensor: Sensor, width: int, height: int, seed: int) -> None:
        self._sensor = sensor
        self._seed = seed
        rng = np.random.default_rng([seed, 0x5E])
        self._phases = rng.uniform(0, 2 * np.pi, 2)
        tile = rng.standard_normal((height + _TILE_MARGIN_PX, width + _TILE_MARGIN_PX, 3), np.float32)
        tile = np.asarray(cv2.GaussianBlur(tile, (3, 3), 0.45), np.float32)
        self._tile = np.asarray(np.clip(tile / tile.std() * _UNIT, -300, 300), np.int16)
        sigma = sensor.noise * np.sqrt(_READ**2 + _SHOT * np.arange(256))
        self._sigma = np.asarray(np.round(sigma * 16), np.int16)
        y, x = np.mgrid[:height, :width]
        r2 = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / ((width / 2) ** 2 + (height / 2) ** 2)
        self._vignette = np.dstack([np.round(255 * (1 - sensor.vignette * r2)).astype(np.uint8)] * 3)

    def expose(self, picture: Pixels, index: int, t_s: float) -> Pixels:
        """`picture` (h, w, 3) uint8 BGR may be overwritten. Returns a new frame."""
        s = self._sensor
        swing = np.sin(2 * np.pi * np.array(_DRIFT_HZ) * t_s + self._phases).mean()
        out: Any = picture
        if s.blur_px > 0:
            size = 2 * max(1, round(2 * s.blur_px)) + 1
            out = cv2.GaussianBlur(out, (size, size), s.blur_px)
        out = cv2.multiply(out, self._vignette, scale=(1 + s.drift * float(swing)) / 255)
        if s.noise > 0:
            h, w = out.shape[:2]
            dx, dy = np.random.default_rng([self._seed, index]).integers(0, _TILE_MARGIN_PX, 2)
            sigma = cv2.LUT(out, self._sigma)
            noise = cv2.multiply(self._tile[dy : dy + h, dx : dx + w], sigma, scale=1 / (16 * _UNIT))
            out = cv2.add(out, noise, dtype=cv2.CV_8U)
        if s.jpeg:
            _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, s.jpeg])
            out = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return np.asarray(out, np.uint8)
