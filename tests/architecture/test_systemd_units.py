"""The units in systemd/ are sound and closed: systemd's own tools judge them, without a running systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "systemd"
SERVICES = sorted(p.name for p in UNITS.glob("*.service"))
# The most that `systemd-analyze security` may find (0 closed, 10 open).
MOST_EXPOSED = {"edgeface.service": 1.6, "edgeface-doord.service": 1.3}


@pytest.fixture(scope="module")
def analyze() -> str:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("there is no systemd-analyze (package systemd; `make dev` installs it)")
    return tool


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units, with this Python in the place of an installed one's: systemd looks whether it is there."""
    folder = tmp_path_factory.mktemp("units")
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.timer")]:
        text = unit.read_text(encoding="utf-8")
        (folder / unit.name).write_text(
            re.sub(r"/usr/lib/edgeface/current/venv/bin/python\b", sys.executable, text), encoding="utf-8"
        )
    return folder


def settings_of(unit: str) -> dict[str, list[str]]:
    """key -> its values, of all sections."""
    found: dict[str, list[str]] = {}
    text = (UNITS / unit).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value.strip())
    return found


def test_systemd_has_nothing_to_say_against_the_units(analyze: str, units: Path) -> None:
    files = [str(p) for p in units.iterdir() if "@" not in p.name]
    done = subprocess.run([analyze, "verify", "--man=no", *files], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "edgeface" in line]
    assert said == []


@pytest.mark.parametrize("unit", MOST_EXPOSED)
def test_a_service_is_as_closed_as_was_promised(analyze: str, units: Path, unit: str) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", str(units / unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED[unit]


@pytest.mark.parametrize("unit", MOST_EXPOSED)
def test_a_service_is_watched_restarted_and_tried_again(unit: str) -> None:
    """Type=notify, a watchdog, no end of restarts: what the start limit stops, the slow retry goes on with."""
    settings = settings_of(unit)
    assert settings["Type"] == ["notify"]
    assert "WatchdogSec" in settings
    assert settings["Restart"] == ["always"]
    assert int(settings["StartLimitBurst"][0]) > 0
    assert settings["OnFailure"] == ["edgeface-retry@%p.timer"]


def test_the_end_of_the_door_process_locks_the_door() -> None:
    """The lock command is given the same relay as the door process, whatever it was set to."""
    settings = settings_of("edgeface-doord.service")
    assert "edgeface.doord.lock $EDGEFACE_RELAY" in settings["ExecStopPost"][0]
    assert "$EDGEFACE_RELAY" in settings["ExecStart"][0]


def test_the_door_process_sees_its_peers_user() -> None:
    """PrivateUsers would turn every user but its own into nobody, and the daemon with them."""
    assert settings_of("edgeface-doord.service").get("PrivateUsers", ["no"]) == ["no"]


def test_each_process_has_a_user_of_its_own_that_is_created() -> None:
    users = {
        line.split()[1] for line in (UNITS / "sysusers.conf").read_text("utf-8").splitlines() if line.startswith("u ")
    }
    named = [settings_of(unit)["User"][0] for unit in MOST_EXPOSED]
    assert len(set(named)) == len(named)
    assert set(named) == users


def test_every_command_of_a_unit_is_isolated_from_the_environment() -> None:
    """python -I: neither a PYTHONPATH nor a file in the working folder can change what a service runs."""
    for unit in SERVICES:
        for key in ("ExecStart", "ExecStopPost"):
            for command in settings_of(unit).get(key, []):
                assert not command.startswith("/usr/lib/edgeface") or "/venv/bin/python -I -m edgeface" in command
