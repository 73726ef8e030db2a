"""`edgeface config check` refuses whatever `edgeface run` would refuse of the settings, with the same exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Command, commands

from edgeface.app.settings import load_settings
from edgeface.domain.errors import ConfigError

WRONG = {
    "camera": ('camera.source = "gibberish"', "The camera source 'gibberish' means nothing"),
    "camera's options": ('camera.source = "replay:x.mp4?speed=2"', "speed"),
    "group": ('control.group = "no-such-group"', "The group no-such-group"),
    "long folder": (f'run_dir = "/{"x" * 130}"', "Linux allows 107"),
    "long socket": (f'door.socket = "/{"x" * 130}"', "a shorter door.socket"),
    "empty state": ('state_dir = ""', "must be a folder"),
    "blank run": ('run_dir = "  "', "must be a folder"),
    "no path": ('gallery.path = "/a\\u0000b"', "no path can have"),
    "shared pins": ("door.inputs.rex_pin = 17", "door.inputs.rex_pin and door.pin are both 17"),
    "unknown schedule": ('door.free_schedule = "nights"', "no schedule"),
    "models": ('models_dir = "/no/such/folder"', "manifest"),
}


@pytest.fixture
def edgeface(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.setenv("EDGEFACE_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("EDGEFACE_STATE_DIR", str(tmp_path))
    return commands(capsys, tmp_path / "edgeface.toml")


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("command", [("config", "check"), ("run",)], ids=" ".join)
def test_check_and_run_refuse_the_same(
    edgeface: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...], kind: str
) -> None:
    line, sentence = WRONG[kind]
    monkeypatch.delenv("EDGEFACE_RUN_DIR")
    monkeypatch.delenv("EDGEFACE_STATE_DIR")
    folders = [f'{name} = "{tmp_path}"' for name in ("run_dir", "state_dir") if not line.startswith(name)]
    (tmp_path / "edgeface.toml").write_text("\n".join([line, *folders, 'door.driver = "recording"']), encoding="utf-8")
    said = edgeface(*command)
    assert (said.code, sentence in said.err) == (78, True), said.err
    assert [p.name for p in tmp_path.iterdir()] == ["edgeface.toml"]  # nothing was begun


@pytest.mark.parametrize("command", [("config", "check"), ("run",)], ids=" ".join)
def test_a_pin_that_the_door_process_would_refuse_is_refused_before_it_starts(
    edgeface: Command, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "edgeface.toml").write_text("door.signals.red_pin = 40\n", encoding="utf-8")
    said = edgeface(*command)
    assert (said.code, "GPIO 40 for the red output is not on a Raspberry Pi's header" in said.err) == (78, True)


def test_what_is_right_is_fine(edgeface: Command, tmp_path: Path) -> None:
    """A camera and a relay that this machine doesn't have are no fault of the settings."""
    (tmp_path / "edgeface.toml").write_text('camera.source = "v4l2:nobody"\ndoor.pin = 4\n', encoding="utf-8")
    said = edgeface("config", "check")
    assert (said.code, said.out[:5]) == (0, "Fine:"), said.err


@pytest.mark.parametrize("name", ["STATE_DIR", "RUN_DIR"])
def test_an_empty_variable_is_no_folder(name: str) -> None:
    """It would be the folder that somebody happens to stand in."""
    with pytest.raises(ConfigError, match="must be a folder"):
        load_settings(environ={f"EDGEFACE_{name}": ""})


def test_the_board_s_socket_counts_where_there_is_a_board() -> None:
    long = "/" + "x" * 130
    assert load_settings(environ={"EDGEFACE_DOOR__BOARD_SOCKET": long}).door.board_socket == Path(long)
    with pytest.raises(ConfigError, match="board_socket"):
        load_settings(environ={"EDGEFACE_DOOR__BOARD_SOCKET": long, "EDGEFACE_DOOR__DRIVER": "simboard"})
