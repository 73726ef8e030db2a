"""Cuts model inputs out of a frame. All pictures (h, w, 3) uint8; the colour order is kept unless a name says so.

Shrinking is area averaging: halved as often as it goes (OpenCV is ten times as fast at exactly 2 as at any other
factor), then the rest, which is below 2 and skips no pixels. The halves of a frame are made once, for all models."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edgeface.domain.alignment import Doubles
from edgeface.domain.types import Pixels

# Up to here a bilinear resize still sees nearly every pixel; beyond it the picture aliases, and area averaging pays.
_LINEAR_TO = 1.5


class Pyramid:
    """A frame, its half, its quarter, as far down as they are asked for. Keeps those of one frame. Not thread-safe."""

    def __init__(self) -> None:
        self._levels: list[Pixels] = []

    def begin(self, pixels: Pixels) -> None:
        """A new frame, also where its array is that of the last: cameras use their buffers again. Between two of these
        an array stands for one picture."""
        self._levels = [pixels]

    def level(self, pixels: Pixels, halvings: int) -> Pixels:
        """`pixels`, halved so often; an odd last row or column is left out. Two pixels are the least that halves."""
        if not self._levels or self._levels[0] is not pixels:
            self.begin(pixels)
        while len(self._levels) <= halvings:
            last = self._levels[-1]
            h, w = last.shape[0] // 2, last.shape[1] // 2
            half = cv2.resize(last[: 2 * h, : 2 * w], (w, h), interpolation=cv2.INTER_AREA)
            self._levels.append(half)  # type: ignore[arg-type]
        return self._levels[halvings]


def to_colour(pixels: Pixels, colour: str) -> Pixels:
    """BGR pixels in the order that a model wants, RGB or BGR."""
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if colour == "RGB" else pixels  # type: ignore[return-value]


def resize(pixels: Pixels, width: int, height: int, pyramid: Pyramid | None = None) -> Pixels:
    """(height, width, 3), area averaged where it shrinks, bilinear where it grows."""
    h, w = pixels.shape[:2]
    halvings = 0
    while w >= 2 * width and h >= 2 * height and w % 2 == 0 and h % 2 == 0:
        w, h, halvings = w // 2, h // 2, halvings + 1
    small = (pyramid or Pyramid()).level(pixels, halvings)
    if (w, h) == (width, height):
        return small
    how = cv2.INTER_AREA if max(w / width, h / height) > _LINEAR_TO else cv2.INTER_LINEAR
    return cv2.resize(small, (width, height), interpolation=how)  # type: ignore[return-value]


def letterbox(pixels: Pixels, size: int, pyramid: Pyramid | None = None) -> tuple[Pixels, float, tuple[int, int]]:
    """The whole picture, shrunk into a black square: (size, size, 3), target pixels per source pixel, (x, y) offset."""
    h, w = pixels.shape[:2]
    scale = size / max(h, w)
    nw, nh = max(1, round(w * scale)), max(1, round(h * scale))
    x, y = (size - nw) // 2, (size - nh) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[y : y + nh, x : x + nw] = resize(pixels, nw, nh, pyramid)
    return canvas, scale, (x, y)


def warp(
    pixels: Pixels,
    matrix: Doubles,
    size: int,
    border: int = cv2.BORDER_REFLECT,
    colour: str = "BGR",
    pyramid: Pyramid | None = None,
) -> Pixels:
    """(size, size, 3) in the order `colour` through a (2, 3) similarity from frame to target pixels, bilinear. Where it
    shrinks a lot, the frame is averaged down first, so that a near face is not sampled with holes."""
    # Plain numbers: numpy takes 50 times as long for a matrix this small.
    (a, b, tx), (c, d, ty) = matrix.tolist()
    most = min(pixels.shape[:2]).bit_length() - 1  # a picture of one pixel can't be halved
    halvings = min(most, max(0, math.floor(-0.5 * math.log2(abs(a * d - b * c)))))
    if halvings:
        pixels = (pyramid or Pyramid()).level(pixels, halvings)
        # pixel centres: x in the frame = (small x + 1/2) * step - 1/2
        step = 1 << halvings
        tx, ty = tx + (a + b) * (step - 1) / 2, ty + (c + d) * (step - 1) / 2
        a, b, c, d = a * step, b * step, c * step, d * step
    det = a * d - b * c
    height, width = pixels.shape[:2]
    # the middle of what is seen, and how far it reaches from there
    middle = size / 2
    x, y = (d * (middle - tx) - b * (middle - ty)) / det, (a * (middle - ty) - c * (middle - tx)) / det
    reach = middle / abs(det)
    x1, x2, x_inside = _span(x, (abs(d) + abs(b)) * reach, width)
    y1, y2, y_inside = _span(y, (abs(a) + abs(c)) * reach, height)
    if border == cv2.BORDER_CONSTANT or (x_inside and y_inside):  # a reflection needs the whole frame
        pixels = pixels[y1:y2, x1:x2]
        tx, ty = tx + a * x1 + b * y1, ty + c * x1 + d * y1
    # OpenCV warps four channels twice as fast as three.
    four = cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA)
    into = np.array([[a, b, tx], [c, d, ty]])
    out = cv2.warpAffine(four, into, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    how = cv2.COLOR_BGRA2RGB if colour == "RGB" else cv2.COLOR_BGRA2BGR
    return cv2.cvtColor(out, how)  # type: ignore[return-value]


def _span(middle: float, reach: float, size: int) -> tuple[int, int, bool]:
    """(first, end) of the pixels inside [0, size) that a warp needs which looks so far from `middle`, with one more on
    either side for the interpolation, at least one of them; whether nothing of that lies beyond the frame's edge."""
    low, high = math.floor(middle - reach) - 1, math.ceil(middle + reach) + 2
    first = min(max(low, 0), size - 1)
    return first, max(first + 1, min(high, size)), low >= 0 and high <= size


def square(pixels: Pixels, x: int, y: int, side: int, size: int, pyramid: Pyramid | None = None) -> Pixels:
    """The square of the frame from (x, y), which must lie inside it, as (size, size, 3). One that shrinks starts at a
    whole pixel of the half, the quarter ... that it is cut from: less than one pixel of the result away."""
    halvings = math.floor(math.log2(side / size)) if side > size else 0
    small = (pyramid or Pyramid()).level(pixels, halvings)
    unit = 1 << halvings
    side //= unit
    x, y = min(round(x / unit), small.shape[1] - side), min(round(y / unit), small.shape[0] - side)
    return resize(small[y : y + side, x : x + side], size, size)
