"""Where cards and PINs come in: readers hand in what they read, the door loop asks what counts now. What is wrong is
counted here, by reader and by person, and locked out for a while."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeface.app.people import LiveGallery
from edgeface.app.recorder import Recorder
from edgeface.domain.events import AccessDenied, Event, LockoutStarted, ReaderGarbled
from edgeface.domain.factors import Credential, FactorLockout, FactorRule, ReadingRate, Shown
from edgeface.domain.types import NO_TRACK, DenialReason, Person
from edgeface.ports import Clock, FactorHasher, Reading

EXPECTED_S = 1.0  # the loop says anew with every frame whose PIN would count
TELL_EVERY_S = 10.0  # a reader that babbles, or is locked out, fills no log
MOST_CREDENTIALS = 8
PIN_LONGEST_S, PIN_FORGET_S = 3600.0, 86_400.0  # some thirty tries a day: years for four digits, not a week
FLOOD = "more comes than people show; what is too much is dropped"


@dataclass(frozen=True, slots=True)
class Card:
    """`person`: whose it is, None: nobody's; `stored`: as records have it."""

    person: str | None
    at_s: float
    stored: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Typed:
    reader: str
    digits: str
    at_s: float


class Desk:
    """Thread-safe. `hasher` None: there is no reader, and nothing is taken in. PINs are verified by `settle`, whose
    thread may take its time: the door loop never computes one."""

    def __init__(
        self, gallery: LiveGallery, recorder: Recorder, clock: Clock, rule: FactorRule, hasher: FactorHasher | None
    ) -> None:
        self._gallery, self._recorder, self._clock, self._rule, self._hasher = gallery, recorder, clock, rule, hasher
        self._changed = threading.Condition()
        self._rate = ReadingRate()
        # What is wrong is counted by reader, cards and PINs on their own: somebody who knows one PIN, and types it in
        # between, must not be free to try numbers of cards.
        self._lockout = FactorLockout()
        self._pins = FactorLockout(longest_s=PIN_LONGEST_S, forget_s=PIN_FORGET_S)
        self._ready: set[str] = set()
        self._credentials: list[Credential] = []
        self._card: Card | None = None
        self._typed: _Typed | None = None
        self._expected: dict[str, tuple[Person, float]] = {}
        self._told_s: dict[str, float] = {}
        self._refused = False

    # -- the readers' side --------------------------------------------------------------------------------------------

    def set_ready(self, reader: str, ready: bool) -> None:
        with self._changed:
            (self._ready.add if ready else self._ready.discard)(reader)

    def take(self, reader: str, reading: Reading) -> None:
        """What a reader read. A card is looked up; a PIN waits for somebody whom it could confirm."""
        if self._hasher is None:
            return
        if reading.kind == "garbled":
            self._tell_rarely(f"garbled:{reader}", reading.t_s, ReaderGarbled(reading.t_s, reader, reading.text))
            return
        with self._changed:
            taken = self._rate.takes(reader, reading.t_s)
            locked_s = self._locked_s(reader, reading.t_s)
        if not taken:
            self._tell_rarely(f"flood:{reader}", reading.t_s, ReaderGarbled(reading.t_s, reader, FLOOD))
        elif locked_s > 0:
            self._deny(DenialReason.FACTOR_LOCKED_OUT, reading.t_s, None, rarely=f"locked:{reader}")
        elif reading.kind == "card":
            self._take_card(reader, self._hasher.card(reading.text), reading.t_s)
        else:
            with self._changed:
                self._typed = _Typed(reader, reading.text, reading.t_s)
                self._changed.notify_all()

    def _take_card(self, reader: str, stored: str, t_s: float) -> None:
        owners = [p.id for p in self._gallery.now.people.values() if stored in p.factors.cards]
        person = owners[0] if len(owners) == 1 else None  # a card of two people is nobody's
        events: list[Event] = []
        with self._changed:
            self._card = Card(person, t_s, stored)
            if person is not None:
                self._add(Credential("card", person, t_s, stored))
            else:
                events = self._failed("reader", self._lockout, [f"card:{reader}"], t_s)
        self._recorder.record(events)

    def wait(self, timeout_s: float) -> None:
        """Until there may be a PIN to verify."""
        with self._changed:
            self._changed.wait_for(lambda: self._typed is not None and bool(self._expected), timeout_s)

    def settle(self) -> None:
        """Verifies the PIN that waits, where somebody is expected whom it could confirm."""
        now = self._clock.monotonic_s()
        with self._changed:
            self._expected = {i: e for i, e in self._expected.items() if now - e[1] <= EXPECTED_S}
            typed, people = self._typed, [p for p, _ in self._expected.values() if p.factors.pin is not None]
            if typed is not None and not 0.0 <= now - typed.at_s <= self._rule.valid_s:
                self._typed = typed = None
            people = [p for p in people if not self._pins.remaining_s(p.id, now) > 0]
            if typed is None or not people or self._hasher is None:
                return
            self._typed = None
        right = [p for p in people if p.factors.pin is not None and self._hasher.verify(typed.digits, p.factors.pin)]
        if len(right) == 1:
            with self._changed:
                self._pins.succeeded(right[0].id)
                self._lockout.succeeded(f"pin:{typed.reader}")
                self._add(Credential("pin", right[0].id, typed.at_s, right[0].factors.pin or ""))
            return
        if right:  # look-alikes with one PIN: it tells nobody apart
            self._deny(DenialReason.AMBIGUOUS, now, None)
            return
        with self._changed:
            events = self._failed("reader", self._lockout, [f"pin:{typed.reader}"], now)
            events += self._failed("pin", self._pins, [p.id for p in people], now)
        self._deny(DenialReason.WRONG_PIN, now, people[0].id if len(people) == 1 else None)
        self._recorder.record(events)

    # -- the door loop's side -----------------------------------------------------------------------------------------

    @property
    def card(self) -> Card | None:
        """The card that was shown last and not been decided on; nobody's, where the record says no more whose."""
        card = self._card
        if card is None or card.person is None:
            return card
        shown = Credential("card", card.person, card.at_s, card.stored)
        return card if shown.stands(self._gallery.now.people.get(card.person)) else Card(None, card.at_s)

    def change(self, rule: FactorRule) -> None:
        """Another rule from now on."""
        self._rule = rule

    def expect(self, people: Sequence[Person], now_s: float) -> None:
        """Whose PIN would count now; said anew with every frame."""
        if not people:
            return
        with self._changed:
            self._expected.update({p.id: (p, now_s) for p in people})
            self._changed.notify_all()

    def whose(self, people: Sequence[Person], now_s: float) -> Person | None:
        """The one among them who has shown a factor; None where that is nobody, or more than one."""
        shown = self.shown(people, now_s)
        proven = [p for p in people if shown.of(p.id, now_s, self._rule)]
        return proven[0] if len(proven) == 1 else None

    def shown(
        self, people: Sequence[Person], now_s: float, *, pin_alone: bool = False, tampered: bool = False
    ) -> Shown:
        """`people`: whose lockouts matter; who has a card too can still show that, unless `pin_alone`."""
        known = self._gallery.now.people
        with self._changed:
            pins = [self._pins.remaining_s(p.id, now_s) for p in people if pin_alone or not p.factors.cards]
            readers = [self._locked_s(r, now_s) for r in self._ready]
            lockout_s = max(min(pins, default=0.0), min(readers, default=0.0))
            standing = tuple(c for c in self._credentials if c.stands(known.get(c.person)))
            return Shown(standing, bool(self._ready), lockout_s, tampered)

    def spent(self, person: str) -> None:
        """Somebody was let in: what he showed doesn't count again."""
        with self._changed:
            self._credentials = [c for c in self._credentials if c.person != person]
            if self._card is not None and self._card.person == person:
                self._card = None

    def drop_card(self) -> None:
        """The card was refused, and every other that was shown with it."""
        with self._changed:
            self._card = None
            self._credentials = [c for c in self._credentials if c.kind != "card"]

    def refused(self) -> bool:
        """True once after something was refused here."""
        with self._changed:
            refused, self._refused = self._refused, False
            return refused

    def lockouts_ended(self, now_s: float) -> list[str]:
        with self._changed:
            return ["reader"] * len(self._lockout.ended(now_s)) + ["pin"] * len(self._pins.ended(now_s))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _add(self, new: Credential) -> None:
        others = [c for c in self._credentials if (c.kind, c.person) != (new.kind, new.person)]
        self._credentials = [*others, new][-MOST_CREDENTIALS:]

    def _locked_s(self, reader: str, now_s: float) -> float:
        return max(self._lockout.remaining_s(f"{what}:{reader}", now_s) for what in ("card", "pin"))

    @staticmethod
    def _failed(scope: str, lockout: FactorLockout, keys: Sequence[str], now: float) -> list[Event]:
        started = [lockout.failed(key, now) for key in keys]
        return [LockoutStarted(now, scope, None, for_s) for for_s in started if for_s is not None]

    def _deny(self, reason: DenialReason, t_s: float, person: str | None, rarely: str = "") -> None:
        with self._changed:
            self._refused = True
        denied = AccessDenied(t_s, NO_TRACK, reason.value, person)
        if rarely:
            self._tell_rarely(rarely, t_s, denied)
        else:
            self._recorder.record([denied])

    def _tell_rarely(self, key: str, t_s: float, event: Event) -> None:
        with self._changed:
            if t_s - self._told_s.get(key, float("-inf")) < TELL_EVERY_S:
                return
            self._told_s[key] = t_s
        self._recorder.record([event])
