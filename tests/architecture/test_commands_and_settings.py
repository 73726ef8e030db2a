"""Every command says what it does and shows how; every setting says what it means."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from edgeface.app import settings_help
from edgeface.app.settings import Settings, load_settings
from edgeface.app.settings_example import example_file
from edgeface.cli.main import COMMANDS

REPO = Path(__file__).resolve().parents[2]


def command(name: str) -> Any:
    return typer.main.get_command(importlib.import_module(f"edgeface.cli.{COMMANDS[name][0]}").app)


def leaves(name: str, found: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(found, "commands"):
        yield name, found
        return
    for below, inner in found.commands.items():
        yield from leaves(f"{name} {below}", inner)


def failings(path: str, found: Any) -> list[str]:
    """What is missing from one command."""
    missing = []
    if not (found.help or "").strip():
        missing.append(f"edgeface {path} has no help")
    shown = f"{found.help or ''}\n{found.epilog or ''}"
    if f"edgeface {path}" not in shown:
        missing.append(f"edgeface {path} shows no example")
    for parameter in found.params:
        if parameter.name != "help" and not (getattr(parameter, "help", None) or "").strip():
            missing.append(f"edgeface {path}: {parameter.name} has no help")
    return missing


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_and_an_example(name: str) -> None:
    assert [line for path, found in leaves(name, command(name)) for line in failings(path, found)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    first = command(name).help.strip().splitlines()[0]
    assert first.startswith(COMMANDS[name][1].rstrip("."))


def test_a_command_without_help_or_example_is_found() -> None:
    app = typer.Typer()

    @app.command()
    def bare(count: int = 1) -> None:
        pass

    assert len(failings("bare", typer.main.get_command(app))) == 3


@pytest.mark.parametrize("key", [*settings_help.fields(Settings), *settings_help.fields_of_lists(Settings)])
def test_a_setting_says_what_it_means(key: str) -> None:
    told = settings_help.explain(key, Settings)
    assert told.description.strip().endswith(".")
    if told.type in ("whole number", "number"):
        assert told.bounds, f"{key} has no bounds"
    if key.endswith(("_s", "_ms", "_px", "_deg", "_mb")):
        assert told.unit, f"{key} has no unit"


def test_the_settings_file_that_ships_lists_every_setting_at_its_default() -> None:
    """config/edgeface.toml is the output of `edgeface config example`."""
    assert (REPO / "config" / "edgeface.toml").read_text(encoding="utf-8") == example_file()


def test_the_settings_file_that_ships_changes_nothing() -> None:
    assert load_settings(REPO / "config" / "edgeface.toml", environ={}) == Settings()


def test_every_line_of_the_settings_file_can_be_uncommented(tmp_path: Path) -> None:
    """Each example value is a valid one, and those with a default are that default."""
    lines, table = [], ""
    for line in example_file().splitlines():
        if line.startswith(("[", "# [[")):
            lines.append(line.removeprefix("# "))
            table = line.strip("[]# ")
        elif line.startswith("# ") and " = " in line and line[2:].partition(" = ")[0].replace("_", "").isalnum():
            lines.append(line.removeprefix("# "))
    file = tmp_path / "edgeface.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    settings = load_settings(file, environ={})
    assert table == "schedule"
    assert settings.schedule[0].name == "office"
    assert len([line for line in lines if " = " in line]) == len(settings_help.fields(Settings)) - 1 + 3
    for key, field in settings_help.fields(Settings).items():
        if field.default is not None and key != "schedule":
            assert settings_help.get(settings.model_dump(), key) == field.default, key
