"""Numbers about a running door: histograms that take no more memory after a year than after an hour, and what a scrape
of them looks like. How they leave the device is an adapter's business."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Seconds; from a warp of a fraction of a millisecond to a board that is far too slow.
STAGE_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
AGE_BOUNDS = (0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """`counts` has one number for each bound (values up to it, those of lower bounds not included), and one more for
    what is above the last."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Interpolated within its bucket; None where nothing was measured; the last bound where it lies above."""
        if self.count == 0:
            return None
        left, below = share * self.count, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and left <= count:
                return below + (bound - below) * left / count
            left, below = left - count, bound
        return self.bounds[-1]

    def since(self, before: Distribution) -> Distribution:
        """What came after `before`, an earlier state of the same histogram."""
        counts = tuple(a - b for a, b in zip(self.counts, before.counts, strict=True))
        return Distribution(self.bounds, counts, self.total - before.total)


class Histogram:
    """Not thread-safe."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """What is not finite is left out: a sum must stay a number."""
        if math.isfinite(value):
            self._counts[bisect_left(self._bounds, value)] += 1
            self._total += value

    def now(self) -> Distribution:
        return Distribution(self._bounds, tuple(self._counts), self._total)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric; `labels` in the order of the metric's names of them."""

    value: float | Distribution
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` as Prometheus wants it, without the endings that it adds itself (_total, _bucket)."""

    name: str
    help: str
    kind: Literal["gauge", "counter", "histogram"]
    samples: tuple[Sample, ...]
    labels: tuple[str, ...] = ()
