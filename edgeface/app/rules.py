"""The settings as the domain's rules: what the door loop goes by."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeface.domain.liveness import LivenessRule
from edgeface.domain.lockout import FailureRule, SpoofRule
from edgeface.domain.policy import PolicyRule
from edgeface.domain.quality import QualityLimits
from edgeface.domain.schedule import Timetable
from edgeface.domain.tracking import TrackerRule


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings, as the domain's rules. `needed` of `window` frames; times in seconds, `pulse_ms` of the relay."""

    door: str
    pulse_ms: int
    needed: int
    window: int
    attempt_pause_s: float
    cooldown_s: float
    idle_fps: float
    quality: QualityLimits
    liveness: LivenessRule
    policy: PolicyRule
    failures: FailureRule
    spoofs: SpoofRule
    timetable: Timetable
    tracker: TrackerRule = field(default_factory=TrackerRule)
