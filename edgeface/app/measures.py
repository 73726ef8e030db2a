"""Counts what happens at the door while it runs. Always on: a few additions for each frame. Read by the metrics and by
`edgeface top`."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from edgeface.domain.events import AccessDenied, AccessGranted, CameraLost, Event, SpoofRefused
from edgeface.domain.measures import AGE_BOUNDS, STAGE_BOUNDS, Distribution, Histogram

LAST = 12  # decisions that `edgeface top` can show
MOST_STAGES = 32  # stages are named by the code; whatever goes wrong, they don't grow


@dataclass(frozen=True, slots=True)
class Decided:
    """`person` is the record id, None where nobody was recognised."""

    t_s: float
    decision: str
    person: str | None
    evidence_ms: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One consistent reading. `decisions`: granted, and each denial by its reason."""

    stages: Mapping[str, Distribution]
    grant_age: Distribution
    decisions: Mapping[str, int]
    events: Mapping[str, int]
    camera_faults: Mapping[str, int]
    last: tuple[Decided, ...]


class Measures:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: dict[str, Histogram] = {}
        self._grant_age = Histogram(AGE_BOUNDS)
        self._decisions: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._camera_faults: Counter[str] = Counter()
        self._last: deque[Decided] = deque(maxlen=LAST)

    def frame(self, timings_s: Mapping[str, float], grant_age_s: float | None = None) -> None:
        """One frame's stages in seconds; `grant_age_s`: how old it was when the relay had moved, where it did."""
        with self._lock:
            for stage, seconds in timings_s.items():
                if stage not in self._stages and len(self._stages) >= MOST_STAGES:
                    continue
                self._stages.setdefault(stage, Histogram(STAGE_BOUNDS)).add(seconds)
            if grant_age_s is not None:
                self._grant_age.add(grant_age_s)

    def event(self, event: Event) -> None:
        """A listener of the recorder."""
        with self._lock:
            self._events[event.kind] += 1
            if isinstance(event, AccessGranted):
                self._decided(event.t_s, "granted", event.person, event.evidence_ms)
            elif isinstance(event, (AccessDenied, SpoofRefused)):
                self._decided(event.t_s, event.reason, event.person, event.evidence_ms)
            elif isinstance(event, CameraLost):
                self._camera_faults[event.fault] += 1

    def _decided(self, t_s: float, decision: str, person: str | None, evidence_ms: int) -> None:
        self._decisions[decision] += 1
        self._last.append(Decided(t_s, decision, person, evidence_ms))

    def now(self) -> Measured:
        with self._lock:
            return Measured(
                {stage: histogram.now() for stage, histogram in self._stages.items()},
                self._grant_age.now(),
                dict(self._decisions),
                dict(self._events),
                dict(self._camera_faults),
                tuple(self._last),
            )
