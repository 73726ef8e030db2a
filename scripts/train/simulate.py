"""Attacks for training: any still, printed or shown on a screen, held before a camera. Evaluation has a simulator of
its own (edgeface/adapters/camera/scene), which shares no code with this one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scripts.train import media
from scripts.train.stage import Still

Floats = NDArray[np.float32]

PRINT, SCREEN, PHONE = "print", "screen", "phone"
KINDS = (PRINT, SCREEN, PHONE)


@dataclass(frozen=True)
class Sheet:
    """What is shown around the face, in faces from its centre: left, above, right, below; the rim around that."""

    left: float
    above: float
    right: float
    below: float
    rim: float


def attack(still: Still, shown: Floats, box: Floats, behind: Floats, kind: str, rng: Generator) -> Floats:
    """`shown` (s, s, 3) is the picture that is presented (a view with the face's `box` in it), `behind` (s, s, 3) what
    is around and behind the medium. Returns the view of the camera, the face where it was, turned and bent a little."""
    size = shown.shape[0]
    sheet = _sheet(kind, rng)
    face = float(max(box[2] - box[0], box[3] - box[1]))
    cx, cy = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
    content = media.printed(shown, rng) if kind == PRINT else media.emitted(shown, rng)
    reach = np.array([-sheet.left, -sheet.above, sheet.right, sheet.below])
    inner = np.array([cx, cy, cx, cy]) + reach * face
    content = _strips(content, inner, kind, rng)
    rim = sheet.rim * face
    outer = inner + np.array([-rim, -rim, rim, rim])
    layer, alpha = _framed(content, inner, outer, kind, rng)
    if kind != PRINT or rng.random() < 0.5:
        lit = media.shine(layer, rng, behind)
        layer = np.asarray(np.where(alpha[..., None] > 0, lit, layer), np.float32)
    layer, alpha, move = _held(layer, alpha, (cx, cy), kind, rng)
    view = alpha[..., None] * layer + (1 - alpha[..., None]) * behind
    if min(inner[0], inner[1]) > 0 or inner[2] < size or inner[3] < size:
        view = _shadowed(view, alpha, rng)
        if rng.random() < 0.65:
            corners = np.float32([[outer[[0, 1]], outer[[2, 1]], outer[[2, 3]], outer[[0, 3]]]])
            corners = cv2.perspectiveTransform(corners, move)
            view = _fingers(view, corners[0], face, rng)
    return np.asarray(view, np.float32)


def _sheet(kind: str, rng: Generator) -> Sheet:
    if rng.random() < 0.32:  # it fills the view: nothing of its edges is seen
        return Sheet(*rng.uniform(1.5, 2.5, 4), rim=0.1)
    if kind == PHONE:
        left, right = np.full(2, rng.uniform(0.6, 1.15)) + rng.normal(0, 0.08, 2)
        above, below = rng.uniform(0.7, 1.9), rng.uniform(0.8, 1.9)
        rim = rng.uniform(0.02, 0.12)
    elif kind == SCREEN:
        left, right = rng.uniform(0.8, 2.2, 2)
        above, below = rng.uniform(0.7, 1.5, 2)
        rim = rng.uniform(0.03, 0.25)
    else:
        left, right = np.full(2, rng.uniform(0.55, 1.5)) + rng.normal(0, 0.1, 2)
        above, below = rng.uniform(0.6, 1.5), rng.uniform(0.6, 1.6)
        rim = rng.uniform(0.02, 0.3) if rng.random() < 0.6 else 0.0
    return Sheet(float(left), float(above), float(right), float(below), float(rim))


def _strips(f: Floats, inner: NDArray[np.float64], kind: str, rng: Generator) -> Floats:
    """Black bars of a film, a player's buttons, a status line; a print's white below a passport photo."""
    if rng.random() > 0.45:
        return f
    f = f.copy()
    size = f.shape[0]
    x1, y1, x2, y2 = (int(np.clip(v, 0, size)) for v in inner)
    thick = int(rng.uniform(0.05, 0.3) * (y2 - y1)) + 1
    grey = rng.choice([0.02, 0.9, rng.uniform(0, 1)])
    for rows in [slice(y1, y1 + thick), slice(y2 - thick, y2)][: int(rng.integers(1, 3))]:
        f[rows, x1:x2] = np.float32(grey) * media.tint(rng, 0.05)
        for _ in range(int(rng.integers(0, 5)) if kind != PRINT else 0):
            at = (int(rng.uniform(x1, x2 + 1)), int((rows.start + rows.stop) / 2))
            cv2.circle(f, at, max(1, int(thick * rng.uniform(0.1, 0.3))), [float(1 - grey)] * 3, -1)
    return f


def _framed(
    content: Floats, inner: NDArray[np.float64], outer: NDArray[np.float64], kind: str, rng: Generator
) -> tuple[Floats, Floats]:
    """The content within its rim, and where the medium is (0 or 1)."""
    h, w = content.shape[:2]
    if kind == PRINT:
        colour = np.float32(rng.uniform(0.75, 1.0)) * media.tint(rng, 0.04)
        radius = 0.0
    else:
        colour = np.float32(rng.choice([rng.uniform(0.0, 0.08), rng.uniform(0.5, 0.95)], p=[0.85, 0.15])) * np.ones(3)
        radius = rng.uniform(0.0, 0.16) * (outer[2] - outer[0])
    layer = np.empty_like(content)
    layer[:] = colour
    x1, y1 = np.clip(np.floor(inner[:2]), 0, [w, h]).astype(int)
    x2, y2 = np.clip(np.ceil(inner[2:]), 0, [w, h]).astype(int)
    layer[y1:y2, x1:x2] = content[y1:y2, x1:x2]
    x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)
    # distance to a rectangle with round corners
    dx = np.abs(x - (outer[0] + outer[2]) / 2) - (outer[2] - outer[0]) / 2 + radius
    dy = np.abs(y - (outer[1] + outer[3]) / 2) - (outer[3] - outer[1]) / 2 + radius
    away = np.hypot(np.maximum(dx, 0)[None, :], np.maximum(dy, 0)[:, None]) - radius
    inside = np.minimum(np.maximum(dx[None, :], dy[:, None]), 0)
    return layer, np.clip(0.5 - (away + inside), 0, 1).astype(np.float32)


def _held(
    layer: Floats, alpha: Floats, centre: tuple[float, float], kind: str, rng: Generator
) -> tuple[Floats, Floats, NDArray[np.float64]]:
    """Turned out of the camera's plane and, paper, bent. Returns the 3x3 move as well."""
    size = layer.shape[0]
    yaw, pitch, roll = np.deg2rad(rng.normal(0, [12, 8, 5]))
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn = turn @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    far = size * rng.uniform(1.5, 4)
    lens = np.array([[far, 0, centre[0]], [0, far, centre[1]], [0, 0, 1]])
    place = np.column_stack([turn[:, 0], turn[:, 1], [0, 0, far]])
    move = lens @ place @ np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, 1]])
    move = move / move[2, 2]
    four = np.dstack([layer, alpha])
    if kind == PRINT and rng.random() < 0.5:
        four = _bent(four, centre, rng)
    four = cv2.warpPerspective(four, move, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(four[..., :3], np.float32), np.asarray(four[..., 3], np.float32), move


def _bent(four: Floats, centre: tuple[float, float], rng: Generator) -> Floats:
    """Curled about an upright or a level axis: squeezed towards the sides, and shaded."""
    size = four.shape[0]
    x = np.arange(size, dtype=np.float32)
    level = rng.random() < 0.3
    c = centre[1] if level else centre[0]
    u = (x - c) / size * 2
    curl = rng.uniform(0.1, 0.55)
    at = c + np.arcsin(np.clip(u * np.sin(curl), -0.98, 0.98)) / curl * size / 2
    shade = (1 + rng.normal(0, 0.18) * u - abs(rng.normal(0, 0.12)) * u * u).astype(np.float32)
    lift = (rng.normal(0, 0.05) * u * u * size).astype(np.float32)
    mx, my = np.meshgrid(x, x)
    if level:
        mx, my = mx + lift[:, None], np.repeat(at.astype(np.float32)[:, None], size, 1)
        shading = shade[:, None, None]
    else:
        mx, my = np.repeat(at.astype(np.float32)[None, :], size, 0), my + lift[None, :]
        shading = shade[None, :, None]
    out = np.asarray(cv2.remap(four, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    out[..., :3] *= shading
    return out


def _shadowed(view: Floats, alpha: Floats, rng: Generator) -> Floats:
    """The medium's shadow on what is behind it, and the light of a screen is not on it."""
    if rng.random() < 0.5:
        return view
    shift = np.array([[1, 0, rng.normal(0, 4)], [0, 1, rng.uniform(0, 6)]], np.float32)
    shadow = cv2.warpAffine(alpha, shift, alpha.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), rng.uniform(1, 6)), np.float32) * (1 - alpha)
    return view * (1 - np.float32(rng.uniform(0.1, 0.5)) * shadow[..., None])


def _fingers(view: Floats, corners: NDArray[np.float32], face: float, rng: Generator) -> Floats:
    """One or two hands at the medium's edges: a thumb on it, a palm or knuckles beside it."""
    size = view.shape[0]
    skin = np.array([0.45, 0.56, 0.76]) * np.exp(rng.normal(-0.15, 0.35)) * media.tint(rng, 0.08)
    paint, mask = np.zeros_like(view), np.zeros(view.shape[:2], np.float32)
    for _ in range(int(rng.integers(1, 3))):
        i = int(rng.integers(0, 4))
        a, b = corners[i], corners[(i + 1) % 4]
        at = a + (b - a) * rng.uniform(0.1, 0.9)
        out = at - corners.mean(0)
        out = out / max(float(np.hypot(*out)), 1e-3)
        along = (b - a) / max(float(np.hypot(*(b - a))), 1e-3)
        thick = rng.uniform(0.09, 0.2) * face
        strokes = [(at - out * rng.uniform(0.05, 0.5) * face, at + out * 0.4 * face, thick)]
        if rng.random() < 0.7:
            wrist = at + out * 2.2 * face + along * rng.normal(0, 0.6) * face
            strokes.append((at + out * 0.3 * face, wrist, 2.5 * thick))
        for start, end, width in strokes:
            line = [tuple(int(v) for v in np.clip(p, -2 * size, 3 * size)) for p in (start, end)]
            one = np.zeros_like(mask)
            cv2.line(one, line[0], line[1], [1.0], max(2, int(width)), cv2.LINE_AA)
            soft = cv2.GaussianBlur(one, (0, 0), max(0.6, width / 5))
            paint += (
                (one * (1 - mask))[..., None]
                * skin.astype(np.float32)
                * np.asarray(0.55 + 0.5 * soft, np.float32)[..., None]
            )
            mask = np.maximum(mask, one)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.7), np.float32)[..., None]
    return view * (1 - mask) + paint * np.float32(rng.uniform(0.4, 1.2)) * (mask > 0)
