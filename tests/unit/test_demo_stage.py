"""The demo's stage: its settings are read back as they were meant, its processes end, what it reads may be half
written."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeface.app.demo import stage as staging
from edgeface.app.demo.show import DEMO_SETTINGS, PULSE_MS
from edgeface.app.demo.stage import Stage, end
from edgeface.app.settings import load_settings
from edgeface.domain.errors import EdgefaceError


def test_the_settings_that_it_writes_are_read_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path / 'a "quoted" folder')
    stage.folder.mkdir()
    stage.write_config("replay:scene.toml?seed=3", DEMO_SETTINGS)
    settings = load_settings(stage.config, environ={})
    assert settings.door.pulse_ms == PULSE_MS
    assert settings.door.driver == "simboard"
    assert settings.door.start_process is True
    assert settings.state_dir == stage.folder / "state"
    assert settings.control_socket == stage.control_socket
    assert settings.camera.source == f"replay:{stage.folder}/scene.toml?seed=3"
    assert settings.decision.cooldown_s == DEMO_SETTINGS["decision"]["cooldown_s"]


def test_edges_leave_out_other_pins_and_a_line_that_is_being_written(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.edges() == []
    stage.edge_log.write_text(
        '{"t_s": 1.5, "pin": 17, "level": 1, "owner_pid": 42}\n'
        '{"t_s": 2.0, "pin": 22, "level": 1, "owner_pid": 42}\n'
        '{"t_s": 3.0, "pin": 17, "le'
    )
    assert stage.edges() == [(1.5, 1)]


def test_a_command_that_fails_is_told_in_its_own_words(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.write_config("replay:scene.toml", {})
    with pytest.raises(EdgefaceError, match=r"enroll.*failed: edgeface: The photo .*none\.jpg can't be read"):
        stage.edgeface("enroll", "Ada", "--photo", str(tmp_path / "none.jpg"))


def test_the_settings_of_the_machine_do_not_reach_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFACE_DOOR__PIN", "4")
    stage = Stage(tmp_path)
    stage.write_config("replay:scene.toml", {})
    assert stage.edgeface("config", "show")["door.pin"]["value"] == staging.PIN


def test_a_daemon_that_does_not_start_is_told_with_what_it_said(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.write_config("replay:scene.toml", {"door": {"pulse_ms": 1}})
    told = pytest.raises(EdgefaceError, match=r"The daemon did not start\. It said: .*door\.pulse_ms")
    with told, staging.daemon(stage):
        pass


def test_the_board_answers_while_the_context_lasts_and_is_gone_afterwards(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with staging.board(stage):
        assert (tmp_path / "board.sock").is_socket()
        assert stage.edges() == []
    assert not staging._listens(tmp_path / "board.sock", staging.socket.SOCK_SEQPACKET)


def test_a_process_that_does_not_listen_to_reason_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "STOP_S", 0.2)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = time.monotonic()
        end(process)
        assert process.returncode == -9
        assert time.monotonic() - before < 30
        end(process)  # once more does nothing
