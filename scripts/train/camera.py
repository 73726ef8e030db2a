"""A camera for training: exposure, white balance, defocus, motion, a small sensor's resolution and noise, JPEG.
Live people and attacks go through the very same one. Shares no code with the demo's scenes, which evaluate."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def expose(view: Floats, rng: Generator, out: int) -> Pixels:
    """`view` (s, s, 3) BGR, 0 to 1 and above (what is above burns out) -> (out, out, 3) uint8."""
    f = view * np.float32(np.exp(rng.normal(0, 0.22)))
    if rng.random() < 0.15:  # a dim door: little light, lifted by the camera's gain
        f = f * np.float32(rng.uniform(0.25, 0.6))
    f = f * np.exp(rng.normal(0, 0.1, 3)).astype(np.float32)
    if rng.random() < 0.3:
        f = _vignette(f, rng)
    f = _blurred(f, rng)
    if rng.random() < 0.45:
        f = np.maximum(f, 0) ** np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.45:
        grey = f.mean(2, keepdims=True)
        f = grey + np.float32(rng.choice([0.0, rng.uniform(0.4, 1.4)], p=[0.12, 0.88])) * (f - grey)
    if rng.random() < 0.55:  # a hazy lens, a cheap camera's flat or steep curve: no sign of a print
        lo = np.float32(rng.uniform(-0.08, 0.2))
        f = lo + (np.float32(rng.uniform(0.6, 1.15)) - lo) * f
    side = out if rng.random() < 0.6 else int(out * rng.uniform(0.45, 1.0))
    f = np.asarray(cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    f = _noisy(f, rng)
    picture = np.clip(f * 255, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 1.2))
        amount = rng.uniform(0.3, 1.2)
        picture = np.asarray(cv2.addWeighted(picture, 1 + amount, soft, -amount, 0), np.uint8)
    if rng.random() < 0.6:
        picture = jpeg(picture, int(rng.uniform(35, 95)))
    if side != out:
        how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
        picture = np.asarray(cv2.resize(picture, (out, out), interpolation=how), np.uint8)
    return picture


def first_capture(view: Floats, rng: Generator) -> Floats:
    """What a photo or a video has been through before it is shown to the door."""
    f = view
    if rng.random() < 0.4:
        s = rng.uniform(0.5, 1.0)
        side = int(view.shape[0] * s)
        f = cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA)
        f = cv2.resize(f, view.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        f = f + rng.normal(0, rng.uniform(0.004, 0.03), f.shape).astype(np.float32)
    if rng.random() < 0.3:
        f = jpeg(np.clip(f * 255, 0, 255).astype(np.uint8), int(rng.uniform(30, 90))).astype(np.float32) / 255
    return np.asarray(f, np.float32)


def jpeg(picture: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _vignette(f: Floats, rng: Generator) -> Floats:
    h, w = f.shape[:2]
    cx, cy = rng.uniform(0.2, 0.8, 2)
    x = (np.arange(w, dtype=np.float32) / w - np.float32(cx)) ** 2
    y = (np.arange(h, dtype=np.float32) / h - np.float32(cy)) ** 2
    return f * (1 - np.float32(rng.uniform(0.1, 0.6)) * (x[None, :] + y[:, None]))[..., None]


def _blurred(f: Floats, rng: Generator) -> Floats:
    kind = rng.random()
    if kind < 0.45:
        return np.asarray(cv2.GaussianBlur(f, (0, 0), rng.uniform(0.3, 1.5)), np.float32)
    if kind < 0.6:
        return np.asarray(cv2.filter2D(f, -1, motion_kernel(rng, int(rng.integers(3, 8)))), np.float32)
    return f


def motion_kernel(rng: Generator, length: int) -> Floats:
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, rng.uniform(0, 180), 1)
    line = np.asarray(cv2.warpAffine(line, turn, (length, length)), np.float32)
    return line / max(float(line.sum()), 1e-3)


def _noisy(f: Floats, rng: Generator) -> Floats:
    if rng.random() < 0.3:
        return f
    read, shot = rng.uniform(0.002, 0.02), rng.uniform(0.0, 0.03)
    noise = rng.standard_normal(f.shape, np.float32)
    if rng.random() < 0.5:  # neighbours are alike after demosaicing
        noise = np.asarray(cv2.GaussianBlur(noise, (3, 3), 0.6), np.float32) * 1.6
    return f + noise * np.sqrt(np.float32(read**2) + np.float32(shot**2) * np.clip(f, 0, 1))
