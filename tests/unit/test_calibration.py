"""The threshold follows the budget and the gallery, and promises nothing that wasn't measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.calibration import DAYS_A_YEAR, ErrorBudget, FmrCurve, derive_threshold, fixed_threshold

CURVE = FmrCurve((1e-2, 1e-3, 1e-4, 1e-5, 1e-6), (0.25, 0.33, 0.40, 0.46, 0.52), 1e-6)

budgets = st.builds(ErrorBudget, st.floats(1e-3, 50), st.floats(0.1, 500))
rules = st.sampled_from([(1, 1), (3, 5), (5, 5), (2, 3)])


@st.composite
def curves(draw: st.DrawFn) -> FmrCurve:
    steps = draw(st.lists(st.tuples(st.floats(0.1, 1.5), st.floats(0.01, 0.1)), min_size=2, max_size=7))
    rates = 10 ** -np.cumsum([1.0, *(s for s, _ in steps[1:])])
    thresholds = 0.1 + np.cumsum([t for _, t in steps])
    measured = float(rates[-1]) * draw(st.sampled_from([0.1, 1.0, 30.0]))
    return FmrCurve(tuple(map(float, rates)), tuple(map(float, thresholds)), min(1.0, measured))


@settings(max_examples=100, deadline=None)
@given(curves(), budgets, st.integers(0, 100_000), st.integers(0, 100_000), rules)
def test_more_templates_never_lower_the_threshold(
    curve: FmrCurve, budget: ErrorBudget, a: int, b: int, rule: tuple[int, int]
) -> None:
    """Nor do they turn an unvouched gallery into a vouched one."""
    few, many = (derive_threshold(curve, budget, n, *rule) for n in sorted((a, b)))
    assert few.threshold <= many.threshold
    assert few.vouched or not many.vouched


@settings(max_examples=100, deadline=None)
@given(curves(), budgets, st.floats(1, 100), st.floats(1, 100), st.integers(0, 50_000), rules)
def test_a_stricter_budget_never_lowers_the_threshold(
    curve: FmrCurve, budget: ErrorBudget, fewer: float, more: float, templates: int, rule: tuple[int, int]
) -> None:
    """Fewer false accepts allowed or more strangers expected: as strict or stricter."""
    strict = ErrorBudget(budget.max_false_accepts_per_year / fewer, budget.stranger_attempts_per_day * more)
    loose, tight = (derive_threshold(curve, b, templates, *rule) for b in (budget, strict))
    assert loose.threshold <= tight.threshold
    assert loose.largest_gallery >= tight.largest_gallery


@settings(max_examples=100, deadline=None)
@given(curves(), budgets, st.integers(1, 100_000), rules)
def test_what_is_vouched_for_is_within_the_budget_and_measured(
    curve: FmrCurve, budget: ErrorBudget, templates: int, rule: tuple[int, int]
) -> None:
    """The promise holds by the bound itself: templates x FMR x M / N, FMR from the measured part of the curve."""
    choice = derive_threshold(curve, budget, templates, *rule)
    assert choice.vouched == (templates <= choice.largest_gallery)
    assert -1 <= choice.threshold <= 1
    if choice.vouched:
        fpir = templates * curve.fmr_at(choice.threshold) * rule[1] / rule[0]
        assert fpir <= budget.fpir_per_attempt * (1 + 1e-6)
        assert choice.per_year is not None
        assert choice.per_year <= budget.max_false_accepts_per_year * (1 + 1e-6)
    else:
        assert choice.per_year is None
        assert "no rate is promised" in choice.sentence


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.3), st.integers(0, 2**31))
def test_the_bound_holds_for_frames_that_depend_on_each_other(fmr: float, seed: int) -> None:
    """Frames made to match together, in any manner: N of M come with at most FMR x M / N."""
    rng = np.random.default_rng(seed)
    together = rng.random(4000) < rng.random()
    own = rng.random((4000, 5)) < fmr
    shared = np.repeat(rng.random((4000, 1)) < fmr, 5, axis=1)
    matches = np.where(together[:, None], shared, own)
    assert np.mean(matches.sum(axis=1) >= 3) <= matches.mean() * 5 / 3 + 1e-12


def test_the_sentence_for_doctor() -> None:
    """Says templates, attempts, the rate and the threshold."""
    choice = derive_threshold(CURVE, ErrorBudget(1.0, 20), 40)
    assert choice.sentence == (
        "With 40 templates and 20 stranger attempts a day, one false accept in about a year is expected at most; "
        "the threshold is 0.50."
    )
    assert choice.comparison_fmr == pytest.approx(1 / (20 * DAYS_A_YEAR) * 3 / 5 / 40)
    generous = derive_threshold(CURVE, ErrorBudget(5000, 20), 1)
    assert generous.comparison_fmr == 1e-4
    assert generous.threshold == pytest.approx(0.40)
    assert derive_threshold(CURVE, ErrorBudget(1.0, 20), 0).sentence.startswith("Nobody is enrolled")
    many = derive_threshold(CURVE, ErrorBudget(12.0, 20), 100)
    assert "12 false accepts a year are expected at most" in many.sentence


def test_beyond_the_measured_part_it_names_the_largest_gallery() -> None:
    """The threshold still rises, and the sentence says what is vouched for."""
    budget = ErrorBudget(1.0, 20)
    choice = derive_threshold(CURVE, budget, 250)
    assert not choice.vouched
    assert choice.largest_gallery == 82
    assert choice.threshold > 0.52
    assert "at most 82 templates" in choice.sentence
    assert choice.warning
    assert derive_threshold(CURVE, budget, 82).vouched
    assert not derive_threshold(CURVE, budget, 83).vouched
    hopeless = derive_threshold(CURVE, ErrorBudget(1e-3, 500), 1)
    assert hopeless.largest_gallery == 0
    assert "no gallery at all" in hopeless.sentence


def test_points_below_measured_to_are_used_but_not_vouched_for() -> None:
    """A curve drawn further than it was measured vouches for its measured part."""
    curve = FmrCurve(CURVE.fmr, CURVE.threshold, 1e-5)
    choice = derive_threshold(curve, ErrorBudget(1.0, 20), 40)
    assert not choice.vouched
    assert choice.threshold == derive_threshold(CURVE, ErrorBudget(1.0, 20), 40).threshold


def test_a_fixed_threshold_is_warned_about() -> None:
    """It says what the budget would have chosen, and what to expect."""
    budget = ErrorBudget(1.0, 20)
    low = fixed_threshold(0.40, CURVE, budget, 40)
    assert (low.threshold, low.vouched) == (0.40, False)
    assert "fixed at 0.40" in low.warning
    assert "0.50" in low.warning
    assert low.per_year == pytest.approx(40 * 1e-4 * 5 / 3 * 20 * DAYS_A_YEAR)
    assert fixed_threshold(0.52, CURVE, budget, 40).vouched
    below = fixed_threshold(0.1, CURVE, budget, 40)
    assert (below.vouched, below.per_year, below.largest_gallery) == (False, None, 0)
    with pytest.raises(ValueError):
        fixed_threshold(math.nan, CURVE, budget, 40)


def test_a_curve_is_measured_from_impostor_scores() -> None:
    """Down to the rate that three pairs carry, and each threshold keeps its rate."""
    scores = np.random.default_rng(3).normal(0, 0.12, 200_000)
    curve = FmrCurve.measure(scores)
    assert curve.measured_to == pytest.approx(3 / 200_000)
    for rate, threshold in zip(curve.fmr, curve.threshold, strict=True):
        assert np.mean(scores >= threshold) <= rate + 1e-12
    with pytest.raises(ValueError):
        FmrCurve.measure([])
    with pytest.raises(ValueError):
        FmrCurve.measure([0.1] * 1000)


@pytest.mark.parametrize(
    ("fmr", "threshold", "measured_to"),
    [
        ((1e-2,), (0.3,), 1e-2),
        ((1e-2, 1e-3), (0.3,), 1e-2),
        ((1e-3, 1e-2), (0.3, 0.4), 1e-2),
        ((1e-2, 1e-3), (0.4, 0.3), 1e-2),
        ((1e-2, 0.0), (0.3, 0.4), 1e-2),
        ((1e-2, math.nan), (0.3, 0.4), 1e-2),
        ((1e-2, 1e-3), (0.3, math.nan), 1e-2),
        ((1e-2, 1e-3), (0.3, 0.4), 0.0),
    ],
)
def test_what_is_no_curve_is_refused(fmr: tuple[float, ...], threshold: tuple[float, ...], measured_to: float) -> None:
    """A damaged manifest can't loosen the door."""
    with pytest.raises(ValueError):
        FmrCurve(fmr, threshold, measured_to)


@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (-1, 1), (math.nan, 1), (1, math.inf)])
def test_what_is_no_budget_is_refused(pair: tuple[float, float]) -> None:
    """Both numbers are above 0 and finite; so is the rule's N of M."""
    with pytest.raises(ValueError):
        ErrorBudget(*pair)
    with pytest.raises(ValueError):
        derive_threshold(CURVE, ErrorBudget(1, 1), 1, 6, 5)
