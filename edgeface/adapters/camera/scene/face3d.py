"""A living head from one still: the FaceMesh surface as a depth map, turned about the neck and projected again.

All maps are for one texture size. A turn is rendered backwards: for each picture point q the texture point p with
p + D(p) = q is found by fixed-point steps, on a coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgeface.adapters.camera.scene.eyes import Eyelids
from edgeface.adapters.camera.scene.layers import sample
from edgeface.domain.types import Floats, Pixels

_CELLS = 40  # of the depth, weight and jaw maps, across the face
_STEEPEST = 1.15  # slope of the surface; with it D is a contraction (and nothing folds over) up to 45 degrees
_STEPS = 5  # fixed-point steps; the error falls to a half with each at 25 degrees, more slowly beyond
_PIVOT_DEPTH = 0.52  # of the face's width behind the eyes: the neck's axis, and where the silhouette lies
_REACH, _FADE = 1.4, 0.6  # face widths from the middle of the face to where nothing turns
_NECK = 0.65  # face heights from the chin to where nothing turns
_MOUTH, _BROWS = (13, 14, 17, 152), (105, 334)


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Relative to the still, degrees; `jaw` and `brow` -1 to 1."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    jaw: float = 0.0
    brow: float = 0.0


class Head:
    """`texture` (h, w, 4) uint8, BGR premultiplied by alpha; `points` (468, 3) float32 in its pixels."""

    def __init__(self, texture: Pixels, points: Floats) -> None:
        self._texture = texture
        self._points = points
        lo, hi = points.min(0), points.max(0)
        self.centre = (float(lo[0] + hi[0]) / 2, float(lo[1] + hi[1]) / 2)
        self.face_width = float(hi[0] - lo[0])
        self._height = float(hi[1] - lo[1])
        self._cell = max(1, round(self.face_width / _CELLS))  # in texture pixels
        self._chin = float(hi[1])
        eyes_z = float(points[[33, 263], 2].mean())
        self._pivot_z = eyes_z + _PIVOT_DEPTH * self.face_width
        self._maps = self._build_maps()
        reach, (cx, _) = _REACH * self.face_width, self.centre
        above = 0.35 * float(lo[1]) - 0.3 * self._height  # hair, and where a roll takes it
        self.turning = (cx - reach, above, cx + reach, self._chin + _NECK * self._height)
        """Box in texture pixels outside of which `source_map` changes nothing that can be seen."""
        self._eyelids = Eyelids(texture, points)

    def _build_maps(self) -> Floats:
        """(h/cell, w/cell, 4) float32: relief (how far before the pivot), head weight, jaw, brow."""
        h, w = (n // self._cell + 1 for n in self._texture.shape[:2])
        relief = _fill(self._relief_seeds(h, w))
        relief = np.asarray(cv2.GaussianBlur(relief, (0, 0), 0.035 * self.face_width / self._cell), np.float32)
        relief = _gentle(relief, _STEEPEST * self._cell)
        yy, xx = (np.asarray(a, np.float32) * np.float32(self._cell) for a in np.mgrid[:h, :w])
        # The neck turns less and less, the shoulders not at all.
        down = (yy - self._chin) / (_NECK * self._height)
        aside = np.abs(xx - self.centre[0]) / (_FADE * self.face_width)
        weight = 1 - _smoothstep(np.asarray(down, np.float32))
        weight *= 1 - _smoothstep(np.asarray(aside - _REACH / _FADE + 1, np.float32))

        def bump(indices: tuple[int, ...], sx: float, sy: float) -> Floats:
            x, y = self._points[list(indices), :2].mean(0)
            d = ((xx - x) / (sx * self.face_width)) ** 2 + ((yy - y) / (sy * self._height)) ** 2
            return np.asarray(np.exp(-d), np.float32)

        return np.dstack([relief, weight, bump(_MOUTH, 0.3, 0.16), bump(_BROWS, 0.5, 0.1)]).astype(np.float32)

    def _relief_seeds(self, h: int, w: int) -> tuple[Floats, Floats]:
        value: Floats = np.zeros((h, w), np.float32)
        known: Floats = np.zeros((h, w), np.float32)
        at = np.clip((self._points[:, :2] / self._cell).round().astype(int), 0, (w - 1, h - 1))
        np.add.at(value, (at[:, 1], at[:, 0]), self._pivot_z - self._points[:, 2])
        np.add.at(known, (at[:, 1], at[:, 0]), 1.0)
        value /= np.maximum(known, 1)
        known = np.minimum(known, 1)
        # The outline of hair and head lies at the pivot's depth: it stays where it is when the head turns.
        alpha = cv2.resize(self._texture[..., 3], (w, h), interpolation=cv2.INTER_AREA)
        hull = np.zeros((h, w), np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(at.astype(np.int32)), [1])
        grow = np.ones((3, 3), np.uint8)
        free = (cv2.dilate(hull, grow, iterations=max(1, int(0.1 * self.face_width / self._cell))) == 0) & (alpha < 128)
        value[free], known[free] = 0.0, 1.0
        return value, known

    def texture(self, closure: float) -> Pixels:
        """The texture with the eyelids closed so far; valid until the next call."""
        return self._eyelids.close(closure)

    def source_map(self, grid: Floats, pose: HeadPose) -> Floats:
        """`grid` (n, m, 2) float32, points of the picture in texture pixels with the body's own motion undone.
        Returns the same shape: where in the texture each one comes from."""
        yaw, pitch, roll = (float(np.deg2rad(a)) for a in (pose.yaw, pose.pitch, pose.roll))
        cx, cy, neck = (np.float32(v) for v in (self.centre[0], self.centre[1], self._chin))
        sin_y, sin_p, sin_r = (np.float32(np.sin(a)) for a in (yaw, pitch, roll))
        short_y, short_p, short_r = (np.float32(np.cos(a) - 1) for a in (yaw, pitch, roll))
        jaw, brow = np.float32(0.05 * self._height * pose.jaw), np.float32(-0.03 * self._height * pose.brow)
        full = np.float32(1 / (_PIVOT_DEPTH * self.face_width))
        gx, gy = grid[..., 0], grid[..., 1]
        p: Floats = grid.copy()
        for _ in range(_STEPS):
            m = sample(self._maps, p * np.float32(1 / self._cell))
            relief, weight = m[..., 0], m[..., 1]
            g = np.minimum(relief * full, np.float32(1))
            x, y = p[..., 0] - cx, p[..., 1] - neck
            dx = (g * short_y + short_r) * x + sin_y * relief - sin_r * y
            dy = g * short_p * (y + neck - cy) + sin_p * relief + sin_r * x + short_r * y
            p[..., 0] = gx - weight * dx
            p[..., 1] = gy - weight * dy - jaw * m[..., 2] - brow * m[..., 3]
        return p


def _smoothstep(x: Floats) -> Floats:
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _gentle(surface: Floats, rise: float) -> Floats:
    """The highest surface below the given one that nowhere rises by more than `rise` from cell to cell."""
    out: Floats = surface.copy()
    for _ in range(64):
        before = float(out.sum())
        for axis in (0, 1):
            a = out if axis == 0 else out.T
            np.minimum(a[1:], a[:-1] + rise, out=a[1:])
            np.minimum(a[:-1], a[1:] + rise, out=a[:-1])
        if float(out.sum()) == before:
            break
    return out


def _fill(seeds: tuple[Floats, Floats]) -> Floats:
    """Scattered values made dense: push-pull over a Gaussian pyramid (Gortler et al., 1996)."""
    value, known = seeds
    if min(value.shape) <= 2:
        total = float(known.sum())
        return np.full_like(value, float(value.sum()) / total if total else 0.0)
    size = ((value.shape[1] + 1) // 2, (value.shape[0] + 1) // 2)
    weight = np.asarray(cv2.resize(known, size, interpolation=cv2.INTER_AREA), np.float32)
    mean = np.asarray(cv2.resize(value * known, size, interpolation=cv2.INTER_AREA), np.float32)
    coarse = _fill(((mean / np.maximum(weight, 1e-6)).astype(np.float32), (weight > 0).astype(np.float32)))
    up = np.asarray(cv2.resize(coarse, value.shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    return np.where(known > 0, value, up).astype(np.float32)
