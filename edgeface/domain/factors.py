"""PIN and card: beside a face that needs a second factor, or instead of one where the record allows it. Pure.

A PIN never says who somebody is: it confirms a face or a card. A card says it, and is good without a face only where
the person's record says so. What was shown counts for `valid_s`, for that person alone, and once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from edgeface.domain.types import DenialReason, Person, SecondFactor
from edgeface.domain.wiegand import WiegandCard

HINT_FACTOR = "show_card_or_pin"
HINT_PIN = "enter_pin"
HINT_FACE = "look_at_camera"
LONGEST_CARD = 40
REMEMBERED = 1024  # readers and people whose failures are counted; the longest ago are forgotten


@dataclass(frozen=True, slots=True)
class Credential:
    """Shown at `at_s` (monotonic), and proven: `person` is whose it is, `proof` what it was compared with."""

    kind: Literal["card", "pin"]
    person: str
    at_s: float
    proof: str = field(default="", repr=False)

    def stands(self, person: Person | None) -> bool:
        """Whether the record still says so: a card that was reported lost counts from then on no more."""
        if person is None:
            return False
        f = person.factors
        return self.proof in f.cards if self.kind == "card" else self.proof == f.pin


@dataclass(frozen=True, slots=True)
class FactorRule:
    """`valid_s`: how long what was shown counts. `patience_s`: how long a decision waits for it. `step_up`: a face that
    could be a look-alike's may be confirmed by a factor instead of being refused. `alone_s`: how long ago the last of
    it may be where no face tells that its bearer is still there."""

    valid_s: float = 15.0
    patience_s: float = 15.0
    step_up: bool = True
    alone_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What the readers know now. `ready`: there is one that works. `lockout_s`: remaining, of the person's PIN or of
    the reader, 0 for none. `tampered`: somebody has a hand in the wiring; what comes out of it proves nothing."""

    credentials: tuple[Credential, ...] = ()
    ready: bool = False
    lockout_s: float = 0.0
    tampered: bool = False

    def of(self, person: str, now_s: float, rule: FactorRule, kind: str | None = None) -> Credential | None:
        """The newest that counts now."""
        if self.tampered:
            return None
        valid = [
            c
            for c in self.credentials
            if c.person == person and kind in (None, c.kind) and 0.0 <= now_s - c.at_s <= rule.valid_s
        ]
        return max(valid, key=lambda c: c.at_s, default=None)

    def card_of_another(self, person: str, now_s: float, rule: FactorRule) -> bool:
        return not self.tampered and any(
            c.kind == "card" and c.person != person and 0.0 <= now_s - c.at_s <= rule.valid_s for c in self.credentials
        )


def card_id(text: str) -> str:
    """A card's id in its one form: bits:facility:number of a Wiegand reader, or what a keyboard-like reader types.
    Raises ValueError."""
    plain = text.strip().upper()
    parts = plain.split(":")
    if len(parts) == 3 and all(p.isascii() and p.isdecimal() and len(p) < 9 for p in parts):
        return WiegandCard(*(int(p) for p in parts)).id
    if not (1 <= len(plain) <= LONGEST_CARD and plain.isascii() and plain.isalnum()):
        raise ValueError("a card is bits:facility:number, or 1 to 40 letters and digits as the reader types them")
    return plain


def may_step_up(person: Person) -> bool:
    """Whether a factor can tell this person from a look-alike."""
    return person.factors.any and person.factors.second is not SecondFactor.NEVER


def confirm(
    person: Person, shown: Shown, since_s: float, now_s: float, rule: FactorRule
) -> Credential | DenialReason | None:
    """A face that needs a second factor: the factor, why not, or None: wait. `since_s`: when the face's evidence
    began."""
    found = shown.of(person.id, now_s, rule)
    if found is not None:
        return found
    if shown.card_of_another(person.id, now_s, rule):
        return DenialReason.CARD_OF_ANOTHER
    return missing(shown, since_s, now_s, rule)


def missing(shown: Shown, since_s: float, now_s: float, rule: FactorRule) -> DenialReason | None:
    """Nothing that counts was shown: why it is refused, None: wait."""
    if shown.tampered or not shown.lockout_s <= 0:  # written so that NaN refuses
        return DenialReason.FACTOR_LOCKED_OUT
    return None if shown.ready and now_s - since_s < rule.patience_s else DenialReason.FACTOR_MISSING


@dataclass(slots=True)
class _Tries:
    failures: int = 0
    last_s: float = -math.inf
    until_s: float = -math.inf
    told_end: bool = True


class ReadingRate:
    """How quickly people show cards and type PINs, by reader: `burst` at once, then one every `every_s`. What comes
    beyond that is a machine, and is neither looked up nor written down."""

    def __init__(self, burst: int = 10, every_s: float = 1.0) -> None:
        self._burst, self._every_s = burst, every_s
        self._free_s: dict[str, float] = {}  # the time at which all of the burst is there again

    def takes(self, reader: str, now_s: float) -> bool:
        free_s = max(self._free_s.get(reader, now_s), now_s) + self._every_s
        if not free_s - now_s <= self._burst * self._every_s:
            return False
        self._free_s[reader] = free_s
        return True


class FactorLockout:
    """Failures by key (a reader, a person's PIN), each on its own: `failures` of them, then pauses that double from
    `first_s` to `longest_s`; forgotten `forget_s` after the last."""

    def __init__(
        self, failures: int = 5, first_s: float = 30.0, longest_s: float = 300.0, forget_s: float = 600.0
    ) -> None:
        self._rule = (failures, first_s, longest_s, forget_s)
        self._tries: dict[str, _Tries] = {}

    def failed(self, key: str, now_s: float) -> float | None:
        """How long it is locked out for, where this failure began a lockout. Failures during one don't count."""
        failures, first_s, longest_s, forget_s = self._rule
        tries = self._tries.pop(key, None) or _Tries()
        self._tries[key] = tries
        if len(self._tries) > REMEMBERED:
            del self._tries[next(iter(self._tries))]
        if now_s < tries.until_s:
            return None
        if now_s - max(tries.last_s, tries.until_s) >= forget_s:
            tries.failures = 0
        tries.failures, tries.last_s = tries.failures + 1, now_s
        if tries.failures < failures:
            return None
        for_s = min(longest_s, first_s * 2.0 ** min(tries.failures - failures, 60))
        tries.until_s, tries.told_end = now_s + for_s, False
        return for_s

    def succeeded(self, key: str) -> None:
        self._tries.pop(key, None)

    def remaining_s(self, key: str, now_s: float) -> float:
        tries = self._tries.get(key)
        return 0.0 if tries is None else max(0.0, tries.until_s - now_s)

    def ended(self, now_s: float) -> list[str]:
        """The keys whose lockout has ended since this was last asked."""
        over = [(k, t) for k, t in self._tries.items() if not t.told_end and now_s >= t.until_s]
        for _, tries in over:
            tries.told_end = True
        return [key for key, _ in over]
