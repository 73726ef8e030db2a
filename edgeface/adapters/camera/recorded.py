"""A camera that shows given pictures and has given faults, on whatever clock it is handed: for tests and dry runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from edgeface.domain.errors import CameraStalled, CameraUnavailable, EndOfStream
from edgeface.domain.types import Frame, Pixels
from edgeface.ports import CameraInfo


class FaultKind(str, Enum):
    """STALL: reads time out. VANISH: the read fails, and the next `count - 1` openings too. BLACK: black pictures
    instead. FROZEN: the last picture before it again, exactly."""

    STALL = "stall"
    VANISH = "vanish"
    BLACK = "black"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Fault:
    """Happens from the picture with this position in the script on, `count` times (reads, or for VANISH failures)."""

    at: int
    kind: FaultKind
    count: int = 1


class RecordedCamera:
    """Shows `frames` in turn, (h, w, 3) uint8 BGR, at `fps`. The first `refuse_opens` openings fail. The position in
    the script is kept over a closing, as a real scene goes on.

    Without `monotonic` it is a recording (`live` False): `captured_s` is the position, and nothing waits. With it, it
    acts live: each picture first sleeps one interval by `sleep` (a virtual clock's advance, or time.sleep) and a
    stalled read sleeps its timeout."""

    def __init__(
        self,
        frames: Sequence[Pixels],
        *,
        fps: float = 30.0,
        faults: Iterable[Fault] = (),
        refuse_opens: int = 0,
        loop: bool = False,
        monotonic: Callable[[], float] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        name: str = "recorded",
    ) -> None:
        self._frames = frames
        self._fps = fps
        self._faults = sorted(faults, key=lambda f: f.at)
        self._left = {id(f): f.count for f in self._faults}
        self._refuse_opens = refuse_opens
        self._loop = loop
        self._monotonic = monotonic
        self._sleep = sleep
        self._name = name
        self._position = 0
        self._index = 0
        self._is_open = False
        self._last: Pixels | None = None
        self.opens = 0
        self.closes = 0

    def open(self) -> CameraInfo:
        self.opens += 1
        if self._refuse_opens > 0:
            self._refuse_opens -= 1
            raise CameraUnavailable(f"The camera {self._name} is not there.", "It returns when its script says so.")
        self._is_open = True
        self._index = 0
        height, width = self._frames[0].shape[:2] if len(self._frames) else (0, 0)
        return CameraInfo(self._name, width, height, self._fps, live=self._monotonic is not None)

    def read(self, timeout_s: float) -> Frame:
        if not self._is_open:
            raise CameraUnavailable(f"The camera {self._name} is not open.", "Open it first.")
        if not len(self._frames) or (self._position >= len(self._frames) and not self._loop):
            raise EndOfStream(f"The recording {self._name} is over.")
        fault = self._due()
        if fault is FaultKind.STALL:
            if self._monotonic is not None:
                self._sleep(timeout_s)
            raise CameraStalled(f"The camera {self._name} gave no picture within {timeout_s:g} s.")
        if fault is FaultKind.VANISH:
            self._is_open = False
            raise CameraUnavailable(f"The camera {self._name} vanished.", "It returns when its script says so.")
        pixels = self._frames[self._position % len(self._frames)]
        if fault is FaultKind.BLACK:
            pixels = np.zeros_like(pixels)
        elif fault is FaultKind.FROZEN and self._last is not None:
            pixels = self._last
        self._last = pixels
        return self._stamped(pixels)

    def _stamped(self, pixels: Pixels) -> Frame:
        if self._monotonic is None:
            captured_s = self._position / self._fps
        else:
            self._sleep(1.0 / self._fps)
            captured_s = self._monotonic()
        frame = Frame(pixels, captured_s, self._index)
        self._position += 1
        self._index += 1
        return frame

    def _due(self) -> FaultKind | None:
        for fault in self._faults:
            if fault.at <= self._position and self._left[id(fault)] > 0:
                if fault.kind is FaultKind.VANISH:
                    self._refuse_opens += fault.count - 1
                    self._left[id(fault)] = 0
                else:
                    self._left[id(fault)] -= 1
                return fault.kind
        return None

    def close(self) -> None:
        if self._is_open:
            self.closes += 1
        self._is_open = False
