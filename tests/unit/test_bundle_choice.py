"""What a bundle for a device holds, worked out on another machine; and what the installer refuses, changing nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = ["install.sh", "make-bundle", "try-systemd", "try-arm64"]


@pytest.fixture(scope="module")
def bundle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("edgeface_bundle", REPO / "scripts" / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(bundle: ModuleType, entries: list[str]) -> list[str]:
    return [bundle.requirement(entry).name for entry in entries]


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_each_package_is_chosen_once_for_each_python_and_machine(bundle: ModuleType, python: str, machine: str) -> None:
    found = names(bundle, bundle.wanted(bundle.entries(bundle.ROOT / "constraints.txt")["runtime"], python, machine))
    assert len(found) == len(set(found))
    assert {"numpy", "opencv-python-headless", "ai-edge-litert", "sdnotify"} <= set(found)


def test_the_pins_driver_is_for_the_boards_that_have_a_wheel_of_it(bundle: ModuleType) -> None:
    """lgpio: aarch64 up to Python 3.12; later ones take the system's."""
    pi = bundle.entries(bundle.ROOT / "constraints.txt")["pi"]
    assert names(bundle, bundle.wanted(pi, "3.11", "aarch64")) == ["lgpio"]
    assert bundle.wanted(pi, "3.13", "aarch64") == []
    assert bundle.wanted(pi, "3.11", "x86_64") == []


def test_markers_are_decided_here_and_not_by_the_pip_that_fetches(bundle: ModuleType) -> None:
    line = "numpy==2.2.6 ; python_full_version < '3.11' \\\n    --hash=sha256:00"
    assert bundle.without_markers([line]) == ["numpy==2.2.6 \\\n    --hash=sha256:00"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_posix_shell(script: str) -> None:
    done = subprocess.run(["sh", "-n", REPO / "scripts" / script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    tool = shutil.which("shellcheck")
    if tool is None:
        pytest.skip("there is no shellcheck (`make dev` installs it)")
    done = subprocess.run([tool, REPO / "scripts" / script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def refused(*arguments: str, user: int | None = None) -> tuple[int, str]:
    """Exit code and what is said on stderr. Only for what is refused before anything is changed."""
    done = subprocess.run(
        ["sh", REPO / "scripts" / "install.sh", *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, user=user,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


def test_an_unknown_option_is_refused() -> None:
    assert refused("--upgade") == (2, "edgeface: --upgade is no option; install.sh --help lists them.")


def test_an_option_without_its_value_is_refused() -> None:
    code, said = refused("--bundle")
    assert (code, said.count("\n")) == (1, 0)
    assert "--bundle wants a value" in said


def test_a_bundle_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the installer looks for it as root alone")
    code, said = refused("--unattended", "--bundle", str(tmp_path / "none.tar"))
    assert (code, said) == (1, f"edgeface: there is no bundle at {tmp_path / 'none.tar'}.")


def test_without_root_it_says_how_to_run_it() -> None:
    if os.geteuid() == 0:
        reachable = subprocess.run(["test", "-r", REPO / "scripts" / "install.sh"], user=65534, check=False)
        if reachable.returncode != 0:
            pytest.skip("another user can't read this checkout")
    code, said = refused("--unattended", user=65534 if os.geteuid() == 0 else None)
    assert code == 1
    assert "run it as root" in said


def test_help_lists_every_option() -> None:
    text = (REPO / "scripts" / "install.sh").read_text(encoding="utf-8")
    done = subprocess.run(["sh", REPO / "scripts" / "install.sh", "--help"], capture_output=True, text=True, check=True)
    for option in (
        "--bundle",
        "--unattended",
        "--config",
        "--relay",
        "--start",
        "--numpy",
        "--roll-back",
        "--uninstall",
    ):
        assert option in done.stdout
        assert option in text
