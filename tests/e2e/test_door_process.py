"""The door process as it starts, refuses to start, reports to its supervisors, and what it is made of."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.doord import Client, Doord, grant_id
from support.simboard import Simboard, wait_for

from edgeface.adapters.door.driver import RelaySpec
from edgeface.adapters.door.process import DoorProcess
from edgeface.adapters.door.remote import RemoteDoor
from edgeface.domain.errors import DoorUnavailable

pytestmark = pytest.mark.e2e


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Simboard]:
    with Simboard(tmp_path) as running:
        yield running


def test_it_stays_small(tmp_path: Path, board: Simboard) -> None:
    """Neither numpy nor OpenCV nor pydantic, in the live process: what is not loaded can't fail or be attacked."""
    with Doord(tmp_path, board) as doord, Client(doord.socket) as client:
        client.ask(op="grant", id=grant_id(), pulse_ms=50)
        maps = Path(f"/proc/{doord.pid}/maps").read_text()
        memory = Path(f"/proc/{doord.pid}/status").read_text()
    assert not [name for name in ("numpy", "cv2", "pydantic", "litert", "cryptography") if name in maps]
    assert "Threads:\t1\n" in memory


@pytest.mark.parametrize("module", ["__main__", "guard", "lock", "server", "protocol", "host"])
def test_no_part_of_it_loads_a_heavy_module(module: str) -> None:
    code = f"import sys, edgeface.doord.{module}; sys.stdout.write(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "cv2", "pydantic", "gpiozero", "gpiod", "structlog", "typer", "asyncio", "edgeface.ports"}
    assert not heavy & set(loaded)


def test_a_pin_left_open_at_power_up_is_locked_before_anybody_is_served(tmp_path: Path) -> None:
    with Simboard(tmp_path, "17:1") as board, Doord(tmp_path, board):
        assert [edge.level for edge in board.edges()] == [0]


def test_an_active_low_board_is_driven_the_other_way(tmp_path: Path) -> None:
    with Simboard(tmp_path, "17:1") as board, Doord(tmp_path, board, "--active-low") as doord:
        with Client(doord.socket) as client:
            client.ask(op="grant", id=grant_id(), pulse_ms=50)
            board.wait_level(1)
        assert [edge.level for edge in board.edges()] == [0, 1]


def test_the_path_of_a_dead_door_process_is_taken_over(tmp_path: Path, board: Simboard) -> None:
    with Doord(tmp_path, board) as doord:
        os.kill(doord.pid, signal.SIGKILL)
        wait_for(lambda: board.owner_pid() == 0, "it is dead")
        assert doord.socket.exists()
        with Doord(tmp_path, board) as next_one:
            assert next_one.lives()


def test_the_socket_is_for_user_and_group_alone(tmp_path: Path, board: Simboard) -> None:
    with Doord(tmp_path, board) as doord:
        assert doord.socket.stat().st_mode & 0o777 == 0o660


def refusal(*command: str) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def test_a_live_door_process_is_not_robbed_of_its_socket(tmp_path: Path) -> None:
    """The second one, for another pin, ends; the first one's clients notice nothing."""
    with Simboard(tmp_path, "17,18") as board, Doord(tmp_path, board) as doord:
        door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
        assert door.wait_connected(20)
        code, said = refusal(*[word.replace("17", "18") if word == "17" else word for word in doord.command])
        assert code == 69
        assert "Another door process" in said
        assert door.status().locked
        assert door.poll_events() == []
        assert board.owner_pid(17) == doord.pid
        door.close()


def test_what_is_not_a_socket_is_left_alone(tmp_path: Path, board: Simboard) -> None:
    doord = Doord(tmp_path, board)
    doord.socket.write_text("precious")
    code, said = refusal(*doord.command)
    assert code == 69
    assert "not a socket" in said
    assert doord.socket.read_text() == "precious"


@pytest.mark.parametrize("module", ["edgeface.doord", "edgeface.doord.guard", "edgeface.doord.lock"])
def test_a_pin_in_use_is_one_sentence_that_names_pin_and_holder(tmp_path: Path, board: Simboard, module: str) -> None:
    with Doord(tmp_path, board) as doord:
        more = [] if module.endswith("lock") else ["--socket", str(tmp_path / "other.sock")]
        code, said = refusal(sys.executable, "-m", module, *doord.relay_args, *more)
        assert code == 69
        assert "GPIO 17 is in use by process" in said
        assert f"ps -fp {doord.pid}" in said
        assert "Traceback" not in said
        assert doord.lives()


def test_the_daemon_is_told_when_its_door_process_cannot_start(tmp_path: Path, board: Simboard) -> None:
    with Doord(tmp_path, board) as doord:
        spec = RelaySpec("simboard", 17, board_socket=str(board.socket))
        second = DoorProcess(spec, tmp_path / "other.sock", 5000)
        with pytest.raises(DoorUnavailable, match="exit code 69"):
            second.start()
        assert second.pid is None
        assert doord.lives()


def test_the_daemon_starts_and_stops_its_own(tmp_path: Path, board: Simboard) -> None:
    process = DoorProcess(RelaySpec("simboard", 17, board_socket=str(board.socket)), tmp_path / "door.sock", 5000)
    process.start()
    with Client(tmp_path / "door.sock") as client:
        assert client.ask(op="hello")["max_pulse_ms"] == 5000
        client.ask(op="grant", id=grant_id(), pulse_ms=5000)
        process.stop()
    process.stop()
    assert board.level() == 0
    assert board.owner_pid() == 0


def test_stopping_what_was_killed_locks(tmp_path: Path, board: Simboard) -> None:
    """Also where nobody was in `keep`: killed before the daemon was so far, or while it ended."""
    process = DoorProcess(RelaySpec("simboard", 17, board_socket=str(board.socket)), tmp_path / "door.sock", 9000)
    process.start()
    with Client(tmp_path / "door.sock") as client:
        client.ask(op="grant", id=grant_id(), pulse_ms=9000)
        guard, owner = process.pid, board.owner_pid()
        assert guard
        assert owner  # 0 would mean ourselves
        os.kill(guard, signal.SIGSTOP)  # so that it can't lock in between
        os.kill(owner, signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
        assert board.level() == 1
    process.stop()
    assert process.pid is None
    assert (board.level(), board.owner_pid()) == (0, 0)


@pytest.mark.parametrize("more", [["--pin", "x"], ["--max-pulse-ms", "60001"], ["--max-pulse-ms", "0"], ["--colour"]])
def test_wrong_usage_is_told_before_anything_moves(tmp_path: Path, board: Simboard, more: list[str]) -> None:
    code, said = refusal(*Doord(tmp_path, board).command, *more)
    assert code == 2
    assert "error:" in said
    assert board.edges() == []


def test_it_ends_locked_with_its_parent(tmp_path: Path, board: Simboard) -> None:
    doord = Doord(tmp_path, board, "--die-with-parent")
    code = f"import subprocess, time; subprocess.Popen({doord.command!r}); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        doord.wait_ready()
        with Client(doord.socket) as client:
            client.ask(op="grant", id=grant_id(), pulse_ms=9000)
            parent.kill()
            board.wait_level(0)
    wait_for(lambda: board.owner_pid() == 0, "it ends")


def test_systemd_hears_that_it_is_ready_and_alive(
    tmp_path: Path, board: Simboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """READY once the relay is locked and the socket is open, then a beat each turn of the loop, STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify.sock"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify.sock"))
        monkeypatch.setenv("WATCHDOG_USEC", "700000")
        with Doord(tmp_path, board) as doord:
            assert systemd.recv(200).startswith(b"READY=1\n")
            assert board.owner_pid() == doord.pid
            assert systemd.recv(200) == b"WATCHDOG=1"
            started_s = time.monotonic()
            for _ in range(20):  # a few of them may have waited for us
                assert systemd.recv(200) == b"WATCHDOG=1"
            assert time.monotonic() - started_s > 0.2
        rest = []
        while not rest or rest[-1] != b"STOPPING=1":
            rest.append(systemd.recv(200))
