"""Do pictures come and get judged often enough? A door that is too slow refuses nobody and lets nobody in: it waits for
frames that agree, and people stand there without a word. So it says so."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

LONGEST_PERIOD_S = 1.0  # frames further apart are a gap (a lost camera, an enrolment), and say nothing about its rate


class FrameRate:
    """The camera's rate, smoothed over some ten frames. `fps` is None before the second frame."""

    def __init__(self) -> None:
        self._period_s: float | None = None
        self._before_s: float | None = None

    def add(self, t_s: float) -> None:
        before, self._before_s = self._before_s, t_s
        if before is not None and 0 < t_s - before <= LONGEST_PERIOD_S:
            step = t_s - before
            self._period_s = step if self._period_s is None else 0.9 * self._period_s + 0.1 * step

    def gap(self) -> None:
        """The next frame does not follow on the last."""
        self._before_s = None

    @property
    def fps(self) -> float | None:
        return None if self._period_s is None else 1.0 / self._period_s


@dataclass(frozen=True, slots=True)
class PaceRule:
    """max_period_s: the median between two frames of somebody who stands there; a streak forgets after 0.5 s, so the
        single gap must have room.
    max_late: share of frames that were judged later than a grant allows.
    window_s, min_frames: over this long, of at least so many frames.
    """

    max_period_s: float = 0.4
    max_late: float = 0.5
    window_s: float = 4.0
    min_frames: int = 4


class Pace:
    """Frames in which somebody was looked at. Not thread-safe."""

    def __init__(self, rule: PaceRule | None = None) -> None:
        self._rule = rule or PaceRule()
        self._frames: deque[tuple[float, bool]] = deque()
        self.slow: str | None = None  # a sentence, None while all is well

    def add(self, t_s: float, late: bool) -> bool:
        """A frame captured at `t_s`; `late`: too old when it was judged. True where `slow` has changed whether there is
        one. Time that goes back starts anew."""
        if self._frames and t_s <= self._frames[-1][0]:
            self._frames.clear()
        self._frames.append((t_s, late))
        while t_s - self._frames[0][0] > self._rule.window_s:
            self._frames.popleft()
        frames = list(self._frames)
        if self.slow is not None:  # somebody who is let in at last is looked at no longer: a few frames must do
            frames = frames[-self._rule.min_frames :]
        elif t_s - frames[0][0] < self._rule.window_s / 2:
            return False
        if len(frames) < self._rule.min_frames:
            return False
        was, self.slow = self.slow, self._judge(frames)
        return (was is None) != (self.slow is None)

    def _judge(self, frames: list[tuple[float, bool]]) -> str | None:
        times = [t for t, _ in frames]
        period = median(b - a for a, b in pairwise(times))
        if period > self._rule.max_period_s:
            return (
                f"Only {1 / period:.1f} pictures a second are looked at; {1 / self._rule.max_period_s:.1f} are needed. "
                "Raise camera.fps or the light; where the machine is the reason, take load off it."
            )
        late = sum(was_late for _, was_late in frames) / len(frames)
        if late > self._rule.max_late:
            return (
                f"{late:.0%} of the pictures are too old when they have been looked at: this machine is too slow for "
                "them. Take load off it, cool it, or lower the camera's size."
            )
        return None
