"""The settings as the domain's rules: what the door loop goes by."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeface.app.settings import Settings
from edgeface.app.settings_door import NOT_WIRED
from edgeface.domain.calibration import ErrorBudget
from edgeface.domain.challenge import ChallengeRule
from edgeface.domain.factors import FactorRule
from edgeface.domain.liveness import LivenessRule, Mode
from edgeface.domain.liveness import SpoofRule as SpoofEvidenceRule
from edgeface.domain.lockout import FailureRule, SpoofRule
from edgeface.domain.passback import PassbackMode, PassbackRule
from edgeface.domain.policy import PolicyRule
from edgeface.domain.quality import QualityLimits
from edgeface.domain.schedule import Schedule, Timetable, Window, time_zone
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
    motion_wake: bool
    quality: QualityLimits
    liveness: LivenessRule
    policy: PolicyRule
    failures: FailureRule
    spoofs: SpoofRule
    timetable: Timetable
    lights: bool = False
    controller: bool = False  # an existing controller is told a number with each grant
    passback: PassbackRule = field(default_factory=PassbackRule)
    sees_passage: bool = False  # contact or turnstile tell whether somebody went through
    tracker: TrackerRule = field(default_factory=TrackerRule)


def rules_of(settings: Settings) -> Rules:
    """Raises ConfigError where a schedule or a zone makes no sense."""
    decision, lockout, live = settings.decision, settings.lockout, settings.liveness
    spoof = SpoofEvidenceRule(limit=live.spoof_limit, min_frames=live.min_frames, window_s=live.window_s)
    return Rules(
        door=settings.door_name,
        pulse_ms=settings.pulse_ms,
        needed=decision.agree_frames,
        window=decision.window_frames,
        attempt_pause_s=1.0,  # five attempts then take seconds, not one; long enough to read why not
        cooldown_s=decision.cooldown_s,
        idle_fps=decision.idle_fps,
        motion_wake=decision.motion_wake,
        quality=QualityLimits(**settings.quality.model_dump()),
        liveness=LivenessRule(
            modes=frozenset(Mode(mode) for mode in live.mode),
            spoof=spoof,
            challenge=ChallengeRule(timeout_s=live.challenge_timeout_s),
            action_valid_s=live.action_valid_s,
        ),
        policy=PolicyRule(
            freshness_s=decision.freshness_ms / 1000,
            quality_patience_s=decision.attempt_timeout_s,
            unsure_patience_s=decision.attempt_timeout_s,
            factors=FactorRule(settings.reader.valid_s, settings.reader.patience_s, settings.reader.step_up),
        ),
        failures=FailureRule(failures=lockout.failures, first_s=lockout.first_s, longest_s=lockout.max_s),
        spoofs=SpoofRule(
            spoofs=lockout.spoofs,
            window_s=lockout.spoof_window_s,
            first_s=lockout.spoof_first_s,
            longest_s=lockout.spoof_max_s,
        ),
        timetable=timetable_of(settings),
        passback=PassbackRule(PassbackMode(decision.passback), decision.passback_min * 60),
        sees_passage=settings.turnstile.enabled or settings.door.inputs.contact_pin != NOT_WIRED,
        controller=settings.controller.wiegand is not None,
        lights=any(pin != NOT_WIRED for key, pin in settings.door.signals.model_dump().items() if key.endswith("_pin")),
    )


def timetable_of(settings: Settings) -> Timetable:
    zone = time_zone(settings.time_zone)
    return Timetable(
        Schedule(
            s.name,
            tuple(Window.parse(w.days, w.begins, w.ends) for w in s.windows),
            zone,
            frozenset(s.holidays),
        )
        for s in settings.schedule
    )


def budget_of(settings: Settings) -> ErrorBudget:
    return ErrorBudget(settings.matching.max_false_accepts_per_year, settings.matching.stranger_attempts_per_day)
