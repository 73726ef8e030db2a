"""The secret orthogonal matrix that stored templates are rotated by: cosines are kept, and a leaked template is of no
use without the seed. Renewable and unlinkable, not irreversible: who has the seed turns everything back."""

from __future__ import annotations

import hashlib

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from edgeface.domain.types import Floats

DIMENSION = 128
SEED_BYTES = 32


def _uniform(seed: bytes, count: int) -> NDArray[np.float64]:
    """`count` numbers in (0, 1) from AES-256-CTR: the same on every machine and every numpy."""
    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor().update(bytes(8 * count))
    whole = np.frombuffer(stream, dtype="<u8") >> np.uint64(11)  # 53 bits, what a double holds
    return np.asarray((whole.astype(np.float64) + 0.5) * 2.0**-53)


def orthogonal(seed: bytes, dimension: int = DIMENSION) -> NDArray[np.float64]:
    """(dimension, dimension) float64, uniform over the orthogonal group: a product of Householder reflections of
    Gaussian vectors of falling dimension (Stewart 1980). Deterministic, and without LAPACK, whose threads take a
    hundred times as long to start as this takes to compute."""
    numbers = _uniform(seed, dimension * dimension + dimension)
    half = len(numbers) // 2
    radius = np.sqrt(-2.0 * np.log(numbers[:half]))  # Box-Muller
    gauss = np.concatenate((radius * np.cos(2 * np.pi * numbers[half:]), radius * np.sin(2 * np.pi * numbers[half:])))
    out = np.eye(dimension)
    signs = np.ones(dimension)
    used = 0
    for size in range(dimension, 1, -1):
        v = gauss[used : used + size].copy()
        used += size
        length = np.sqrt(np.sum(v * v))
        signs[dimension - size] = np.copysign(1.0, v[0])
        v[0] += np.copysign(length, v[0])
        v *= np.sqrt(2.0 / np.sum(v * v))
        block = out[:, dimension - size :]
        block -= np.outer(block @ v, v)
    signs[-1] = np.copysign(1.0, gauss[used])
    return np.asarray(signs[:, None] * out)


class Rotation:
    """Turns templates, (n, 128) or (128,) float32, on their way into the store and back."""

    def __init__(self, seed: bytes) -> None:
        self._matrix = orthogonal(seed)
        self.id = hashlib.sha256(b"edgeface rotation" + seed).digest()[:8]  # names the matrix, tells nothing of it

    def rotate(self, vectors: Floats) -> Floats:
        return np.asarray(np.asarray(vectors, dtype=np.float64) @ self._matrix, dtype=np.float32)

    def turn_back(self, vectors: Floats) -> Floats:
        return np.asarray(np.asarray(vectors, dtype=np.float64) @ self._matrix.T, dtype=np.float32)
