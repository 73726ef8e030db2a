"""A grant needs every condition; refusals come in an order that tells an attacker nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.policy import SENTENCES, ActionState, Evidence, PolicyRule, decide
from edgeface.domain.streak import Agreed, Exhausted, NotYet
from edgeface.domain.types import DenialReason, Deny, Grant, Person, QualityIssue, Wait

ANNA = Person("a" * 32, "Anna", (), doors=("front",), schedule="office", valid_from_s=0.0, valid_to_s=4e9)
AGREED = Agreed(ANNA.id, 0.71, 0.33, 99.8, 3, 99.95)
GOOD = Evidence(
    track=7,
    now_s=100.0,
    last_seen_s=99.95,
    utc=datetime(2026, 11, 23, 10, tzinfo=timezone.utc),
    clock_is_set=True,
    door="front",
    mode="normal",
    door_lockout_s=0.0,
    track_lockout_s=0.0,
    quality=None,
    quality_for_s=0.0,
    passive="live",
    spoof_score=0.02,
    unsure_for_s=0.0,
    action=ActionState.DONE,
    action_hint=None,
    streak=AGREED,
    person=ANNA,
    schedule_open=True,
    time_matters=True,
    cooldown_s=0.0,
)
NAN = float("nan")

# Every single condition, broken in every way that it can be, with what must come of it: a reason, or None for waiting.
BROKEN: list[tuple[dict[str, Any], DenialReason | None]] = [
    ({"mode": "lockdown"}, DenialReason.LOCKDOWN),
    ({"mode": "what is this"}, DenialReason.LOCKDOWN),
    ({"door_lockout_s": 12.2}, DenialReason.DOOR_LOCKED_OUT),
    ({"door_lockout_s": NAN}, DenialReason.DOOR_LOCKED_OUT),
    ({"track_lockout_s": 0.1}, DenialReason.TRACK_LOCKED_OUT),
    ({"track_lockout_s": NAN}, DenialReason.TRACK_LOCKED_OUT),
    ({"passive": "attack", "spoof_score": 0.97}, DenialReason.SPOOF),
    ({"last_seen_s": 99.7}, DenialReason.LEFT_VIEW),
    ({"last_seen_s": 100.1}, DenialReason.LEFT_VIEW),
    ({"last_seen_s": NAN}, DenialReason.LEFT_VIEW),
    ({"action": ActionState.PENDING, "action_hint": "blink"}, None),
    ({"action": ActionState.TOO_LATE}, DenialReason.LIVENESS_NOT_SHOWN),
    ({"action": ActionState.UNAVAILABLE}, DenialReason.LIVENESS_UNAVAILABLE),
    ({"quality": QualityIssue.TOO_FAR, "quality_for_s": 0.1}, None),
    ({"quality": QualityIssue.TOO_FAR, "quality_for_s": NAN}, None),
    ({"quality": QualityIssue.TOO_FAR, "quality_for_s": 3.0}, DenialReason.POOR_QUALITY),
    ({"passive": "unsure"}, None),
    ({"passive": "unsure", "unsure_for_s": 3.0}, DenialReason.LIVENESS_NOT_SHOWN),
    ({"passive": "never heard of"}, None),
    ({"spoof_score": NAN}, None),
    ({"streak": NotYet(2)}, None),
    ({"streak": replace(AGREED, last_s=99.0)}, None),
    ({"streak": replace(AGREED, last_s=100.2)}, None),
    ({"streak": Exhausted("unknown", 0.2, 99.0)}, DenialReason.UNKNOWN_PERSON),
    ({"streak": Exhausted("ambiguous", 0.6, 99.0)}, DenialReason.AMBIGUOUS),
    ({"streak": Exhausted("undecided", 0.6, 99.0)}, DenialReason.UNDECIDED),
    ({"person": None}, DenialReason.UNKNOWN_PERSON),
    ({"person": replace(ANNA, id="b" * 32)}, DenialReason.UNKNOWN_PERSON),
    ({"door": "back"}, DenialReason.NOT_ALLOWED_HERE),
    ({"clock_is_set": False}, DenialReason.CLOCK_NOT_SET),
    ({"clock_is_set": False, "time_matters": False}, DenialReason.CLOCK_NOT_SET),
    ({"person": replace(ANNA, valid_from_s=3e9)}, DenialReason.NOT_YET_VALID),
    ({"person": replace(ANNA, valid_to_s=1e9)}, DenialReason.EXPIRED),
    ({"person": replace(ANNA, valid_to_s=1e9), "time_matters": False}, DenialReason.EXPIRED),
    ({"person": replace(ANNA, valid_to_s=NAN)}, DenialReason.EXPIRED),
    ({"schedule_open": False}, DenialReason.OUTSIDE_SCHEDULE),
    ({"cooldown_s": 1.5}, DenialReason.COOLDOWN),
    ({"cooldown_s": NAN}, DenialReason.COOLDOWN),
    ({"door_ok": False}, DenialReason.DOOR_FAULT),
    ({"audit_ok": False}, DenialReason.AUDIT_FAULT),
]


def test_everything_right_is_a_grant() -> None:
    """With the person, the evidence's scores and how long it took."""
    assert decide(GOOD) == Grant(ANNA.id, 7, 0.71, 0.33, 200)


@pytest.mark.parametrize(
    "also_fine",
    [
        {"action": ActionState.NOT_REQUIRED},
        {"mode": "free_access"},
        {"person": replace(ANNA, doors=())},
        {"person": replace(ANNA, valid_from_s=None, valid_to_s=None), "time_matters": False, "clock_is_set": False},
    ],
)
def test_what_is_not_asked_for_does_not_stand_in_the_way(also_fine: dict[str, Any]) -> None:
    """No action required; free access; every door; an unset clock where no rule needs the time."""
    assert isinstance(decide(replace(GOOD, **also_fine)), Grant)


@pytest.mark.parametrize(("broken", "reason"), BROKEN)
def test_a_grant_needs_every_condition(broken: dict[str, Any], reason: DenialReason | None) -> None:
    """Any single one that fails gives no grant, and this reason or waiting."""
    decision = decide(replace(GOOD, **broken))
    if reason is None:
        assert isinstance(decision, Wait)
    else:
        assert isinstance(decision, Deny)
        assert decision.reason is reason
    assert decision.track == 7


def test_two_failures_never_make_a_grant() -> None:
    """Every pair of broken conditions: no two wrongs make it right."""
    for (one, _), (two, _) in combinations(BROKEN, 2):
        assert not isinstance(decide(replace(GOOD, **{**one, **two})), Grant)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b for b, _ in BROKEN]), min_size=1, max_size=6))
def test_no_heap_of_failures_makes_a_grant(broken: list[dict[str, Any]]) -> None:
    """Nor does any number of them, the last one of a kind standing."""
    fields: dict[str, Any] = {}
    for change in broken:
        fields.update(change)
    assert not isinstance(decide(replace(GOOD, **fields)), Grant)


IDENTITY = [
    b for b, r in BROKEN if {"streak", "person", "door", "clock_is_set", "schedule_open", "cooldown_s"} & b.keys()
]
FIRST: list[dict[str, Any]] = [
    {"mode": "lockdown"},
    {"door_lockout_s": 5.0},
    {"track_lockout_s": 5.0},
    {"passive": "attack"},
    {"action": ActionState.PENDING},
    {"action": ActionState.TOO_LATE},
    {"action": ActionState.UNAVAILABLE},
    {"passive": "unsure"},
    {"passive": "unsure", "unsure_for_s": 9.0},
    {"quality": QualityIssue.TOO_DARK, "quality_for_s": 9.0},
]


@pytest.mark.parametrize("first", FIRST)
def test_nothing_about_identity_shows_before_liveness(first: dict[str, Any]) -> None:
    """Enrolled, expired, unknown, elsewhere: with a picture, a lockout or no liveness all give the same answer."""
    answers = {repr(decide(replace(GOOD, **{**identity, **first}))) for identity in [{}, *IDENTITY]}
    assert len(answers) == 1
    assert ANNA.id not in answers.pop()


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"mode": "lockdown"}, {"door_lockout_s": 5.0}),
        ({"door_lockout_s": 5.0}, {"track_lockout_s": 5.0}),
        ({"track_lockout_s": 5.0}, {"passive": "attack"}),
        ({"passive": "attack"}, {"last_seen_s": 90.0}),
        ({"last_seen_s": 90.0}, {"action": ActionState.TOO_LATE}),
        ({"action": ActionState.TOO_LATE}, {"quality": QualityIssue.TOO_FAR, "quality_for_s": 9.0}),
        ({"quality": QualityIssue.TOO_FAR, "quality_for_s": 9.0}, {"passive": "unsure", "unsure_for_s": 9.0}),
        ({"passive": "unsure", "unsure_for_s": 9.0}, {"person": None}),
        ({"person": None}, {"door": "back"}),
        ({"door": "back"}, {"clock_is_set": False}),
        ({"clock_is_set": False}, {"person": replace(ANNA, valid_to_s=1.0)}),
        ({"person": replace(ANNA, valid_to_s=1.0)}, {"schedule_open": False}),
        ({"schedule_open": False}, {"cooldown_s": 1.0}),
        ({"cooldown_s": 1.0}, {"door_ok": False}),
        ({"door_ok": False}, {"audit_ok": False}),
    ],
)
def test_the_order_of_precedence(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    """With both failures the earlier one is told, as the module's list says."""
    assert decide(replace(GOOD, **{**later, **earlier})) == decide(replace(GOOD, **earlier))


def test_details() -> None:
    """Hints while waiting, remaining seconds, the quality issue, and whom a refusal names to the audit log."""
    assert decide(replace(GOOD, quality=QualityIssue.TOO_FAR)) == Wait(7, QualityIssue.TOO_FAR)
    assert decide(replace(GOOD, action=ActionState.PENDING, action_hint="blink")) == Wait(7, "blink")
    assert decide(replace(GOOD, door_lockout_s=12.2)) == Deny(DenialReason.DOOR_LOCKED_OUT, 7, detail="13 s")
    poor = decide(replace(GOOD, quality=QualityIssue.TOO_FAR, quality_for_s=9.0))
    assert poor == Deny(DenialReason.POOR_QUALITY, 7, detail="too_far")
    assert decide(replace(GOOD, schedule_open=False)) == Deny(DenialReason.OUTSIDE_SCHEDULE, 7, ANNA.id, 0.71)
    assert decide(replace(GOOD, person=None)) == Deny(DenialReason.UNKNOWN_PERSON, 7, None, 0.71)
    spoof = decide(replace(GOOD, passive="attack", spoof_score=0.97))
    assert spoof == Deny(DenialReason.SPOOF, 7, None, 0.97)


def test_a_face_that_left_without_being_recognised_is_no_denial() -> None:
    """Somebody who only passed by is not written down as refused."""
    assert decide(replace(GOOD, last_seen_s=90.0, streak=NotYet(1))) == Wait(7)


def test_the_limits_can_be_set() -> None:
    """Freshness and the patiences come from the settings."""
    rule = PolicyRule(freshness_s=0.01, quality_patience_s=0.05, unsure_patience_s=0.05)
    late = decide(GOOD, rule)
    assert isinstance(late, Deny)
    assert late.reason is DenialReason.LEFT_VIEW
    poor = decide(replace(GOOD, last_seen_s=100.0, quality=QualityIssue.TOO_FAR, quality_for_s=0.06), rule)
    assert isinstance(poor, Deny)


def test_every_reason_has_a_sentence_that_fits_a_small_display() -> None:
    """And none of them names anybody, or says a score."""
    assert set(SENTENCES) == set(DenialReason)
    assert len(set(SENTENCES.values())) == len(SENTENCES)
    for sentence in SENTENCES.values():
        assert sentence.endswith(".")
        assert len(sentence) <= 100
        assert "{" not in sentence
