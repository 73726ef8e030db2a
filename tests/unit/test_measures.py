"""Numbers that a running door counts."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.app.measures import LAST, MOST_STAGES, Measures
from edgeface.domain.events import AccessDenied, AccessGranted, CameraLost, SpoofRefused
from edgeface.domain.measures import STAGE_BOUNDS, Histogram


@settings(max_examples=100)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    histogram = Histogram(STAGE_BOUNDS)
    for value in values:
        histogram.add(value)
    true = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
    said = histogram.now().quantile(share)
    edges = (0.0, *STAGE_BOUNDS)
    assert said is not None
    if true > STAGE_BOUNDS[-1]:
        assert said == STAGE_BOUNDS[-1]
    else:
        high = next(b for b in STAGE_BOUNDS if true <= b)
        assert edges[edges.index(high) - 1] <= said <= high * 1.0001


def test_nothing_measured_has_no_quantile() -> None:
    assert Histogram(STAGE_BOUNDS).now().quantile(0.5) is None


def test_what_is_not_finite_spoils_no_sum() -> None:
    histogram = Histogram((1.0,))
    for value in (math.nan, math.inf, 0.5):
        histogram.add(value)
    assert (histogram.now().counts, histogram.now().total) == ((1, 0), 0.5)


def test_the_difference_of_two_readings_is_what_came_between() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.add(0.5)
    before = histogram.now()
    histogram.add(1.5)
    assert histogram.now().since(before).counts == (0, 1, 0)


def test_decisions_are_counted_by_reason_and_the_last_are_kept() -> None:
    measures = Measures()
    for i in range(LAST):
        measures.event(AccessDenied(float(i), 1, "unknown_person"))
    measures.event(SpoofRefused(20.0, 1, "spoof", 0.9))
    measures.event(AccessGranted(21.0, 1, "a" * 32, 0.8, 0.3, 400, "b" * 32))
    measures.event(CameraLost(22.0, "stalled", "gone"))
    now = measures.now()
    assert dict(now.decisions) == {"unknown_person": LAST, "spoof": 1, "granted": 1}
    assert len(now.last) == LAST
    assert (now.last[-1].decision, now.last[-1].person) == ("granted", "a" * 32)
    assert dict(now.camera_faults) == {"stalled": 1}


def test_it_takes_no_more_memory_in_a_year_than_in_an_hour() -> None:
    """However many stages, frames and decisions come."""
    measures = Measures()
    for i in range(200):
        measures.frame({f"stage {i}": 0.1, "detect": 0.01}, 0.1)
    now = measures.now()
    assert len(now.stages) <= MOST_STAGES
    assert now.stages["detect"].count == 200
    assert now.grant_age.count == 200
