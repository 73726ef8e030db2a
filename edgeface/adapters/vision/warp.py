"""Cuts model inputs out of a frame. All pictures (h, w, 3) uint8; the colour order is kept unless a name says so.

Shrinking is area averaging: halved as often as it goes (OpenCV is ten times as fast at exactly 2 as at any other
factor), then the rest, which is below 2 and skips no pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edgeface.domain.alignment import Doubles, scale_of, transform
from edgeface.domain.types import Pixels

# Up to here a bilinear resize still sees nearly every pixel; beyond it the picture aliases, and area averaging pays.
_LINEAR_TO = 1.5


def to_colour(pixels: Pixels, colour: str) -> Pixels:
    """BGR pixels in the order that a model wants, RGB or BGR."""
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if colour == "RGB" else pixels  # type: ignore[return-value]


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """(height, width, 3), area averaged where it shrinks, bilinear where it grows."""
    h, w = pixels.shape[:2]
    while w >= 2 * width and h >= 2 * height and w % 2 == 0 and h % 2 == 0:
        w, h = w // 2, h // 2
        pixels = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if (w, h) == (width, height):
        return pixels
    how = cv2.INTER_AREA if max(w / width, h / height) > _LINEAR_TO else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=how)  # type: ignore[return-value]


def letterbox(pixels: Pixels, size: int) -> tuple[Pixels, float, tuple[int, int]]:
    """The whole picture, shrunk into a black square: (size, size, 3), target pixels per source pixel, (x, y) offset."""
    h, w = pixels.shape[:2]
    scale = size / max(h, w)
    nw, nh = max(1, round(w * scale)), max(1, round(h * scale))
    x, y = (size - nw) // 2, (size - nh) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[y : y + nh, x : x + nw] = resize(pixels, nw, nh)
    return canvas, scale, (x, y)


def warp(pixels: Pixels, matrix: Doubles, size: int, border: int = cv2.BORDER_REFLECT, colour: str = "BGR") -> Pixels:
    """(size, size, 3) in the order `colour` through a (2, 3) similarity from frame to target pixels, bilinear. Where it
    shrinks a lot, the part of the frame that is seen is first averaged down, so that a near face is not sampled with
    holes."""
    halvings = max(0, math.floor(math.log2(1 / scale_of(matrix))))
    x1, y1, x2, y2, inside = _seen(matrix, size, pixels.shape[1], pixels.shape[0], 1 << halvings)
    if halvings or inside or border == cv2.BORDER_CONSTANT:
        part: Pixels = pixels[y1:y2, x1:x2]
        for _ in range(halvings):
            part = cv2.resize(part, (part.shape[1] // 2, part.shape[0] // 2), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        # pixel centres: frame x = x1 + (small x + 1/2) * step - 1/2
        step = 1 << halvings
        moved = matrix.copy()
        moved[:, :2] *= step
        moved[:, 2] += matrix[:, :2] @ np.array([x1 + step / 2 - 0.5, y1 + step / 2 - 0.5])
        pixels, matrix = part, moved
    # OpenCV warps four channels twice as fast as three.
    four = cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA)
    out = cv2.warpAffine(four, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    how = cv2.COLOR_BGRA2RGB if colour == "RGB" else cv2.COLOR_BGRA2BGR
    return cv2.cvtColor(out, how)  # type: ignore[return-value]


def _seen(matrix: Doubles, size: int, width: int, height: int, unit: int) -> tuple[int, int, int, int, bool]:
    """The part of a frame (x1, y1, x2, y2) that a warp looks at, its sides multiples of `unit`; whether it is all
    that the warp looks at, none of it beyond the frame's edge."""
    linear = np.linalg.inv(matrix[:, :2])
    back = np.column_stack([linear, -linear @ matrix[:, 2]])
    corners = transform(back, [[0, 0], [size, 0], [0, size], [size, size]])
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    x1, x2, x_inside = _span(left, right, width, unit)
    y1, y2, y_inside = _span(top, bottom, height, unit)
    return x1, y1, x2, y2, x_inside and y_inside


def _span(low: float, high: float, size: int, unit: int) -> tuple[int, int, bool]:
    """Whole pixels around [low, high], with a border of `unit` for the interpolation, a multiple of `unit` of them
    inside [0, size) (at least one unit, where the frame has it)."""
    room = max(unit, size - size % unit)
    a = min(max(math.floor(low) - unit, 0), room - unit)
    b = min(max(math.ceil(high) + unit, a + unit), size)
    b = min(a + -(-(b - a) // unit) * unit, a + (size - a) // unit * unit)
    return a, max(b, a + 1), a <= low - 1 and b >= high + 1


def square(pixels: Pixels, x: int, y: int, side: int, size: int) -> Pixels:
    """The square of the frame from (x, y), which must lie inside it, as (size, size, 3). Up to seven pixels of a large
    one are left out at its far edges, so that it can be halved."""
    unit = 1 << min(3, max(0, math.floor(math.log2(side / size)))) if side > size else 1
    side -= side % unit
    return resize(pixels[y : y + side, x : x + side], size, size)
