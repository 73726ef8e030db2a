"""Anti-passback: who went in stays in for a while, as far as the door can tell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.doorway import Doorway, Seen, enrolled, person_id

from edgeface.domain.door_events import DoorOpened
from edgeface.domain.events import DoorLocked
from edgeface.domain.passback import MOST_PEOPLE, Passback, PassbackMode, PassbackRule

ADA, BEN = Seen("ada"), Seen("ben")
HARD = PassbackRule(PassbackMode.HARD, 60.0)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.floats(-5, 30), st.sampled_from("ab"))))
def test_nobody_is_refused_longer_than_the_rule_says(steps: list[tuple[bool, float, str]]) -> None:
    """Counted in time that has passed, whatever the clock does in between."""
    passback, now = Passback(HARD), 100.0
    for passes, step, who in steps:
        now += step
        if passes:
            passback.passed(who, now)
        assert 0 <= passback.remaining_s(who, now) < 60.001
    for who in "ab":
        passback.remaining_s(who, now)
        assert passback.remaining_s(who, now + 60.001) == 0


def test_it_is_off_unless_it_is_wanted_and_its_memory_is_finite() -> None:
    off = Passback(PassbackRule())
    off.passed("a", 0.0)
    assert off.remaining_s("a", 1.0) == 0
    many = Passback(HARD)
    for n in range(MOST_PEOPLE + 1):
        many.passed(str(n), 0.0)
    assert many.remaining_s("0", 0.0) == 0
    assert many.remaining_s(str(MOST_PEOPLE), 0.0) == 60


def doorway(passback: str, **door: object) -> Doorway:
    decision = {"passback": passback, "passback_min": 5, "cooldown_s": 1}
    return Doorway(enrolled("ada"), enrolled("ben"), decision=decision, door={"pulse_ms": 1000, **door})


def visit(at: Doorway, who: Seen = ADA) -> None:
    at.show(who, s=0.6)
    at.wait(6.0)


def test_hard_refuses_the_one_who_went_in_and_nobody_else() -> None:
    at = doorway("hard")
    visit(at)
    visit(at)
    visit(at, BEN)
    assert at.count("access_granted") == 2
    assert "passback" in at.reasons()
    at.wait(300.0)
    visit(at)
    assert at.count("access_granted", person=person_id("ada")) == 2


def test_soft_lets_in_and_reports() -> None:
    at = doorway("soft")
    visit(at)
    visit(at)
    assert at.count("access_granted") == 2
    (seen,) = at.of("passback_seen")
    assert seen.person == person_id("ada")
    assert 280 < seen.early_s < 300


@pytest.mark.parametrize("used", [True, False])
def test_where_a_contact_tells_only_who_went_through_counts(used: bool) -> None:
    """Somebody who was let in, turned round at the door and comes back is let in again."""
    at = doorway("hard", inputs={"contact_pin": 27})
    at.show(ADA, s=1.0)
    (granted,) = at.of("access_granted")
    if used:
        at.loop.door_event(DoorOpened(at.clock.monotonic_s(), granted.grant_id))
    at.wait(6.0)
    visit(at)
    assert at.count("access_granted") == (1 if used else 2)


def test_the_next_one_need_not_wait_for_a_pulse_that_has_ended() -> None:
    """A turnstile's grant waits eight seconds for its passage; when it has come, the next person is decided."""
    at = Doorway(enrolled("ada"), enrolled("ben"), door={"pulse_ms": 8000})
    at.show(ADA, s=1.0)
    (granted,) = at.of("access_granted")
    at.wait(3.0)
    at.show(BEN, s=1.0)
    assert at.count("access_granted") == 1
    at.door.lock()
    at.loop.door_event(DoorLocked(at.clock.monotonic_s(), "passed", granted.grant_id))
    at.show(BEN, s=1.0)
    assert at.count("access_granted", person=person_id("ben")) == 1
