"""What a decision rests on, and by which measure: the two arguments of `policy.decide`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal

from edgeface.domain.factors import FactorRule, Shown
from edgeface.domain.streak import FRESHNESS_S, StreakVerdict
from edgeface.domain.types import Person, QualityIssue


class ActionState(str, Enum):
    """The liveness action (blink, head turn): how far it has come."""

    NOT_REQUIRED = "not_required"
    PENDING = "pending"
    DONE = "done"
    TOO_LATE = "too_late"
    UNAVAILABLE = "unavailable"  # the camera is too slow for it


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """`freshness_s`: how long ago a face may have been seen last. The patiences: how long a poor picture, or a doubt
    about liveness, may last before the attempt is denied."""

    freshness_s: float = FRESHNESS_S
    quality_patience_s: float = 3.0
    unsure_patience_s: float = 3.0
    factors: FactorRule = field(default_factory=FactorRule)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about a track now. `person` is the record that `streak` agreed on, None where it is gone;
    `schedule_open` is its schedule's answer, `time_matters` whether its rights depend on the wall clock at all.
    `..._for_s`: how long that state has lasted. `..._lockout_s`, `cooldown_s`, `passback_s` (of a hard
    anti-passback): remaining, 0 for none. `gallery`: whether the site stands by what is known here; confirmed where
    there is no site. `shown`: PIN and card. `probe_s`: when the face was last compared with the gallery. `doubted`: the
    ids among an ambiguous attempt's candidates whom a factor can tell apart; `person` is then the one whose factor was
    shown, None where that is nobody yet."""

    track: int
    now_s: float
    last_seen_s: float
    utc: datetime
    clock_is_set: bool
    door: str
    mode: str
    door_lockout_s: float
    track_lockout_s: float
    quality: QualityIssue | None
    quality_for_s: float
    passive: Literal["live", "attack", "unsure"]
    spoof_score: float
    unsure_for_s: float
    action: ActionState
    action_hint: str | None
    streak: StreakVerdict
    person: Person | None
    schedule_open: bool
    time_matters: bool
    cooldown_s: float
    door_ok: bool = True
    audit_ok: bool = True
    passback_s: float = 0.0
    gallery: Literal["confirmed", "waiting", "unconfirmed", "refused"] = "confirmed"
    shown: Shown = field(default_factory=Shown)
    probe_s: float = -math.inf
    doubted: tuple[str, ...] = ()
