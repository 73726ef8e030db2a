"""Where somebody stands: a still cut out of its surroundings and set before another background, or left in its own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Still:
    """`picture` (s, s, 3) uint8 BGR; `box` (x1, y1, x2, y2) of the face in it; `matte` (m, m) bool, None if unknown."""

    picture: Pixels
    box: Floats
    matte: NDArray[np.bool_] | None = None

    @property
    def face(self) -> float:
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))

    @property
    def centre(self) -> tuple[float, float]:
        return float(self.box[0] + self.box[2]) / 2, float(self.box[1] + self.box[3]) / 2


def in_place(still: Still, rng: Generator, size: int, wide: float) -> tuple[Floats, Floats]:
    """The still as it is, cropped as the product crops: `wide` faces, or as much as there is, shifted to stay inside.
    Returns the view (size, size, 3), 0 to 1, and the face's box in it."""
    limit = min(still.picture.shape[:2])
    side = min(wide * still.face, limit)
    cx, cy = still.centre + rng.normal(0, 0.04, 2) * side
    x, y = (min(max(c - side / 2, 0), limit - side) for c in (cx, cy))
    k = size / side
    into = np.array([[k, 0, -k * x], [0, k, -k * y]], np.float32)
    how = cv2.INTER_AREA if k < 0.7 else cv2.INTER_LINEAR
    view = cv2.warpAffine(still.picture, into, (size, size), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view, np.float32) / 255, ((still.box - [x, y, x, y]) * k).astype(np.float32)


def set_before(still: Still, background: Floats, rng: Generator, wide: float) -> tuple[Floats, Floats]:
    """The person, cut out, in the middle of `background` (s, s, 3), which is `wide` faces wide."""
    size = background.shape[0]
    k = size / wide / still.face
    cx, cy = still.centre
    at = size / 2 + rng.normal(0, 0.05, 2) * size
    into = np.array([[k, 0, at[0] - k * cx], [0, k, at[1] - k * cy]], np.float32)
    alpha = _outline(still)
    flags = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    person = cv2.warpAffine(still.picture, into, (size, size), **flags).astype(np.float32) / 255
    a = cv2.warpAffine(alpha, into, (size, size), **flags)
    a = cv2.GaussianBlur(a, (0, 0), rng.uniform(0.6, 1.4))[..., None]
    gain = np.float32(np.exp(rng.normal(0, 0.15)))
    view = a * person * gain + (1 - a) * background
    x1, y1, x2, y2 = still.box
    moved = np.array([k * x1 + into[0, 2], k * y1 + into[1, 2], k * x2 + into[0, 2], k * y2 + into[1, 2]])
    return np.asarray(view, np.float32), moved.astype(np.float32)


def _outline(still: Still) -> Floats:
    """The matte at the picture's size, its shoulders rounded off inside the picture: a body never ends in a straight
    cut that looks like a print's edge. What lies below the picture goes on straight down."""
    h, w = still.picture.shape[:2]
    assert still.matte is not None
    alpha = cv2.resize(still.matte.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    cx, cy = still.centre
    f = still.face
    reach = max(0.4 * f, min(cx, w - cx, 1.1 * f) - 2)
    y = np.arange(h, dtype=np.float32)
    below = np.clip((y - (cy + 0.35 * f)) / (0.5 * f), 0, 1)
    half = np.where(y < cy + 0.35 * f, 0.75 * f, (0.45 + (reach / f - 0.45) * np.sqrt(below)) * f)
    away = np.abs(np.arange(w, dtype=np.float32)[None, :] - np.float32(cx)) - half[:, None]
    return np.asarray(alpha * np.clip(0.5 - away / 3, 0, 1), np.float32)


def room(rng: Generator, size: int) -> Floats:
    """A drawn interior: a wall in some light, with doors, windows, shelves and lamps before it: rectangles that are no
    picture's edge."""
    base = rng.uniform(0.15, 0.9) * np.exp(rng.normal(0, 0.1, 3))
    x = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = rng.normal(0, 0.35, 2)
    light = 1 + slope[0] * x[None, :, None] + slope[1] * x[:, None, None]
    wall = np.asarray(base.astype(np.float32) * light, np.float32)
    for _ in range(int(rng.integers(0, 7))):
        colour = (rng.uniform(0.02, 1.1) * np.exp(rng.normal(0, 0.2, 3))).tolist()
        w, h = (rng.uniform(0.05, 0.8, 2) * size).astype(int)
        x0, y0 = (rng.uniform(-0.2, 1.0, 2) * size).astype(int)
        corners = cv2.boxPoints(((x0 + w / 2, y0 + h / 2), (float(w), float(h)), float(rng.normal(0, 4))))
        thick = -1 if rng.random() < 0.7 else int(rng.integers(1, 6))
        cv2.drawContours(wall, [corners.astype(np.int32)], 0, colour, thick)
    if rng.random() < 0.3:
        at = tuple(int(v) for v in rng.uniform(0, size, 2))
        cv2.circle(wall, at, int(rng.uniform(3, 20)), [float(rng.uniform(1, 1.6))] * 3, -1)
    grain = rng.standard_normal((size // 4, size // 4, 1), np.float32) * np.float32(rng.uniform(0, 0.04))
    return wall + np.asarray(cv2.resize(grain, (size, size)), np.float32)[..., None]


def backdrop(picture: Pixels, rng: Generator, size: int) -> Floats:
    """A piece of any picture as a background."""
    side = int(min(picture.shape[:2]) * rng.uniform(0.4, 1.0))
    y, x = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
    piece = picture[y : y + side, x : x + side][:, :: rng.choice([-1, 1])]
    return np.asarray(cv2.resize(piece, (size, size), interpolation=cv2.INTER_LINEAR), np.float32) / 255


def unfocused(background: Floats, rng: Generator) -> Floats:
    if rng.random() < 0.75:
        background = np.asarray(cv2.GaussianBlur(background, (0, 0), rng.uniform(0.5, 6)), np.float32)
    return background * np.float32(rng.uniform(0.35, 1.25))
