"""Attacks as planes: a print on paper, a tablet's screen, a phone, held up by somebody who stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeface.adapters.camera.scene.holder import Holder, draw_hands
from edgeface.adapters.camera.scene.layers import Window, grid_of, over, premultiply, spread, warp, window
from edgeface.adapters.camera.scene.parse import Key
from edgeface.adapters.camera.scene.portrait import Portrait
from edgeface.domain.types import Floats, Pixels

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Medium:
    """All lengths in face widths: what of the still is shown (to the sides, above and below the face's centre), and
    the border around it. `bend` in radians over half the width; `gloss` is the sheen's strength, 0 to 255."""

    sides: float
    above: float
    below: float
    border: float
    border_grey: int
    bend: float
    gloss: float
    glowing: bool


MEDIA = {
    "print": Medium(1.40, 1.35, 2.0, 0.10, 226, 0.30, 16, glowing=False),
    "screen": Medium(2.1, 1.5, 1.6, 0.20, 22, 0.0, 46, glowing=True),
    "phone": Medium(0.95, 1.25, 1.35, 0.10, 16, 0.0, 54, glowing=True),
}
_ARMS = 1.7  # below the medium, for the arms
_MARGIN = 0.7  # around the medium, in face widths: room for hands and for tilting
_FOCAL = 1.2  # of the frame's width
_PIXELS_PER_FACE = 110.0  # of a screen, coarser than the camera's: hence beats between the two
_GRID_DEPTH = 0.10
_GRID_PX = 8  # planes and gentle bends need no finer warp


class HeldPicture:
    """Draws itself into a frame: first its holder, then the medium with the holder's hands on it."""

    def __init__(self, portrait: Portrait, kind: str, widest_px: float, seed: int) -> None:
        rng = np.random.default_rng([seed, 0xA7])
        self._medium = m = MEDIA[kind]
        self._unit = widest_px  # texture pixels per face width
        still = _show(_cut(portrait, m, widest_px), m, rng)
        edge = round(m.border * widest_px)
        sheet = cv2.copyMakeBorder(still, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=[m.border_grey] * 3)
        if m.glowing:
            alpha = _rounded(sheet.shape[1], sheet.shape[0], round(0.6 * edge))
        else:
            alpha = np.full(sheet.shape[:2], 255, np.uint8)
        pad, below = round(_MARGIN * widest_px), round(_ARMS * widest_px)
        sheet = cv2.copyMakeBorder(sheet, pad, below, pad, pad, cv2.BORDER_CONSTANT, value=[0, 0, 0])
        alpha = np.asarray(cv2.copyMakeBorder(alpha, pad, below, pad, pad, cv2.BORDER_CONSTANT, value=[0]), np.uint8)
        self._size = (sheet.shape[1], sheet.shape[0])
        self._pad = pad
        self._bottom = sheet.shape[0] - below
        self._centre = (pad + edge + m.sides * widest_px, pad + edge + m.above * widest_px)
        layer = premultiply(np.asarray(sheet, np.uint8), alpha)
        self._texture = draw_hands(layer, pad, below, widest_px, one_handed=kind == "phone")
        self._holder = Holder(widest_px)

    def draw(self, frame: Pixels, pose: Key) -> Window | None:
        """`pose` is that of the face in the picture. Returns where something was drawn."""
        height, width = frame.shape[:2]
        face_px = pose.face * width
        centre = np.array([pose.x * width, pose.y * height])
        self._holder.draw(frame, float(centre[0]), float(centre[1]), face_px)
        to_frame = _plane(pose, centre, face_px / self._unit, np.array(self._centre), _FOCAL * width)
        w, h = self._size
        corners = np.array([[[0, 0], [w, 0], [w, h], [0, h]]], np.float32)
        quad = cv2.perspectiveTransform(corners, to_frame)[0]
        (x1, y1), (x2, y2) = quad.min(0), quad.max(0)
        win = window(float(x1), float(y1), float(x2), float(y2), frame)
        if win is None:
            return None
        at = np.asarray(cv2.perspectiveTransform(grid_of(win, _GRID_PX), np.linalg.inv(to_frame)), np.float32)
        at = self._bent(at)
        layer = warp(self._texture, at, win, _GRID_PX)
        if self._medium.glowing:
            layer = self._pixel_grid(layer, spread(at, win, _GRID_PX))
        shine = np.asarray(cv2.resize(self._gloss(at, pose), None, fx=_GRID_PX, fy=_GRID_PX), np.uint8)[
            : win.h, : win.w
        ]
        shine = np.asarray(cv2.min(shine, cv2.extractChannel(layer, 3)), np.uint8)
        lit = cv2.add(layer, cv2.merge([shine, shine, shine, np.zeros_like(shine)]))
        over(frame, np.asarray(lit, np.uint8), win)
        return win

    def _bent(self, at: Floats) -> Floats:
        """Paper curls about its vertical axis: seen from the front, its sides are nearer to each other than flat."""
        bend = self._medium.bend
        if not bend:
            return at
        half = (self._size[0] - 2 * self._pad) / 2
        u = np.clip((at[..., 0] - self._size[0] / 2) / half, -2, 2)
        flat = np.arcsin(np.clip(u * np.sin(bend), -0.95, 0.95)) / bend
        y = at[..., 1] - 0.05 * half * (u * u - 0.4)  # seen from a little above
        return np.dstack([self._size[0] / 2 + flat * half, y]).astype(np.float32)

    def _gloss(self, at: Floats, pose: Key) -> Pixels:
        """A lamp's soft reflection; it wanders over the plane as that turns. (n, m) uint8, to be added."""
        w, h = self._size[0], self._bottom
        x = at[..., 0] / w - (0.34 + 0.030 * pose.yaw)
        y = at[..., 1] / h - (0.20 - 0.030 * pose.pitch)
        lobe = np.exp(-(((x + 0.35 * y) / 0.16) ** 2 + (y / 0.34) ** 2))
        return np.asarray(np.where(at[..., 1] < h, self._medium.gloss * lobe, 0), np.uint8)

    def _pixel_grid(self, layer: Pixels, at: Floats) -> Pixels:
        """Sampling the screen's own pixels with the camera's, unfiltered, gives the beats that real ones give."""
        phase = at * np.float32(2 * np.pi * _PIXELS_PER_FACE / self._unit)
        x, y = phase[..., 0], phase[..., 1]
        beat = 1 - _GRID_DEPTH / 2 * (2 + np.sin(x) + np.sin(y))
        inside = (at[..., 0] > self._pad) & (at[..., 0] < self._size[0] - self._pad) & (at[..., 1] < self._bottom)
        gain = np.where(inside, beat, 1).astype(np.float32)
        out = layer.astype(np.float32)
        out[..., :3] *= gain[..., None]
        return np.clip(out, 0, 255).astype(np.uint8)


def _cut(portrait: Portrait, m: Medium, unit: float) -> Pixels:
    """The part of the still that the medium shows, (h, w, 3); beyond the still a screen is black, paper white."""
    cx, cy = portrait.face_centre
    k = unit / portrait.face_width
    w, h = round(2 * m.sides * unit), round((m.above + m.below) * unit)
    shrink = np.array([[k, 0, m.sides * unit - k * cx], [0, k, m.above * unit - k * cy]], np.float32)
    still = portrait.pixels
    if k < 1:  # warpAffine knows no area averaging
        still = np.asarray(cv2.GaussianBlur(still, (0, 0), 0.4 / k), np.uint8)
    return np.asarray(
        cv2.warpAffine(still, shrink, (w, h), flags=cv2.INTER_LINEAR, borderValue=[0 if m.glowing else 255] * 3),
        np.uint8,
    )


def _show(still: Pixels, m: Medium, rng: np.random.Generator) -> Pixels:
    """The still as paper reflects it or a screen emits it, in the room's light."""
    f = still.astype(np.float32) / 255
    if m.glowing:
        f = 0.05 + 0.98 * f**1.12  # backlight leaks into the blacks; the curve is steeper than the camera's
        f *= np.array([1.10, 1.02, 0.93], np.float32)  # a white point of some 7,500 K
    else:
        grey = f.mean(2, keepdims=True)
        f = grey + 0.72 * (f - grey)  # inks cover a smaller gamut than the still's
        f = 0.13 + 0.70 * f  # ink is never black, paper never white
        f *= np.array([0.96, 1.0, 1.02], np.float32)
        f += 0.012 * rng.standard_normal(f.shape[:2]).astype(np.float32)[..., None]  # the paper's tooth
        x = np.linspace(-1, 1, f.shape[1], dtype=np.float32)
        f *= (1 - 0.10 * x - 0.06 * x * x)[None, :, None]  # a bent sheet catches the lamp unevenly
    return np.clip(f * 255, 0, 255).astype(np.uint8)


def _rounded(w: int, h: int, radius: int) -> Pixels:
    mask = np.zeros((h, w), np.uint8)
    cv2.rectangle(mask, (radius, radius), (w - radius - 1, h - radius - 1), [255], -1)
    return np.asarray(cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)), np.uint8)


def _plane(pose: Key, centre: Doubles, scale: float, origin: Doubles, focal: float) -> Doubles:
    """3x3: texture -> frame, for a plane turned about `origin` at the distance where it appears with `scale`."""
    yaw, pitch, roll = np.deg2rad([pose.yaw, pose.pitch, pose.roll])
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = (
        np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    )
    distance = focal / scale
    lens = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    place = np.column_stack([turn[:, 0], turn[:, 1], [0, 0, distance]])
    shift = np.array([[1, 0, -origin[0]], [0, 1, -origin[1]], [0, 0, 1]])
    return np.asarray(lens @ place @ shift, np.float64)
