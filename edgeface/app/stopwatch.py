"""How long each stage of one frame took."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """`timings`: stage -> seconds, of the frame that `begin` was called for last."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self.timings: dict[str, float] = {}

    def begin(self) -> None:
        self.timings = {}

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        start = self._timer()
        try:
            return work()
        finally:
            self.timings[stage] = self.timings.get(stage, 0.0) + self._timer() - start
