"""Evidence over frames: N of M frames that name one person, freshness, cooldown.

An *attempt* is at most M frames of one track. It ends in `Agreed` or `Exhausted` and stays there; after a denial the
caller begins the next attempt with `restart`. That bound is what domain/calibration.py promises its rates for: a
window that slid over every frame of a stranger's visit would be many attempts, uncounted."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from edgeface.domain.matching import MatchRule, Standing
from edgeface.domain.types import Match

FRESHNESS_S = 0.25  # people complain most of doors that open after the person has left


@dataclass(frozen=True, slots=True)
class StreakRule:
    """`needed` of `window` frames must name the same person. Frames further apart than `max_gap_s` are not one
    attempt. After `restart`, frames of the next `pause_s` do not count, so that five attempts take seconds, not one."""

    match: MatchRule
    needed: int = 3
    window: int = 5
    max_gap_s: float = 0.5
    pause_s: float = 1.0

    def __post_init__(self) -> None:
        if not self.needed <= self.window < 2 * self.needed:
            raise ValueError(
                f"a streak needs more than half of its window and no more than all of it, not {self.needed} of "
                f"{self.window}: otherwise two people could both have it"
            )
        if not (self.max_gap_s > 0 and self.pause_s >= 0):
            raise ValueError("max_gap_s must be above 0, pause_s not below 0")


@dataclass(frozen=True, slots=True)
class Agreed:
    """`score` is the mean, `margin` the least over the agreeing frames; `since_s` is the attempt's first frame,
    `last_s` the last that named this person: an agreement grows old while its face is not embedded."""

    person: str
    score: float
    margin: float
    since_s: float
    count: int
    last_s: float


@dataclass(frozen=True, slots=True)
class NotYet:
    """`frames` have counted in this attempt so far."""

    frames: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The attempt can't come to agreement any more. `best_score` is over all its frames. `candidates`: of an ambiguous
    one, whom as many frames as are needed to agree name first or second, above the threshold."""

    kind: Literal["unknown", "ambiguous", "undecided"]
    best_score: float
    since_s: float
    candidates: tuple[str, ...] = ()


StreakVerdict = Agreed | NotYet | Exhausted


@dataclass(frozen=True, slots=True)
class _Seen:
    t_s: float
    standing: Standing
    match: Match


class Streak:
    """The evidence of one track; the caller has one for each. Not thread-safe."""

    def __init__(self, rule: StreakRule) -> None:
        self._rule = rule
        self._frames: deque[_Seen] = deque(maxlen=rule.window)
        self._since_s = 0.0
        self._last_s = -math.inf
        self._rest_until_s = -math.inf
        self._verdict: StreakVerdict = NotYet(0)

    @property
    def verdict(self) -> StreakVerdict:
        return self._verdict

    def add(self, t_s: float, match: Match) -> StreakVerdict:
        """One frame that passed the quality gate, captured at `t_s`. A frame that is not newer than the last counts
        for nothing (the same evidence twice is no evidence). After agreement the window goes on: the last M frames
        must still agree, and on the same person; somebody else on the same track starts anew."""
        if isinstance(self._verdict, Exhausted) or not t_s > self._last_s or t_s < self._rest_until_s:
            return self._verdict
        if t_s - self._last_s > self._rule.max_gap_s:
            self._begin()
        self._last_s = t_s
        seen = _Seen(t_s, self._rule.match.standing(match), match)
        agreed = self._verdict if isinstance(self._verdict, Agreed) else None
        if agreed and seen.standing == "accepted" and match.person != agreed.person:
            self._begin()
            agreed = None
        if not self._frames:
            self._since_s = t_s
        self._frames.append(seen)
        self._verdict = self._judge(was_agreed=agreed is not None)
        return self._verdict

    def restart(self, now_s: float) -> None:
        """The attempt was decided: the next one begins with frames from `now_s + pause_s` on."""
        self._begin()
        self._rest_until_s = now_s + self._rule.pause_s

    def resting(self, now_s: float) -> bool:
        """True in the pause after `restart`: embedding a frame now would be in vain."""
        return now_s < self._rest_until_s

    def _begin(self) -> None:
        self._frames.clear()
        self._verdict = NotYet(0)

    def _judge(self, *, was_agreed: bool) -> StreakVerdict:
        count: dict[str, int] = {}
        for f in self._frames:
            if f.standing == "accepted" and f.match.person is not None:
                count[f.match.person] = count.get(f.match.person, 0) + 1
        leader = max(count, key=lambda p: count[p], default=None)
        votes = 0 if leader is None else count[leader]
        if leader is not None and votes >= self._rule.needed:
            theirs = [f for f in self._frames if f.standing == "accepted" and f.match.person == leader]
            score = sum(f.match.score for f in theirs) / votes
            margin = min(f.match.margin for f in theirs)
            return Agreed(leader, score, margin, self._since_s, votes, theirs[-1].t_s)
        left = 0 if was_agreed else self._rule.window - len(self._frames)
        if votes + left >= self._rule.needed:
            return NotYet(len(self._frames))
        kind, best_score = self._kind(sum(count.values())), max(f.match.score for f in self._frames)
        return Exhausted(kind, best_score, self._since_s, self._alike() if kind == "ambiguous" else ())

    def _alike(self) -> tuple[str, ...]:
        named: dict[str, int] = {}
        for f in self._frames:
            for person in (f.match.person, f.match.also):
                if f.standing != "unknown" and person is not None:
                    named[person] = named.get(person, 0) + 1
        return tuple(sorted(p for p, frames in named.items() if frames >= self._rule.needed))

    def _kind(self, accepted: int) -> Literal["unknown", "ambiguous", "undecided"]:
        ambiguous = sum(f.standing == "ambiguous" for f in self._frames)
        if accepted == 0 and ambiguous == 0:
            return "unknown"
        return "ambiguous" if ambiguous > accepted else "undecided"


def fresh(last_seen_s: float, now_s: float, limit_s: float = FRESHNESS_S) -> bool:
    """Whether the face was seen within `limit_s` before now. A time in the future, or not a number, is not fresh."""
    return 0.0 <= now_s - last_seen_s <= limit_s


class Cooldown:
    """The same person is granted once in `seconds`, not with every frame. Remembers only those who still wait."""

    def __init__(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError("a cooldown can't be negative")
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def change(self, seconds: float) -> None:
        """Another length from the next grant on."""
        self._seconds = seconds

    def granted(self, person: str, now_s: float) -> None:
        self._until = {p: t for p, t in self._until.items() if t > now_s}
        self._until[person] = now_s + self._seconds

    def remaining_s(self, person: str, now_s: float) -> float:
        """Seconds until this person may be granted again; 0 where he may."""
        return max(0.0, self._until.get(person, -math.inf) - now_s)
