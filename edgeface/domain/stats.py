"""Error rates and their bounds, as the eval commands and the model cards report them.

Scores are cosines, larger is more alike. FMR(t) is the share of impostor scores >= t, FNMR(t) that of genuine < t."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_IMPOSTORS = 3  # a rate that rests on fewer expected false matches is not reported ("rule of three")


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided bounds (Clopper and Pearson, 1934) of a share of which `k` of `n` was seen; (0, 1) for n = 0."""
    if not 0 <= k <= n:
        raise ValueError(f"k must be 0 to n, not {k} of {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else _beta_quantile(tail, k, n - k + 1)
    high = 1.0 if k == n else _beta_quantile(1 - tail, k + 1, n - k)
    return low, high


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22, Lentz's method)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # there the fraction converges fast for the mirrored argument
        return 1.0 - incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return min(1.0, math.exp(log_front - math.log(a)) / _fraction(a, b, x))


def threshold_at_fmr(impostor: ArrayLike, fmr: float) -> float | None:
    """The lowest threshold whose FMR is at most `fmr`; None where fewer than three impostor scores carry that rate."""
    scores = _scores(impostor)
    if not 0 < fmr <= 1:
        raise ValueError(f"an FMR is above 0 and at most 1, not {fmr}")
    allowed = math.floor(scores.size * fmr + 1e-9)
    if scores.size * fmr < LEAST_IMPOSTORS - 1e-9:
        return None
    if allowed >= scores.size:
        return float(scores.min())
    at = scores.size - allowed - 1
    highest_refused = np.partition(scores, at)[at]
    return float(np.nextafter(highest_refused, np.asarray(np.inf, dtype=scores.dtype)))


def tar_at_fmr(genuine: ArrayLike, impostor: ArrayLike, fmr: float) -> tuple[float, float] | None:
    """(true accept rate, threshold) at an FMR of at most `fmr`; None where the scores are too few to say."""
    scores = _scores(genuine)
    threshold = threshold_at_fmr(impostor, fmr)
    if threshold is None or scores.size == 0:
        return None
    return float(np.count_nonzero(scores >= threshold) / scores.size), threshold


def eer(genuine: ArrayLike, impostor: ArrayLike) -> float | None:
    """Equal error rate, the mean of FMR and FNMR where they are nearest; None where either side has no scores."""
    same, other = np.sort(_scores(genuine)), np.sort(_scores(impostor))
    if same.size == 0 or other.size == 0:
        return None

    def rates(threshold: float) -> tuple[float, float]:
        fmr = 1 - float(np.searchsorted(other, threshold, side="left")) / other.size
        return fmr, float(np.searchsorted(same, threshold, side="left")) / same.size

    def first_crossed(values: NDArray[np.floating]) -> float:
        """The lowest of the sorted values at which FNMR has reached FMR; both move one way, so halving finds it."""
        low, high = 0, values.size
        while low < high:
            middle = (low + high) // 2
            fmr, fnmr = rates(values[middle])
            low, high = (low, middle) if fnmr >= fmr else (middle + 1, high)
        return float(values[low]) if low < values.size else math.inf

    crossed = min(first_crossed(same), first_crossed(other))
    below = [float(v[at - 1]) for v in (same, other) if (at := int(np.searchsorted(v, crossed, side="left"))) > 0]
    candidates = [rates(t) for t in ([crossed, max(below)] if below else [crossed])]
    fmr, fnmr = min(candidates, key=lambda pair: abs(pair[0] - pair[1]))
    return (fmr + fnmr) / 2


def percentile(values: Sequence[float] | NDArray[np.float64], q: float) -> float:
    """The q-th percentile (0 to 100), linear between neighbours. Raises ValueError for no values."""
    if len(values) == 0:
        raise ValueError("a percentile needs at least one value")
    return float(np.percentile(np.asarray(values, dtype=np.float64), q))


def _scores(values: ArrayLike) -> NDArray[np.floating]:
    scores = np.asarray(values)
    if scores.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        scores = scores.astype(np.float64)
    scores = scores.ravel()
    if np.isnan(scores).any():
        raise ValueError("a score is not a number")
    return scores


def _beta_quantile(p: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(200):  # bisection: the interval is below the float's resolution long before
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if incomplete_beta(a, b, middle) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    value, c, d = 1.0, 1.0, 0.0
    for i in range(1, 20_000):
        m = i // 2
        if i % 2 == 0:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 + step * d
        d = 1 / (d if abs(d) > tiny else tiny)
        c = 1 + step / c
        c = c if abs(c) > tiny else tiny
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
