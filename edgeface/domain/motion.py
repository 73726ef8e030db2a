"""Does something move? An idle door runs its detector slowly and wakes at once when something does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeface.domain.types import Pixels

_STEP = 8  # every 8th pixel both ways: a face at 4 m is 20 pixels wide and still covers several samples
_BLOCK = 4  # samples a side of a block: averaging 16 takes the sensor's noise down to a quarter


@dataclass(frozen=True, slots=True)
class MotionRule:
    """min_change: mean luminance change of one block, 0 to 255, that is motion: above noise, below a dim figure.
    min_blocks: how many blocks must change: one alone is a flickering pixel or an insect.
    """

    min_change: float = 8.0
    min_blocks: int = 2


@lru_cache(maxsize=8)
def _averaging(n: int) -> NDArray[np.float32]:
    """(n / block, n): each row takes the mean of its block."""
    weights: NDArray[np.float32] = np.repeat(np.eye(n // _BLOCK, dtype=np.float32), _BLOCK, axis=1) / np.float32(_BLOCK)
    weights.setflags(write=False)
    return weights


class MotionGate:
    """Compares each frame with the one before; 0.1 ms for 640x480. Not thread-safe."""

    def __init__(self, rule: MotionRule | None = None) -> None:
        self._rule = rule or MotionRule()
        self._before: NDArray[np.float32] | None = None

    def moved(self, pixels: Pixels) -> bool:
        """`pixels` is (h, w, 3) uint8 BGR. True for the first frame, and where the size changed."""
        samples = pixels[::_STEP, ::_STEP, 1]  # green carries most of the luminance
        h, w = (n - n % _BLOCK for n in samples.shape)
        if h == 0 or w == 0:
            return True
        # sums of rows, then of columns: a third of the time of a mean over two axes
        small = samples[:h, :w].astype(np.float32)
        blocks: NDArray[np.float32] = np.asarray(_averaging(h) @ small @ _averaging(w).T, np.float32)
        before, self._before = self._before, blocks
        if before is None or before.shape != blocks.shape:
            return True
        change = np.abs(blocks - before)
        change = np.abs(blocks - before - np.median(blocks - before)) if float(change.mean()) > 1.0 else change
        return int((change > self._rule.min_change).sum()) >= self._rule.min_blocks
