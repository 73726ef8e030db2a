"""An empty doorway, drawn: a plastered wall with a closed inner door, skirting and floor, lit from above, seen by a
lens that is focused on whoever stands before it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edgeface.domain.types import Floats, Pixels

Colour = tuple[int, int, int]
Box = Callable[[float, float, float, float, Colour], None]

_SUPER = 2  # drawn at twice the size: edges without steps
_WALL, _DOOR, _FRAME = (216, 224, 228), (176, 192, 204), (226, 230, 232)
_SKIRTING, _FLOOR, _STEEL = (196, 202, 206), (128, 140, 148), (160, 160, 158)
_FLOOR_Y = 0.86
_DEFOCUS = 1 / 110  # of the width


def doorway(width: int, height: int, seed: int, light: float) -> Pixels:
    """(height, width, 3) uint8 BGR. `light` 1.0 is an office."""
    rng = np.random.default_rng([seed, 0xD0])
    w, h = width * _SUPER, height * _SUPER
    canvas = np.empty((h, w, 3), np.uint8)
    canvas[:] = _WALL

    def box(x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        cv2.rectangle(canvas, (round(x1 * w), round(y1 * h)), (round(x2 * w) - 1, round(y2 * h) - 1), colour, -1)

    box(0, _FLOOR_Y, 1, 1, _FLOOR)
    box(0, _FLOOR_Y - 0.035, 1, _FLOOR_Y, _SKIRTING)
    _draw_door(box)
    box(0.925, 0.50, 0.950, 0.545, _FRAME)  # a light switch
    box(0.931, 0.508, 0.944, 0.537, _STEEL)
    _draw_tiles(canvas, w, h)
    picture = np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    picture *= _illumination(width, height, rng)[..., None] * light
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.6, width * _DEFOCUS))
    return np.clip(soft, 0, 255).astype(np.uint8)


def _draw_door(box: Box) -> None:
    """At the left border, ajar out of the picture: people stand beside it."""
    box(-0.12, 0.05, 0.215, _FLOOR_Y, _FRAME)
    box(-0.10, 0.08, 0.193, _FLOOR_Y, _shade(_DOOR, 0.72))
    box(-0.10, 0.086, 0.189, _FLOOR_Y - 0.004, _DOOR)
    for top, bottom in ((0.14, 0.42), (0.50, 0.78)):
        box(-0.06, top, 0.145, bottom, _shade(_DOOR, 0.92))
        box(-0.06, top + 0.01, 0.140, bottom, _shade(_DOOR, 1.02))
    box(0.158, 0.46, 0.172, 0.52, _STEEL)
    box(0.120, 0.478, 0.172, 0.492, _shade(_STEEL, 1.25))


def _shade(colour: Colour, k: float) -> Colour:
    b, g, r = (min(255, round(c * k)) for c in colour)
    return b, g, r


def _draw_tiles(canvas: Pixels, w: int, h: int) -> None:
    """Joints of the floor towards a vanishing point at eye level."""
    joint = _shade(_FLOOR, 0.88)
    for i in range(-14, 15):
        x = w / 2 + i * w * 0.11
        far = w / 2 + (x - w / 2) * 0.62
        cv2.line(canvas, (round(far), round(_FLOOR_Y * h)), (round(x), h), joint, 2)
    for y in (0.895, 0.945):
        cv2.line(canvas, (0, round(y * h)), (w, round(y * h)), joint, 2)


def _illumination(width: int, height: int, rng: np.random.Generator) -> Floats:
    """(height, width) float32: a lamp above left of the middle, falling off, and the plaster's unevenness."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    lamp = np.exp(-(((x / width - 0.42) / 0.75) ** 2 + ((y / height + 0.05) / 1.0) ** 2))
    out = 0.70 + 0.32 * lamp
    out *= 1 - 0.16 * np.clip(x / width - 0.55, 0, 1)
    for cells, strength in ((7, 0.02), (40, 0.012), (160, 0.012)):
        coarse = rng.standard_normal((max(2, cells * height // width), cells)).astype(np.float32)
        out *= 1 + strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(out, np.float32)
