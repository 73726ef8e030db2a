"""Does the face move like a flat picture? Between two moments a plane's image changes by a homography (Hartley and
Zisserman, Multiple View Geometry, 2004, section 13.1); a head that turns, talks or grimaces changes by more. What every
rigid thing does when it is shifted, rolled or brought nearer (a similarity) tells nothing and is taken out first."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeface.domain.types import Landmarks

_Doubles = NDArray[np.float64]
_EVERY = 6  # of the 468 points; 78 are plenty for 8 unknowns, and FaceMesh's points move together anyway


@dataclass(frozen=True, slots=True)
class PlanarityRule:
    """lag_s: moments this far apart are compared; long enough for motion, short enough for one gesture.
    step_s: at most one comparison in this time.
    min_motion: what a similarity must leave unexplained, relative to the face's spread, to say anything; the landmarks'
        own noise is 0.01.
    window_s, min_pairs: the value is the median of at least so many comparisons within the window.
    """

    lag_s: float = 0.3
    step_s: float = 0.1
    min_motion: float = 0.03
    window_s: float = 4.0
    min_pairs: int = 6


class PlanarityCue:
    """Landmarks of one track over time. Deterministic."""

    def __init__(self, rule: PlanarityRule | None = None) -> None:
        self._rule = rule or PlanarityRule()
        self._past: deque[tuple[float, _Doubles]] = deque()
        self._ratios: deque[tuple[float, float]] = deque()
        self._compared_s = -math.inf

    def add(self, t_s: float, landmarks: Landmarks) -> None:
        """Points that are not finite or coincide are passed over; time that goes back starts anew."""
        if self._past and t_s <= self._past[-1][0]:
            self._past.clear()
            self._ratios.clear()
            self._compared_s = -math.inf
        while self._ratios and t_s - self._ratios[0][0] > self._rule.window_s:
            self._ratios.popleft()
        points = _normalised(landmarks)
        if points is None:
            return
        while len(self._past) > 1 and t_s - self._past[1][0] >= self._rule.lag_s:
            self._past.popleft()
        if self._past and t_s - self._compared_s >= self._rule.step_s:
            age = t_s - self._past[0][0]
            if self._rule.lag_s <= age <= 2 * self._rule.lag_s:
                self._compared_s = t_s
                moved = _left_by_similarity(self._past[0][1], points)
                if moved >= self._rule.min_motion:
                    self._ratios.append((t_s, _left_by_homography(self._past[0][1], points) / moved))
        self._past.append((t_s, points))

    @property
    def value(self) -> float | None:
        """Share of the motion that no plane explains: about 0.5 for waved prints, 0.75 for heads;
        None while there was too little motion to say."""
        if len(self._ratios) < self._rule.min_pairs:
            return None
        return float(np.median([ratio for _, ratio in self._ratios]))


def _normalised(landmarks: Landmarks) -> _Doubles | None:
    """(n, 2), centred, with unit spread."""
    points = np.asarray(landmarks.points[::_EVERY, :2], np.float64)
    points = points - points.mean(0)
    spread = float(np.sqrt((points**2).sum(1).mean()))
    return points / spread if math.isfinite(spread) and spread > 1e-6 else None


def _left_by_similarity(a: _Doubles, b: _Doubles) -> float:
    """Root mean square distance after the best rotation and scale from `a` to `b`, both centred."""
    z, w = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
    left = w - z * (np.vdot(z, w) / np.vdot(z, z))
    return float(np.sqrt((np.abs(left) ** 2).mean()))


def _left_by_homography(a: _Doubles, b: _Doubles) -> float:
    """The same after the best homography (direct linear transformation, inhomogeneous)."""
    n, one = len(a), np.ones(len(a))
    design = np.zeros((2 * n, 8))
    design[:n, :3] = design[n:, 3:6] = np.column_stack((a, one))
    design[:n, 6:], design[n:, 6:] = -a * b[:, :1], -a * b[:, 1:]
    h = np.linalg.lstsq(design, b.T.ravel(), rcond=None)[0]
    scale = a @ h[6:] + 1.0
    scale = np.where(np.abs(scale) < 1e-6, 1e-6, scale)
    mapped = np.column_stack((a @ h[0:2] + h[2], a @ h[3:5] + h[5])) / scale[:, None]
    return float(np.sqrt(((mapped - b) ** 2).sum(1).mean()))
