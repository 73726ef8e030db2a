"""A test that failed is run again where the machine stood still meanwhile, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import standstill

from edgeface.app.demo.stalls import Stall, StallMeter

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from support.standstill import run_again_where_the_machine_stood_still

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    return run_again_where_the_machine_stood_still(item, nextitem)
"""

TESTS = """
import pytest
runs, made = [], []

@pytest.fixture
def fresh():
    made.append(len(made))
    return made[-1]

def test_fails_{failures}_times(fresh):
    runs.append(fresh)
    assert len(runs) > {failures}, "the door was late"
    assert runs == list(range({failures} + 1))  # each run with fixtures of its own

def test_that_passes():
    assert len(runs) == {runs}
"""


@pytest.mark.parametrize(
    ("stood_still_s", "failures", "passed", "runs"),
    [
        pytest.param(0.2, 1, True, 2, id="late once"),
        pytest.param(0.2, 2, True, 3, id="late twice"),
        pytest.param(0.2, 3, False, 3, id="late always"),
        pytest.param(0.05, 1, False, 1, id="the machine ran"),
        pytest.param(0.2, 0, True, 1, id="not late"),
    ],
)
def test_run_again_only_where_the_machine_stood_still(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    stood_still_s: float,
    failures: int,
    passed: bool,
    runs: int,
) -> None:
    class Meter(StallMeter):
        def _watch(self, cpu: int) -> None:
            self._found.append(Stall(0.0, stood_still_s))

    monkeypatch.setattr(standstill, "StallMeter", Meter)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS.format(failures=failures, runs=runs))
    pytester.syspathinsert(Path(__file__).parents[1])
    said = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    said.assert_outcomes(passed=2 if passed else 1, failed=0 if passed else 1)
    text = said.stdout.str()
    assert text.count("run again: the machine stood still for 200 ms") == runs - 1
    assert ("the door was late" in text) == (failures > 0)
