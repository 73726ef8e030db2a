"""Vision models that read their answer out of the picture, for tests of what is built around them.

A picture is (h, w, 3); pixel [0, 0] is (faces, spoof score in percent, 0) and row 1 starts with the person's seed."""

from __future__ import annotations

import numpy as np

from edgeface.app.evaluate.pictures import EvalModels
from edgeface.domain.errors import SourceError
from edgeface.domain.types import Box, Embedding, Face

MODEL = "fake-embedder"


def picture(person=0, variant=0, *, faces=1, spoof=5):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[0, 0] = (faces, spoof, 0)
    pixels[1, 0] = (person, variant, 0)
    return pixels


def write(path, pixels):
    """As a file that `read` understands: the tests need no image codec."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pixels.tobytes())


def read(path):
    data = path.read_bytes()
    if len(data) != 64 * 64 * 3:
        raise SourceError(f"The photo {path.name} is cut short.", "Give another.")
    return np.frombuffer(data, np.uint8).reshape(64, 64, 3)


def vector(person, variant=0, noise=0.5):
    """Cosine of two variants of one person about 1 / (1 + noise**2); of two people about 0."""
    base = np.random.default_rng(1000 + person).normal(size=128)
    own = base / np.linalg.norm(base)
    other = np.random.default_rng(10**6 + 1000 * person + variant).normal(size=128)
    v = own + noise * other / np.linalg.norm(other)
    return (v / np.linalg.norm(v)).astype(np.float32)


class Detector:
    def detect(self, pixels):
        box = Box(16, 16, 48, 48)
        return [Face(0.9, box, np.zeros((6, 2), np.float32)) for _ in range(int(pixels[0, 0, 0]))]


class Embedder:
    model = MODEL

    def embed(self, pixels, face):
        return Embedding(vector(int(pixels[1, 0, 0]), int(pixels[1, 0, 1])), MODEL)


class Spoof:
    def score(self, pixels, face):
        return float(pixels[0, 0, 1]) / 100


def models():
    return EvalModels(Detector(), Embedder(), Spoof(), "fake-spoof")
