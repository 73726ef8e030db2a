"""Error rates and bounds agree with an independent implementation and with the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.stats import clopper_pearson, eer, incomplete_beta, percentile, tar_at_fmr, threshold_at_fmr


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 200_000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_clopper_pearson_is_scipys(n: int, share: float, confidence: float) -> None:
    """The bounds are the beta quantiles that scipy gives."""
    beta = pytest.importorskip("scipy.stats").beta
    k = round(share * n)
    low, high = clopper_pearson(k, n, confidence)
    tail = (1 - confidence) / 2
    assert low == pytest.approx(0.0 if k == 0 else beta.ppf(tail, k, n - k + 1), rel=1e-7, abs=1e-12)
    assert high == pytest.approx(1.0 if k == n else beta.ppf(1 - tail, k + 1, n - k), rel=1e-7, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.floats(0.1, 5000), st.floats(0.1, 5000), st.floats(0, 1))
def test_incomplete_beta_is_scipys(a: float, b: float, x: float) -> None:
    """The continued fraction converges to scipy's value."""
    special = pytest.importorskip("scipy.special")
    assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-7, abs=1e-10)


def test_known_bounds() -> None:
    """Rule of three: nothing in 360 still leaves 1 %; no trial leaves everything open."""
    assert clopper_pearson(0, 360)[1] == pytest.approx(0.010194566882)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(360, 360)[1] == 1.0


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.9), (6, 5, 0.9), (1, 5, 0), (1, 5, 1)])
def test_impossible_counts_are_refused(k: int, n: int, confidence: float) -> None:
    """Nonsense in is an error, not a bound."""
    with pytest.raises(ValueError):
        clopper_pearson(k, n, confidence)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=80),
    st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=300),
    st.sampled_from([0.01, 0.05, 0.1, 0.3, 1.0]),
)
def test_tar_keeps_the_fmr_and_wastes_nothing(genuine: list[float], impostor: list[float], fmr: float) -> None:
    """The threshold's FMR is at most the asked one; any lower threshold that lets one more in would break it."""
    same, other = np.array(genuine, np.float32), np.array(impostor, np.float32)
    found = tar_at_fmr(same, other, fmr)
    if len(impostor) * fmr < 3 - 1e-9:
        assert found is None
        return
    assert found is not None
    tar, threshold = found
    assert np.mean(other >= threshold) <= fmr + 1e-12
    assert tar == pytest.approx(np.mean(same >= threshold))
    below = other[other < threshold]
    if below.size:
        assert np.mean(other >= below.max()) > fmr - 1e-12


def test_a_rate_without_three_pairs_is_not_reported() -> None:
    """3,000 impostor pairs say something about 1e-3, 2,999 don't; no genuine pair, no rate."""
    scores = np.linspace(-1, 1, 3000)
    assert tar_at_fmr([0.9], scores, 1e-3) is not None
    assert tar_at_fmr([0.9], scores[1:], 1e-3) is None
    assert tar_at_fmr([], scores, 1e-3) is None
    with pytest.raises(ValueError):
        threshold_at_fmr(scores, 0)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=40),
    st.lists(st.integers(0, 20), min_size=1, max_size=40),
)
def test_eer_is_where_the_rates_are_nearest(genuine: list[int], impostor: list[int]) -> None:
    """As a search over every threshold finds it."""
    same, other = np.array(genuine) / 20, np.array(impostor) / 20
    steps = np.append(np.unique(np.concatenate([same, other])), 2.0)
    rates = [(np.mean(other >= t), np.mean(same < t)) for t in steps]
    found = eer(same, other)
    assert found is not None
    gaps = [abs(a - b) for a, b in rates]
    nearest = [(a + b) / 2 for (a, b), gap in zip(rates, gaps, strict=True) if gap <= min(gaps) + 1e-9]
    assert min(nearest) - 1e-9 <= found <= max(nearest) + 1e-9


def test_eer_of_two_normals() -> None:
    """Means two standard deviations apart: 15.87 %."""
    rng = np.random.default_rng(7)
    found = eer(rng.normal(2, 1, 200_000), rng.normal(0, 1, 200_000))
    assert found == pytest.approx(0.1587, abs=0.003)
    assert eer([1.0], [0.0]) == 0.0
    assert eer([], [0.1]) is None
    assert eer([0.1], []) is None


def test_scores_that_are_no_numbers_are_refused() -> None:
    """NaN sorts above everything and would pass as the best score."""
    with pytest.raises(ValueError):
        eer([float("nan")], [0.0])


def test_percentile() -> None:
    """Linear between neighbours; nothing has no percentile."""
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.5
    with pytest.raises(ValueError):
        percentile([], 50)
