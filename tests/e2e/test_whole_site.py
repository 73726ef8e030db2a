"""scripts/trials/whole_site.py, small: a site from its beginning to a revocation that a door slept through."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeface.adapters.link.broker import find_mosquitto
from edgeface.domain.errors import ConfigError

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "trials" / "whole_site.py"


def test_a_site_from_its_beginning_to_a_revocation_that_a_door_slept_through() -> None:
    """The two portraits alone where there is no other data."""
    pytest.importorskip("skimage", reason="the portraits come with the extra `demo`")
    try:
        find_mosquitto()
    except ConfigError as e:
        pytest.skip(str(e))
    people = 20 if os.environ.get("EDGEFACE_TEST_DATA") else 0
    said = subprocess.run(
        [sys.executable, str(SCRIPT), "--people", str(people)], capture_output=True, text=True, check=False, timeout=900
    )
    assert said.returncode == 0, f"{said.stdout[-4000:]}\n{said.stderr[-2000:]}"
    for line in ("kill -9", "is revoked", "back: ", "front: ", "As it should be"):
        assert line in said.stdout
