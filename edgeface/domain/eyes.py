"""Blinks. FaceMesh without its attention heads hardly moves its eyelids: on real clips the eye aspect ratio (Soukupova
and Cech, 2016) falls by 7 % in a full blink, less than in a nod. So the landmarks only say *where* the eyes are, and
the pixels there say whether they are open: an open eye shows the dark iris, a closed one skin."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeface.domain.types import Landmarks, Pixels

# FaceMesh corners of the eyes, from the corner at the picture's left to that at its right, for an unmirrored face.
RIGHT_EYE = (33, 133)
LEFT_EYE = (362, 263)
MIN_EYE_WIDTH_PX = 10.0  # below this the iris is three pixels wide and the eyelid can't be told from it
_LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # BGR, ITU-R BT.601

# Sampling grids in units of the eye's width: (along the corner axis, across it, downwards), shape (rows, columns, 2).
_IRIS = np.stack(np.meshgrid(np.linspace(0.24, 0.76, 14), np.linspace(-0.20, 0.05, 8)), -1)
_CHEEK = np.stack(np.meshgrid(np.linspace(0.24, 0.76, 14), np.linspace(0.27, 0.45, 5)), -1)


def eye_lightness(pixels: Pixels, landmarks: Landmarks) -> tuple[float, float] | None:
    """(right, left): luminance of the darker part of the place where the iris is, relative to the skin below the eye.
    About 0.3 to 0.6 with the eye open (0.6 on dark skin), 0.6 to 1 with the lid over it; glare and exposure cancel out.
    None where an eye is smaller than MIN_EYE_WIDTH_PX or not wholly in the picture. `pixels`: (h, w, 3) uint8 BGR."""
    right = _one_eye(pixels, landmarks.points, RIGHT_EYE)
    left = _one_eye(pixels, landmarks.points, LEFT_EYE)
    return None if right is None or left is None else (right, left)


def _one_eye(pixels: Pixels, points: NDArray[np.float32], corners: tuple[int, int]) -> float | None:
    a, b = points[corners[0], :2].astype(np.float64), points[corners[1], :2].astype(np.float64)
    along = b - a
    if not np.isfinite(along).all() or np.hypot(*along) < MIN_EYE_WIDTH_PX:
        return None
    axes = np.array([along, (-along[1], along[0])])
    iris, cheek = _luma_at(pixels, a + _IRIS @ axes), _luma_at(pixels, a + _CHEEK @ axes)
    if iris is None or cheek is None:
        return None
    # the darker quarter: wherever the eye looks, the iris covers that much of the zone
    return float(np.partition(iris, iris.size // 4)[iris.size // 4] / max(float(np.median(cheek)), 1.0))


def _luma_at(pixels: Pixels, at: NDArray[np.float64]) -> NDArray[np.float32] | None:
    x, y = np.floor(at[..., 0]).astype(np.intp).ravel(), np.floor(at[..., 1]).astype(np.intp).ravel()
    if x.min() < 0 or y.min() < 0 or x.max() >= pixels.shape[1] or y.max() >= pixels.shape[0]:
        return None
    return pixels[y, x].astype(np.float32) @ _LUMA


@dataclass(frozen=True, slots=True)
class BlinkRule:
    """`close_at` and `reopen_at` are how far the lightness has gone from the open eye's towards skin (1.0).

    close_at: at half of it lies the noise of an open eye; full blinks reach 0.3 to 0.9. At 0.20 a talking man's blinks
        are found somewhat more often, but a portrait waved by hand gives three a minute; at 0.25 it gives none.
    min_room: least distance from open to skin that is believed; eyes that were shut all along are no open eyes.
    eye_close_at: what each eye must reach alone: a wink or a shadow over one eye is no blink.
    min_s, max_s: how long the eyes are shut; a spontaneous blink takes 100 to 400 ms (Stern et al., 1984), of which
        the part above `close_at` is somewhat shorter.
    max_rise_s: a lid falls within 100 ms; slower changes are light, pose or focus.
    baseline_s: the open eye's lightness is a low quantile over this long; min_baseline_s must be seen first.
    max_gap_s: samples farther apart than this can hide anything between them.
    min_fps: below this a blink may fall between two frames; `fps_slack` keeps a true 15 fps camera with jitter.
    """

    close_at: float = 0.25
    eye_close_at: float = 0.15
    reopen_at: float = 0.175
    open_at: float = 0.125
    min_room: float = 0.4
    min_s: float = 0.05
    max_s: float = 0.5
    max_rise_s: float = 0.25
    baseline_s: float = 2.0
    min_baseline_s: float = 0.4
    max_gap_s: float = 0.15
    min_fps: float = 15.0
    fps_slack: float = 0.05

    @property
    def slowest_fps(self) -> float:
        return self.min_fps * (1 - self.fps_slack)


@dataclass(frozen=True, slots=True)
class Blink:
    """`started_s`: last moment that the eyes were seen open; `shut_s`, `opened_s`: crossings, interpolated."""

    started_s: float
    shut_s: float
    opened_s: float


class BlinkDetector:
    """Finds blinks in one track's eye lightness over time."""

    def __init__(self, rule: BlinkRule | None = None) -> None:
        self._rule = rule or BlinkRule()
        self._open: deque[tuple[float, float, float]] = deque()  # (t_s, right, left) of open eyes
        self._times: deque[float] = deque()
        self._last: tuple[float, float] | None = None  # (t_s, closure)
        self._last_open_s: float | None = None
        self._shut_s: float | None = None
        self._started_s = 0.0

    @property
    def fps(self) -> float | None:
        """Samples a second over the last second; None until half a second has been seen."""
        if len(self._times) < 2 or self._times[-1] - self._times[0] < 0.5:
            return None
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    @property
    def too_slow(self) -> bool:
        return self.fps is not None and self.fps < self._rule.slowest_fps

    def add(self, t_s: float, right: float, left: float) -> Blink | None:
        """The blink that ends with this sample, if one does. `right`, `left` as given by `eye_lightness`."""
        rule = self._rule
        if self._last is not None and not 0 < t_s - self._last[0] <= rule.max_gap_s:
            self._restart(keep_rate=t_s > self._last[0])
        self._times.append(t_s)
        while self._times[-1] - self._times[0] > 1.0:
            self._times.popleft()
        while self._open and t_s - self._open[0][0] > rule.baseline_s:
            self._open.popleft()
        if len(self._open) < 3 or self._open[-1][0] - self._open[0][0] < rule.min_baseline_s:
            self._open.append((t_s, right, left))
            self._last, self._last_open_s = (t_s, 0.0), None
            return None
        each = self._closures(right, left)
        blink = self._step(t_s, sum(each) / 2, min(each))
        if self._shut_s is None:
            self._open.append((t_s, right, left))
        elif t_s - self._shut_s > 2 * rule.max_s:  # not a blink: asleep, or the light changed; learn anew
            self._restart(keep_rate=True)
        return None if self.too_slow or self.fps is None else blink

    def _closures(self, right: float, left: float) -> tuple[float, float]:
        """0 open, 1 as light as skin, for each eye."""
        base = np.quantile(np.array(self._open)[:, 1:], 0.3, axis=0)
        room = np.maximum(1.0 - base, self._rule.min_room)
        return float((right - base[0]) / room[0]), float((left - base[1]) / room[1])

    def _step(self, t_s: float, closure: float, weaker: float) -> Blink | None:
        rule, last = self._rule, self._last
        self._last = (t_s, closure)
        if closure <= rule.open_at:
            self._last_open_s = t_s
        if self._shut_s is None:
            risen_in_time = self._last_open_s is not None and t_s - self._last_open_s <= rule.max_rise_s
            if closure >= rule.close_at and weaker >= rule.eye_close_at and risen_in_time and last is not None:
                self._started_s = self._last_open_s or t_s
                self._shut_s = _crossing(last, (t_s, closure), rule.close_at)
            return None
        if closure > rule.reopen_at or last is None:
            return None
        shut_s, self._shut_s = self._shut_s, None
        opened_s = _crossing(last, (t_s, closure), rule.close_at)
        return Blink(self._started_s, shut_s, opened_s) if rule.min_s <= opened_s - shut_s <= rule.max_s else None

    def _restart(self, keep_rate: bool) -> None:
        self._open.clear()
        self._last = self._last_open_s = self._shut_s = None
        if not keep_rate:
            self._times.clear()


def _crossing(a: tuple[float, float], b: tuple[float, float], level: float) -> float:
    """When the line through two (t, value) samples meets `level`, held between them."""
    if a[1] == b[1]:
        return b[0]
    return a[0] + min(max((level - a[1]) / (b[1] - a[1]), 0.0), 1.0) * (b[0] - a[0])
