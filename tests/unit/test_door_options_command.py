"""`edgeface door options > doord.env`: what the door process's unit reads must arrive in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from edgeface.cli.door import app


def test_the_options_are_data_and_go_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file would move another pin than the settings name."""
    file = tmp_path / "edgeface.toml"
    file.write_text("[door]\npin = 27\nmax_pulse_ms = 8000\n", encoding="utf-8")
    typer.main.get_command(app).main(["options", "--config", str(file)], standalone_mode=False)
    told = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert told["EDGEFACE_RELAY"] == "--driver gpiozero --pin 27"
    assert told["EDGEFACE_MAX_PULSE_MS"] == "8000"
    assert "--state-file" in told["EDGEFACE_DOOR_OPTIONS"]
