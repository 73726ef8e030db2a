"""Blinks: the upper eyelid's skin is drawn down over a still eyeball, along FaceMesh's eye contours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeface.adapters.camera.scene.layers import sample
from edgeface.domain.types import Floats, Pixels

# FaceMesh indices from one corner to the other: upper lid, lower lid, lower edge of the brow.
_EYES = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133), (46, 53, 52, 65, 55)),
    (
        (362, 398, 384, 385, 386, 387, 388, 466, 263),
        (362, 382, 381, 380, 374, 373, 390, 249, 263),
        (285, 295, 282, 283, 276),
    ),
)
_SHUT = 0.92  # of the opening; the lids meet a little above the lower contour's middle
_UP_TO_BROW = 0.7  # how far up from the lid the skin takes part


@dataclass(frozen=True, slots=True)
class _Eye:
    """Per pixel of the patch: height above which skin stretches, upper and lower lid, and the pixel's own."""

    x: int
    y: int
    size: tuple[int, int]
    down: Floats
    top: Floats
    upper: Floats
    lower: Floats
    v: Floats


class Eyelids:
    """`texture` (h, w, 4) uint8; `points` (468, 3) float32 in its pixels."""

    def __init__(self, texture: Pixels, points: Floats) -> None:
        self._open = texture
        self._work: Pixels = texture.copy()
        self._closed = 0.0
        self._eyes = [_eye(texture.shape, points, *indices) for indices in _EYES]

    def close(self, closure: float) -> Pixels:
        """0 open, 1 shut. The result is one buffer, drawn anew by each call."""
        if closure == self._closed:
            return self._work
        self._closed = closure
        for e in self._eyes:
            w, h = e.size
            patch = self._open[e.y : e.y + h, e.x : e.x + w]
            lid = e.upper + _SHUT * closure * np.maximum(e.lower - e.upper, 0)
            stretch = (e.upper - e.top) / np.maximum(lid - e.top, 1e-3)
            skin = (e.v > e.top) & (e.v < lid)
            shift = np.where(skin, (e.v - e.top) * (stretch - 1), 0).astype(np.float32)
            gx, gy = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
            at = np.dstack([gx + shift * e.down[0], gy + shift * e.down[1]]).astype(np.float32)
            self._work[e.y : e.y + h, e.x : e.x + w] = sample(patch, at)
        return self._work


def _eye(
    shape: tuple[int, ...], points: Floats, upper: tuple[int, ...], lower: tuple[int, ...], brow: tuple[int, ...]
) -> _Eye:
    corner, other = points[upper[0], :2], points[upper[-1], :2]
    along = (other - corner) / np.linalg.norm(other - corner)
    down = np.array([-along[1], along[0]], np.float32)
    everything = points[list(upper + lower + brow), :2]
    x0, y0 = np.maximum(np.floor(everything.min(0)) - 3, 0).astype(int)
    x1, y1 = np.minimum(np.ceil(everything.max(0)) + 4, (shape[1], shape[0])).astype(int)
    gx, gy = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
    u = (gx - corner[0]) * along[0] + (gy - corner[1]) * along[1]
    v = (gx - corner[0]) * down[0] + (gy - corner[1]) * down[1]

    def curve(indices: tuple[int, ...]) -> Floats:
        q = points[list(indices), :2] - corner
        order = np.argsort(q @ along)
        return np.asarray(np.interp(u, (q @ along)[order], (q @ down)[order]), np.float32)

    lid = curve(upper)
    top = lid + (curve(brow) - lid) * _UP_TO_BROW
    return _Eye(
        int(x0),
        int(y0),
        (int(x1 - x0), int(y1 - y0)),
        down,
        np.minimum(top, lid - 1),
        lid,
        curve(lower),
        np.asarray(v, np.float32),
    )
