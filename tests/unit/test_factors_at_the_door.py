"""PIN and card at the door: beside the face, instead of it, for look-alikes; and what is wrong is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.doorway import Doorway, Seen, enrolled, person_id

from edgeface.adapters.gallery.factors import FactorHasher
from edgeface.domain.errors import DoorUnavailable
from edgeface.domain.types import Factors, SecondFactor, WithoutFace
from edgeface.ports import Reading

HASHER = FactorHasher(bytes(range(32)))
PIN, CARD = HASHER.pin("4711"), HASHER.card("26:12:3456")
ALWAYS = Factors(PIN, (CARD,), SecondFactor.ALWAYS)
TWIN = Seen("twin", like="anna", cosine=0.97)


def doorway(*people, **settings) -> Doorway:
    return Doorway(*people, hasher=HASHER, **settings)


def anna(factors: Factors = ALWAYS, **fields):
    return enrolled("anna", factors=factors, **fields)


def lookalikes(factors_of_twin: Factors) -> Doorway:
    """Anna, and somebody whose template is so near to hers that no frame of theirs has a margin."""
    from support.doorway import MODEL, Template, vector

    twin = replace(
        enrolled("twin", factors=factors_of_twin), templates=(Template(vector("twin", "anna", 0.97), MODEL, "photo"),)
    )
    return doorway(anna(Factors(PIN, (CARD,))), twin)


# -- beside the face ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("show", "by"), [("pin", "face+pin"), ("card", "face+card")])
def test_a_face_that_needs_a_factor_opens_with_it_alone(show: str, by: str) -> None:
    d = doorway(anna())
    d.show(Seen("anna"), s=2)
    assert d.moved == 0
    d.pin("4711") if show == "pin" else d.card("26:12:3456")
    d.show(Seen("anna"), s=1)
    assert d.moved == 1
    assert d.of("access_granted")[0].by == by


def test_a_pin_before_the_face_counts_too() -> None:
    d = doorway(anna())
    d.pin("4711")
    d.show(Seen("anna"), s=2)
    assert d.moved == 1


def test_without_the_factor_it_is_refused_in_the_end() -> None:
    d = doorway(anna())
    d.show(Seen("anna"), s=17)
    assert d.moved == 0
    assert d.reasons() == ["factor_missing"]


def test_without_a_working_reader_it_is_refused_at_once() -> None:
    d = doorway(anna())
    d.desk.set_ready("reader", False)
    d.show(Seen("anna"), s=2)
    assert set(d.reasons()) == {"factor_missing"}
    assert d.moved == 0


def test_a_factor_opens_nothing_for_a_picture_nor_for_somebody_who_left() -> None:
    d = doorway(anna())
    d.show(Seen("anna", spoof=0.98), s=1)
    d.pin("4711")
    d.show(Seen("anna", spoof=0.98), s=2)
    d.wait(2)
    assert d.moved == 0
    d = doorway(anna())
    d.show(Seen("anna"), s=1)
    d.wait(0.5)
    d.pin("4711")
    d.wait(1)
    assert d.moved == 0


def test_anothers_card_is_refused_and_a_pin_opens_once() -> None:
    d = doorway(anna(), enrolled("bert", factors=Factors(cards=(HASHER.card("77"),))))
    d.show(Seen("anna"), s=1)
    d.card("77")
    d.show(Seen("anna"), s=1)
    assert d.reasons()[0] == "card_of_another"
    assert d.moved == 0
    d = doorway(anna(), decision={"cooldown_s": 1})
    d.pin("4711")
    d.show(Seen("anna"), s=2)
    d.wait(4)
    d.show(Seen("anna"), s=4)
    assert d.moved == 1


def test_rights_are_asked_before_the_factor() -> None:
    d = doorway(anna(doors=("back",)))
    d.pin("4711")
    d.show(Seen("anna"), s=1)
    assert d.reasons()[0] == "not_allowed_here"


def test_a_factor_that_is_old_counts_no_more() -> None:
    d = doorway(anna())
    d.card("26:12:3456")
    d.wait(16)
    d.show(Seen("anna"), s=2)
    assert d.moved == 0
    assert d.reasons() == ["face_needed"]


# -- look-alikes --------------------------------------------------------------------------------------------------


def test_a_look_alike_steps_up() -> None:
    """Neither face alone opens; the PIN says whose it is, and the other's card opens for the other."""
    d = lookalikes(Factors(cards=(HASHER.card("77"),)))
    d.show(Seen("anna"), s=2)
    assert d.moved == 0
    assert d.reasons() == []
    d.pin("4711")
    d.show(Seen("anna"), s=1)
    assert [(e.person, e.by) for e in d.of("access_granted")] == [(person_id("anna"), "face+pin")]
    d.wait(8)
    d.show(TWIN, s=2)
    d.card("77")
    d.show(TWIN, s=1)
    assert [(e.person, e.by) for e in d.of("access_granted")][1:] == [(person_id("twin"), "face+card")]


def test_a_look_alike_is_refused_where_no_factor_tells_them_apart() -> None:
    d = lookalikes(Factors(PIN))
    d.show(Seen("anna"), s=1)
    d.pin("4711")
    d.show(Seen("anna"), s=1)
    assert d.moved == 0
    assert "ambiguous" in d.reasons()
    d = lookalikes(Factors())
    d.desk.set_ready("reader", False)
    d.show(Seen("anna"), s=1)
    assert d.reasons()[0] == "ambiguous"


def test_a_picture_of_a_look_alike_does_not_step_up() -> None:
    d = lookalikes(Factors())
    d.show(Seen("anna", spoof=0.98), s=1)
    d.pin("4711")
    d.show(Seen("anna", spoof=0.98), s=2)
    assert d.moved == 0


# -- instead of the face --------------------------------------------------------------------------------------------


def test_a_card_alone_opens_where_the_record_says_so() -> None:
    d = doorway(anna(Factors(None, (CARD,), without_face=WithoutFace.CARD)))
    d.card("26:12:3456")
    d.wait(0.2)
    (granted,) = d.of("access_granted")
    assert (granted.person, granted.by, granted.track) == (person_id("anna"), "card", -1)
    assert d.moved == 1
    assert d.count("tailgating_seen") == 0


def test_a_card_opens_also_without_a_single_frame() -> None:
    d = doorway(anna(Factors(None, (CARD,), without_face=WithoutFace.CARD)))
    d.card("26:12:3456")
    d.loop.attend_cards()
    assert d.moved == 1


def test_card_and_pin_are_both_needed_where_the_record_wants_both() -> None:
    d = doorway(anna(Factors(PIN, (CARD,), without_face=WithoutFace.CARD_AND_PIN)))
    d.card("26:12:3456")
    d.wait(1)
    assert d.moved == 0
    d.pin("4711")
    d.wait(0.3)
    assert d.of("access_granted")[0].by == "card+pin"
    d.wait(10)
    d.card("26:12:3456")
    d.wait(17)
    assert d.reasons() == ["factor_missing"]
    assert d.moved == 1


def test_a_pin_alone_opens_nothing() -> None:
    d = doorway(anna(Factors(PIN, (CARD,), without_face=WithoutFace.CARD_AND_PIN)))
    d.pin("4711")
    d.wait(3)
    d.show(Seen("stranger"), s=2)
    assert d.moved == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"doors": ("back",)}, "not_allowed_here"), ({"schedule": "never"}, "outside_schedule"),
     ({"valid_to_s": 1e9}, "expired")],
)  # fmt: skip
def test_a_card_has_no_more_rights_than_the_face(fields, reason: str) -> None:
    d = doorway(anna(Factors(None, (CARD,), without_face=WithoutFace.CARD), **fields))
    d.card("26:12:3456")
    d.wait(0.5)
    assert d.reasons() == [reason]
    assert d.moved == 0


def test_lockdown_cooldown_and_passback_hold_for_cards() -> None:
    d = doorway(anna(Factors(None, (CARD,), without_face=WithoutFace.CARD)), decision={"passback": "hard"})
    d.loop.mode = "lockdown"
    d.card("26:12:3456")
    d.wait(0.3)
    d.loop.mode = "normal"
    d.card("26:12:3456")
    d.wait(0.3)
    d.wait(30)
    d.card("26:12:3456")
    d.wait(0.3)
    assert d.reasons() == ["lockdown", "passback"]
    assert d.moved == 1


def test_a_card_whose_owner_was_removed_is_unknown() -> None:
    d = doorway(anna(Factors(None, (CARD,), without_face=WithoutFace.CARD)))
    d.store.remove(person_id("anna"))
    d.gallery.refresh()
    d.card("26:12:3456")
    d.wait(0.3)
    assert d.reasons() == ["unknown_card"]


def test_a_controller_that_is_there_already_is_told_the_number_after_the_grant_alone() -> None:
    factors = Factors(wiegand=(26, 12, 3456))
    wired = {"wiegand_d0_pin": 5, "wiegand_d1_pin": 6}
    d = doorway(anna(factors), enrolled("bert"), controller=wired)
    d.show(Seen("stranger"), s=1)
    assert d.door.cards == []
    d.show(Seen("anna"), s=1)
    assert d.door.cards == [(26, 12, 3456)]
    d.wait(8)
    d.show(Seen("bert"), s=1)
    assert len(d.door.cards) == 1
    unwired = doorway(anna(factors))
    unwired.show(Seen("anna"), s=1)
    assert (unwired.moved, unwired.door.cards) == (1, [])


def test_a_controller_that_is_not_told_is_reported_and_the_door_opens_all_the_same() -> None:
    d = doorway(anna(Factors(wiegand=(26, 1, 2))), controller={"wiegand_d0_pin": 5, "wiegand_d1_pin": 6})

    def refuse(card):
        raise DoorUnavailable("No controller's lines are wired.")

    d.door.send_card = refuse
    d.show(Seen("anna"), s=1)
    assert d.moved == 1
    assert d.count("controller_untold", person=person_id("anna")) == 1


# -- failures -------------------------------------------------------------------------------------------------------


def test_wrong_pins_lock_the_persons_pin_and_the_reader_out_and_both_end() -> None:
    d = doorway(anna())
    d.show(Seen("anna"), s=1)
    for _ in range(5):
        d.pin("9999")
        d.show(Seen("anna"), s=0.5)
    assert d.count("access_denied", reason="wrong_pin") == 5
    assert {e.scope for e in d.of("lockout_started")} == {"pin", "reader"}
    d.pin("4711")
    d.show(Seen("anna"), s=1)
    assert d.moved == 0
    assert "factor_locked_out" in d.reasons()
    d.wait(35)
    assert {e.scope for e in d.of("lockout_ended")} == {"pin", "reader"}
    d.show(Seen("anna"), s=1)
    d.pin("4711")
    d.show(Seen("anna"), s=1)
    assert d.moved == 1


def test_unknown_cards_lock_the_reader_out_and_a_flood_is_told_rarely() -> None:
    d = doorway(anna(Factors(None, (CARD,), without_face=WithoutFace.CARD)))
    for n in range(40):
        d.card(f"9{n}")
        d.wait(0.1)
    d.card("26:12:3456")
    d.wait(0.1)
    assert d.count("access_denied", reason="unknown_card") == 5
    assert d.count("access_denied", reason="factor_locked_out") == 1
    assert d.moved == 0


def test_a_reader_that_babbles_is_told_rarely_and_without_what_it_said() -> None:
    d = doorway(anna())
    for _ in range(50):
        d.desk.take("reader", Reading("garbled", "27 bits came", d.clock.monotonic_s()))
    assert d.count("reader_garbled") == 1


def test_no_event_and_no_text_form_holds_a_pin_or_a_card() -> None:
    d = doorway(anna())
    d.show(Seen("anna"), s=1)
    d.pin("947113")
    d.card("26:77:60006")
    d.show(Seen("anna"), s=2)
    told = str([e.to_dict() for e in d.events]) + repr(Reading("pin", "947113", 1.0))
    assert "947113" not in told
    assert "60006" not in told
