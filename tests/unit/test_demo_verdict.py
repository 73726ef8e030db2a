"""The demo's judge can fail: for every kind of wrong outcome a row doesn't hold, and says what was wrong."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from edgeface.app.demo import stalls
from edgeface.app.demo.show import Outcome
from edgeface.app.demo.stalls import Stall, StallMeter, stood_still_s
from edgeface.app.demo.verdict import Happened, Pulse, Row, judge, pulses_of
from edgeface.domain.story import HINTS, Expected
from edgeface.domain.types import QualityIssue

PULSE_MS = 1500
ADA, EVE = "a" * 32, "e" * 32
NOBODY = Expected("an empty doorway", 0, 3, "nothing")
STRANGER = Expected("a stranger", 3, 8, "access_denied", reason="unknown_person")
PRINT = Expected("a print", 10, 15, "spoof_refused", reason="spoof")
VISIT = Expected("ada", 17, 23, "access_granted", ADA)
GLANCE = Expected("ada turns away", 25, 28, "nothing", accept=("access_denied",))
FOLLOWED = Expected("somebody behind ada", 30, 36, "access_granted", ADA, also=("tailgating_seen",))
ACTS = [NOBODY, STRANGER, PRINT, VISIT, GLANCE, FOLLOWED]

DENIED = Happened(4.0, "access_denied", {"reason": "unknown_person", "person": None, "evidence_ms": 300})
SPOOFED = Happened(11.0, "spoof_refused", {"reason": "spoof", "person": None, "evidence_ms": 250})
GRANTED = Happened(18.0, "access_granted", {"person": ADA, "evidence_ms": 200})
AGAIN = Happened(31.0, "access_granted", {"person": ADA, "evidence_ms": 200})
TAILGATED = Happened(31.5, "tailgating_seen", {"granted_person": ADA, "others": 1})
EVENTS = [DENIED, SPOOFED, GRANTED, AGAIN, TAILGATED]
FIRST, SECOND = Pulse(18.02, 19.52), Pulse(31.02, 32.53)
PULSES = [FIRST, SECOND]


def failing(events: list[Happened], pulses: list[Pulse]) -> dict[str, tuple[str, ...]]:
    return {row.name: row.faults for row in judge(ACTS, events, pulses, PULSE_MS) if not row.ok}


def without(*left_out: Happened) -> list[Happened]:
    return [e for e in EVENTS if e not in left_out]


def altered(event: Happened, **fields: object) -> list[Happened]:
    return [replace(e, fields={**e.fields, **fields}) if e is event else e for e in EVENTS]


ENROLLED = Expected("enrolled", 0, 3, "nothing", ADA, admin="enrol")
REVOKED = Expected("revoked", 36.5, 40, "nothing", ADA, admin="revoke")


def test_what_an_admin_does_is_a_row_of_its_own() -> None:
    known, gone = Happened(0.4, "person_enrolled", {"person": ADA}), Happened(37.9, "person_removed", {"person": ADA})

    def rows(*events: Happened) -> list[Row]:
        return judge([ENROLLED, NOBODY, REVOKED], events, [], PULSE_MS)

    assert [(r.expected, r.happened, r.after_ms, r.faults) for r in rows(known, gone)] == [
        ("person_enrolled", "person_enrolled", None, ()),
        ("nothing", "nothing", None, ()),
        ("person_removed", "person_removed", 1400, ()),
    ]
    late, other = replace(gone, t_s=41.0), replace(known, fields={"person": EVE})
    assert [r.faults for r in rows(other, late)] == [
        ("person_enrolled did not come",), (), ("person_removed did not come",),
    ]  # fmt: skip
    denied = Happened(38.0, "access_denied", {"reason": "unknown_person"})
    assert rows(known, gone, denied)[2].faults == ("access_denied was not expected",)


def test_what_was_expected_holds() -> None:
    assert failing(EVENTS, PULSES) == {}


def test_a_pulse_may_be_late_by_what_the_machine_stood_still_and_no_more() -> None:
    late = [Pulse(18.02, 19.52 + 0.3), SECOND]

    def fault(*found: Stall) -> tuple[str, ...]:
        return next(r.faults for r in judge(ACTS, EVENTS, late, PULSE_MS, found) if r.name == "ada")

    assert fault(Stall(19.5, 19.75)) == ()
    told = ("the pulse took 1800 ms instead of 1500",)
    assert fault() == told
    assert fault(Stall(19.5, 19.6)) == told  # too short a stall
    assert fault(Stall(16.0, 18.0), Stall(19.9, 21.0)) == told  # at another time
    assert fault(Stall(19.5, 19.69), Stall(19.55, 19.69)) == told  # two processors at the same time
    assert fault(Stall(19.0, 19.1), Stall(19.5, 19.61)) == ()


def test_stalls_that_overlap_count_once() -> None:
    found = [Stall(3.0, 4.0), Stall(1.0, 2.0), Stall(1.5, 2.5), Stall(1.2, 1.3)]
    assert stood_still_s(found, 0.0, 10.0) == pytest.approx(2.5)
    assert stood_still_s(found, 1.8, 3.25) == pytest.approx(0.95)
    assert stood_still_s(found, 5.0, 6.0) == 0.0


def test_the_meter_sees_a_processor_that_runs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes on while it sleeps, as on a guest whose host took the processor away."""
    lost_s = iter([0.0, 0.0, 0.0, 0.4])
    gone_s = 0.0

    def sleeps(_s: float) -> None:
        nonlocal gone_s
        real_sleep(0.01)
        gone_s += next(lost_s, 0.0)

    real_sleep, real_clock, first = time.sleep, time.monotonic, min(os.sched_getaffinity(0))
    monkeypatch.setattr(stalls.os, "sched_getaffinity", lambda _pid: {first})
    monkeypatch.setattr(stalls, "time", SimpleNamespace(sleep=sleeps, monotonic=lambda: real_clock() + gone_s))
    with StallMeter() as meter:
        until_s = real_clock() + 10
        while not any(s.end_s - s.begin_s > 0.3 for s in meter.stalls):
            assert real_clock() < until_s
            real_sleep(0.01)


def test_whoever_was_let_in_and_is_seen_again_is_no_fault() -> None:
    waits = Happened(20.0, "access_denied", {"reason": "cooldown", "person": ADA})
    assert failing([*EVENTS, waits], PULSES) == {}
    not_expected = {"ada": ("access_denied was not expected",)}
    for wrong in (
        replace(waits, t_s=17.5),  # before she was let in
        replace(waits, fields={**waits.fields, "person": EVE}),
        replace(waits, fields={**waits.fields, "reason": "unknown_person"}),
        replace(waits, fields={"reason": "cooldown", "person": None}),
    ):
        assert failing([*EVENTS, wrong], PULSES) == not_expected


def test_a_row_says_how_long_it_took_and_how_long_the_relay_was_closed() -> None:
    rows = {row.name: row for row in judge(ACTS, EVENTS, PULSES, PULSE_MS)}
    assert (rows["ada"].after_ms, rows["ada"].pulse_ms) == (220, 1500)
    assert (rows["a stranger"].after_ms, rows["a stranger"].pulse_ms) == (300, None)
    assert rows["a stranger"].happened == "access_denied (unknown_person)"
    assert rows["an empty doorway"].happened == "nothing"
    assert rows["somebody behind ada"].expected == "access_granted + tailgating_seen"


@pytest.mark.parametrize(
    ("events", "pulses", "act", "fault"),
    [
        pytest.param(without(GRANTED), [SECOND], "ada", "access_granted did not come", id="grant missing"),
        pytest.param(without(DENIED), PULSES, "a stranger", "access_denied did not come", id="denial missing"),
        pytest.param(without(SPOOFED), PULSES, "a print", "spoof_refused did not come", id="spoof missing"),
        pytest.param(altered(GRANTED, person=EVE), PULSES, "ada", "it was somebody else", id="wrong person"),
        pytest.param(
            altered(DENIED, reason="poor_quality"), PULSES, "a stranger",
            "the reason was poor_quality, not unknown_person", id="wrong reason",
        ),
        pytest.param(
            EVENTS, [FIRST, Pulse(20.0, 21.5), SECOND], "ada",
            "the relay closed 2 times for 1 grants, not once for one", id="relay twice for one grant",
        ),
        pytest.param(
            [*EVENTS, replace(GRANTED, t_s=21.0)], [FIRST, Pulse(21.01, 22.51), SECOND], "ada",
            "the relay closed 2 times for 2 grants, not once for one", id="granted twice",
        ),
        pytest.param(
            EVENTS, [SECOND], "ada", "the relay closed 0 times for 1 grants, not once for one", id="relay never closed"
        ),
        pytest.param(
            EVENTS, [Pulse(18.02, 19.8), SECOND], "ada", "the pulse took 1780 ms instead of 1500", id="pulse too long"
        ),
        pytest.param(
            EVENTS, [Pulse(18.02, 18.5), SECOND], "ada", "the pulse took 480 ms instead of 1500", id="pulse too short"
        ),
        pytest.param(
            EVENTS, [FIRST, Pulse(31.02, None)], "somebody behind ada", "the relay never opened again", id="stays open"
        ),
        pytest.param(
            EVENTS, [Pulse(17.5, 19.0), SECOND], "ada", "the relay closed before the grant", id="relay before grant"
        ),
        pytest.param(
            EVENTS, [Pulse(4.1, 5.6), *PULSES], "a stranger", "the relay closed", id="relay closed for a stranger"
        ),
        pytest.param(
            EVENTS, [Pulse(11.1, 12.6), *PULSES], "a print", "the relay closed", id="relay closed for a print"
        ),
        pytest.param(
            EVENTS, [Pulse(1.0, 2.5), *PULSES], "an empty doorway", "the relay closed", id="relay closed for nobody"
        ),
        pytest.param(
            [*EVENTS, replace(DENIED, t_s=1.0)], PULSES, "an empty doorway", "access_denied was not expected",
            id="decision where there is nobody",
        ),
        pytest.param(
            [*EVENTS, replace(GRANTED, t_s=5.0)], [Pulse(5.01, 6.51), *PULSES], "a stranger",
            "access_granted was not expected", id="stranger granted besides",
        ),
        pytest.param(
            [*EVENTS, replace(GRANTED, t_s=26.0)], [FIRST, Pulse(26.01, 27.51), SECOND], "ada turns away",
            "access_granted was not expected", id="granted while turning away",
        ),
        pytest.param(
            without(TAILGATED), PULSES, "somebody behind ada", "tailgating_seen did not come", id="also missing"
        ),
        pytest.param(
            [*without(TAILGATED), replace(TAILGATED, t_s=18.5)], PULSES, "somebody behind ada",
            "tailgating_seen did not come", id="also in another act",
        ),
        pytest.param(
            [*EVENTS, replace(GRANTED, t_s=24.0)], PULSES, "between the acts",
            "unexpected: access_granted at 24.0 s", id="decision between the acts",
        ),
        pytest.param(
            EVENTS, [FIRST, Pulse(24.0, 25.5), SECOND], "between the acts",
            "unexpected: relay at 24.0 s", id="relay between the acts",
        ),
        pytest.param(
            [*EVENTS, replace(SPOOFED, t_s=40.0)], PULSES, "between the acts",
            "unexpected: spoof_refused at 40.0 s", id="decision after the end",
        ),
    ],
)  # fmt: skip
def test_a_wrong_outcome_fails_its_row(events: list[Happened], pulses: list[Pulse], act: str, fault: str) -> None:
    failed = failing(events, pulses)
    assert fault in failed[act]
    assert set(failed) == {act}


def test_a_late_decision_fails_its_act_and_the_gap_it_fell_into() -> None:
    failed = failing([*without(SPOOFED), replace(SPOOFED, t_s=15.0)], PULSES)
    assert set(failed) == {"a print", "between the acts"}


def test_what_an_act_accepts_besides_is_no_fault() -> None:
    assert failing([*EVENTS, replace(DENIED, t_s=26.0, fields={"reason": "left_view"})], PULSES) == {}


def test_pulses_are_read_from_edges() -> None:
    assert pulses_of([(0.0, 0), (1.0, 1), (2.5, 0), (3.0, 1)]) == [Pulse(1.0, 2.5), Pulse(3.0, None)]
    assert pulses_of([(0.0, 1), (1.0, 0), (2.5, 1)], closed_level=0) == [Pulse(1.0, 2.5)]
    assert pulses_of([]) == []


def test_a_demo_without_rows_or_with_one_that_fails_is_not_ok() -> None:
    sound = Row("a", "nothing", "nothing", None, None, ())
    assert Outcome([sound], [], [], 1.0).ok
    assert not Outcome([], [], [], 1.0).ok
    assert not Outcome([sound, replace(sound, faults=("the relay closed",))], [], [], 1.0).ok


AWAY = Expected("ada looks aside", 25, 28, "nothing", accept=("access_denied",), hint="look_at_camera")


def told(t_s: float, hint: str) -> Happened:
    return Happened(t_s, "hint", {"hint": hint})


def test_an_act_in_which_somebody_must_be_seen_holds_where_he_is_told_so() -> None:
    (row,) = judge([AWAY], [told(26.0, "look_at_camera")], [], PULSE_MS)
    assert row.ok
    assert row.expected == "nothing + told look_at_camera"


@pytest.mark.parametrize(
    "events", [[], [told(24.9, "look_at_camera")], [told(28.0, "look_at_camera")], [told(26.0, "too_far")]]
)
def test_nobody_who_comes_is_nobody_who_turns_away(events: list[Happened]) -> None:
    """An empty doorway, the hint of another act, another hint: the row would prove nothing."""
    (row,) = judge([AWAY], events, [], PULSE_MS)
    assert row.faults == ("nobody was told: look_at_camera",)


def test_a_scene_may_expect_every_hint_about_quality_that_there_is() -> None:
    assert set(HINTS) == {issue.value for issue in QualityIssue}
