"""What a door's camera does to an aligned face; the student alone sees it, the teacher sees the face before."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scripts.train.camera import jpeg, motion_kernel
from scripts.train.pack import Pixels

SIDE = 112


def framed(crop: Pixels, rng: Generator, jitter: float) -> Pixels:
    """112x112 out of a crop with a margin. `jitter` 1 is about BlazeFace's own error of alignment on a small face."""
    size, half = crop.shape[0], crop.shape[0] / 2
    m = cv2.getRotationMatrix2D((half, half), rng.normal(0, 3 * jitter), np.exp(rng.normal(0, 0.035 * jitter)))
    m[:, 2] += rng.normal(0, 1.5 * jitter, 2) - (size - SIDE) / 2
    return np.asarray(cv2.warpAffine(crop, m, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT), np.uint8)


def lit(face: Pixels, rng: Generator) -> Pixels:
    """Light and colour that the teacher sees as well: more kinds of pictures than there are photos."""
    f = face.astype(np.float32) * np.float32(np.exp(rng.normal(0, 0.2))) + np.float32(rng.normal(0, 10))
    if rng.random() < 0.3:
        f = 255 * np.clip(f / 255, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.3:
        f = f * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    if rng.random() < 0.12:
        f = np.repeat(f.mean(2, keepdims=True), 3, 2)
    return np.clip(f, 0, 255).astype(np.uint8)


def degraded(face: Pixels, rng: Generator, strength: float = 1.0) -> Pixels:
    """`strength` 0 leaves the face as it is, 1 is a bad evening at a door."""
    if rng.random() > 0.85 * strength:
        return face
    if rng.random() < 0.2:
        face = _off_angle(face, rng, strength)
    if rng.random() < 0.15:
        face = _covered(face, rng)
    kind = rng.random()
    if kind < 0.2:
        face = np.asarray(cv2.GaussianBlur(face, (0, 0), rng.uniform(0.4, 0.4 + 1.8 * strength)), np.uint8)
    elif kind < 0.35:
        face = np.asarray(
            cv2.filter2D(face, -1, motion_kernel(rng, int(rng.integers(3, 4 + int(6 * strength))))), np.uint8
        )
    elif kind < 0.6:  # eyes 35 pixels apart in the template; down to some 10
        side = int(SIDE * rng.uniform(min(0.9, 1 - 0.72 * strength), 0.95))
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        face = np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.2:  # little light: dark, noisy, pale
        face = _dim(face, rng, strength)
    elif rng.random() < 0.25:
        noise = rng.standard_normal(face.shape, np.float32) * np.float32(rng.uniform(2, 14 * strength + 2))
        face = np.clip(face + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        face = _half_lit(face, rng)
    if rng.random() < 0.35:
        face = jpeg(face, int(rng.uniform(20, 85)))
    return face


def _dim(face: Pixels, rng: Generator, strength: float) -> Pixels:
    f = face.astype(np.float32) * np.float32(rng.uniform(min(0.5, 1 - 0.9 * strength), 0.6))
    f = f + rng.standard_normal(face.shape, np.float32) * np.float32(rng.uniform(1, 5))
    f = np.clip(f, 0, 255).astype(np.uint8).astype(np.float32)
    if rng.random() < 0.5:
        f = f * np.float32(rng.uniform(1.2, 3.0))
    return np.clip(f, 0, 255).astype(np.uint8)


def _half_lit(face: Pixels, rng: Generator) -> Pixels:
    """Light from a side, a lamp behind: a slope over the face."""
    x = np.linspace(-1, 1, SIDE, dtype=np.float32)
    a, b = rng.normal(0, 0.4, 2)
    slope = 1 + np.float32(a) * x[None, :] + np.float32(b) * x[:, None]
    return np.clip(face * np.clip(slope, 0.15, 2)[..., None], 0, 255).astype(np.uint8)


def _off_angle(face: Pixels, rng: Generator, strength: float) -> Pixels:
    """A plane's turn, about its upright and its level axis: a camera above or beside the door, roughly."""
    square = np.float32([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]])
    yaw, pitch = rng.normal(0, 0.12 * strength, 2)
    sx, sy = np.float32([[1, 1], [-1, 1], [-1, -1], [1, -1]]).T * SIDE / 4
    moved = square + np.stack([sx * abs(yaw) * 2 + 0 * sy, sy * abs(pitch) * 2], 1)
    tilt = np.float32([[0, yaw], [0, -yaw], [0, yaw], [0, -yaw]]) * SIDE / 4
    lean = np.float32([[pitch, 0], [-pitch, 0], [pitch, 0], [-pitch, 0]]) * SIDE / 4
    matrix = cv2.getPerspectiveTransform(square, (moved + tilt + lean).astype(np.float32))
    return np.asarray(cv2.warpPerspective(face, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT), np.uint8)


def _covered(face: Pixels, rng: Generator) -> Pixels:
    """Glasses, a mask over mouth and nose, or a hand, a scarf, a cap: whatever hides a part."""
    out, kind = face.copy(), rng.random()
    colour = [int(v) for v in rng.integers(0, 256, 3)]
    if kind < 0.4:
        _glasses(out, rng)
    elif kind < 0.65:
        top = int(rng.uniform(66, 78))
        points = [(8, top + 4), (56, top - 6), (104, top + 4), (98, 112), (14, 112)]
        cv2.fillPoly(out, [np.int32(points)], colour)
    elif kind < 0.8:
        out[: int(rng.uniform(12, 38))] = colour
    else:
        w, h = rng.integers(15, 50, 2)
        x, y = rng.integers(0, SIDE - w), rng.integers(0, SIDE - h)
        out[y : y + h, x : x + w] = colour
    return out


def _glasses(out: NDArray[np.uint8], rng: Generator) -> None:
    frame = [int(v) for v in rng.integers(0, 120, 3)]
    size = (int(rng.uniform(11, 16)), int(rng.uniform(8, 13)))
    dark = rng.random() < 0.35
    for eye in ((38, 52), (74, 52)):
        if dark:
            lens = out.copy()
            cv2.ellipse(lens, eye, size, 0, 0, 360, [20, 20, 20], -1)
            cv2.addWeighted(lens, rng.uniform(0.5, 1.0), out, 0, 0, out) if rng.random() < 0.3 else np.copyto(out, lens)
        cv2.ellipse(out, eye, size, 0, 0, 360, frame, int(rng.integers(1, 4)), cv2.LINE_AA)
    cv2.line(out, (38 + size[0], 51), (74 - size[0], 51), frame, 2, cv2.LINE_AA)
