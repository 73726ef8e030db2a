"""Who holds a picture up: a torso in a dark jacket behind it, and hands at its edges. Nothing hangs in the air."""

from __future__ import annotations

import cv2
import numpy as np

from edgeface.adapters.camera.scene.layers import Window, over, premultiply
from edgeface.domain.types import Pixels

_JACKET = (84, 74, 66)
_SKIN = (138, 164, 204)

Colour = tuple[int, int, int]


class Holder:
    """A torso; its neck is hidden behind the picture."""

    def __init__(self, unit_px: float) -> None:
        self._unit = unit_px
        w, h = round(4.4 * unit_px), round(4.0 * unit_px)
        shape = np.array(
            [[0.42, 0.0], [0.58, 0.0], [0.66, 0.06], [0.84, 0.14], [0.93, 0.30], [0.99, 1.0], [0.01, 1.0],
             [0.07, 0.30], [0.16, 0.14], [0.34, 0.06]]
        ) * (w, h)  # fmt: skip
        alpha = np.zeros((h, w), np.uint8)
        cv2.fillPoly(alpha, [shape.astype(np.int32)], [255])
        soft = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.03 * unit_px), np.uint8)
        y, x = np.mgrid[:h, :w].astype(np.float32)
        shade = 1.15 - 0.5 * np.abs(x / w - 0.46) - 0.25 * y / h
        folds = 1 + 0.06 * np.sin(x / w * 31 + 2.5 * np.sin(y / h * 7))
        zip_line = 1 - 0.35 * np.exp(-(((x / w - 0.5) / 0.006) ** 2))
        cloth = np.array(_JACKET, np.float32) * (shade * folds * zip_line)[..., None]
        self._layer = premultiply(np.clip(cloth, 0, 255).astype(np.uint8), soft)

    def draw(self, frame: Pixels, x: float, y: float, face_px: float) -> None:
        """(x, y) is the centre of the face in the picture, frame pixels."""
        height, width = frame.shape[:2]
        k = face_px / self._unit
        layer = cv2.resize(self._layer, None, fx=k, fy=k, interpolation=cv2.INTER_LINEAR)
        h, w = layer.shape[:2]
        left, top = round(x - w / 2), round(y + 0.9 * face_px)
        if h < height - top:
            layer = cv2.copyMakeBorder(layer, 0, height - top - h, 0, 0, cv2.BORDER_REPLICATE)
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = min(left + w, width), height
        if x2 > x1 and y2 > y1:
            part = np.asarray(layer[y1 - top : y2 - top, x1 - left : x2 - left], np.uint8)
            over(frame, part, Window(x1, y1, x2 - x1, y2 - y1))


def draw_hands(layer: Pixels, pad: int, below: int, unit_px: float, *, one_handed: bool) -> Pixels:
    """`layer` (h, w, 4) premultiplied, the medium inside a margin of `pad`, `below` at its lower
    edge. Hands lie behind, thumbs before."""
    h, w = layer.shape[:2]
    u, y = unit_px, pad + 0.72 * (h - pad - below)
    under, above = np.zeros_like(layer), np.zeros_like(layer)
    for side in (1,) if one_handed else (-1, 1):
        edge = pad if side < 0 else w - pad

        def at(dx: float, dy: float, edge: float = edge, side: int = side) -> tuple[float, float]:
            return edge + side * dx * u, y + dy * u

        _limb(under, at(-0.55, 2.2), at(0.36, 0.92), 0.32 * u, _JACKET, 0.9)  # the upper arm
        _limb(under, at(0.38, 0.95), at(0.16, 0.32), 0.23 * u, _JACKET, 1.05)  # the sleeve
        _limb(under, at(0.14, 0.28), at(0.03, -0.02), 0.17 * u, _SKIN, 0.92)  # the hand
        for i, reach in enumerate((0.07, 0.085, 0.08)):  # knuckles that show beside the edge
            _limb(under, at(-0.1, -0.13 + 0.125 * i), at(reach, -0.11 + 0.125 * i), 0.062 * u, _SKIN, 0.84)
        _limb(above, at(0.10, 0.16), at(-0.13, -0.02), 0.068 * u, _SKIN, 1.06)  # the thumb
    return _stack(_stack(under, layer), above)


def _stack(lower: Pixels, upper: Pixels) -> Pixels:
    out = lower.copy()
    clear = cv2.bitwise_not(cv2.extractChannel(upper, 3))
    behind = cv2.multiply(out, cv2.merge([clear] * 4), scale=1 / 255)
    return np.asarray(cv2.add(behind, upper), np.uint8)


def _limb(
    layer: Pixels, start: tuple[float, float], end: tuple[float, float], radius: float, colour: Colour, light: float
) -> None:
    """A capsule, shaded as a cylinder lit from above, drawn over `layer` in place."""
    h, w = layer.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    ax, ay = end[0] - start[0], end[1] - start[1]
    t = np.clip(((x - start[0]) * ax + (y - start[1]) * ay) / (ax * ax + ay * ay), 0, 1)
    dx, dy = x - start[0] - t * ax, y - start[1] - t * ay
    d = np.sqrt(dx * dx + dy * dy) / radius
    alpha = (np.clip((1 - d) * radius / 1.5, 0, 1) * 255).astype(np.uint8)
    shade = light * (0.72 + 0.28 * np.sqrt(np.clip(1 - d * d, 0, 1)) - 0.12 * dy / radius)
    surface = np.clip(np.array(colour, np.float32) * shade[..., None], 0, 255).astype(np.uint8)
    layer[:] = _stack(layer, premultiply(surface, alpha))
