"""For all tests: data folder, hypothesis profiles, a clean environment, real processes one after the other."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from support.standstill import run_again_where_the_machine_stood_still

# No deadline: a test never fails because the machine is slow. `make torture` looks much longer.
SLOW_IS_FINE = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("default", deadline=None, suppress_health_check=SLOW_IS_FINE)
hypothesis.settings.register_profile("torture", deadline=None, max_examples=5000, suppress_health_check=SLOW_IS_FINE)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real faces, never part of the repository; tests that need it are skipped without it."""
    folder = os.environ.get("EDGEFACE_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("EDGEFACE_TEST_DATA names no folder of test data")
    return Path(folder)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not decide about a test."""
    for name in os.environ:
        if name == "EDGEFACE_CONFIG" or (name.startswith("EDGEFACE_") and "__" in name):
            monkeypatch.delenv(name)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if item.get_closest_marker("e2e") is None:
        return None
    return run_again_where_the_machine_stood_still(item, nextitem)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real processes share one worker: they compete for the machine, and their deadlines are real ones."""
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
        if hasattr(getattr(item, "obj", None), "hypothesis"):
            item.add_marker(pytest.mark.campaign)
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.xdist_group("processes"))
