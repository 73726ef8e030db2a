"""When the machine itself stood still: a door process that is not run cannot end a pulse, and no judge may hold that
against it. A guest whose host takes the processor away, or a machine at work on something else, is told from a slow
door by somebody who does nothing but wake up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

TICK_S = 0.01
LATE_S = 0.02  # less is every scheduler's everyday


@dataclass(frozen=True, slots=True)
class Stall:
    """One time in which a processor ran nobody who wanted to run; monotonic seconds."""

    begin_s: float
    end_s: float


class StallMeter:
    """A thread on each processor that sleeps and notes when it was woken too late. A context manager."""

    def __init__(self) -> None:
        self._ends = threading.Event()
        self._found: list[Stall] = []
        self._threads = [
            threading.Thread(target=self._watch, args=(cpu,), name=f"stalls-{cpu}", daemon=True)
            for cpu in sorted(os.sched_getaffinity(0))
        ]

    def __enter__(self) -> StallMeter:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    @property
    def stalls(self) -> list[Stall]:
        return list(self._found)

    def _watch(self, cpu: int) -> None:
        try:
            os.sched_setaffinity(0, {cpu})  # of this thread alone
        except OSError:
            return  # taken away meanwhile
        while not self._ends.is_set():
            due_s = time.monotonic() + TICK_S
            time.sleep(TICK_S)
            now_s = time.monotonic()
            if now_s - due_s > LATE_S:
                self._found.append(Stall(due_s, now_s))


def stood_still_s(stalls: Sequence[Stall], begin_s: float, end_s: float) -> float:
    """How much of that time at least one processor stood still; overlapping stalls count once."""
    total, reached = 0.0, begin_s
    for stall in sorted(stalls, key=lambda s: s.begin_s):
        begin, end = max(stall.begin_s, reached), min(stall.end_s, end_s)
        if end > begin:
            total += end - begin
            reached = end
    return total
