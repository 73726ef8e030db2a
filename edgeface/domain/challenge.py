"""Actions that a person is asked for: a blink, or turning the head and back. Only what begins after the asking counts,
so neither a replayed clip that happens to blink early nor a picture held at an angle answers it. The states move by the
times they are given; the choice is made by the generator they are given."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from edgeface.domain.eyes import Blink


class Action(str, Enum):
    """Left and right are the person's own."""

    BLINK = "blink"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"


PROMPTS: dict[Action, str] = {
    Action.BLINK: "Please blink.",
    Action.TURN_LEFT: "Please turn your head to your left, then look at the camera again.",
    Action.TURN_RIGHT: "Please turn your head to your right, then look at the camera again.",
}

_SIDES: dict[Action, int] = {Action.TURN_LEFT: 1, Action.TURN_RIGHT: -1}  # signs of alignment.Pose.yaw_deg


@dataclass(frozen=True, slots=True)
class TurnRule:
    """frontal_deg, turned_deg: yaw below which a face looks at the camera, and that it must reach; far enough apart
        that no picture waved by hand passes by chance, and well within what the detector still follows (45 degrees).
    frontal_s: how long it must look at the camera before turning.
    max_step_deg: largest change between two samples; a quick turn makes 300 degrees a second, 20 in a frame at 15
        frames a second. More is another picture.
    max_gap_s: longer without a sample and the turn starts over.
    """

    frontal_deg: float = 12.0
    turned_deg: float = 25.0
    frontal_s: float = 0.2
    max_step_deg: float = 22.0
    max_gap_s: float = 0.3


class HeadTurn:
    """Frontal, then turned to the asked side, then frontal again, steadily. `side` is +1 or -1: the sign of the yaw."""

    def __init__(self, side: int, rule: TurnRule | None = None) -> None:
        if side not in (-1, 1):
            raise ValueError(f"a head turns to side -1 or +1, not {side}")
        self._side, self._rule = side, rule or TurnRule()
        self._last: tuple[float, float] | None = None
        self._frontal_since_s: float | None = None
        self._ready = self._turned = self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def add(self, t_s: float, yaw_deg: float) -> bool:
        """True once the turn is complete, and from then on."""
        rule = self._rule
        if self._done:
            return True
        if self._last is not None:
            dt, step = t_s - self._last[0], abs(yaw_deg - self._last[1])
            if not 0 < dt <= rule.max_gap_s or step > rule.max_step_deg:
                self._frontal_since_s, self._ready, self._turned = None, False, False
        self._last = (t_s, yaw_deg)
        towards = self._side * yaw_deg
        if abs(yaw_deg) <= rule.frontal_deg:
            if self._turned:
                self._done = True
            elif self._frontal_since_s is None:
                self._frontal_since_s = t_s
            elif t_s - self._frontal_since_s >= rule.frontal_s:
                self._ready = True
        elif self._ready and towards >= rule.turned_deg:
            self._turned = True
        elif towards < 0 or not self._ready:  # to the other side, or turned before it ever looked at the camera
            self._frontal_since_s, self._ready, self._turned = None, False, False
        return self._done


@dataclass(frozen=True, slots=True)
class ChallengeRule:
    """timeout_s: people need two to four seconds to read and do it.
    reaction_s: nobody reacts faster (visual choice reaction takes 250 ms and more); what starts earlier is chance."""

    timeout_s: float = 6.0
    reaction_s: float = 0.2
    turn: TurnRule = TurnRule()


class Challenge:
    """One action, asked for at `issued_s`. Done once, or expired for good."""

    def __init__(self, action: Action, issued_s: float, rule: ChallengeRule | None = None) -> None:
        self.action, self.issued_s = action, issued_s
        self._rule = rule or ChallengeRule()
        self._turn = None if action is Action.BLINK else HeadTurn(_SIDES[action], self._rule.turn)
        self._done_s: float | None = None
        self._now_s = issued_s

    @classmethod
    def choose(
        cls, actions: Sequence[Action], issued_s: float, rng: random.Random, rule: ChallengeRule | None = None
    ) -> Challenge:
        """A random one of `actions`. Give a generator that can't be foretold (random.SystemRandom) outside tests."""
        return cls(rng.choice(list(actions)), issued_s, rule)

    def update(self, t_s: float, yaw_deg: float | None, blink: Blink | None) -> None:
        """`blink`: the one that ended with this frame. Frames before the asking, or after the time is up, change
        nothing."""
        self._now_s = max(self._now_s, t_s)
        begins_s = self.issued_s + self._rule.reaction_s
        if self._done_s is not None or self.expired or t_s < begins_s:
            return
        if self._turn is None:
            if blink is not None and blink.started_s >= begins_s:
                self._done_s = t_s
        elif yaw_deg is not None and self._turn.add(t_s, yaw_deg):
            self._done_s = t_s

    @property
    def done(self) -> bool:
        return self._done_s is not None

    @property
    def done_s(self) -> float | None:
        return self._done_s

    @property
    def expired(self) -> bool:
        return self._done_s is None and self._now_s - self.issued_s > self._rule.timeout_s

    @property
    def prompt(self) -> str | None:
        """What to tell the person; None when there is nothing left to do."""
        return None if self._done_s is not None or self.expired else PROMPTS[self.action]
