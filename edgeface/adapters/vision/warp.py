"""Cuts model inputs out of a frame. All pictures (h, w, 3) uint8; the colour order is kept unless a name says so.

Shrinking is area averaging: halved as often as it goes (OpenCV is ten times as fast at exactly 2 as at any other
factor), then the rest, which is below 2 and skips no pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edgeface.domain.alignment import Doubles
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
    # Plain numbers: numpy takes 50 times as long for a matrix this small.
    (a, b, tx), (c, d, ty) = matrix.tolist()
    det = a * d - b * c
    height, width = pixels.shape[:2]
    most = min(height, width).bit_length() - 1  # a picture of one pixel can't be halved
    halvings = min(most, max(0, math.floor(math.log2(1 / math.sqrt(abs(det))))))
    step = 1 << halvings
    corners = [(u - tx, v - ty) for u in (0, size) for v in (0, size)]
    x1, x2, x_inside = _span([(d * u - b * v) / det for u, v in corners], width, step)
    y1, y2, y_inside = _span([(a * v - c * u) / det for u, v in corners], height, step)
    if halvings or border == cv2.BORDER_CONSTANT or (x_inside and y_inside):
        pixels = pixels[y1:y2, x1:x2]
        for _ in range(halvings):
            half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
            pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        # pixel centres: frame x = x1 + (small x + 1/2) * step - 1/2
        x, y = x1 + step / 2 - 0.5, y1 + step / 2 - 0.5
        matrix = np.array([[a * step, b * step, tx + a * x + b * y], [c * step, d * step, ty + c * x + d * y]])
    # OpenCV warps four channels twice as fast as three.
    four = cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA)
    out = cv2.warpAffine(four, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    how = cv2.COLOR_BGRA2RGB if colour == "RGB" else cv2.COLOR_BGRA2BGR
    return cv2.cvtColor(out, how)  # type: ignore[return-value]


def _span(seen: list[float], size: int, unit: int) -> tuple[int, int, bool]:
    """(first, end) of the pixels inside [0, size) that a warp which looks at `seen` needs, with a border of `unit` for
    the interpolation, a multiple of `unit` of them; whether that is all it needs, nothing beyond the frame's edge."""
    low, high = min(seen), max(seen)
    first = min(max(math.floor(low) - unit, 0), max(0, size - unit))
    wanted = min(max(math.ceil(high) + unit, first + unit), size) - first
    count = min(-(-wanted // unit) * unit, (size - first) // unit * unit)
    return first, first + max(count, 1), first <= low - 1 and first + count >= high + 1


def square(pixels: Pixels, x: int, y: int, side: int, size: int) -> Pixels:
    """The square of the frame from (x, y), which must lie inside it, as (size, size, 3). Up to seven pixels of a large
    one are left out at its far edges, so that it can be halved."""
    unit = 1 << min(3, max(0, math.floor(math.log2(side / size)))) if side > size else 1
    side -= side % unit
    return resize(pixels[y : y + side, x : x + side], size, size)
