"""Changing what a person can show beside the face: durable, then audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeface.app.recorder import Recorder
from edgeface.domain.errors import EnrolmentError
from edgeface.domain.events import FactorsChanged
from edgeface.domain.factors import card_id
from edgeface.domain.types import Factors, Person, SecondFactor, WithoutFace
from edgeface.domain.wiegand import WiegandCard
from edgeface.ports import Clock, FactorHasher, GalleryStore


@dataclass(frozen=True, slots=True)
class FactorChange:
    """None: stays as it is. `cards` are added."""

    pin: str | None = None
    cards: Sequence[str] = ()
    second: SecondFactor | None = None
    without_face: WithoutFace | None = None
    wiegand: str | None = None

    @property
    def what(self) -> list[str]:
        named = {
            "pin": self.pin,
            "card": self.cards or None,
            "second": self.second,
            "without_face": self.without_face,
            "wiegand": self.wiegand,
        }
        return [name for name, value in named.items() if value is not None]


def change_factors(
    person: Person, change: FactorChange, store: GalleryStore, hasher: FactorHasher, clock: Clock, recorder: Recorder
) -> Person:
    """Raises EnrolmentError for what makes no sense, GalleryError, StorageError; then nothing was changed."""
    old = person.factors
    new = Factors(
        pin=old.pin if change.pin is None else hasher.pin(change.pin),
        cards=_with(old.cards, change.cards, person.id, store, hasher),
        second=change.second or old.second,
        without_face=change.without_face or old.without_face,
        wiegand=old.wiegand if change.wiegand is None else _wiegand(change.wiegand),
    )
    return _put(person, new, change.what, store, clock, recorder)


def clear_factors(
    person: Person, pin: bool, cards: bool, store: GalleryStore, clock: Clock, recorder: Recorder
) -> Person:
    """The PIN, the cards, or where neither is named everything, back to the defaults."""
    old = person.factors
    if not (pin or cards):
        return _put(person, Factors(), ["cleared"], store, clock, recorder)
    new = replace(old, pin=None if pin else old.pin, cards=() if cards else old.cards)
    return _put(person, new, [w for w, on in (("pin", pin), ("card", cards)) if on], store, clock, recorder)


def _put(
    person: Person, new: Factors, what: list[str], store: GalleryStore, clock: Clock, recorder: Recorder
) -> Person:
    _refuse_nonsense(new)
    changed = replace(person, factors=new, seq=person.seq + 1)
    store.put(changed)
    recorder.record([FactorsChanged(clock.monotonic_s(), person.id, name) for name in what])
    return changed


def _refuse_nonsense(f: Factors) -> None:
    """What would lock the person out for good, or let in who has nothing."""
    if f.second is SecondFactor.ALWAYS and not f.any:
        raise EnrolmentError("A second factor is always needed, but there is neither PIN nor card.", "Give one too.")
    if f.without_face is not WithoutFace.NO and not f.cards:
        raise EnrolmentError("Without the face a card says who it is, and there is none.", "Give one with --card.")
    if f.without_face is WithoutFace.CARD_AND_PIN and f.pin is None:
        raise EnrolmentError("Card and PIN are wanted, but there is no PIN.", "Give one with --pin.")


def _with(
    old: tuple[str, ...], cards: Sequence[str], person_id: str, store: GalleryStore, hasher: FactorHasher
) -> tuple[str, ...]:
    try:
        stored = [hasher.card(card_id(c)) for c in cards]
    except ValueError as e:
        raise EnrolmentError(f"That is no card: {e}.", "Write it as the reader shows it.") from None
    others = {c for p in store.people() if p.id != person_id for c in p.factors.cards} if stored else set()
    if others & set(stored):
        raise EnrolmentError("Somebody else has that card.", "Clear it there first; a card opens for one person.")
    return (*old, *dict.fromkeys(s for s in stored if s not in old))


def _wiegand(text: str) -> tuple[int, int, int]:
    try:
        bits, facility, number = (int(part) for part in text.split(":"))
        card = WiegandCard(bits, facility, number)
    except ValueError as e:
        raise EnrolmentError(f"{text[:40]!r} is no Wiegand number: {e}.", "Write bits:facility:number.") from None
    return card.bits, card.facility, card.number
