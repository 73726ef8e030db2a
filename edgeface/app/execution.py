"""Carries a decision out: records it first, then opens; counts failures; holds the subject back until the next try.
Nothing opens that was not recorded before, and nobody is let in who left while it was being written."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from edgeface.app.recorder import Recorder
from edgeface.app.rules import Rules
from edgeface.app.subject import Subject
from edgeface.domain.door_events import DoorOpened, PassageSeen, PassbackSeen
from edgeface.domain.errors import DoorError, GrantRefused, StorageError
from edgeface.domain.events import (
    AccessDenied,
    AccessGranted,
    ControllerUntold,
    DoorLocked,
    Event,
    LockoutStarted,
    SpoofRefused,
)
from edgeface.domain.lockout import DoorLockout, TrackLockout
from edgeface.domain.passback import Passback
from edgeface.domain.streak import Cooldown, fresh
from edgeface.domain.tracking import Track
from edgeface.domain.types import Decision, DenialReason, Deny, Embedding, Grant
from edgeface.ports import Clock, Door

FAILURES = (DenialReason.UNKNOWN_PERSON, DenialReason.AMBIGUOUS, DenialReason.UNDECIDED)

# How long a subject isn't decided again after a denial. A lockout or a fault is said once and then waited out in
# silence; a spoof as long as its evidence is held; the rest long enough to read the sentence.
HOLD_S = {
    DenialReason.SPOOF: 3.0,
    DenialReason.LOCKDOWN: 10.0,
    DenialReason.DOOR_FAULT: 2.0,
    DenialReason.AUDIT_FAULT: 5.0,
    DenialReason.POOR_QUALITY: 5.0,
    DenialReason.OUTSIDE_SCHEDULE: 10.0,
    DenialReason.NOT_YET_VALID: 10.0,
    DenialReason.EXPIRED: 10.0,
    DenialReason.NOT_ALLOWED_HERE: 10.0,
    DenialReason.CLOCK_NOT_SET: 10.0,
    DenialReason.GALLERY_UNCONFIRMED: 10.0,
    DenialReason.LIVENESS_UNAVAILABLE: 10.0,
}
HOLD_OTHERWISE_S = 1.0
HOLD_PASSBACK_S = 10.0

RECORD_STANDS_S = 1.0  # a recorded grant opens within this, or is none: the log and the relay must tell one story

TAILGATER_SIZE = 0.35  # of the granted face's eye distance: two to three times as far away is not behind him any more
TAILGATER_S = 0.2  # a second face must stay this long: one false detection is no tailgater


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """The pulse that runs: for whom, and until when by our reckoning (the door process alone ends it)."""

    track: int
    person: str
    grant_id: str
    eye_distance_px: float
    until_s: float
    probe: Embedding | None
    same_person: float

    def followers(self, tracks: Sequence[Track], probes: Mapping[int, Embedding | None]) -> int:
        """How many others stand near the granted person, or where he stood a moment ago."""
        there = any(t.id == self.track and t.visible for t in tracks)
        return sum(
            t.visible
            and t.id != self.track
            and t.age_s >= TAILGATER_S
            and t.face.eye_distance_px >= TAILGATER_SIZE * self.eye_distance_px
            and (there or not self._may_be(probes.get(t.id)))
            for t in tracks
        )

    def _may_be(self, probe: Embedding | None) -> bool:
        """Whether a face on another track may be the granted person's own, whose track broke. Not yet known: it may."""
        if probe is None or self.probe is None or probe.model != self.probe.model:
            return True
        return float(probe.vector @ self.probe.vector) >= self.same_person


@dataclass(frozen=True, slots=True)
class Recorded:
    """A grant that is in the audit log, and has not opened yet."""

    track: int
    person: str
    grant_id: str
    until_s: float


class Executor:
    """Belongs to the door loop's thread."""

    def __init__(
        self,
        door: Door,
        recorder: Recorder,
        clock: Clock,
        rules: Rules,
        failures: TrackLockout,
        spoofs: DoorLockout,
        cooldown: Cooldown,
        rng: Random,
    ) -> None:
        self._door, self._recorder, self._clock, self._rules = door, recorder, clock, rules
        self._failures, self._spoofs, self._cooldown, self._rng = failures, spoofs, cooldown, rng
        self._open: OpenGrant | None = None
        self._recorded: Recorded | None = None
        self._tailgating_told = False
        self._passback = Passback(rules.passback)
        self._told: deque[tuple[float, Event]] = deque(maxlen=64)
        self._passing: tuple[str, str] | None = None  # the grant whose passage is still to be seen, and the person

    def door_event(self, event: Event) -> None:
        """What the door process reported; from any thread, taken note of by the loop's own."""
        self._told.append((self._clock.monotonic_s(), event))

    def change(self, rules: Rules) -> None:
        """Other rules from now on; the pulse that runs keeps its length. By the loop's own thread."""
        self._rules = rules
        self._failures.change(rules.failures)
        self._spoofs.change(rules.spoofs)
        self._cooldown.change(rules.cooldown_s)
        self._passback.change(rules.passback)

    def passback_s(self, person: str, now_s: float) -> float:
        """How long a hard anti-passback still refuses this person."""
        self._take_note()
        return self._passback.remaining_s(person, now_s) if self._passback.hard else 0.0

    def pulse_running(self, now_s: float) -> bool:
        self._take_note()
        return self._open is not None and now_s < self._open.until_s

    def _take_note(self) -> None:
        while self._told:
            at_s, event = self._told.popleft()
            used = isinstance(event, (DoorOpened, PassageSeen)) and event.grant_id
            if used and self._passing is not None and self._passing[0] == used:
                self._passback.passed(self._passing[1], at_s)
                self._passing = None
            ended = isinstance(event, DoorLocked) and event.grant_id
            if ended and self._open is not None and self._open.grant_id == ended:
                self._open = replace(self._open, until_s=min(self._open.until_s, at_s))  # the next one need not wait

    def pulse_for(self, track: int, now_s: float) -> bool:
        return self._open is not None and self._open.track == track and now_s < self._open.until_s

    def unreported_grant(self, now_s: float) -> OpenGrant | None:
        """The running grant while nobody was reported behind it."""
        return self._open if self.pulse_running(now_s) and not self._tailgating_told else None

    def tailgating_reported(self) -> None:
        self._tailgating_told = True

    def grant(self, grant: Grant, subject: Subject | None) -> Decision | None:
        """Opens, or says why not; `subject` None: it rests on no face. None: writing the record took longer than the
        frame stays fresh (a slow card), or than somebody without a face is believed to wait; the record stands, and the
        next frame that grants the same opens on it. Where none does, the person has left."""
        policy = self._rules.policy
        last_s, for_s = self._clock.monotonic_s(), policy.factors.alone_s
        if subject is not None:
            last_s, for_s = subject.track.last_s, policy.freshness_s
        try:
            grant_id = self._record(grant)
            if not fresh(last_s, self._clock.monotonic_s(), for_s):
                return None
            self._recorded = None
            self._door.grant(grant_id, self._rules.pulse_ms)
        except StorageError as e:
            return self.deny(Deny(DenialReason.AUDIT_FAULT, grant.track, grant.person, grant.score, e.message), subject)
        except GrantRefused as e:
            reason = DenialReason.LOCKDOWN if e.code == "lockdown" else DenialReason.DOOR_FAULT
            return self.deny(Deny(reason, grant.track, grant.person, grant.score, e.code), subject)
        except DoorError as e:
            return self.deny(Deny(DenialReason.DOOR_FAULT, grant.track, grant.person, grant.score, e.message), subject)
        self._tell_controller(grant)
        now = self._clock.monotonic_s()  # the pulse began before the door answered: it has ended when ours has
        until_s, same = now + self._rules.pulse_ms / 1000, self._rules.failures.same_person
        # without a face nobody can tell who in the picture was let in: nobody counts as a follower
        eyes, probe = (math.inf, None) if subject is None else (subject.track.face.eye_distance_px, subject.probe)
        self._open = OpenGrant(grant.track, grant.person, grant_id, eyes, until_s, probe, same)
        self._tailgating_told = False
        self._failures.granted(grant.track)
        self._cooldown.granted(grant.person, now)
        self._note_passage(grant, grant_id, now)
        if subject is not None:
            subject.hint = "granted"
            subject.begin_again(now, max(self._rules.cooldown_s, self._rules.pulse_ms / 1000))
        return grant

    def _tell_controller(self, grant: Grant) -> None:
        """The relay has moved already; what an existing controller doesn't hear is told, and changes nothing here."""
        if grant.wiegand is None or not self._rules.controller:
            return
        try:
            self._door.send_card(grant.wiegand)
        except DoorError as e:
            self._recorder.record([ControllerUntold(self._clock.monotonic_s(), grant.person, e.message)])

    def _note_passage(self, grant: Grant, grant_id: str, now: float) -> None:
        early_s = self._passback.remaining_s(grant.person, now)
        if early_s > 0:
            self._recorder.record([PassbackSeen(now, grant.person, round(early_s, 1))])
        if self._rules.sees_passage:
            self._passing = (grant_id, grant.person)
        else:  # nobody can tell whether he went in: who was let in did
            self._passback.passed(grant.person, now)

    def _record(self, grant: Grant) -> str:
        """The grant's id, durable in the audit log. Raises StorageError."""
        now, before = self._clock.monotonic_s(), self._recorded
        if before is not None and (before.track, before.person) == (grant.track, grant.person) and now < before.until_s:
            return before.grant_id
        grant_id = f"{self._rng.getrandbits(128):032x}"
        self._recorder.record_before(
            AccessGranted(
                now,
                grant.track,
                grant.person,
                grant.score,
                grant.margin,
                grant.evidence_ms,
                grant_id,
                grant.by,
                grant.unconfirmed,
            )
        )
        self._recorded = Recorded(grant.track, grant.person, grant_id, self._clock.monotonic_s() + RECORD_STANDS_S)
        return grant_id

    def deny(self, denial: Deny, subject: Subject | None) -> Deny:
        """Records the denial, counts it, and holds the subject back, where there is one."""
        now = self._clock.monotonic_s()
        evidence_ms = 0 if subject is None else subject.evidence_ms(now)
        hold_s = HOLD_S.get(denial.reason, HOLD_OTHERWISE_S)
        events: list[Event] = []
        if denial.reason is DenialReason.SPOOF:
            score = 0.0 if denial.score is None or not math.isfinite(denial.score) else denial.score
            events.append(SpoofRefused(now, denial.track, denial.reason.value, score, None, denial.detail, evidence_ms))
            for_s = self._spoofs.spoofed(now)
            if for_s is not None:
                events.append(LockoutStarted(now, "door", None, for_s))
        else:
            events.append(
                AccessDenied(
                    now, denial.track, denial.reason.value, denial.person, denial.score, denial.detail, evidence_ms
                )
            )
        if denial.reason in FAILURES:
            for_s = self._failures.failed(denial.track, now, None if subject is None else subject.probe)
            if for_s is not None:
                events.append(LockoutStarted(now, "track", denial.track, for_s))
        if denial.reason is DenialReason.TRACK_LOCKED_OUT:
            hold_s = self._failures.remaining_s(denial.track, now)
        elif denial.reason is DenialReason.DOOR_LOCKED_OUT:
            hold_s = self._spoofs.remaining_s(now)
        elif denial.reason is DenialReason.PASSBACK and denial.person is not None:
            hold_s = min(HOLD_PASSBACK_S, self._passback.remaining_s(denial.person, now))
        elif denial.reason is DenialReason.COOLDOWN and denial.person is not None:
            hold_s = self._cooldown.remaining_s(denial.person, now)
        self._recorder.record(events)
        if subject is not None:
            subject.begin_again(now, hold_s)
        return denial
