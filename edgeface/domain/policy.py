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
11. the second factor                     asked of those alone who could enter with it; a face that could be a
                                          look-alike's gets this far too, with the candidate that a factor names

`decide_by_card` is the way in without a face: 1, the door's lockout, 9 and 10 hold for it as well; in 4's place
what was shown must be of this moment.

Grant is the one way out at the end, so it needs every condition. What can't be judged (a number that is not one, a mode
nobody knows) denies or waits. Refusals from 9 on name the person to the audit log; sentences for people never do."""

from __future__ import annotations

import math

from edgeface.domain.evidence import ActionState as ActionState
from edgeface.domain.evidence import Evidence as Evidence
from edgeface.domain.evidence import PolicyRule as PolicyRule
from edgeface.domain.factors import HINT_FACE, HINT_FACTOR, HINT_PIN, confirm, missing
from edgeface.domain.schedule import validity
from edgeface.domain.sentences import SENTENCES as SENTENCES
from edgeface.domain.streak import Agreed, Exhausted, fresh
from edgeface.domain.types import (
    Decision,
    DenialReason,
    Deny,
    Grant,
    Person,
    SecondFactor,
    Wait,
    WithoutFace,
)

OPEN_MODES = ("normal", "free_access")  # every other mode refuses


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
        doubted = e.streak.kind == "ambiguous" and e.doubted and rule.factors.step_up and e.shown.ready
        return _stepped_up(e, e.streak, rule) if doubted else _nobody(e, e.streak)
    if not isinstance(e.streak, Agreed) or not fresh(e.streak.last_s, e.now_s, rule.freshness_s):
        return Wait(e.track)
    if e.person is None or e.person.id != e.streak.person:  # revoked while the evidence was gathered
        return Deny(DenialReason.UNKNOWN_PERSON, e.track, score=e.streak.score)
    refusal = _no_right(e, e.person, e.streak.score)
    if refusal is not None:
        return refusal
    evidence_ms, by = round((e.now_s - e.streak.since_s) * 1000), "face"
    if e.person.factors.second is SecondFactor.ALWAYS:
        found = confirm(e.person, e.shown, e.streak.since_s, e.now_s, rule.factors)
        if found is None:
            return Wait(e.track, HINT_FACTOR)
        if isinstance(found, DenialReason):
            return Deny(found, e.track, e.person.id, e.streak.score, _lockout_of(found, e))
        by = f"face+{found.kind}"
    return _grant(e, e.person, by, evidence_ms, e.streak.score, e.streak.margin)


def _nobody(e: Evidence, attempt: Exhausted) -> Deny:
    return Deny(_NOBODY[attempt.kind], e.track, score=attempt.best_score)


def _stepped_up(e: Evidence, attempt: Exhausted, rule: PolicyRule) -> Decision:
    """A face that could be one of several people's: the factor of one of them says whose it is."""
    if e.person is None:
        if any(e.shown.card_of_another(each, e.now_s, rule.factors) for each in e.doubted):
            return Deny(DenialReason.CARD_OF_ANOTHER, e.track, score=attempt.best_score)
        refused = missing(e.shown, attempt.since_s, e.now_s, rule.factors)
        if refused is None:
            return Wait(e.track, HINT_FACTOR)
        return Deny(refused, e.track, score=attempt.best_score, detail=_lockout_of(refused, e))
    found = e.shown.of(e.person.id, e.now_s, rule.factors)
    if e.person.id not in e.doubted or found is None:
        return _nobody(e, attempt)
    if not fresh(e.probe_s, e.now_s, rule.freshness_s):
        return Wait(e.track)
    refusal = _no_right(e, e.person, attempt.best_score)
    if refusal is not None:
        return refusal
    evidence_ms = round((e.now_s - attempt.since_s) * 1000)
    return _grant(e, e.person, f"face+{found.kind}", evidence_ms, attempt.best_score)


def decide_by_card(e: Evidence, shown_s: float, rule: PolicyRule | None = None) -> Decision:
    """About a card shown at `shown_s`, whatever the camera sees. `e.person` is whose it is, None: nobody's. Waits for
    the face or the PIN where the record wants them; the face's own decision may come first."""
    rule = rule or PolicyRule()
    refused = _refused_for_all(e)
    if refused is not None:
        return refused
    if e.shown.tampered:
        return Deny(DenialReason.FACTOR_LOCKED_OUT, e.track, detail="tamper")
    if e.person is None:
        return Deny(DenialReason.UNKNOWN_CARD, e.track)
    late = not 0.0 <= e.now_s - shown_s <= rule.factors.valid_s
    if e.person.factors.without_face is WithoutFace.NO:
        return Deny(DenialReason.FACE_NEEDED, e.track, e.person.id) if late else Wait(e.track, HINT_FACE)
    refusal = _no_right(e, e.person, None)
    if isinstance(refusal, Wait) and late:
        return Deny(DenialReason.GALLERY_UNCONFIRMED, e.track, e.person.id)
    if refusal is not None:
        return refusal
    if late:
        return Deny(DenialReason.FACTOR_MISSING, e.track, e.person.id)
    evidence_ms = round((e.now_s - shown_s) * 1000)
    if e.person.factors.without_face is WithoutFace.CARD:
        return _still_there(e, e.person, shown_s, rule) or _grant(e, e.person, "card", evidence_ms)
    pin = e.shown.of(e.person.id, e.now_s, rule.factors, "pin")
    if pin is None:
        if not e.shown.lockout_s <= 0:
            return Deny(DenialReason.FACTOR_LOCKED_OUT, e.track, e.person.id, detail=_seconds(e.shown.lockout_s))
        return Wait(e.track, HINT_PIN)
    return _still_there(e, e.person, max(shown_s, pin.at_s), rule) or _grant(e, e.person, "card+pin", evidence_ms)


def _still_there(e: Evidence, person: Person, last_s: float, rule: PolicyRule) -> Deny | None:
    """Without a face nobody sees whether he is: the door must not open for somebody who went in with another's grant
    meanwhile, or gave up."""
    if 0.0 <= e.now_s - last_s <= rule.factors.alone_s:
        return None
    return Deny(DenialReason.FACTOR_MISSING, e.track, person.id, detail="shown too long ago")


def _grant(e: Evidence, person: Person, by: str, evidence_ms: int, score: float = 0.0, margin: float = 0.0) -> Grant:
    unconfirmed = e.gallery != "confirmed"
    return Grant(person.id, e.track, score, margin, evidence_ms, by, person.factors.wiegand, unconfirmed)


def _lockout_of(reason: DenialReason, e: Evidence) -> str:
    return _seconds(e.shown.lockout_s) if reason is DenialReason.FACTOR_LOCKED_OUT else ""


def _no_right(e: Evidence, person: Person, score: float | None) -> Deny | Wait | None:
    """Whatever the person shows, face or card, comes by here."""
    if e.gallery == "waiting":
        return Wait(e.track)
    reason = _rights(e, person)
    if reason is None:
        return None
    waits = {DenialReason.COOLDOWN: e.cooldown_s, DenialReason.PASSBACK: e.passback_s}
    return Deny(reason, e.track, person.id, score, _seconds(waits[reason]) if reason in waits else "")


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
