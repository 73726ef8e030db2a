"""A demo that is ended from outside leaves neither a process nor its folder, which holds a device key and templates."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.simboard import wait_for
from support.visits import COLLINS, Visit, write_scene


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the demo's folders are; short, its sockets are in there."""
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


@pytest.fixture
def scene(tmp_path: Path, photos) -> Path:
    return write_scene(tmp_path / "visit.toml", Visit("collins", 0, 30, "access_granted", COLLINS), length_s=40)


def those_that_name(folder: Path) -> list[str]:
    """Command lines of the live processes that were given `folder` or something in it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0") if process.name.isdecimal() else []
        except OSError:
            continue  # it has ended
        if any(word.startswith(bytes(folder)) for word in words):
            found.append(b" ".join(words).decode(errors="replace"))
    return found


def enrolling(scratch: Path) -> bool:
    return any(scratch.glob("edgeface-demo-*/state"))


def playing(scratch: Path) -> bool:
    return any(scratch.glob("edgeface-demo-*/control.sock"))


@pytest.fixture(autouse=True)
def nothing_ignored() -> Iterator[None]:
    """Under nohup a demo would take no SIGHUP, as it should."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "when"),
    [
        pytest.param(signal.SIGTERM, enrolling, id="SIGTERM while it enrols"),
        pytest.param(signal.SIGTERM, playing, id="SIGTERM while it plays"),
        pytest.param(signal.SIGHUP, playing, id="SIGHUP while it plays"),
        pytest.param(signal.SIGKILL, playing, id="SIGKILL while it plays"),
    ],
)
def test_a_demo_ended_by_a_signal_leaves_nothing(
    scratch: Path, scene: Path, number: signal.Signals, when: Callable[[Path], bool]
) -> None:
    """Its exit code says which signal it was, as a shell puts it."""
    command = [sys.executable, "-m", "edgeface", "demo", "--json", "--scene", str(scene)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(scratch)},
        start_new_session=True,
    ) as demo:
        try:
            wait_for(lambda: when(scratch), "the demo is so far", 60)
            assert those_that_name(scratch)
            demo.send_signal(number)
            demo.wait(30)
        finally:
            demo.kill()
    assert demo.returncode == (-number if number is signal.SIGKILL else 128 + number)
    wait_for(lambda: not list(scratch.iterdir()), "its folders are gone", 30)
    wait_for(lambda: not those_that_name(scratch), "and so are its processes", 30)
    assert list(scratch.iterdir()) == []


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """`nohup edgeface demo` goes on when the terminal is closed."""
    code = """
import os, signal, sys
from edgeface.app.demo.ending import scratch_folder
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with scratch_folder("nohup-") as folder:
    os.kill(os.getpid(), signal.SIGHUP)
    assert folder.is_dir()
    os.kill(os.getpid(), signal.SIGTERM)
sys.exit("not reached")
"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
