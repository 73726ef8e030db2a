"""The decision: everything known about one track at one moment -> Grant, Deny or Wait. Pure; time is in the evidence.

The order of precedence, and why it is this one:

 1. the site is locked down               whoever it is; nothing about the face is said
 2. the door, then the track, is locked out   an attacker learns nothing from further tries
 3. a spoof                               before identity, or a picture would tell who is enrolled
 4. the face has left                     a door never opens for somebody who is gone
 5. the liveness action                   before identity too: everybody is asked for it, not the enrolled alone
 6. the picture is too poor               nothing can be said yet, or for too long
 7. passive liveness isn't sure           wait, and not for ever
 8. identity: agreed, not yet, or nobody  only a face that has shown itself alive gets here
 9. the person's rights                   a gallery that the site stands by; door, clock, validity, schedule
10. cooldown, anti-passback, then faults of door and log a grant that can't be carried out or recorded is none

Grant is the one way out at the end, so it needs every condition. What can't be judged (a number that is not one, a mode
nobody knows) denies or waits. Refusals from 9 on name the person to the audit log; sentences for people never do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from edgeface.domain.schedule import validity
from edgeface.domain.streak import FRESHNESS_S, Agreed, Exhausted, StreakVerdict, fresh
from edgeface.domain.types import Decision, DenialReason, Deny, Grant, Person, QualityIssue, Wait

OPEN_MODES = ("normal", "free_access")  # every other mode refuses


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


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about a track now. `person` is the record that `streak` agreed on, None where it is gone;
    `schedule_open` is its schedule's answer, `time_matters` whether its rights depend on the wall clock at all.
    `..._for_s`: how long that state has lasted.
    `gallery`: whether the site stands by what is known here; confirmed where there is no site.
    `..._lockout_s`, `cooldown_s`, `passback_s` (of a hard anti-passback): remaining, 0 for none."""

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


def decide(evidence: Evidence, rule: PolicyRule | None = None) -> Decision:
    """The one decision about this track at this moment. A Deny ends the attempt: the caller restarts the streak."""
    rule = rule or PolicyRule()
    return (
        _refused_for_all(evidence)
        or _spoofed(evidence)
        or _gone(evidence, rule)
        or _action(evidence)
        or _unclear(evidence, rule)
        or _identified(evidence, rule)
    )


def _refused_for_all(e: Evidence) -> Deny | None:
    if e.mode not in OPEN_MODES:
        return Deny(DenialReason.LOCKDOWN, e.track)
    if not e.door_lockout_s <= 0:  # written so that NaN denies
        return Deny(DenialReason.DOOR_LOCKED_OUT, e.track, detail=_seconds(e.door_lockout_s))
    if not e.track_lockout_s <= 0:
        return Deny(DenialReason.TRACK_LOCKED_OUT, e.track, detail=_seconds(e.track_lockout_s))
    return None


def _spoofed(e: Evidence) -> Deny | None:
    return Deny(DenialReason.SPOOF, e.track, score=e.spoof_score) if e.passive == "attack" else None


def _gone(e: Evidence, rule: PolicyRule) -> Deny | Wait | None:
    if fresh(e.last_seen_s, e.now_s, rule.freshness_s):
        return None
    if isinstance(e.streak, Agreed):
        return Deny(DenialReason.LEFT_VIEW, e.track, e.streak.person, e.streak.score)
    return Wait(e.track)


def _action(e: Evidence) -> Deny | Wait | None:
    if e.action in (ActionState.NOT_REQUIRED, ActionState.DONE):
        return None
    if e.action is ActionState.UNAVAILABLE:
        return Deny(DenialReason.LIVENESS_UNAVAILABLE, e.track)
    if e.action is ActionState.TOO_LATE:
        return Deny(DenialReason.LIVENESS_NOT_SHOWN, e.track)
    return Wait(e.track, e.action_hint)


def _unclear(e: Evidence, rule: PolicyRule) -> Deny | Wait | None:
    if e.quality is not None:
        if e.quality_for_s >= rule.quality_patience_s:
            return Deny(DenialReason.POOR_QUALITY, e.track, detail=e.quality.value)
        return Wait(e.track, e.quality)
    if e.passive != "live" or not math.isfinite(e.spoof_score):
        if e.unsure_for_s >= rule.unsure_patience_s:
            return Deny(DenialReason.LIVENESS_NOT_SHOWN, e.track, detail="passive")
        return Wait(e.track)
    return None


_NOBODY = {
    "unknown": DenialReason.UNKNOWN_PERSON,
    "ambiguous": DenialReason.AMBIGUOUS,
    "undecided": DenialReason.UNDECIDED,
}


def _identified(e: Evidence, rule: PolicyRule) -> Decision:
    if isinstance(e.streak, Exhausted):
        return Deny(_NOBODY[e.streak.kind], e.track, score=e.streak.best_score)
    if not isinstance(e.streak, Agreed) or not fresh(e.streak.last_s, e.now_s, rule.freshness_s):
        return Wait(e.track)
    if e.person is None or e.person.id != e.streak.person:  # revoked while the evidence was gathered
        return Deny(DenialReason.UNKNOWN_PERSON, e.track, score=e.streak.score)
    if e.gallery == "waiting":
        return Wait(e.track)
    reason = _rights(e, e.person)
    if reason is not None:
        waits = {DenialReason.COOLDOWN: e.cooldown_s, DenialReason.PASSBACK: e.passback_s}
        detail = _seconds(waits[reason]) if reason in waits else ""
        return Deny(reason, e.track, e.person.id, e.streak.score, detail)
    evidence_ms = round((e.now_s - e.streak.since_s) * 1000)
    return Grant(
        e.person.id, e.track, e.streak.score, e.streak.margin, evidence_ms, unconfirmed=e.gallery != "confirmed"
    )


def _rights(e: Evidence, person: Person) -> DenialReason | None:
    if e.gallery not in ("confirmed", "unconfirmed"):
        return DenialReason.GALLERY_UNCONFIRMED
    if person.doors and e.door not in person.doors:
        return DenialReason.NOT_ALLOWED_HERE
    bounded = person.valid_from_s is not None or person.valid_to_s is not None
    if (e.time_matters or bounded) and not e.clock_is_set:
        return DenialReason.CLOCK_NOT_SET
    invalid = validity(person, e.utc)
    if invalid is not None:
        return invalid
    if not e.schedule_open:
        return DenialReason.OUTSIDE_SCHEDULE
    if not e.cooldown_s <= 0:
        return DenialReason.COOLDOWN
    if not e.passback_s <= 0:
        return DenialReason.PASSBACK
    if not e.door_ok:
        return DenialReason.DOOR_FAULT
    return None if e.audit_ok else DenialReason.AUDIT_FAULT


def _seconds(remaining_s: float) -> str:
    return f"{math.ceil(remaining_s)} s" if math.isfinite(remaining_s) else ""


# For the person at the door: what happened and what to do, and nothing about who somebody is or which rule it was
# beyond what he must know.
SENTENCES: dict[DenialReason, str] = {
    DenialReason.UNKNOWN_PERSON: "Sorry, I do not recognise you. Please ask to be let in.",
    DenialReason.AMBIGUOUS: "Sorry, I can't tell for certain who you are. Please look straight at the camera.",
    DenialReason.UNDECIDED: "Sorry, I could not recognise you yet. Please stand still and look at the camera.",
    DenialReason.SPOOF: "I see a picture, not a person. Please show your own face.",
    DenialReason.LIVENESS_NOT_SHOWN: "I could not see that you are really here. Please look at the camera, try again.",
    DenialReason.LIVENESS_UNAVAILABLE: "The camera is too slow for the check right now. Please ask to be let in.",
    DenialReason.LEFT_VIEW: "You left the camera's view. Please stand in front of the camera until the door opens.",
    DenialReason.POOR_QUALITY: "I could not see your face well enough. Please come closer and look at the camera.",
    DenialReason.OUTSIDE_SCHEDULE: "You may not enter at this time. Please come back during your hours.",
    DenialReason.NOT_YET_VALID: "Your access has not begun yet. Please ask whoever enrolled you.",
    DenialReason.EXPIRED: "Your access has ended. Please ask whoever enrolled you.",
    DenialReason.NOT_ALLOWED_HERE: "Your access does not cover this door. Please use another one, or ask.",
    DenialReason.CLOCK_NOT_SET: "The door does not know the time yet. Please try again in a minute, or ask.",
    DenialReason.TRACK_LOCKED_OUT: "Too many tries. Please wait a little and try again, or ask to be let in.",
    DenialReason.DOOR_LOCKED_OUT: "This door is paused for a few minutes. Please wait, or ask to be let in.",
    DenialReason.COOLDOWN: "The door was opened for you a moment ago. Please wait a few seconds.",
    DenialReason.PASSBACK: "You went in a while ago. If you have left, please ask to be let in again.",
    DenialReason.LOCKDOWN: "This door is closed to everybody right now. Please follow the staff's instructions.",
    DenialReason.DOOR_FAULT: "The door's lock has a fault and can't open. Please tell the staff.",
    DenialReason.GALLERY_UNCONFIRMED: "The door has lost touch with its site and stays closed. Please tell the staff.",
    DenialReason.AUDIT_FAULT: "The door can't record entries right now and stays closed. Please tell the staff.",
}
