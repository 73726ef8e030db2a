"""A burglar at the reader: what a site, a lockdown or a right refuses to a face it refuses to a card and to a PIN; what
is stale, revoked, guessed, injected or poured in opens nothing, and fills no log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.doorway import MODEL, Doorway, Seen, Template, enrolled, person_id, vector

from edgeface.adapters.gallery.factors import FactorHasher
from edgeface.app.door_mode import DoorMode
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings
from edgeface.domain.door_events import TamperEnded, TamperStarted
from edgeface.domain.factors import FactorLockout, ReadingRate
from edgeface.domain.types import Factors, SecondFactor, WithoutFace
from edgeface.ports import DoorStatus, Reading

HASHER = FactorHasher(bytes(range(32)))
PIN, CARD = HASHER.pin("4711"), HASHER.card("26:12:3456")
BOTH = Factors(PIN, (CARD,))


class Says:
    """A site's gate that says what the test wants."""

    def __init__(self, state: str) -> None:
        self.state = state

    def gallery(self) -> str:
        return self.state


def doorway(*people, **settings) -> Doorway:
    return Doorway(*people, hasher=HASHER, **settings)


def face(d: Doorway) -> None:
    d.show(Seen("anna"), s=2)


def face_and_pin(d: Doorway) -> None:
    d.show(Seen("anna"), s=1)
    d.pin("4711")
    d.show(Seen("anna"), s=1.5)


def face_and_card(d: Doorway) -> None:
    d.card("26:12:3456")
    d.show(Seen("anna"), s=2)


def look_alike_and_pin(d: Doorway) -> None:
    twin = replace(enrolled("twin"), templates=(Template(vector("twin", "anna", 0.97), MODEL, "photo"),))
    if twin.id not in d.gallery.now.people:
        d.store.put(twin)
        d.gallery.refresh()
    face_and_pin(d)


def card(d: Doorway) -> None:
    d.card("26:12:3456")
    d.wait(0.5)


def card_and_pin(d: Doorway) -> None:
    d.card("26:12:3456")
    d.wait(0.3)
    d.pin("4711")
    d.wait(0.7)


ALWAYS = replace(BOTH, second=SecondFactor.ALWAYS)
WAYS: list[tuple[Callable[[Doorway], None], Factors, str]] = [
    (face, Factors(), "face"),
    (face_and_pin, ALWAYS, "face+pin"),
    (face_and_card, ALWAYS, "face+card"),
    (look_alike_and_pin, BOTH, "face+pin"),
    (card, replace(BOTH, without_face=WithoutFace.CARD), "card"),
    (card_and_pin, replace(BOTH, without_face=WithoutFace.CARD_AND_PIN), "card+pin"),
]
every_way = pytest.mark.parametrize(("come", "factors", "by"), WAYS, ids=[w[0].__name__ for w in WAYS])


# -- no way in is a way around --------------------------------------------------------------------------------------


@every_way
def test_every_way_in_opens_where_nothing_speaks_against_it(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors))
    come(d)
    assert d.moved == 1
    granted = d.of("access_granted")[0]
    assert (granted.by, granted.unconfirmed) == (by, False)


@every_way
@pytest.mark.parametrize("state", ["waiting", "refused"])
def test_a_gallery_that_the_site_does_not_stand_by_opens_for_nobody(come, factors: Factors, by: str, state) -> None:
    d = doorway(enrolled("anna", factors=factors))
    d.loop.gate = Says(state)
    come(d)
    assert d.moved == 0
    assert d.count("access_granted") == 0
    if state == "refused":
        assert "gallery_unconfirmed" in d.reasons()


@every_way
def test_what_rests_on_an_unconfirmed_gallery_says_so(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors))
    d.loop.gate = Says("unconfirmed")
    come(d)
    granted = d.of("access_granted")[0]
    assert (granted.by, granted.unconfirmed) == (by, True)


@every_way
@pytest.mark.parametrize("mode", ["lockdown", "a mode of next year"])
def test_a_lockdown_holds_for_every_way_in(come, factors: Factors, by: str, mode: str) -> None:
    d = doorway(enrolled("anna", factors=factors))
    d.loop.mode = mode
    come(d)
    assert d.moved == 0
    assert d.reasons()[0] == "lockdown"


@every_way
def test_a_lockdown_that_the_door_process_alone_knows_of_holds_too(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors))
    d.door.set_mode("lockdown")
    come(d)
    assert d.moved == 0
    assert "lockdown" in d.reasons()


@every_way
@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        ({"doors": ("back",)}, "not_allowed_here"),
        ({"schedule": "never"}, "outside_schedule"),
        ({"schedule": "a schedule that is gone"}, "outside_schedule"),
        ({"valid_to_s": 1e9}, "expired"),
        ({"valid_from_s": 9e9}, "not_yet_valid"),
    ],
)
def test_no_way_in_has_more_rights_than_another(come, factors: Factors, by: str, rights, reason: str) -> None:
    d = doorway(enrolled("anna", factors=factors, **rights))
    come(d)
    assert d.moved == 0
    assert reason in d.reasons()


@every_way
def test_the_sites_own_name_of_the_door_counts_for_every_way_in(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors, doors=("front",)))  # its settings still call it front
    d.loop.named("north")
    come(d)
    assert d.moved == 0
    assert "not_allowed_here" in d.reasons()


@every_way
def test_who_was_removed_gets_in_no_way_also_before_the_disk_knows(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors))
    d.gallery.drop([person_id("anna")])
    come(d)
    assert d.count("access_granted", person=person_id("anna")) == 0


@every_way
def test_hard_anti_passback_holds_for_every_way_in(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors), decision={"passback": "hard", "cooldown_s": 1})
    come(d)
    d.wait(8)
    come(d)
    assert d.moved == 1
    assert "passback" in d.reasons()


def test_a_door_that_spoofs_have_locked_takes_no_card_either() -> None:
    d = doorway(enrolled("anna", factors=replace(BOTH, without_face=WithoutFace.CARD)))
    while not d.count("lockout_started", scope="door"):
        d.show(Seen("anna", spoof=0.98), s=5)
    card(d)
    assert d.moved == 0
    assert "door_locked_out" in d.reasons()


# -- stale and revoked ------------------------------------------------------------------------------------------------


def test_a_card_that_was_shown_while_the_door_was_open_does_not_open_it_again_afterwards() -> None:
    alone = WithoutFace.CARD
    bert = enrolled("bert", factors=Factors(None, (HASHER.card("77"),), without_face=alone))
    d = doorway(enrolled("anna", factors=replace(BOTH, without_face=alone)), bert, door={"pulse_ms": 5000})
    card(d)
    d.card("77")  # and in he goes behind her
    d.wait(8)
    assert d.moved == 1
    assert d.of("access_denied", person=person_id("bert"))[0].reason == "factor_missing"
    d.card("77")
    d.wait(0.5)
    assert d.moved == 2


@pytest.mark.parametrize(("come", "factors", "by"), WAYS[-2:], ids=["card", "card_and_pin"])
def test_a_disk_that_is_slow_does_not_let_a_door_open_for_somebody_who_gave_up(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors))
    d.audit.slow_s = 5.0
    come(d)
    d.wait(1)
    assert d.moved == 0
    assert "factor_missing" in d.reasons()


def test_a_card_that_is_taken_away_counts_no_more_though_it_was_shown_before() -> None:
    d = doorway(enrolled("anna", factors=ALWAYS))
    d.card("26:12:3456")
    d.store.put(enrolled("anna", factors=replace(ALWAYS, cards=()), seq=2))
    d.gallery.refresh()
    d.show(Seen("anna"), s=2)
    assert d.moved == 0
    assert "unknown_card" in d.reasons()


def test_a_pin_that_is_changed_counts_no_more_though_it_was_typed_before() -> None:
    d = doorway(enrolled("anna", factors=ALWAYS))
    d.show(Seen("anna"), frames=8)
    d.pin("4711")
    d.desk.settle()
    d.store.put(enrolled("anna", factors=replace(ALWAYS, pin=HASHER.pin("8253")), seq=2))
    d.gallery.refresh()
    d.show(Seen("anna"), s=2)
    assert d.moved == 0


def test_new_settings_reach_cards_and_pins() -> None:
    alone = replace(BOTH, without_face=WithoutFace.CARD)
    d = doorway(enrolled("anna", factors=alone, schedule="office"))
    week = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00"}]
    card(d)
    assert d.reasons() == ["outside_schedule"]  # nobody knows that schedule yet
    d.loop.change(rules_of(Settings(schedule=[{"name": "office", "windows": week}])))
    card(d)
    assert d.moved == 1
    d = doorway(enrolled("anna", factors=ALWAYS))
    d.loop.change(rules_of(Settings(reader={"valid_s": 1, "patience_s": 2})))
    d.wait(0.1)
    d.card("26:12:3456")
    d.wait(1.5)
    d.show(Seen("anna"), s=4)
    assert d.moved == 0
    assert set(d.reasons()) == {"face_needed", "factor_missing"}


# -- at the wires -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("come", "factors", "by"), WAYS[1:], ids=[w[0].__name__ for w in WAYS[1:]])
def test_while_the_tamper_contact_is_open_what_readers_say_proves_nothing(come, factors: Factors, by: str) -> None:
    d = doorway(enrolled("anna", factors=factors))
    d.loop.door_event(TamperStarted(d.clock.monotonic_s()))
    come(d)
    assert d.moved == 0
    assert "factor_locked_out" in d.reasons()
    d.loop.door_event(TamperEnded(d.clock.monotonic_s()))
    d.wait(20)
    if come is not look_alike_and_pin:
        come(d)
        assert d.moved == 1


def test_faces_that_need_nothing_else_go_on_while_the_tamper_contact_is_open() -> None:
    d = doorway(enrolled("anna", factors=BOTH))
    d.loop.door_event(TamperStarted(0.0))
    face(d)
    assert d.moved == 1


def test_a_tamper_contact_that_was_open_before_the_daemon_began_counts_too() -> None:
    d = doorway(enrolled("anna", factors=replace(BOTH, without_face=WithoutFace.CARD)))
    d.door.status = lambda: DoorStatus(True, "normal", None, alarms=("tamper",))
    DoorMode(d.door, d.loop, None, d.clock).ask()
    card(d)
    assert d.moved == 0


def test_a_reader_that_is_pulled_out_refuses_whoever_needs_it_and_nobody_else() -> None:
    d = doorway(enrolled("anna", factors=ALWAYS), enrolled("bert"))
    d.desk.set_ready("reader", False)
    d.show(Seen("anna"), s=2)
    assert (d.moved, set(d.reasons())) == (0, {"factor_missing"})
    d.wait(2)
    d.show(Seen("bert"), s=2)
    assert d.moved == 1


# -- guessed and poured in --------------------------------------------------------------------------------------------


def test_a_cloned_card_buys_few_guesses_of_its_pin_a_day() -> None:
    d = doorway(enrolled("anna", factors=replace(BOTH, without_face=WithoutFace.CARD_AND_PIN)))
    guesses = 0
    for _ in range(24 * 60):  # every minute of a day, with the patience of a machine
        d.clock.advance(60)
        d.card("26:12:3456")
        d.loop.attend_cards()
        before = d.count("access_denied", reason="wrong_pin")
        d.pin(f"{5000 + guesses}")
        d.desk.settle()
        d.loop.attend_cards()
        guesses += d.count("access_denied", reason="wrong_pin") - before
    assert d.moved == 0
    assert 5 <= guesses <= 40


def test_guesses_are_remembered_longer_than_a_burglar_waits() -> None:
    lockout = FactorLockout(longest_s=3600, forget_s=86_400)
    tries, now = 0, 0.0
    while now < 7 * 86_400:
        now += 10
        if not lockout.remaining_s("anna", now):
            lockout.failed("anna", now)
            tries += 1
    assert tries < 7 * 24 + 15


def test_a_pin_of_ones_own_does_not_free_the_reader_for_more_cards() -> None:
    d = doorway(
        enrolled("anna", factors=replace(BOTH, without_face=WithoutFace.CARD_AND_PIN)), decision={"cooldown_s": 1}
    )
    for n in range(4):
        d.card(f"9{n}")
        d.wait(1.2)
    card_and_pin(d)
    assert d.moved == 1
    d.wait(5)
    d.card("95")
    d.wait(0.2)
    assert d.count("lockout_started", scope="reader") == 1


def test_a_card_that_is_shown_without_end_fills_no_log() -> None:
    d = doorway(enrolled("anna", factors=BOTH, schedule="never"))
    for _ in range(2000):
        d.desk.take("reader", Reading("card", "26:12:3456", d.clock.monotonic_s()))
        d.step()
        d.step()
    lasted_s = 4000 / d.fps
    assert len([e for e in d.events if e.kind != "reader_garbled"]) <= lasted_s + 12
    assert 1 <= d.count("reader_garbled") <= lasted_s / 10 + 1


def test_people_are_never_too_quick_and_machines_are() -> None:
    rate = ReadingRate()
    assert all(rate.takes("a", float(t)) for t in range(1000))
    assert sum(rate.takes("b", t / 100) for t in range(10_000)) == pytest.approx(110, abs=2)
    assert rate.takes("a", 1000.0)
