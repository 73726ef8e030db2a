"""The benchmark's numbers, and what they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

TARGET_RATIO = 1.3
TARGET_STARTUP_S = 1.5
TARGET_RSS_MB = 200.0
TARGET_MATCH_MS = 5.0  # among the most templates that were measured
TARGET_IDLE_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds: what half, 95 and 99 of 100 stay below."""

    p50_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        p50, p95, p99 = np.percentile(np.asarray(seconds, np.float64) * 1000, (50, 95, 99)).tolist()
        return cls(p50, p95, p99)

    def to_dict(self) -> dict[str, float]:
        return {"p50_ms": _ms(self.p50_ms), "p95_ms": _ms(self.p95_ms), "p99_ms": _ms(self.p99_ms)}


@dataclass(frozen=True, slots=True)
class Frames:
    """Whole frames, each with all four models. `stages` in the order of a frame's way; `floor` is the sum of the bare
    model invocations on the same inputs, each taken right after its frame; `bare` is that of each model."""

    count: int
    stages: Mapping[str, Spread]
    frame: Spread
    bare: Mapping[str, Spread]
    floor: Spread


@dataclass(frozen=True, slots=True)
class Report:
    """`match_ms`: number of templates -> median. None: not measured (the daemon's part was left out)."""

    machine: Mapping[str, object]
    frames: Frames
    startup_s: float | None
    peak_rss_mb: float | None
    idle_core_share: float | None
    match_ms: Mapping[int, float]

    @property
    def ratio_to_floor(self) -> float:
        return self.frames.frame.p50_ms / self.frames.floor.p50_ms

    def to_dict(self) -> dict[str, object]:
        """The JSON of the command."""
        frames = self.frames
        return {
            "machine": dict(self.machine),
            "frames": frames.count,
            "stages": {name: spread.to_dict() for name, spread in frames.stages.items()},
            "frame": frames.frame.to_dict(),
            "bare_models": {name: spread.to_dict() for name, spread in frames.bare.items()},
            "floor_ms": _ms(frames.floor.p50_ms),
            "ratio_to_floor": round(self.ratio_to_floor, 3),
            "fps": round(1000 / frames.frame.p50_ms, 1),
            "startup_s": _rounded(self.startup_s, 3),
            "peak_rss_mb": _rounded(self.peak_rss_mb, 1),
            "match_ms": {str(n): _ms(ms) for n, ms in self.match_ms.items()},
            "idle_core_share": _rounded(self.idle_core_share, 4),
        }

    def targets(self) -> list[tuple[str, str, str, bool | None]]:
        """(what, measured, target, met) for people; None where it was not measured."""
        most = max(self.match_ms)
        return [
            _target("frame to decision over the bare models", self.ratio_to_floor, TARGET_RATIO, "{:.2f}"),
            _target("start to first decision", self.startup_s, TARGET_STARTUP_S, "{:.2f} s"),
            _target("peak memory with 1,000 templates", self.peak_rss_mb, TARGET_RSS_MB, "{:.0f} MB"),
            _target(f"match among {most:,} templates", self.match_ms[most], TARGET_MATCH_MS, "{:.2f} ms"),
            _target("idle door, share of one core", self.idle_core_share, TARGET_IDLE_SHARE, "{:.1%}"),
        ]


def _target(what: str, value: float | None, limit: float, form: str) -> tuple[str, str, str, bool | None]:
    target = f"at most {form.format(limit)}"
    return (what, "-", target, None) if value is None else (what, form.format(value), target, value <= limit)


def _ms(value: float) -> float:
    return round(value, 4)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
