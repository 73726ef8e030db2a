"""The promise "locked when in doubt", on the real processes and judged by the simulated board's log of edges: whatever
is killed, stopped or talks nonsense in mid-pulse, the relay is locked within a second."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.doord import Client, ClientProcess, Doord, grant_id, kill_runs
from support.simboard import Simboard, wait_for

from edgeface.adapters.door.remote import RemoteDoor
from edgeface.domain.events import DoorLocked, DoorProcessLost, DoorProcessRecovered, DoorUnlocked

pytestmark = pytest.mark.e2e
LONG_MS = 10_000  # no pulse of these tests would end by itself in time
RUNS = [pytest.param(3, id="few"), pytest.param(kill_runs(), id="many", marks=pytest.mark.torture)]
several = pytest.mark.parametrize("runs", RUNS)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Simboard]:
    with Simboard(tmp_path) as running:
        yield running


@pytest.fixture
def doord(tmp_path: Path, board: Simboard) -> Iterator[Doord]:
    with Doord(tmp_path, board) as running:
        yield running


@pytest.fixture
def guarded(tmp_path: Path, board: Simboard) -> Iterator[Doord]:
    with Doord(tmp_path, board, guarded=True) as running:
        yield running


def strike(pid: int, number: signal.Signals) -> float:
    """Sends the signal; the monotonic time just before."""
    at_s = time.monotonic()
    os.kill(pid, number)
    return at_s


def assert_locked_within_a_second(board: Simboard, at_s: float, pulses: int) -> None:
    """The last of `pulses` pulses was running at `at_s` and ended within a second of it; nothing came after."""
    board.wait_level(0)
    log = board.pulses()
    assert len(log) == pulses
    last = log[-1]
    assert last.start_s < at_s
    assert last.end_s is not None
    assert last.end_s - at_s < 1.0


# -- the client ----------------------------------------------------------------------------------------------------


@several
def test_a_client_killed_in_mid_pulse_locks(board: Simboard, doord: Doord, runs: int) -> None:
    for run in range(1, runs + 1):
        with ClientProcess(doord.socket, LONG_MS) as client:
            client.wait_granted()
            at_s = strike(client.process.pid, signal.SIGKILL)
            assert_locked_within_a_second(board, at_s, run)
    assert doord.lives()


@several
def test_a_client_that_falls_silent_in_mid_pulse_locks(board: Simboard, doord: Doord, runs: int) -> None:
    """A stopped process keeps its connection: only its missing heartbeat tells."""
    for run in range(1, runs + 1):
        with ClientProcess(doord.socket, LONG_MS) as client:
            client.wait_granted()
            at_s = strike(client.process.pid, signal.SIGSTOP)
            assert_locked_within_a_second(board, at_s, run)
    assert doord.lives()


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        pytest.param(b"\x00\xff garbage", "malformed", id="bytes"),
        pytest.param(b'{"v":1,"op":"open the door"}', "unknown_op", id="unknown op"),
        pytest.param(b'{"v":1,"op":"ping"}' + b" " * 5000, "malformed", id="oversize"),
        pytest.param(b'{"v":9,"op":"ping"}', "malformed", id="other version"),
        pytest.param(b'{"v":1,"op":"grant","id":"00","pulse_ms":100}', "malformed", id="bad grant id"),
    ],
)
def test_nonsense_in_mid_pulse_locks_and_closes(board: Simboard, doord: Doord, packet: bytes, code: str) -> None:
    with Client(doord.socket) as client:
        client.ask(op="grant", id=grant_id(), pulse_ms=LONG_MS)
        at_s = time.monotonic()
        client.socket.send(packet)
        messages = client.to_the_end()
        assert_locked_within_a_second(board, at_s, 1)
    assert [message["code"] for message in messages if message.get("ok") is False] == [code]
    assert [message.get("cause") for message in messages if message.get("event") == "door_locked"] == [
        "client_nonsense"
    ]
    with Client(doord.socket) as client:
        assert f"{code} 1" in str(client.ask(op="status")["detail"])


def test_a_second_client_is_told_busy_and_changes_nothing(board: Simboard, doord: Doord) -> None:
    with Client(doord.socket) as first:
        name = grant_id()
        first.ask(op="grant", id=name, pulse_ms=LONG_MS)
        with Client(doord.socket) as second:
            answer = second.receive()
            assert answer is not None
            assert (answer["ok"], answer["code"]) == (False, "busy")
        status = first.ask(op="status")
        assert (status["locked"], status["grant_id"]) == (False, name)
    assert len(board.pulses()) == 1


def test_refused_grants_never_move_the_relay(board: Simboard, doord: Doord) -> None:
    """Above the cap, or with an id that opened before."""
    with Client(doord.socket) as client:
        answer = client.ask(op="grant", id=grant_id(), pulse_ms=10_001)
        assert answer["code"] == "cap_exceeded"
        assert board.edges() == []
        name = grant_id()
        client.ask(op="grant", id=name, pulse_ms=50)
        board.wait_level(0)
        answer = client.ask(op="grant", id=name, pulse_ms=50)
        assert (answer["code"], answer["id"]) == ("repeated_id", name)
    assert len(board.pulses()) == 1


def test_the_door_process_ends_the_pulse_by_itself(board: Simboard, doord: Doord) -> None:
    """Not before its time (which runs from the asking: a relay that is slow to move gets no longer pulse), and with the
    client doing nothing but to live."""
    door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
    asked_s = []
    for _ in range(3):
        asked_s.append(time.monotonic())
        door.grant(grant_id(), 300)
        board.wait_level(0)
    door.close()
    pulses = board.pulses()
    assert len(pulses) == 3
    for asked, pulse in zip(asked_s, pulses, strict=True):
        assert pulse.end_s is not None
        assert pulse.end_s - asked >= 0.299
        assert 0 < pulse.length_s < 1.3


def test_a_thawed_client_learns_why_it_was_locked(board: Simboard, doord: Doord) -> None:
    with Client(doord.socket) as client:
        client.ask(op="grant", id=grant_id(), pulse_ms=LONG_MS)
        causes = [message.get("cause") for message in client.to_the_end()]
    assert causes[-1] == "client_silent"


# -- the door process -------------------------------------------------------------------------------------------------


@several
def test_a_door_process_killed_in_mid_pulse_is_locked_and_replaced(board: Simboard, guarded: Doord, runs: int) -> None:
    door = RemoteDoor(guarded.socket, connect_timeout_s=10, reply_timeout_s=10)
    for run in range(1, runs + 1):
        door.grant(grant_id(), LONG_MS)
        victim = guarded.pid
        at_s = strike(victim, signal.SIGKILL)
        assert_locked_within_a_second(board, at_s, run)
        wait_for(lambda: not door.connected, "the client notices")
        wait_for(lambda: door.connected, "the guard starts it again")
    kinds = [type(event) for event in door.poll_events()]
    assert kinds == [DoorUnlocked, DoorProcessLost, DoorLocked, DoorProcessRecovered] * runs
    door.close()


@several
def test_a_door_process_that_hangs_in_mid_pulse_is_killed_and_locked(
    board: Simboard, guarded: Doord, runs: int
) -> None:
    for run in range(1, runs + 1):
        with ClientProcess(guarded.socket, LONG_MS) as client:
            client.wait_granted()
            victim = guarded.pid
            at_s = strike(victim, signal.SIGSTOP)
            assert_locked_within_a_second(board, at_s, run)
        guarded.wait_ready(other_than=victim)


@several
def test_a_door_process_told_to_stop_in_mid_pulse_locks_and_ends(board: Simboard, tmp_path: Path, runs: int) -> None:
    for run in range(1, runs + 1):
        with Doord(tmp_path, board) as doord, Client(doord.socket) as client:
            client.ask(op="grant", id=grant_id(), pulse_ms=LONG_MS)
            at_s = strike(doord.pid, signal.SIGTERM if run % 2 else signal.SIGINT)
            assert_locked_within_a_second(board, at_s, run)
            assert doord.process is not None
            assert doord.process.wait(20) == 0
            assert not doord.socket.exists()


def test_the_lock_command_locks_what_a_killed_door_process_left_open(board: Simboard, doord: Doord) -> None:
    """What systemd's ExecStopPost does. Without it a Pi's pin stays driven, and so does the board's."""
    with Client(doord.socket) as client:
        client.ask(op="grant", id=grant_id(), pulse_ms=LONG_MS)
        os.kill(doord.pid, signal.SIGKILL)
        wait_for(lambda: board.owner_pid() == 0, "the pin is free")
        assert board.level() == 1
        done = subprocess.run([sys.executable, "-m", "edgeface.doord.lock", *doord.relay_args], check=False)
    assert done.returncode == 0
    assert board.level() == 0


def test_a_board_that_breaks_ends_the_door_process(board: Simboard, doord: Doord) -> None:
    """Its supervisor then locks, and proves the pin anew."""
    with Client(doord.socket) as client:
        client.ask(op="hello")
        board.kill()
        answer = client.ask(op="grant", id=grant_id(), pulse_ms=LONG_MS)
        assert (answer["ok"], answer["code"]) == (False, "fault")
    assert doord.process is not None
    assert doord.process.wait(20) == 69


# -- the guard --------------------------------------------------------------------------------------------------------


@several
def test_a_guard_killed_in_mid_pulse_takes_the_door_process_along_locked(
    board: Simboard, tmp_path: Path, runs: int
) -> None:
    for run in range(1, runs + 1):
        with Doord(tmp_path, board, guarded=True) as guarded, Client(guarded.socket) as client:
            client.ask(op="grant", id=grant_id(), pulse_ms=LONG_MS)
            assert guarded.process is not None
            at_s = strike(guarded.process.pid, signal.SIGKILL)
            assert_locked_within_a_second(board, at_s, run)
            wait_for(lambda: board.owner_pid() == 0, "the door process ends")


def test_a_guard_told_to_stop_in_mid_pulse_locks_and_ends_both(board: Simboard, tmp_path: Path) -> None:
    with Doord(tmp_path, board, guarded=True) as guarded, Client(guarded.socket) as client:
        client.ask(op="grant", id=grant_id(), pulse_ms=LONG_MS)
        assert guarded.process is not None
        at_s = strike(guarded.process.pid, signal.SIGTERM)
        assert_locked_within_a_second(board, at_s, 1)
        assert guarded.process.wait(20) == 0
        assert board.owner_pid() == 0


DAEMON = """
import sys, time
from pathlib import Path
from edgeface.adapters.door.driver import RelaySpec
from edgeface.adapters.door.process import DoorProcess
from edgeface.adapters.door.remote import RemoteDoor
process = DoorProcess(RelaySpec("simboard", 17, board_socket=sys.argv[2]), Path(sys.argv[1]), 10000)
process.start()
RemoteDoor(sys.argv[1], connect_timeout_s=10, reply_timeout_s=5).grant(sys.argv[3], 10000)
sys.stdout.write("granted\\n"); sys.stdout.flush()
time.sleep(60)
"""


@several
def test_a_daemon_killed_in_mid_pulse_leaves_nothing_behind(board: Simboard, tmp_path: Path, runs: int) -> None:
    """`edgeface run` without systemd: the daemon started its own guard. All three end, locked."""
    for run in range(1, runs + 1):
        command = [sys.executable, "-c", DAEMON, str(tmp_path / "door.sock"), str(board.socket), grant_id()]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == b"granted\n"
            at_s = strike(daemon.pid, signal.SIGKILL)
            assert_locked_within_a_second(board, at_s, run)
        wait_for(lambda: board.owner_pid() == 0, "guard and door process end")


def test_a_machine_that_pauses_as_a_whole_keeps_its_pulse(board: Simboard, guarded: Doord) -> None:
    """Guard, door process and client stop together, as in a virtual machine that is not scheduled : nobody is
    blamed for anybody's silence, and the pulse goes on to its deadline."""
    assert guarded.process is not None
    owner = guarded.pid
    with ClientProcess(guarded.socket, LONG_MS) as client:
        client.wait_granted()
        everybody = (guarded.process.pid, owner, client.process.pid)
        for pid in everybody:
            strike(pid, signal.SIGSTOP)
        time.sleep(1.2)
        for pid in everybody:
            strike(pid, signal.SIGCONT)
        time.sleep(1.2)
        assert guarded.pid == owner
        assert board.pulses()[-1].end_s is None
