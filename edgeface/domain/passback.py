"""Anti-passback: who went in does not go in again for a while, so that a card's worth of trust isn't handed back over
the fence. Pure; time is an argument, monotonic seconds.

This is timed anti-passback at one entrance: a door that sees nobody leave can't know who is inside. `hard` refuses,
`soft` lets in and reports. It counts who *passed*, as contact or turnstile tell; a grant that nobody used is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

MOST_PEOPLE = 100_000  # beyond this the longest ago are forgotten: a door's memory is finite


class PassbackMode(str, Enum):
    OFF = "off"
    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class PassbackRule:
    mode: PassbackMode = PassbackMode.OFF
    for_s: float = 600.0


class Passback:
    def __init__(self, rule: PassbackRule) -> None:
        self._rule = rule
        self._in_s: dict[str, float] = {}

    def change(self, rule: PassbackRule) -> None:
        """Another rule from now on, also for those who are in."""
        self._rule = rule

    @property
    def hard(self) -> bool:
        return self._rule.mode is PassbackMode.HARD

    def passed(self, person: str, now_s: float) -> None:
        """Somebody went in."""
        if self._rule.mode is PassbackMode.OFF or not math.isfinite(now_s):
            return
        self._in_s.pop(person, None)
        self._in_s[person] = now_s
        if len(self._in_s) > MOST_PEOPLE:
            del self._in_s[next(iter(self._in_s))]

    def remaining_s(self, person: str, now_s: float) -> float:
        """How long until he may go in again; 0: now. A clock that ran backwards lengthens nothing."""
        went_in_s = self._in_s.get(person)
        if went_in_s is None:
            return 0.0
        if not now_s >= went_in_s:
            went_in_s = self._in_s[person] = min(went_in_s, now_s)
        left_s = went_in_s + self._rule.for_s - now_s
        if left_s > 0:
            return left_s
        del self._in_s[person]
        return 0.0
