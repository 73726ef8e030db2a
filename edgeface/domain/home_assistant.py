"""What a door shows to Home Assistant, and when it obeys a wish that comes from there. Home Assistant can't sign:
whoever may write to its topic may wish. So a wish counts only while it is fresh: it names the door's connection that it
was made for and the second in which it was made. What waited in a queue, the broker's or Home Assistant's own, opens
nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

LOCK, CONTACT, PERSON, EVENT, TAMPER, TEMPERATURE, GALLERY = (
    "lock", "contact", "person", "event", "tamper", "temperature", "gallery",
)  # fmt: skip
ENTITIES = (LOCK, CONTACT, PERSON, EVENT, TAMPER, TEMPERATURE, GALLERY)
LockState = Literal["locked", "unlocked", "locking", "unlocking", "jammed"]
FRESH_S = 10.0  # as old as a signed command may be; the two clocks' difference is in it


@dataclass(frozen=True, slots=True)
class View:
    """The door now; None: not known."""

    lock: LockState | None = None
    open: bool | None = None
    person: bool | None = None
    tampered: bool | None = None
    in_step: bool | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    topic: str
    payload: bytes = field(repr=False)
    retain: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """`at_s`: Unix seconds by Home Assistant's clock; `session`: what the door's discovery said last."""

    op: Literal["lock", "unlock"]
    at_s: float
    session: str


def objection(wish: Wish, session: str, utc_s: float, clock_set: bool) -> str:
    """Why it may be an old one; empty where it is fresh. `session` is that of the connection that stands."""
    if not session or wish.session != session:
        return "other_connection"
    if not clock_set:
        return "clock_not_set"
    return "stale" if not abs(utc_s - wish.at_s) <= FRESH_S else ""


class Bucket:
    """At most `most` at once, and `per_s` in the long run."""

    def __init__(self, most: float, per_s: float) -> None:
        self._most, self._per_s = most, per_s
        self._left, self._since_s = most, 0.0

    def take(self, now_s: float) -> bool:
        self._left = min(self._most, self._left + max(0.0, now_s - self._since_s) * self._per_s)
        self._since_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
