"""Cuts model inputs out of a frame. All pictures (h, w, 3) uint8; the colour order is kept unless a name says so."""

from __future__ import annotations

import cv2
import numpy as np

from edgeface.domain.alignment import Doubles, scale_of, transform
from edgeface.domain.types import Pixels

# From here on a plain bilinear warp skips pixels, and the picture aliases.
_SHRINK_FROM = 2.0


def to_colour(pixels: Pixels, colour: str) -> Pixels:
    """BGR pixels in the order that a model wants, RGB or BGR."""
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if colour == "RGB" else pixels  # type: ignore[return-value]


def letterbox(pixels: Pixels, size: int) -> tuple[Pixels, float, tuple[int, int]]:
    """The whole picture, shrunk into a black square: (size, size, 3), target pixels per source pixel, (x, y) offset."""
    h, w = pixels.shape[:2]
    scale = size / max(h, w)
    nw, nh = max(1, round(w * scale)), max(1, round(h * scale))
    x, y = (size - nw) // 2, (size - nh) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[y : y + nh, x : x + nw] = cv2.resize(pixels, (nw, nh), interpolation=how)
    return canvas, scale, (x, y)


def warp(pixels: Pixels, matrix: Doubles, size: int, border: int = cv2.BORDER_REFLECT) -> Pixels:
    """(size, size, 3) through a (2, 3) similarity from frame to target pixels, bilinear. Where it shrinks a lot, the
    part of the frame that is seen is first averaged down, so that a near face is not sampled with holes."""
    factor = 1 / scale_of(matrix)
    if factor >= _SHRINK_FROM:
        pixels, matrix = _shrunk(pixels, matrix, size, factor)
    return cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)  # type: ignore[return-value]


def _shrunk(pixels: Pixels, matrix: Doubles, size: int, factor: float) -> tuple[Pixels, Doubles]:
    linear = np.linalg.inv(matrix[:, :2])
    back = np.column_stack([linear, -linear @ matrix[:, 2]])
    corners = transform(back, [[0, 0], [size, 0], [0, size], [size, size]])
    h, w = pixels.shape[:2]
    x1, y1 = np.clip(np.floor(corners.min(0)) - 1, 0, [w - 1, h - 1]).astype(int)
    x2, y2 = np.clip(np.ceil(corners.max(0)) + 1, [x1 + 1, y1 + 1], [w, h]).astype(int)
    nw, nh = max(1, round((x2 - x1) / factor)), max(1, round((y2 - y1) / factor))
    small = cv2.resize(pixels[y1:y2, x1:x2], (nw, nh), interpolation=cv2.INTER_AREA)
    gx, gy = (x2 - x1) / nw, (y2 - y1) / nh
    # pixel centres: frame x = x1 + (small x + 1/2) * gx - 1/2
    moved = matrix.copy()
    moved[:, 0] *= gx
    moved[:, 1] *= gy
    moved[:, 2] += matrix[:, :2] @ np.array([x1 + gx / 2 - 0.5, y1 + gy / 2 - 0.5])
    return small, moved  # type: ignore[return-value]


def square(pixels: Pixels, x: int, y: int, side: int, size: int) -> Pixels:
    """The square of the frame from (x, y), which must lie inside it, as (size, size, 3)."""
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(pixels[y : y + side, x : x + side], (size, size), interpolation=how)  # type: ignore[return-value]
