"""PINs and cards in a record: hashed, bounded, carried over; records from before there were any still read."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.people import person

from edgeface.adapters.gallery import record
from edgeface.adapters.gallery.factors import FactorHasher, is_stored_pin
from edgeface.adapters.gallery.memory import MemoryGallery
from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import RELEASED, VirtualClock
from edgeface.app.factors import FactorChange, change_factors, clear_factors
from edgeface.app.recorder import Recorder
from edgeface.domain.errors import EnrolmentError, GalleryError
from edgeface.domain.factors import card_id
from edgeface.domain.types import Factors, SecondFactor, WithoutFace

HASHER = FactorHasher(bytes(range(32)))


def turn(vectors):
    return vectors


@pytest.fixture
def office():
    clock, events = VirtualClock(RELEASED), []
    recorder = Recorder(MemoryAudit(clock=clock, boot_id="test"), clock, [events.append])
    store = MemoryGallery([person(1), person(2)])
    return store, recorder, clock, events


def change(office, number: int, **fields):
    store, recorder, clock, _ = office
    return change_factors(store.get(person(number).id), FactorChange(**fields), store, HASHER, clock, recorder)


def test_a_pin_is_verified_and_cannot_be_read_back() -> None:
    stored = HASHER.pin("4711")
    assert "4711" not in stored
    assert is_stored_pin(stored)
    assert HASHER.verify("4711", stored)
    assert not any(HASHER.verify(wrong, stored) for wrong in ("4712", "04711", "", "٤٧١١", "4711 "))
    assert HASHER.pin("4711") != stored
    assert not HASHER.verify("4711", "scrypt$ln=30,r=8,p=1$" + stored.partition("p=1$")[2])


@pytest.mark.parametrize("weak", ["1", "123", "123456789", "1234", "9876", "0000", "12a4", "", "٤٧١١"])
def test_a_weak_pin_is_refused(weak: str) -> None:
    with pytest.raises(GalleryError):
        HASHER.pin(weak)


def test_a_cards_hash_needs_the_key() -> None:
    assert HASHER.card("26:1:2") == HASHER.card("26:1:2") != FactorHasher(bytes(32)).card("26:1:2")


def test_a_card_has_one_form() -> None:
    assert card_id(" 26:012:03456 ") == "26:12:3456"
    assert card_id("00ab12") == "00AB12"
    for wrong in ("26:999:1", "", "a b", "x" * 41, "1:2"):
        with pytest.raises(ValueError, match=r"card|facility"):
            card_id(wrong)


def test_a_record_without_factors_reads_and_writes_as_it_always_did() -> None:
    """Old records have no such field, and a record without any is the same bytes as before."""
    plain = record.encode(record.checked(person(1)), turn)
    assert "factors" not in json.loads(plain)
    assert record.decode(plain, turn).factors == Factors()


def test_a_record_with_factors_comes_back_as_it_was() -> None:
    factors = Factors(
        HASHER.pin("4711"), (HASHER.card("A"),), SecondFactor.ALWAYS, WithoutFace.CARD_AND_PIN, (26, 12, 3456)
    )
    stored = record.encode(record.checked(replace(person(1), factors=factors)), turn)
    assert record.decode(stored, turn).factors == factors
    assert b"4711" not in stored


@pytest.mark.parametrize(
    "factors",
    [
        Factors(pin="4711"),
        Factors(cards=("26:1:2",)),
        Factors(cards=tuple(f"{i:064x}" for i in range(9))),
        Factors(wiegand=(26, 300, 1)),
        Factors(wiegand=(26, 3)),  # type: ignore[arg-type]
        Factors(second="always"),  # type: ignore[arg-type]
    ],
)
def test_factors_that_break_the_contract_are_refused(factors: Factors) -> None:
    with pytest.raises(GalleryError):
        record.checked(replace(person(1), factors=factors))


def test_a_change_is_durable_rises_in_sequence_and_is_recorded(office) -> None:
    changed = change(office, 1, pin="4711", cards=["26:12:3456"], second=SecondFactor.ALWAYS)
    store, _, _, events = office
    assert store.get(changed.id).factors == changed.factors
    assert changed.seq == 2
    assert [(e.kind, e.what) for e in events] == [("factors_changed", w) for w in ("pin", "card", "second")]
    assert "4711" not in str([e.to_dict() for e in events])
    again = change(office, 1, cards=["0099"])
    assert again.factors.pin == changed.factors.pin
    assert len(again.factors.cards) == 2


def test_what_would_lock_out_or_let_in_for_nothing_is_refused(office) -> None:
    for fields in (
        {"second": SecondFactor.ALWAYS},
        {"without_face": WithoutFace.CARD},
        {"cards": ["1"], "without_face": WithoutFace.CARD_AND_PIN},
        {"cards": ["26:999:1"]},
        {"wiegand": "26:1"},
    ):
        with pytest.raises(EnrolmentError):
            change(office, 1, **fields)
    assert office[0].get(person(1).id).seq == 1
    assert office[0].get(person(1).id).factors == Factors()
    change(office, 1, cards=["77"])
    with pytest.raises(EnrolmentError, match="Somebody else"):
        change(office, 2, cards=["77"])


def test_clearing_gives_back_the_defaults(office) -> None:
    store, recorder, clock, _ = office
    changed = change(office, 1, pin="4711", cards=["77"])
    half = clear_factors(changed, True, False, store, clock, recorder)
    assert (half.factors.pin, len(half.factors.cards)) == (None, 1)
    assert clear_factors(half, False, False, store, clock, recorder).factors == Factors()
