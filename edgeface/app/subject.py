"""What is known about one track: its evidence, gathered frame by frame, and how long it has been held back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Literal

from edgeface.domain.liveness import LivenessRule, LivenessState, LivenessTracker, Mode, SpoofEvidence, Verdict
from edgeface.domain.policy import ActionState
from edgeface.domain.quality import Quality
from edgeface.domain.streak import Agreed, Exhausted, NotYet, Streak, StreakRule
from edgeface.domain.tracking import Track
from edgeface.domain.types import Embedding, Landmarks, Match, Pixels, QualityIssue

_PASSIVE: dict[Verdict, Literal["live", "attack", "unsure"]] = {
    Verdict.LIVE: "live",
    Verdict.ATTACK: "attack",
    Verdict.UNSURE: "unsure",
}


LOOK_ALIKE = "look-alike"  # stands for whom an ambiguous frame may show; no record has such an id
OWN_FACE = 0.3  # cosine below which two frames don't show one face, for any threshold that a door would use


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured of the subject in one frame; None for what an early exit left out. `turned` is the embedding of
    a face that is turned too far to be matched: it says no more than whether this is still the same face."""

    t_s: float
    quality: Quality
    landmarks: Landmarks | None = None
    spoof_score: float | None = None
    embedding: Embedding | None = None
    match: Match | None = None
    turned: Embedding | None = None


class Subject:
    """Evidence of one track. Dies with the track."""

    def __init__(self, track: Track, streak: StreakRule, liveness: LivenessRule, rng: Random) -> None:
        self.track = track
        self._streak_rule, self._liveness_rule, self._rng = streak, liveness, rng
        self.streak = Streak(streak)
        self._liveness = LivenessTracker(liveness, rng)
        self._modes = liveness.modes
        self.liveness: LivenessState | None = None
        self._named = _Named(liveness)
        self.issue: QualityIssue | None = None
        self.probe: Embedding | None = None
        self.probe_s = -math.inf  # when the face was last compared with the gallery
        self.hold_until_s = self.look_again_s = -math.inf
        self.hint: str | None = None
        self._since_s = track.first_s  # of the attempt that runs
        self._poor_since_s: float | None = None
        self._unsure_since_s: float | None = None

    def add(self, seen: Seen, fps: float | None, pixels: Pixels) -> None:
        """One frame's measurements become evidence."""
        if seen.embedding is not None and self.probe is not None and not _alike(self.probe, seen.embedding):
            self._another_face()
        self.issue = seen.quality.issue
        if self.issue is None:
            self._poor_since_s = None
        elif self._poor_since_s is None:
            self._poor_since_s = seen.t_s
        landmarks = seen.landmarks if self._same_face(seen) else None
        self.liveness = self._liveness.update(seen.t_s, seen.spoof_score, landmarks, fps, pixels)
        if seen.embedding is not None and seen.match is not None:
            if isinstance(self.streak.verdict, NotYet) and self.streak.verdict.frames == 0:
                self._since_s = seen.t_s
            self.probe, self.probe_s = seen.embedding, seen.t_s
            self.streak.add(seen.t_s, seen.match)
            standing = self._streak_rule.match.standing(seen.match)
            if seen.spoof_score is not None and standing == "accepted":
                self._named.add(seen.t_s, seen.match.person, seen.spoof_score)
            elif seen.spoof_score is not None and standing == "ambiguous":
                self._named.add(seen.t_s, LOOK_ALIKE, seen.spoof_score)
        if self._passive() is not Verdict.UNSURE:
            self._unsure_since_s = None
        elif self._unsure_since_s is None and seen.spoof_score is not None:
            self._unsure_since_s = seen.t_s

    def _same_face(self, seen: Seen) -> bool:
        """Whether what moves in this frame is the face that the evidence is about. A frame in which nobody looked whose
        face it is (cut off, covered, blurred) shows no blink and no turn: it may be another's."""
        if seen.embedding is not None:
            return True  # another face has begun anew just now
        return seen.turned is not None and self.probe is not None and _alike(self.probe, seen.turned)

    def _another_face(self) -> None:
        """Faces were swapped on one track (a picture is lowered, and there is its bearer): the evidence of both must
        never add up, one's name and the other's life. What was an attack stays one."""
        self.streak = Streak(self._streak_rule)
        self._named = _Named(self._liveness_rule)
        self._poor_since_s = self._unsure_since_s = None
        if self.liveness is None or self.liveness.passive is not Verdict.ATTACK:
            self._liveness = LivenessTracker(self._liveness_rule, self._rng)
            self.liveness = None

    def begin_again(self, now_s: float, hold_s: float) -> None:
        """The attempt was decided. Nothing is decided again before `hold_s` is over; the identity is gathered anew, a
        spoof stays one for as long as its own rule says."""
        self.streak.restart(now_s)
        self.hold_until_s = now_s + hold_s
        self._poor_since_s = self._unsure_since_s = None
        if self.liveness is not None and self.wants_action:
            self._liveness.ask_again(now_s + hold_s)
            self.liveness = None
        self._since_s = now_s + hold_s

    def held(self, now_s: float) -> bool:
        return now_s < self.hold_until_s

    def evidence_ms(self, now_s: float) -> int:
        """How long evidence was gathered for the attempt that runs."""
        return max(0, round((now_s - self._since_s) * 1000))

    # -- as the policy wants it ---------------------------------------------------------------------------------

    @property
    def passive(self) -> Literal["live", "attack", "unsure"]:
        return _PASSIVE[self._passive()]

    def _passive(self) -> Verdict:
        if self.liveness is None:
            return Verdict.UNSURE
        verdict = self.liveness.passive
        if verdict is Verdict.ATTACK or self._agreed_evidence is None:
            return verdict
        named = self._agreed_evidence.verdict()
        return verdict if named is Verdict.LIVE else named

    @property
    def spoof_score(self) -> float:
        """NaN before the first score, which the policy takes for unsure; 0 where passive liveness isn't required."""
        if Mode.PASSIVE not in self._modes:
            return 0.0
        named = self._agreed_evidence
        fused = None if self.liveness is None else self.liveness.fused_score
        scores = (fused, None if named is None else named.fused)
        return max((s for s in scores if s is not None), default=math.nan)

    @property
    def _agreed_evidence(self) -> SpoofEvidence | None:
        """That of the frames that name the person on whom they agree, or that can't tell look-alikes apart; None where
        there is neither."""
        verdict = self.streak.verdict
        if Mode.PASSIVE not in self._modes:
            return None
        if isinstance(verdict, Exhausted):
            return self._named.of(LOOK_ALIKE) if verdict.candidates else None
        return self._named.of(verdict.person) if isinstance(verdict, Agreed) else None

    @property
    def wants_action(self) -> bool:
        return bool(self._modes & {Mode.BLINK, Mode.CHALLENGE})

    @property
    def action(self) -> ActionState:
        if not self.wants_action:
            return ActionState.NOT_REQUIRED
        state = self.liveness
        if state is None:
            return ActionState.PENDING
        if state.unavailable is not None:
            return ActionState.UNAVAILABLE
        if state.action_expired:
            return ActionState.TOO_LATE
        return ActionState.DONE if state.action_done else ActionState.PENDING

    def poor_for_s(self, now_s: float) -> float:
        return 0.0 if self._poor_since_s is None else now_s - self._poor_since_s

    def unsure_for_s(self, now_s: float) -> float:
        return 0.0 if self._unsure_since_s is None else now_s - self._unsure_since_s


class _Named:
    """Spoof evidence of the frames that name one person, alone: frames of a living face that names nobody, or somebody
    else, must not outvote those of the picture that follows it."""

    def __init__(self, rule: LivenessRule) -> None:
        self._rule, self._evidence = rule.spoof, SpoofEvidence(rule.spoof)
        self._person: str | None = None

    def add(self, t_s: float, person: str | None, score: float) -> None:
        if person != self._person:
            self._person, self._evidence = person, SpoofEvidence(self._rule)
        self._evidence.add(t_s, score)

    def of(self, person: str) -> SpoofEvidence:
        return self._evidence if person == self._person else SpoofEvidence(self._rule)


def _alike(a: Embedding, b: Embedding) -> bool:
    """False also for vectors that are no numbers."""
    return a.model == b.model and float(a.vector @ b.vector) >= OWN_FACE
