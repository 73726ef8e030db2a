"""What stays unloaded: the door process is small, and the list of commands is quick."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "cv2", "ai_edge_litert", "tflite_runtime", "cryptography", "pydantic", "structlog", "gpiozero",
         "gpiod", "picamera2", "paho")  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after running `code`."""
    ask = f"import sys\n{code}\nprint('loaded:', *(n for n in {HEAVY!r} if n in sys.modules))"
    result = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=60)
    return set(result.stdout.rpartition("loaded:")[2].split())


def command(*arguments: str) -> str:
    call = f"    main({arguments!r})"
    return "\n".join(
        ("from edgeface.cli.main import main", "try:", call, "except SystemExit as e:", "    assert not e.code")
    )


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_command_line_loads_nothing_heavy_to_introduce_itself(argument: str) -> None:
    assert loaded_by(command(argument)) == set()


def test_a_small_command_does_not_pay_for_the_large_ones() -> None:
    """pydantic comes with typer's parsing of options."""
    assert loaded_by(command("version")) <= {"pydantic"}


@pytest.mark.parametrize("module", ["__main__", "guard", "lock", "server"])
def test_the_door_process_loads_neither_numpy_nor_opencv(module: str) -> None:
    assert loaded_by(f"import edgeface.doord.{module}") == set()


def test_the_settings_load_no_picture_library() -> None:
    assert not loaded_by("import edgeface.app.settings") & {"cv2", "ai_edge_litert", "cryptography", "gpiozero"}


def test_a_heavy_import_would_be_seen() -> None:
    """The measurement itself can fail."""
    assert "numpy" in loaded_by("import numpy")
