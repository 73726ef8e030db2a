"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay after the n-th failure in a row: `first_s` doubling up to `most_s`, each shortened by up to `jitter` of
    itself, so that the doors of a site don't all reach for their broker at once when it comes back."""

    first_s: float = 0.5
    most_s: float = 30.0
    jitter: float = 0.5

    def delay_s(self, failures: int, rng: random.Random) -> float:
        """`failures` counts from 1."""
        full_s = min(self.most_s, self.first_s * 2.0 ** min(max(failures, 1) - 1, 30))
        return full_s * (1.0 - self.jitter * rng.random())
