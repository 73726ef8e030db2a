"""The threshold from an error budget (docs/design.md, section 4).

The operator says how many false accepts a year he accepts and how many attempts of strangers he expects a day; that
allows one attempt a false positive identification rate (FPIR). An attempt is at most M frames, and a false accept
needs N of them to match the wrong person. Nothing is assumed of how frames depend on each other: the expected number
of frames that match one wrong template is M x FMR, so by Markov's inequality N of them match with a probability of at
most FMR x M / N, and by the union bound

    FPIR <= templates x FMR x M / N

(Frames that say the same thing would give templates x FMR; independent ones far less.) The model's FMR curve turns
that FMR into a threshold: log FMR is interpolated over the threshold between measured points. Beyond the measured
part the threshold still rises, along the steeper of the last two steps, but nothing is promised there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from edgeface.domain.stats import LEAST_IMPOSTORS, threshold_at_fmr

DAYS_A_YEAR = 365.25
WORST_FMR = 1e-4  # NIST SP 800-63B-4: a comparison's FMR is 1 in 10,000 or better, however generous the budget


@dataclass(frozen=True, slots=True)
class FmrCurve:
    """False match rate of one comparison of single frames: `fmr` falls strictly, `threshold` (cosine) rises strictly.
    `measured_to` is the lowest rate that rests on enough impostor pairs; lower ones in the curve are not vouched for.
    Raises ValueError where the points are no such curve."""

    fmr: tuple[float, ...]
    threshold: tuple[float, ...]
    measured_to: float

    def __post_init__(self) -> None:
        if len(self.fmr) != len(self.threshold) or len(self.fmr) < 2:
            raise ValueError("an FMR curve has at least two points, and a threshold for each rate")
        if not all(0 < rate <= 1 for rate in self.fmr) or not all(-1 <= t <= 1 for t in self.threshold):
            raise ValueError("in an FMR curve rates are above 0 and at most 1, thresholds are cosines")
        if any(a <= b for a, b in pairwise(self.fmr)) or any(a >= b for a, b in pairwise(self.threshold)):
            raise ValueError("along an FMR curve the rate falls and the threshold rises")
        if not 0 < self.measured_to <= 1:
            raise ValueError("measured_to is a rate above 0 and at most 1")

    @classmethod
    def measure(cls, impostor: ArrayLike, per_decade: int = 4) -> FmrCurve:
        """The curve of impostor scores, from a rate of 0.1 down to the last that rests on three pairs. Raises
        ValueError where the scores are too few, or too much alike."""
        count = int(np.size(impostor))
        last = LEAST_IMPOSTORS / count if count else 1.0
        rates = [0.1 * 10 ** (-i / per_decade) for i in range(15 * per_decade)]
        points: list[tuple[float, float]] = []
        for rate in [*(r for r in rates if r * count >= LEAST_IMPOSTORS + 1), last]:
            threshold = threshold_at_fmr(impostor, rate) if count else None
            if threshold is not None and (not points or threshold > points[-1][1]):
                points.append((rate, threshold))
        if len(points) < 2:
            raise ValueError(f"{count} impostor scores are too few, or too much alike, for an FMR curve")
        return cls(tuple(p[0] for p in points), tuple(p[1] for p in points), points[-1][0])

    @property
    def vouched_to(self) -> float:
        """The lowest rate that is both measured and in the curve."""
        return max(self.measured_to, self.fmr[-1])

    def threshold_at(self, fmr: float) -> float:
        """Cosine with at most this rate: never below the first point, at most 1; beyond the last point extrapolated."""
        logs = [math.log(rate) for rate in self.fmr]
        wanted = math.log(max(fmr, 1e-300))
        if wanted < logs[-1]:
            steps = list(zip(pairwise(logs), pairwise(self.threshold), strict=True))[-2:]
            slope = max((t2 - t1) / (l1 - l2) for (l1, l2), (t1, t2) in steps)
            return min(1.0, self.threshold[-1] + (logs[-1] - wanted) * slope)
        return float(np.interp(-wanted, [-x for x in logs], self.threshold))

    def fmr_at(self, threshold: float) -> float:
        """An upper bound of the rate at a threshold: 1 below the curve, the last vouched rate beyond it."""
        if not threshold >= self.threshold[0]:
            return 1.0
        log_rate = np.interp(threshold, self.threshold, [math.log(rate) for rate in self.fmr])
        return max(math.exp(float(log_rate)), self.vouched_to)


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """What the operator accepts, and what he expects. Raises ValueError."""

    max_false_accepts_per_year: float
    stranger_attempts_per_day: float

    def __post_init__(self) -> None:
        for value in (self.max_false_accepts_per_year, self.stranger_attempts_per_day):
            if not (math.isfinite(value) and value > 0):
                raise ValueError("both numbers of an error budget are above 0")

    @property
    def attempts_per_year(self) -> float:
        return self.stranger_attempts_per_day * DAYS_A_YEAR

    @property
    def fpir_per_attempt(self) -> float:
        return min(1.0, self.max_false_accepts_per_year / self.attempts_per_year)


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """`fpir_per_attempt` is what the budget allows; `comparison_fmr` the rate that the threshold stands for;
    `per_year` the false accepts to expect at most, None where nothing is promised; `vouched`: that is within the
    budget; `largest_gallery`: templates up to which the model's measured curve vouches for the budget. `sentence` is
    for `edgeface door status`, `warning` is empty or says what the operator should know."""

    threshold: float
    fpir_per_attempt: float
    comparison_fmr: float
    vouched: bool
    largest_gallery: int
    per_year: float | None
    sentence: str
    warning: str = ""


def derive_threshold(
    curve: FmrCurve, budget: ErrorBudget, templates: int, frames_needed: int = 3, window: int = 5
) -> ThresholdChoice:
    """The lowest threshold that keeps the budget with this many templates and N of M frames. More templates or a
    stricter budget never lower it."""
    compared, factor = max(1, templates), _markov(frames_needed, window)
    allowed = budget.fpir_per_attempt / (compared * factor)
    fmr = min(allowed, WORST_FMR)
    threshold = curve.threshold_at(fmr)
    largest = _largest_gallery(curve, budget, factor)
    who = _setting(templates, budget)
    if compared <= largest:
        per_year = compared * curve.fmr_at(threshold) * factor * budget.attempts_per_year
        sentence = f"{who}, {_rate(per_year)}; the threshold is {threshold:.2f}."
        if templates == 0:
            sentence = (
                f"Nobody is enrolled, so nobody is let in; the first template gets a threshold of {threshold:.2f}."
            )
        return ThresholdChoice(threshold, budget.fpir_per_attempt, fmr, True, largest, per_year, sentence)
    warning = (
        f"The model's measured error rates vouch for this budget with at most {_count(largest, 'template')}: enrol "
        "fewer, accept more false accepts a year, or use a model that was measured further."
        if largest
        else "The model's measured error rates vouch for this budget with no gallery at all: accept more false accepts "
        "a year, or use a model that was measured further."
    )
    sentence = f"{who}, no rate is promised; the threshold is extrapolated to {threshold:.2f}. {warning}"
    return ThresholdChoice(threshold, budget.fpir_per_attempt, fmr, False, largest, None, sentence, warning)


def fixed_threshold(
    threshold: float, curve: FmrCurve, budget: ErrorBudget, templates: int, frames_needed: int = 3, window: int = 5
) -> ThresholdChoice:
    """A threshold that the operator fixed: what it means for his budget, always with a warning, because it doesn't
    follow the gallery as it grows. Raises ValueError where it is no cosine."""
    if not -1 <= threshold <= 1:
        raise ValueError(f"a threshold is a cosine, -1 to 1, not {threshold}")
    compared, factor = max(1, templates), _markov(frames_needed, window)
    fmr = curve.fmr_at(threshold)
    largest = math.floor(budget.fpir_per_attempt / (fmr * factor) * (1 + 1e-12))
    per_year = compared * fmr * factor * budget.attempts_per_year if fmr < 1 else None
    vouched = compared <= largest and fmr < 1
    warning = (
        f"The threshold is fixed at {threshold:.2f} and doesn't follow the size of the gallery: the error budget would "
        f"set it to {derive_threshold(curve, budget, templates, frames_needed, window).threshold:.2f}."
    )
    says = "it lies below the model's measured curve and no rate is promised" if per_year is None else _rate(per_year)
    sentence = f"{_setting(templates, budget)}, {says}. {warning}"
    return ThresholdChoice(
        threshold, budget.fpir_per_attempt, fmr, vouched, largest if fmr < 1 else 0, per_year, sentence, warning
    )


def _markov(needed: int, window: int) -> float:
    if not 1 <= needed <= window:
        raise ValueError(f"{needed} of {window} frames is not a rule")
    return window / needed


def _largest_gallery(curve: FmrCurve, budget: ErrorBudget, factor: float) -> int:
    return math.floor(budget.fpir_per_attempt / (curve.vouched_to * factor) * (1 + 1e-12))


def _setting(templates: int, budget: ErrorBudget) -> str:
    a_day = f"{budget.stranger_attempts_per_day:g}"
    return f"With {_count(templates, 'template')} and {a_day} stranger attempt{'' if a_day == '1' else 's'} a day"


def _rate(per_year: float) -> str:
    if per_year > 1.5:
        return f"{per_year:.3g} false accepts a year are expected at most"
    years = 1 / per_year
    span = "a year" if years < 1.5 else f"{float(f'{years:.2g}'):,.0f} years"
    return f"one false accept in about {span} is expected at most"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
