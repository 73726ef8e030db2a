"""How paper and screens show a picture. All views are (s, s, 3) float32 BGR, 0 to 1 (a lit screen may be above 1)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def printed(f: Floats, rng: Generator) -> Floats:
    """Inks cover a smaller gamut than light, never black, never white; a raster of dots, the paper's grain."""
    f = np.clip(f, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    grey = f.mean(2, keepdims=True)
    monochrome = rng.random() < 0.08
    f = grey + np.float32(0 if monochrome else rng.uniform(0.45, 1.1)) * (f - grey)
    black = np.float32(rng.uniform(0.02, 0.22)) * tint(rng, 0.04)
    paper = np.float32(rng.uniform(0.72, 1.0)) * tint(rng, 0.05)
    if rng.random() < 0.35:
        f = _halftone(f, rng)
    f = black + (paper - black) * f
    if rng.random() < 0.5:
        grain = rng.standard_normal(f.shape[:2], np.float32)
        if rng.random() < 0.5:
            grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 1.5)), np.float32) * 2
        f = f * (1 + np.float32(rng.uniform(0.005, 0.03)) * grain[..., None])
    if rng.random() < 0.3:  # the print head's bands
        f = f * (1 + _waves(f.shape[0], rng, rng.uniform(3, 30), 0.01, 0.05))[..., None, None].transpose(0, 2, 1)
    if rng.random() < 0.25:
        f = _creased(f, rng)
    return np.asarray(f, np.float32)


def emitted(f: Floats, rng: Generator) -> Floats:
    """A panel's gamma, colour temperature, leaking backlight and its own pixels, seen through the camera's."""
    f = np.clip(f, 0, 1) ** np.float32(np.exp(rng.normal(0.08, 0.28)))
    grey = f.mean(2, keepdims=True)
    f = grey + np.float32(rng.uniform(0.8, 1.35)) * (f - grey)
    warm = rng.normal(0.06, 0.12)  # blue above red: panels are cold
    white = np.exp(np.array([warm, rng.normal(0, 0.03), -warm])).astype(np.float32)
    leak = np.float32(rng.uniform(0, 0.1))
    f = (leak + (1 - leak) * f) * white * np.float32(rng.choice([rng.uniform(0.6, 1.1), rng.uniform(1.0, 1.9)]))
    if rng.random() < 0.55:
        f = f * moire(f.shape[0], rng)
    if rng.random() < 0.3:
        f = f * (1 + _waves(f.shape[0], rng, rng.uniform(15, 150), 0.03, 0.25))[:, None, None]
    if rng.random() < 0.2:  # visible pixels: a coarse screen, or a near one
        pitch = int(rng.integers(2, 4))
        f = f.copy()
        f[::pitch] *= np.float32(rng.uniform(0.8, 0.97))
        f[:, ::pitch] *= np.float32(rng.uniform(0.8, 0.97))
    return np.asarray(f, np.float32)


def moire(size: int, rng: Generator) -> Floats:
    """Beats between two grids: a few slow waves, bent by the lens, with the colours out of step."""
    x = np.arange(size, dtype=np.float32)
    xx, yy = np.meshgrid(x, x)
    out = np.ones((size, size, 3), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        turn, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(2.1), np.log(26)))
        bend = rng.uniform(0, 2.5) * np.sin(xx / np.float32(rng.uniform(20, 90)) + yy / np.float32(rng.uniform(20, 90)))
        phase = np.float32(2 * np.pi / period) * (xx * np.float32(np.cos(turn)) + yy * np.float32(np.sin(turn))) + bend
        apart, depth = rng.choice([0.0, 2 * np.pi / 3]), rng.uniform(0.01, 0.10)
        wave = [np.sin(phase + np.float32(c * apart)) for c in range(3)]
        out *= 1 + np.float32(depth) * np.dstack(wave).astype(np.float32)
    return out


def shine(f: Floats, rng: Generator, surroundings: Floats | None) -> Floats:
    """Lamps and the room, mirrored by a glossy print or a glass."""
    size = f.shape[0]
    x = np.arange(size, dtype=np.float32)
    if rng.random() < 0.6:
        cx, cy = rng.uniform(-0.1, 1.1, 2) * size
        rx, ry = np.exp(rng.uniform(np.log(0.03), np.log(0.6), 2)) * size
        lobe = np.exp(-(((x[None, :] - cx) / rx) ** 2 + ((x[:, None] - cy) / ry) ** 2))
        f = f + np.float32(rng.uniform(0.04, 0.6)) * lobe.astype(np.float32)[..., None]
    if surroundings is not None and rng.random() < 0.35:
        mirrored = cv2.GaussianBlur(surroundings, (0, 0), rng.uniform(0.8, 8))
        f = f + np.float32(rng.uniform(0.03, 0.3)) * np.asarray(mirrored, np.float32)
    if rng.random() < 0.5:  # light that falls off over the plane
        a, b = rng.normal(0, 0.25, 2)
        f = f * (1 + np.float32(a) * (x / size - 0.5)[None, :, None] + np.float32(b) * (x / size - 0.5)[:, None, None])
    return np.asarray(f, np.float32)


def tint(rng: Generator, width: float) -> Floats:
    return np.exp(rng.normal(0, width, 3)).astype(np.float32)


def _halftone(f: Floats, rng: Generator) -> Floats:
    """Dots at an angle an ink; seen from a step away only a trace of them is left."""
    size = f.shape[0]
    x = np.arange(size, dtype=np.float32)
    xx, yy = np.meshgrid(x, x)
    pitch, depth = rng.uniform(2.0, 4.5), np.float32(rng.uniform(0.03, 0.25))
    dots = []
    for angle in np.deg2rad([90.0, 75.0, 15.0]):  # yellow, magenta, cyan: blue, green and red are what they take
        c, s = np.float32(2 * np.pi * np.cos(angle) / pitch), np.float32(2 * np.pi * np.sin(angle) / pitch)
        dots.append(np.cos(c * xx + s * yy) * np.cos(c * yy - s * xx))
    return np.clip(f + depth * np.dstack(dots).astype(np.float32) * (4 * f * (1 - f)), 0, 1)


def _waves(size: int, rng: Generator, period: float, low: float, high: float) -> Floats:
    wave = np.sin(np.arange(size) * 2 * np.pi / period + rng.uniform(0, 6.3))
    if rng.random() < 0.4:
        wave = np.sign(wave) * np.abs(wave) ** 0.4
    return np.asarray(rng.uniform(low, high) * wave, np.float32)


def _creased(f: Floats, rng: Generator) -> Floats:
    """Folds: on either side of a line the paper leans another way."""
    size = f.shape[0]
    x = np.arange(size, dtype=np.float32) / size - 0.5
    for _ in range(int(rng.integers(1, 4))):
        turn = rng.uniform(0, np.pi)
        side = (
            np.float32(np.cos(turn)) * x[None, :]
            + np.float32(np.sin(turn)) * x[:, None]
            - np.float32(rng.uniform(-0.4, 0.4))
        )
        step = np.tanh(side / np.float32(rng.uniform(0.01, 0.2)))
        line = np.exp(-((side / np.float32(0.012)) ** 2))
        f = f * (1 + np.float32(rng.normal(0, 0.08)) * step + np.float32(rng.normal(0, 0.12)) * line)[..., None]
    return np.asarray(f, np.float32)
