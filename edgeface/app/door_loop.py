"""START HERE. One frame, from the camera to the relay:

    detect -> track -> quality -> landmarks -> liveness -> embed -> match -> policy.decide -> Grant -> door
                                                                         \\-> events -> audit log, listeners

One owner per step, one direction. The loop holds what lives longer than a frame (tracks, lockouts, the pulse that
runs); every rule is the domain's. It is called by the vision thread (`daemon.py`) and by `replay`, with the same code
on a real or a virtual clock. Read next: `ports.py`, `domain/policy.py`, `doord/`."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from edgeface.app.card_path import CardPath
from edgeface.app.circumstances import Circumstances, Here
from edgeface.app.desk import Desk
from edgeface.app.door_lights import DoorLights
from edgeface.app.execution import Executor
from edgeface.app.people import LiveGallery, Snapshot
from edgeface.app.recorder import Recorder
from edgeface.app.rules import Rules
from edgeface.app.site_gate import SiteGate
from edgeface.app.stopwatch import Stopwatch
from edgeface.app.subject import Seen, Subject
from edgeface.app.view import View, Vision
from edgeface.domain.door_events import TamperEnded, TamperStarted
from edgeface.domain.events import (
    Event,
    FramesFastAgain,
    FramesTooSlow,
    LivenessUnavailable,
    LockoutEnded,
    TailgatingSeen,
)
from edgeface.domain.lockout import DoorLockout, TrackLockout
from edgeface.domain.motion import IdleGate, MotionGate
from edgeface.domain.pace import FrameRate, Pace
from edgeface.domain.policy import decide
from edgeface.domain.quality import assess
from edgeface.domain.streak import Agreed, Cooldown, StreakRule, fresh
from edgeface.domain.tracking import Track, Tracker, primary
from edgeface.domain.types import Decision, DenialReason, Deny, Face, Frame, Grant, Landmarks, Pixels, QualityIssue
from edgeface.ports import Clock, Door

LOOK_AGAIN_S = 1.0  # how often a locked-out face is asked whether the lockout is its own


class DoorLoop:
    """Not thread-safe: one thread calls `step`. `latest`, `mode`, `timings` may be read by others;
    `mode`, `door_name`, `gate`, `tampered` are set by them."""

    def __init__(
        self,
        vision: Vision,
        gallery: LiveGallery,
        door: Door,
        recorder: Recorder,
        clock: Clock,
        rules: Rules,
        rng: Random,
        timer: Callable[[], float] = time.perf_counter,
        desk: Desk | None = None,
    ) -> None:
        self._vision, self._gallery, self._clock, self._rules = vision, gallery, clock, rules
        self._recorder, self._rng = recorder, rng
        self._tracker, self._motion, self._pace = Tracker(rules.tracker), MotionGate(), Pace()
        self._failures, self._spoofs = TrackLockout(rules.failures), DoorLockout(rules.spoofs)
        self._cooldown = Cooldown(rules.cooldown_s)
        self._lights = DoorLights(door, clock, rules.lights)
        self._executor = Executor(door, recorder, clock, rules, self._failures, self._spoofs, self._cooldown, rng)
        self.desk = desk or Desk(gallery, recorder, clock, rules.policy.factors, None)
        self._facts = Circumstances(
            clock, rules, self._spoofs, self._failures, self._cooldown, self._executor, recorder, self.desk
        )
        self._cards = CardPath(self.desk, gallery, self._facts, self._executor, recorder, clock, rules, self._lights)
        self._subjects: dict[int, Subject] = {}
        self._primary: int | None = None
        self._idle = IdleGate(rules.idle_fps)
        self._rate = FrameRate()
        self._next_rules: Rules | None = None
        self._told_unavailable = False
        self.mode = "normal"
        self.door_name = rules.door  # the site's own name for it, once it belongs to one
        self.gate: SiteGate | None = None
        self.tampered = False
        self.late_frames = 0
        self.latest: View | None = None
        self._timed = Stopwatch(timer)

    def step(self, frame: Frame) -> Decision | None:
        """Everything that this frame brings about; None where there was nobody to decide on. Times of the evidence are
        the frame's capture; the clock is asked again when something is about to open."""
        now = frame.captured_s
        self._timed.begin()
        self._rate.add(now)
        self.attend_cards()
        self._report_lockouts(now)
        if self._idle.skips(now, lambda: self._moved(frame)):
            return None
        faces = self._timed("detect", lambda: self._vision.detector.detect(frame.pixels))
        tracks = self._tracker.update(faces, now)
        for gone in self._tracker.ended:
            self._forget(gone, now)
        self._idle.looked(bool(tracks), now)
        chosen = primary(tracks, self._primary)
        self._primary = chosen.id if chosen is not None else self._held_primary(tracks)
        self._report_tailgating(tracks, now)
        decision = None if chosen is None else self._attend(frame, chosen)
        hint = None if chosen is None else self._subjects[chosen.id].hint
        self.latest = View(frame, tuple(tracks), self._primary, decision, hint)
        return decision

    def named(self, door_name: str) -> None:
        """The site calls this door so."""
        self.door_name = door_name

    @property
    def rules(self) -> Rules:
        return self._rules

    @property
    def timings(self) -> dict[str, float]:
        """Seconds that each stage of the latest frame took."""
        return self._timed.timings

    def attend_cards(self) -> None:
        """Decides on a card that was shown; by the thread that calls `step`, also where no frame comes."""
        self._adopt()
        self._cards.attend(self._here)

    @property
    def _here(self) -> Here:
        gallery = "confirmed" if self.gate is None else self.gate.gallery()
        return Here(self.mode, self.door_name, gallery, self.tampered)

    def door_event(self, event: Event) -> None:
        """What the door process reported: locked again, somebody went through. From any thread."""
        if isinstance(event, (TamperStarted, TamperEnded)):
            self.tampered = isinstance(event, TamperStarted)
        self._executor.door_event(event)

    def camera_lost(self) -> None:
        """No frames for a while: what was seen before is history, and evidence must not bridge the gap. (The tracks
        end by their own rule when the next frame comes.)"""
        for track in list(self._subjects):
            self._forget(track, self._clock.monotonic_s())
        self._rate.gap()
        self._primary, self.latest = None, None

    def change(self, rules: Rules) -> None:
        """Other rules from the next frame on; from any thread."""
        self._next_rules = rules

    def _adopt(self) -> None:
        rules, self._next_rules = self._next_rules, None
        if rules is not None:
            self._rules = rules
            self._executor.change(rules)
            self._facts.change(rules)
            self._cards.change(rules)
            self.desk.change(rules.policy.factors)
            self._idle = IdleGate(rules.idle_fps)
            self._subjects.clear()  # evidence that was gathered by one rule is none by another

    # -- one subject ----------------------------------------------------------------------------------------------

    def _attend(self, frame: Frame, track: Track) -> Decision | None:
        subject = self._subjects.get(track.id)
        snapshot = self._gallery.now
        if subject is None:
            streak = StreakRule(
                snapshot.match_rule, self._rules.needed, self._rules.window, pause_s=self._rules.attempt_pause_s
            )
            subject = self._subjects[track.id] = Subject(track, streak, self._rules.liveness, self._rng)
        subject.track = track
        if self._executor.pulse_for(track.id, frame.captured_s):
            return None
        if subject.held(frame.captured_s) and not self._mistaken(frame, subject, snapshot):
            return None
        self._observe(frame, subject, snapshot)
        late = not fresh(frame.captured_s, self._clock.monotonic_s(), self._rules.policy.freshness_s)
        self._keep_pace(frame.captured_s, late)
        if late:
            # this machine was too slow, the person has not left: nothing is decided on a stale frame, the next may do
            self.late_frames += 1
            return None
        facts = self._facts.of_track(subject, snapshot, self._here)
        decision = self._timed("decide", lambda: decide(facts, self._rules.policy))
        return self._carry_out(decision, subject, snapshot)

    def _observe(self, frame: Frame, subject: Subject, snapshot: Snapshot) -> None:
        """The early exits: a face too small is not looked into, a poor one is not embedded."""
        face, now, pixels = subject.track.face, frame.captured_s, frame.pixels
        landmarks: Landmarks | None = None
        if face.eye_distance_px >= self._rules.quality.min_eye_distance_px:
            landmarks = self._timed("landmarks", lambda: self._vision.landmarks.landmarks(pixels, face))
        quality = self._timed("quality", lambda: assess(pixels, face, self._rules.quality, landmarks))
        seen = Seen(now, quality, landmarks)
        if quality.issue is None:
            seen = self._recognise(seen, subject, pixels, face, snapshot)
        elif quality.issue is QualityIssue.LOOK_AT_CAMERA and subject.wants_action and not subject.streak.resting(now):
            turned = self._timed("embed", lambda: self._vision.embedder.embed(pixels, face))
            seen = Seen(now, quality, landmarks, turned=turned)
        self._timed("liveness", lambda: subject.add(seen, self._rate.fps, pixels))
        if subject.liveness is not None and subject.liveness.unavailable and not self._told_unavailable:
            self._told_unavailable = True
            self._recorder.record([LivenessUnavailable(now, detail=subject.liveness.unavailable)])

    def _recognise(self, seen: Seen, subject: Subject, pixels: Pixels, face: Face, snapshot: Snapshot) -> Seen:
        score = self._timed("spoof", lambda: self._vision.spoof.score(pixels, face))
        if subject.streak.resting(seen.t_s):
            return Seen(seen.t_s, seen.quality, seen.landmarks, score)
        embedding = self._timed("embed", lambda: self._vision.embedder.embed(pixels, face))
        match = self._timed("match", lambda: snapshot.matrix.match(embedding, snapshot.match_rule.threshold))
        self._failures.adopt(subject.track.id, embedding, match.score, seen.t_s)
        return Seen(seen.t_s, seen.quality, seen.landmarks, score, embedding, match)

    def _mistaken(self, frame: Frame, subject: Subject, snapshot: Snapshot) -> bool:
        """Whether the lockout that holds this track is another face's: one bad frame may have inherited it."""
        now, face, pixels = frame.captured_s, subject.track.face, frame.pixels
        if now < subject.look_again_s or not self._failures.remaining_s(subject.track.id, now) > 0:
            return False
        subject.look_again_s = now + LOOK_AGAIN_S
        quality = self._timed("quality", lambda: assess(pixels, face, self._rules.quality))
        if quality.issue is not None:
            return False
        embedding = self._timed("embed", lambda: self._vision.embedder.embed(pixels, face))
        match = self._timed("match", lambda: snapshot.matrix.match(embedding, snapshot.match_rule.threshold))
        self._failures.adopt(subject.track.id, embedding, match.score, now)
        if self._failures.remaining_s(subject.track.id, now) > 0:
            return False
        subject.begin_again(now, 0.0)
        return True

    def _carry_out(self, decision: Decision, subject: Subject, snapshot: Snapshot) -> Decision | None:
        now = self._clock.monotonic_s()
        if isinstance(decision, Grant):
            if self._executor.pulse_running(now):
                return None  # the door is open for somebody else: decided again when it has locked
            granted = self._timed("grant", lambda: self._executor.grant(decision, subject))
            if isinstance(granted, Grant):
                self.desk.spent(decision.person)
            return granted
        if isinstance(decision, Deny):
            subject.hint = decision.reason.value
            if decision.reason in (DenialReason.CARD_OF_ANOTHER, DenialReason.FACTOR_MISSING):
                self.desk.drop_card()
            self._executor.deny(decision, subject)
            self._lights.denied()
            return decision
        self._lights.look()
        subject.hint = decision.hint.value if isinstance(decision.hint, QualityIssue) else decision.hint
        return decision

    # -- around it --------------------------------------------------------------------------------------------------

    def _moved(self, frame: Frame) -> bool:
        return self._rules.motion_wake and self._timed("motion", lambda: self._motion.moved(frame.pixels))

    def _keep_pace(self, t_s: float, late: bool) -> None:
        if self._pace.add(t_s, late):
            slow = self._pace.slow
            self._recorder.record([FramesFastAgain(t_s) if slow is None else FramesTooSlow(t_s, slow)])

    def _held_primary(self, tracks: list[Track]) -> int | None:
        return self._primary if any(t.id == self._primary for t in tracks) else None

    def _forget(self, track: int, now: float) -> None:
        subject = self._subjects.pop(track, None)
        self._failures.track_gone(track)
        if subject is None or subject.held(now):
            return
        verdict = subject.streak.verdict
        if isinstance(verdict, Agreed) and subject.passive == "live":
            gone = Deny(DenialReason.LEFT_VIEW, track, verdict.person, verdict.score)
            self._executor.deny(gone, subject)

    def _report_lockouts(self, now: float) -> None:
        events: list[Event] = [LockoutEnded(now, "track")] * self._failures.ended(now)
        if self._spoofs.ended(now):
            events.append(LockoutEnded(now, "door"))
        if events:
            self._recorder.record(events)

    def _report_tailgating(self, tracks: list[Track], now: float) -> None:
        granted = self._executor.unreported_grant(now)
        if granted is None:
            return
        others = granted.followers(tracks, {i: s.probe for i, s in self._subjects.items()})
        if others:
            self._executor.tailgating_reported()
            self._recorder.record([TailgatingSeen(now, granted.track, granted.person, others)])
