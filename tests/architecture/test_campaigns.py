"""What `make torture` goes over again and again. A campaign that collects nothing would pass for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("campaigns")  # one collection serves them all
ROOT = Path(__file__).parents[2]
KILLS = ("test_daemon_kills", "test_door_kills", "test_guard_kills", "test_store_crash", "test_audit_crash")
POWER_CUTS = ("test_powercut",)
FUZZING = ("test_door_protocol", "test_settings", "test_photos")
PROPERTIES = (
    "test_door_loop_properties",
    "test_door_machine",
    "test_gallery_rules",
    "test_liveness",
    "test_lockout",
    "test_matching",
    "test_policy",
    "test_quality",
    "test_schedule",
    "test_streak",
    "test_tracking",
)


@pytest.fixture(scope="module")
def collected() -> str:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-m",
        "torture or campaign",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("module", [*KILLS, *POWER_CUTS, *FUZZING, *PROPERTIES])
def test_each_campaign_is_part_of_the_torture(collected: str, module: str) -> None:
    assert f"/{module}.py::" in collected


def test_the_repeated_kills_alone_are_left_to_the_torture(collected: str) -> None:
    """They stand there once more with few runs, in `make test`."""
    assert "[many]" in collected
