"""Premultiplied BGRA layers: warped on a coarse grid, set into a frame with soft edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeface.domain.types import Floats, Pixels

_ONE_MAP: Any = None  # both coordinates are in the first map; the stubs don't know that it may be absent


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the frame in whole pixels."""

    x: int
    y: int
    w: int
    h: int


def window(x1: float, y1: float, x2: float, y2: float, frame: Pixels) -> Window | None:
    """The part of the frame that the box touches; None where it touches nothing."""
    h, w = frame.shape[:2]
    left, top = max(round(x1), 0), max(round(y1), 0)
    right, bottom = min(round(x2), w), min(round(y2), h)
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def grid_of(win: Window, step: int) -> Floats:
    """(n, m, 2) float32: frame coordinates of the centres of the window's cells of `step` pixels."""
    x = win.x + (np.arange(-(-win.w // step), dtype=np.float32) + 0.5) * step - 0.5
    y = win.y + (np.arange(-(-win.h // step), dtype=np.float32) + 0.5) * step - 0.5
    return np.dstack(np.meshgrid(x, y)).astype(np.float32)


def spread(cells: Floats, win: Window, step: int) -> Floats:
    """Cell values (n, m[, c]) to pixels (win.h, win.w[, c]), linear between the centres."""
    size = (cells.shape[1] * step, cells.shape[0] * step)
    return np.asarray(cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR), np.float32)[: win.h, : win.w]


def sample(image: Pixels | Floats, at: Floats, border: int = cv2.BORDER_REPLICATE) -> NDArray[Any]:
    """`image` at the points (n, m, 2) float32, linear between its pixels."""
    return np.asarray(cv2.remap(image, at, _ONE_MAP, cv2.INTER_LINEAR, borderMode=border))


def warp(texture: Pixels, source: Floats, win: Window, step: int) -> Pixels:
    """`source` (n, m, 2): texture coordinates for the window's cells. Returns (win.h, win.w, 4) uint8."""
    return np.asarray(sample(texture, spread(source, win, step), cv2.BORDER_CONSTANT), np.uint8)


def place(texture: Pixels, scale: float, x0: float, y0: float, win: Window) -> Pixels:
    """The window's part of the texture scaled, its top-left corner at (x0, y0) of the frame. (h, w, 4) uint8."""
    k = 1 / scale
    to_texture = np.array([[k, 0, (win.x + 0.5 - x0) * k - 0.5], [0, k, (win.y + 0.5 - y0) * k - 0.5]], np.float64)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(texture, to_texture, (win.w, win.h), flags=how), np.uint8)


def around(box: tuple[float, float, float, float], frame: Pixels, margin: float) -> Window | None:
    """The window of a box with a margin."""
    x1, y1, x2, y2 = box
    return window(x1 - margin, y1 - margin, x2 + margin, y2 + margin, frame)


def smear(frame: Pixels, win: Window, dx: float, dy: float) -> None:
    """Motion blur of what was drawn into the window, in place; it moved by (dx, dy) of the frame's width and height
    while the shutter was open. The background is out of focus, so that blurring it along changes nothing."""
    h, w = frame.shape[:2]
    size = (2 * round(abs(dx) * w / 2) + 1, 2 * round(abs(dy) * h / 2) + 1)
    if max(size) > 1:
        part = frame[win.y : win.y + win.h, win.x : win.x + win.w]
        part[:] = cv2.blur(part, size)


def premultiply(bgr: Pixels, alpha: Pixels) -> Pixels:
    """(h, w, 3) and (h, w) uint8 -> (h, w, 4) uint8."""
    a3 = cv2.merge([alpha, alpha, alpha])
    colour = cv2.multiply(bgr, a3, scale=1 / 255)
    return np.ascontiguousarray(np.dstack([colour, alpha]), np.uint8)


def over(frame: Pixels, layer: Pixels, win: Window) -> None:
    """Sets `layer` (win.h, win.w, 4) over the window of `frame` in place."""
    part = frame[win.y : win.y + win.h, win.x : win.x + win.w]
    clear = cv2.bitwise_not(cv2.extractChannel(layer, 3))
    behind = cv2.multiply(part, cv2.cvtColor(clear, cv2.COLOR_GRAY2BGR), scale=1 / 255)
    part[:] = cv2.add(behind, cv2.cvtColor(layer, cv2.COLOR_BGRA2BGR))
