"""`edgeface gallery factor`: the PIN is asked for twice and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.people import person
from typer.testing import CliRunner

from edgeface.app import wiring
from edgeface.app.settings import load_settings
from edgeface.cli.gallery import app


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "edgeface.toml"
    file.write_text('state_dir = "s"\nrun_dir = "."\n[audit]\nreserve_mb = 1\nmax_mb = 4\n', encoding="utf-8")
    settings = load_settings(file, environ={})
    store = wiring.open_gallery(settings, wiring.open_keys(settings, create=True))
    store.put(person(1))
    store.close()
    return file


def test_a_pin_is_set_by_typing_it_twice_and_cleared_again(config: Path) -> None:
    who = person(1).id
    command = ["factor", "set", who, "--pin", "--second", "always", "--config", str(config)]
    wrong = CliRunner().invoke(app, command, input="947113\n947114\n")
    assert wrong.exit_code != 0
    done = CliRunner().invoke(app, command, input="947113\n947113\n")
    assert done.exit_code == 0, done.output
    assert "947113" not in done.output
    assert "a PIN; second factor always" in done.output
    cleared = CliRunner().invoke(app, ["factor", "clear", who, "--json", "--config", str(config)])
    assert cleared.exit_code == 0
    assert '"pin": false' in cleared.output
