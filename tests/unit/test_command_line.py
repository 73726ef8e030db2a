"""The frame of the command line: errors in plain words, exit codes, JSON for machines, `config` and `version`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import typer

from edgeface import __version__
from edgeface.cli import main as command_line
from edgeface.cli import output
from edgeface.domain.errors import EdgefaceError, EnrolmentError, StorageError


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        command_line.main(arguments)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes `edgeface broken` raise what it is given."""

    def raising(error: BaseException) -> None:
        app = typer.Typer()

        @app.command()
        def broken() -> None:
            """Break."""
            raise error

        monkeypatch.setitem(sys.modules, "edgeface.cli.broken", types.SimpleNamespace(app=app))
        monkeypatch.setitem(command_line.COMMANDS, "broken", ("broken", "Break."))

    return raising


def test_an_error_of_ours_is_a_sentence_with_advice_and_its_exit_code(capsys: Any, broken: Any) -> None:
    broken(StorageError("The disk is full.", "Free some space."))
    assert run(capsys, "broken") == (74, "", "edgeface: The disk is full.\n  Free some space.\n")


def test_an_enrolment_that_failed_lists_its_reasons(capsys: Any, broken: Any) -> None:
    broken(EnrolmentError("No picture served.", "Take better ones.", (("a.jpg", "There is no face in it."),)))
    code, _, err = run(capsys, "broken")
    assert code == 65
    assert "a.jpg: There is no face in it." in err


def test_a_fault_of_the_program_is_a_sentence_and_the_traceback_is_kept(
    capsys: Any, broken: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    broken(RuntimeError("oops"))
    code, _, err = run(capsys, "broken")
    (kept,) = tmp_path.iterdir()
    assert code == 1
    assert "not foreseen (RuntimeError: oops)" in err
    assert "Traceback" not in err
    assert str(kept) in err
    assert "Traceback" in kept.read_text(encoding="utf-8")
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("error", [RuntimeError("oops"), EdgefaceError("Refused.")])
def test_debug_shows_the_traceback(capsys: Any, broken: Any, error: Exception) -> None:
    broken(error)
    code, _, err = run(capsys, "--debug", "broken")
    assert code == 1
    assert "Traceback" in err


def test_a_wrong_use_ends_with_2(capsys: Any) -> None:
    assert run(capsys, "config", "explain")[0] == output.USAGE
    code, _, err = run(capsys, "confg")
    assert code == output.USAGE
    assert "config" in err


def test_a_reader_that_has_had_enough_gets_no_traceback() -> None:
    """`edgeface config show | head -0`: the pipe is closed before the first line."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "edgeface", "config", "show"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_version_prints_the_version_and_json_what_a_report_needs(capsys: Any) -> None:
    assert run(capsys, "--version")[1] == f"edgeface {__version__}\n"
    assert run(capsys, "version")[1] == f"edgeface {__version__}\n"
    told = json.loads(run(capsys, "version", "--json")[1])
    assert told["edgeface"] == __version__
    assert told["parts"]["numpy"]


def test_python_m_edgeface_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "edgeface", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"edgeface {__version__}\n"


def test_config_check_says_what_is_given_and_refuses_what_is_wrong(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "door.toml"
    file.write_text("[door]\npin = 5\n", encoding="utf-8")
    code, out, _ = run(capsys, "config", "check", "--config", str(file))
    assert code == 0
    assert "1 of " in out
    assert json.loads(run(capsys, "config", "check", "-c", str(file), "--json")[1])["given"] == ["door.pin"]
    file.write_text("[door]\npn = 5\n", encoding="utf-8")
    code, out, err = run(capsys, "config", "check", "--config", str(file))
    assert code == 78
    assert out == ""
    assert "Did you mean door.pin?" in err


def test_config_show_has_value_and_source_of_every_setting(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "door.toml"
    file.write_text("[[schedule]]\nname = 'a'\nholidays = [2027-01-01]\n[door]\npin = 5\n", encoding="utf-8")
    monkeypatch.setenv("EDGEFACE_SITE", "plant")
    shown = json.loads(run(capsys, "config", "show", "--json", "--config", str(file))[1])
    assert shown["door.pin"] == {"value": 5, "source": "door.toml, line 5"}
    assert shown["site"] == {"value": "plant", "source": "$EDGEFACE_SITE"}
    assert shown["door.pulse_ms"] == {"value": 3000, "source": "default"}
    assert shown["schedule"]["value"] == [{"name": "a", "windows": [], "holidays": ["2027-01-01"]}]
    table = run(capsys, "config", "show", "--config", str(file))[1]
    assert "door.toml, line 5" in table


def test_config_explain_tells_a_setting_and_a_table(capsys: Any) -> None:
    (told,) = json.loads(run(capsys, "config", "explain", "door.pulse_ms", "--json")[1])
    assert (told["unit"], told["default"], told["variable"]) == ("ms", "3000", "EDGEFACE_DOOR__PULSE_MS")
    table = run(capsys, "config", "explain", "door")[1]
    assert "door.pulse_ms" in table
    assert "door.max_pulse_ms" in table
    assert "schedule.windows.from" in run(capsys, "config", "explain", "schedule")[1]
    assert "Did you mean door.pin?" in run(capsys, "config", "explain", "door.pn")[2]


def test_config_explain_helps_also_while_the_file_is_wrong(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "door.toml"
    file.write_text("[door]\npulse_ms = 1\n", encoding="utf-8")
    code, out, err = run(capsys, "config", "explain", "door.pulse_ms", "-c", str(file))
    assert code == 0
    assert "at least 100" in out
    assert "must be greater than or equal to 100" in err


def test_config_example_is_a_file_to_begin_with(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "door.toml"
    file.write_text(run(capsys, "config", "example")[1], encoding="utf-8")
    assert run(capsys, "config", "check", "-c", str(file))[0] == 0


def test_a_table_takes_no_markup_and_no_control_characters_from_its_cells(capsys: Any) -> None:
    output.print_table(("name",), [("[bold]Ada[/] \x1b[31m",), (None,)])
    out = capsys.readouterr().out
    assert "[bold]Ada[/] \\x1b[31m" in out


def test_json_lines_keep_to_one_line(capsys: Any) -> None:
    output.print_json_line({"name": "Zoë\n", "path": Path("x")})
    assert capsys.readouterr().out == '{"name": "Zoë\\n", "path": "x"}\n'
