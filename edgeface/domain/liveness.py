"""Is this track a living person? Passive evidence (the spoof model's scores over frames), and actions (blink, head
turn) that are asked for where the operator wants them. Evidence belongs to one track and dies with it."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from edgeface.domain.alignment import head_pose
from edgeface.domain.challenge import Action, Challenge, ChallengeRule
from edgeface.domain.eyes import Blink, BlinkDetector, BlinkRule, eye_lightness
from edgeface.domain.planarity import PlanarityCue
from edgeface.domain.types import Landmarks, Pixels


class Verdict(str, Enum):
    LIVE = "live"
    ATTACK = "attack"
    UNSURE = "unsure"


class Mode(str, Enum):
    """What is required; several together mean all of them."""

    PASSIVE = "passive"
    BLINK = "blink"
    CHALLENGE = "challenge"


@dataclass(frozen=True, slots=True)
class SpoofRule:
    """Scores are probabilities of an attack, 0 to 1.

    limit: fused score at and above which the track is an attack; the spoof model's card gives it.
    doubt: half-width in log-odds of the band around the limit where nothing is decided yet: more frames may tell.
    min_frames: single frames of good models err in a few per cent; three in a row rarely.
    window_s: what is older doesn't count; two seconds cover a walk up to the door.
    run: length of the short runs; an attack that shows itself in this many frames in a row is one, however many
        harmless frames surround it (a print is turned until the model likes it).
    run_margin: how much surer, in log-odds, a run must be than the whole window.
    clip: log-odds beyond this are cut, so that one frame of 0.0 or 1.0 never outvotes many.
    hold_s: after an attack the track stays one this long: waiting until the scores are kind must not pay.
    """

    limit: float = 0.5
    doubt: float = 0.4
    min_frames: int = 3
    window_s: float = 2.0
    run: int = 3
    run_margin: float = 1.5
    clip: float = 4.0
    hold_s: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1 or self.min_frames < 1 or self.run < 1 or self.window_s <= 0 or self.clip <= 0:
            raise ValueError(f"the spoof rule needs 0 < limit < 1 and positive numbers, not {self}")


class SpoofEvidence:
    """Spoof scores of one track, fused. The mean of log-odds is the sum of evidence of independent frames, tempered by
    their number because frames of one track are not independent; the highest mean of a short run stands beside it, less
    a margin. The fused score never falls when any score rises."""

    def __init__(self, rule: SpoofRule | None = None) -> None:
        self._rule = rule or SpoofRule()
        self._scores: deque[tuple[float, float]] = deque()  # (t_s, clipped log-odds)
        self._scores_seen = False
        self._attack_until_s = -math.inf
        self._now_s = -math.inf

    def add(self, t_s: float, score: float) -> None:
        """Raises ValueError for a score that is no probability: a broken model must not pass for a kind one."""
        if not 0.0 <= score <= 1.0:  # also NaN
            raise ValueError(f"a spoof score is a probability from 0 to 1, not {score}")
        clip = self._rule.clip
        odds = -clip if score <= 0 else clip if score >= 1 else math.log(score / (1 - score))
        self._scores_seen = True
        self._scores.append((t_s, min(max(odds, -clip), clip)))
        self.advance(t_s)

    def advance(self, t_s: float) -> None:
        """Lets time pass: what is older than the window is forgotten."""
        self._now_s = max(self._now_s, t_s)
        while self._scores and self._now_s - self._scores[0][0] > self._rule.window_s:
            self._scores.popleft()
        if self._enough and self._logit() >= _log_odds(self._rule.limit) + self._rule.doubt:
            self._attack_until_s = self._now_s + self._rule.hold_s

    @property
    def frames(self) -> int:
        return len(self._scores)

    @property
    def fused(self) -> float | None:
        """Probability of an attack over the window, 0 to 1; None without a score in it."""
        return 1 / (1 + math.exp(-self._logit())) if self._scores else None

    def verdict(self) -> Verdict:
        if self._scores_seen and self._now_s <= self._attack_until_s:
            return Verdict.ATTACK
        if not self._enough:
            return Verdict.UNSURE
        distance = self._logit() - _log_odds(self._rule.limit)
        if abs(distance) < self._rule.doubt:
            return Verdict.UNSURE
        return Verdict.ATTACK if distance > 0 else Verdict.LIVE

    @property
    def _enough(self) -> bool:
        return len(self._scores) >= self._rule.min_frames

    def _logit(self) -> float:
        odds = [o for _, o in self._scores]
        run = self._rule.run
        mean = sum(odds) / len(odds)
        if len(odds) <= run:
            return mean
        peak = max(sum(odds[i : i + run]) / run for i in range(len(odds) - run + 1))
        return max(mean, peak - self._rule.run_margin)


@dataclass(frozen=True, slots=True)
class LivenessRule:
    """planar_limit: a face whose motion a plane explains better than this is never called live (it is not called an
        attack either: that is the spoof model's to say). Measured: waved pictures 0.32 to 0.66, eleven of twelve below
        the limit; eight people turning, talking and grimacing never below 0.58. A picture held still shows nothing.
        None switches it off.
    action_valid_s: an action counts this long, then it is asked for again (somebody who stays in view)."""

    modes: frozenset[Mode] = frozenset({Mode.PASSIVE})
    spoof: SpoofRule = field(default_factory=SpoofRule)
    blink: BlinkRule = field(default_factory=BlinkRule)
    challenge: ChallengeRule = field(default_factory=ChallengeRule)
    planar_limit: float | None = 0.53
    action_valid_s: float = 15.0

    def __post_init__(self) -> None:
        if not self.modes:
            raise ValueError("liveness needs at least one of passive, blink, challenge")


@dataclass(frozen=True, slots=True)
class LivenessState:
    """passive: LIVE where it is not required. action_done: True where none is required. action_prompt: what to tell the
    person now. action_expired: it did not come in time; stays so until `LivenessTracker.ask_again`. unavailable: a
    sentence why the action can't be judged. fused_score: probability of an attack, None before the first score.
    planarity: share of the face's motion that no plane explains, None while it moved too little to say."""

    passive: Verdict
    action_done: bool
    action_prompt: str | None
    action_expired: bool
    unavailable: str | None
    fused_score: float | None
    planarity: float | None = None

    @property
    def satisfied(self) -> bool:
        """Everything that is required has been shown."""
        return self.passive is Verdict.LIVE and self.action_done and self.unavailable is None


class LivenessTracker:
    """All the liveness evidence of one track."""

    def __init__(self, rule: LivenessRule, rng: random.Random) -> None:
        self._rule, self._rng = rule, rng
        self._spoof = SpoofEvidence(rule.spoof)
        self._blinks = BlinkDetector(rule.blink)
        self._planarity = PlanarityCue()
        self._pending: list[Challenge] = []
        self._actions_asked = False

    def update(
        self,
        t_s: float,
        spoof_score: float | None,
        landmarks: Landmarks | None,
        fps: float | None = None,
        pixels: Pixels | None = None,
    ) -> LivenessState:
        """One frame of the track, captured at `t_s`. None for what was not measured in it. `pixels` is the frame that
        `landmarks` refer to (blinks are seen in it); `fps` the camera's measured rate: a blink can't be judged where
        neither that nor the track's own is high enough."""
        if spoof_score is None:
            self._spoof.advance(t_s)
        else:
            self._spoof.add(t_s, spoof_score)
        if landmarks is not None and self._rule.planar_limit is not None:
            self._planarity.add(t_s, landmarks)
        unavailable = self._unavailable(fps)
        blink, yaw = self._observe(t_s, landmarks, pixels)
        if not self._actions_asked and unavailable is None:
            self._ask(t_s, fps)
        for challenge in self._pending:
            challenge.update(t_s, yaw, blink)
        lapsed = [c for c in self._pending if c.done_s is not None and t_s - c.done_s > self._rule.action_valid_s]
        if lapsed:
            self._ask(t_s, fps)
        expired = any(c.expired for c in self._pending)
        prompts = [] if expired or unavailable else [c.prompt for c in self._pending if c.prompt]
        return LivenessState(
            passive=self._passive(),
            action_done=not self._wants_action or (self._actions_asked and all(c.done for c in self._pending)),
            action_prompt=prompts[0] if prompts else None,
            action_expired=expired,
            unavailable=unavailable,
            fused_score=self._spoof.fused,
            planarity=self._planarity.value,
        )

    def ask_again(self, t_s: float) -> None:
        """A new attempt on the same track: new actions are drawn, old ones count no more. The caller limits how often
        (the track's lockout)."""
        self._ask(t_s, None)

    def _passive(self) -> Verdict:
        if Mode.PASSIVE not in self._rule.modes:
            return Verdict.LIVE
        verdict, planarity, limit = self._spoof.verdict(), self._planarity.value, self._rule.planar_limit
        flat = planarity is not None and limit is not None and planarity < limit
        return Verdict.UNSURE if flat and verdict is Verdict.LIVE else verdict

    @property
    def _wants_action(self) -> bool:
        return bool(self._rule.modes & {Mode.BLINK, Mode.CHALLENGE})

    def _ask(self, t_s: float, fps: float | None) -> None:
        """Draws what is required. A blink and a challenge together are two actions, the second never another blink."""
        self._pending = []
        if Mode.BLINK in self._rule.modes:
            self._pending.append(Challenge(Action.BLINK, t_s, self._rule.challenge))
        if Mode.CHALLENGE in self._rule.modes:
            choices = [Action.TURN_LEFT, Action.TURN_RIGHT]
            if not self._pending and not self._slow(fps):
                choices.append(Action.BLINK)
            self._pending.append(Challenge.choose(choices, t_s, self._rng, self._rule.challenge))
        self._actions_asked = True

    def _observe(
        self, t_s: float, landmarks: Landmarks | None, pixels: Pixels | None
    ) -> tuple[Blink | None, float | None]:
        if landmarks is None or not self._wants_action:
            return None, None
        eyes = eye_lightness(pixels, landmarks) if pixels is not None else None
        blink = self._blinks.add(t_s, *eyes) if eyes is not None else None
        try:
            return blink, head_pose(landmarks).yaw_deg
        except ValueError:  # landmarks that span no face say nothing about its pose
            return blink, None

    def _slow(self, fps: float | None) -> bool:
        """Frames in which nobody could look at the eyes make the blinks' own rate low, not the camera's."""
        rates = [rate for rate in (self._blinks.fps, fps) if rate is not None]
        return bool(rates) and max(rates) < self._rule.blink.slowest_fps

    def _unavailable(self, fps: float | None) -> str | None:
        if Mode.BLINK not in self._rule.modes or not self._slow(fps):
            return None
        rate = max(rate for rate in (self._blinks.fps, fps) if rate is not None)
        return (
            f"A blink can't be seen at {rate:.1f} frames a second; it needs {self._rule.blink.min_fps:.0f}. "
            "Raise the camera's rate or its light, or ask for a head turn instead."
        )


def _log_odds(p: float) -> float:
    return math.log(p / (1 - p))
