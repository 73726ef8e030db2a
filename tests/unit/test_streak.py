"""N of M frames must agree on one person; an attempt is bounded; evidence ages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.matching import MatchRule
from edgeface.domain.streak import Agreed, Cooldown, Exhausted, NotYet, Streak, StreakRule, fresh
from edgeface.domain.types import Match

RULE = StreakRule(MatchRule(0.4, 0.1))
A, B = "a" * 32, "b" * 32


def hit(who: str, score: float = 0.7, margin: float = 0.4) -> Match:
    return Match(who if score >= 0.4 else None, who, score, margin, 0.4)


MISS = hit(A, 0.2)
UNSURE = hit(A, 0.6, 0.02)


def run(matches: list[Match], rule: StreakRule = RULE) -> list[object]:
    streak = Streak(rule)
    return [streak.add(0.1 * i, m) for i, m in enumerate(matches, 1)]


def test_three_of_five_agree() -> None:
    """Mean score, least margin, when the attempt began, and when this person was named last."""
    found = run([hit(A, 0.6, 0.3), MISS, hit(A, 0.8, 0.2), hit(A, 0.7, 0.4)])
    assert found[:3] == [NotYet(1), NotYet(2), NotYet(3)]
    last = found[3]
    assert isinstance(last, Agreed)
    assert (last.person, last.count, last.margin) == (A, 3, 0.2)
    assert last.score == pytest.approx(0.7)
    assert [last.since_s, last.last_s] == pytest.approx([0.1, 0.4])


@pytest.mark.parametrize(
    ("matches", "kind", "frames"),
    [
        ([MISS, MISS, MISS], "unknown", 3),
        ([UNSURE, UNSURE, UNSURE], "ambiguous", 3),
        ([MISS, UNSURE, MISS], "ambiguous", 3),
        ([hit(A), hit(B), hit(A), hit(B), MISS], "undecided", 5),
        ([hit(A), MISS, hit(A), MISS, MISS], "undecided", 5),
        ([hit(A), MISS, MISS, UNSURE], "undecided", 4),
    ],
)
def test_an_attempt_that_can_not_agree_any_more_is_exhausted(matches: list[Match], kind: str, frames: int) -> None:
    """As soon as no rest of the window could bring agreement, with the reason and the best score."""
    found = run(matches)
    assert [isinstance(v, Exhausted) for v in found] == [False] * (frames - 1) + [True]
    last = found[-1]
    assert isinstance(last, Exhausted)
    assert (last.kind, last.best_score) == (kind, max(m.score for m in matches))


def test_an_exhausted_attempt_stays_so_until_restart_and_a_pause() -> None:
    """A stranger who stays can't slide from window to window; frames within the pause don't count."""
    streak = Streak(RULE)
    for i in range(3):
        streak.add(0.1 * i, MISS)
    for i in range(3, 30):
        assert isinstance(streak.add(0.1 * i, hit(A)), Exhausted)
    streak.restart(3.0)
    assert streak.verdict == NotYet(0)
    assert streak.resting(3.9)
    assert streak.add(3.9, hit(A)) == NotYet(0)
    assert not streak.resting(4.0)
    assert streak.add(4.0, hit(A)) == NotYet(1)


def test_the_same_frame_twice_is_no_evidence() -> None:
    """Only a newer frame counts; a time that is no number never does."""
    streak = Streak(RULE)
    for _ in range(5):
        assert streak.add(1.0, hit(A)) == NotYet(1)
    assert streak.add(0.9, hit(A)) == NotYet(1)
    assert streak.add(float("nan"), hit(A)) == NotYet(1)


def test_a_gap_starts_anew() -> None:
    """Frames far apart are not one attempt, and an agreement doesn't outlive a gap."""
    streak = Streak(RULE)
    streak.add(0.0, hit(A))
    streak.add(0.1, hit(A))
    assert streak.add(0.7, hit(A)) == NotYet(1)
    for t in (0.8, 0.9):
        streak.add(t, hit(A))
    assert isinstance(streak.verdict, Agreed)
    assert streak.add(2.0, hit(A)) == NotYet(1)


def test_an_agreement_must_go_on() -> None:
    """While something else is waited for, the last five frames must still name the person."""
    streak = Streak(RULE)
    for i in range(3):
        streak.add(0.1 * i, hit(A))
    assert isinstance(streak.add(0.3, MISS), Agreed)
    still = streak.add(0.4, MISS)
    assert isinstance(still, Agreed)
    assert still.last_s == pytest.approx(0.2)
    assert isinstance(streak.add(0.5, MISS), Exhausted)


def test_another_person_on_the_same_track_starts_anew() -> None:
    """A track that jumps from one face to another takes nothing along."""
    streak = Streak(RULE)
    for i in range(3):
        streak.add(0.1 * i, hit(A))
    assert streak.add(0.3, hit(B)) == NotYet(1)
    streak.add(0.4, hit(B))
    last = streak.add(0.5, hit(B))
    assert isinstance(last, Agreed)
    assert last.person == B
    assert last.since_s == pytest.approx(0.3)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([hit(A), hit(B), MISS, UNSURE]), max_size=12),
    st.sampled_from([(1, 1), (2, 3), (3, 5), (4, 5)]),
)
def test_agreement_always_rests_on_n_of_the_last_m_frames(matches: list[Match], rule: tuple[int, int]) -> None:
    """Whatever the order, Agreed(person) implies N accepted frames of that person among the last M."""
    needed, window = rule
    for i, verdict in enumerate(run(matches, StreakRule(MatchRule(0.4, 0.1), needed, window)), 1):
        if isinstance(verdict, Agreed):
            last = [m for m in matches[max(0, i - window) : i] if m is not UNSURE and m.person == verdict.person]
            assert len(last) >= needed
            assert verdict.count >= needed


@pytest.mark.parametrize(("needed", "window"), [(0, 1), (2, 4), (3, 6), (6, 5)])
def test_a_rule_that_two_people_could_fulfil_is_refused(needed: int, window: int) -> None:
    """N of M needs more than half."""
    with pytest.raises(ValueError):
        StreakRule(MatchRule(0.4, 0.1), needed, window)


@pytest.mark.parametrize(
    ("last_seen", "is_fresh"),
    [(10.0, True), (9.75, True), (9.74, False), (10.1, False), (float("nan"), False), (float("-inf"), False)],
)
def test_freshness(last_seen: float, is_fresh: bool) -> None:
    """Within 250 ms, not in the future."""
    assert fresh(last_seen, 10.0) is is_fresh


def test_cooldown_is_per_person_and_forgets() -> None:
    """One person waits, another doesn't; who has waited is forgotten."""
    cooldown = Cooldown(5.0)
    cooldown.granted(A, 10.0)
    assert cooldown.remaining_s(A, 12.0) == 3.0
    assert cooldown.remaining_s(A, 15.0) == 0.0
    assert cooldown.remaining_s(B, 12.0) == 0.0
    cooldown.granted(B, 20.0)
    assert cooldown.remaining_s(A, 0.0) == 0.0
    with pytest.raises(ValueError):
        Cooldown(float("nan"))
