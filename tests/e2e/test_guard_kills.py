"""The guard of the door process is killed, alone or with it, under the whole daemon on its real processes: locked
within a second, and a door that works again. Judged by the simulated board's log of edges and by the audit log."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from support.device import Device, Running
from support.doord import kill_runs
from support.simboard import Simboard, wait_for
from support.visits import Visit, write_scene

LONG_MS = 9_000  # no pulse of these tests would end by itself in time
HUNT_S = 0.5


def empty_doorway(device: Device) -> None:
    write_scene(device.folder / "scene.toml", length_s=4.0)
    device.write({"camera": {"source": "replay:scene.toml", "loop": True}})


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def open_by_hand(device: Device, board: Simboard) -> tuple[int, int]:
    """Guard and door process; the relay is on for LONG_MS by `edgeface door test`."""
    said = device.edgeface("door", "test", "--pulse-ms", LONG_MS)
    assert said.code == 0, said.err
    assert board.level() == 1
    doord = board.owner_pid()
    return parent_of(doord), doord


def strike(*pids: int) -> float:
    """kill -9; the monotonic time just before."""
    assert min(pids) > 1  # 0 would mean ourselves
    at_s = time.monotonic()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # the end of one may have ended the next already
            os.kill(pid, signal.SIGKILL)
    return at_s


def assert_locked_within_a_second(board: Simboard, at_s: float) -> None:
    board.wait_level(0)
    last = board.pulses()[-1]
    assert last.start_s < at_s
    assert last.end_s is not None
    assert last.end_s - at_s < 1.0


def wait_recovered(daemon: Running, after_seq: int) -> None:
    lost = daemon.wait_event("door_process_lost", after_seq=after_seq)
    daemon.wait_event("door_process_recovered", after_seq=lost["seq"])


@pytest.mark.parametrize("who", ["guard", "guard, then door process", "door process, then guard"])
def test_killed_in_the_pulse_of_a_visitor_they_leave_a_locked_door_that_opens_again(
    enrolled: Device, board: Simboard, who: str
) -> None:
    """And the log tells of it: lost, locked, recovered."""
    write_scene(enrolled.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
    enrolled.write(
        {
            "camera": {"source": "replay:scene.toml", "loop": True},
            "door": {"pulse_ms": LONG_MS},
            "decision": {"cooldown_s": 0.5},
            "lockout": {"failures": 100},
        }
    )
    with enrolled.run() as daemon:
        board.wait_level(1, timeout_s=60)
        doord = board.owner_pid()
        guard = parent_of(doord)
        victims = {"guard": [guard], "guard, then door process": [guard, doord]}.get(who, [doord, guard])
        at_s = strike(*victims)
        assert_locked_within_a_second(board, at_s)
        wait_recovered(daemon, 0)
        first = daemon.wait_event("door_unlocked")
        assert daemon.wait_event("door_locked", grant_id=first["grant_id"])["seq"] > first["seq"]
        board.wait_level(1, timeout_s=60)
        assert board.owner_pid() not in (0, doord)
        assert parent_of(board.owner_pid()) not in (0, 1, guard, daemon.process.pid)
        assert daemon.end() == 0
    assert (board.level(), board.owner_pid()) == (0, 0)
    assert len(board.pulses()) >= 2  # a starved machine may fall silent in a pulse, and let her in once more
    assert enrolled.edgeface("audit", "verify").code == 0


@pytest.mark.parametrize(
    "runs", [pytest.param(4, id="few"), pytest.param(kill_runs(), id="many", marks=pytest.mark.torture)]
)
def test_killed_again_and_again_they_lock_each_time(device: Device, board: Simboard, runs: int) -> None:
    """However long the pause before the next start has become: it never delays the lock."""
    empty_doorway(device)
    with device.run() as daemon:
        for _ in range(runs):
            guard, doord = open_by_hand(device, board)
            seq = daemon.last_seq()
            at_s = strike(guard, doord)
            assert_locked_within_a_second(board, at_s)
            wait_recovered(daemon, seq)
        assert daemon.end() == 0
    assert len(board.pulses()) == runs
    assert (board.level(), board.owner_pid()) == (0, 0)


def test_a_door_process_that_hangs_is_locked_and_replaced_when_its_guard_is_killed(
    device: Device, board: Simboard
) -> None:
    """It can neither lock by itself nor let go of the pin."""
    empty_doorway(device)
    with device.run() as daemon:
        guard, doord = open_by_hand(device, board)
        seq = daemon.last_seq()
        os.kill(doord, signal.SIGSTOP)
        assert_locked_within_a_second(board, strike(guard))
        wait_recovered(daemon, seq)
        assert board.owner_pid() != doord
        assert daemon.end() == 0


def test_a_hunt_that_kills_the_lock_command_too_is_outlasted(device: Device, board: Simboard) -> None:
    """Somebody goes on killing whatever is named like the door process; the relay is locked once that is over."""
    empty_doorway(device)
    with device.run() as daemon:
        guard, doord = open_by_hand(device, board)
        began_s = strike(guard, doord)
        killed = set()
        while time.monotonic() < began_s + HUNT_S:
            for pid in prey(daemon.process.pid):
                killed.add(pid)
                strike(pid)
        assert killed - {guard, doord}
        assert board.level() == 1
        over_s = time.monotonic()
        wait_for(lambda: board.level() == 0, "it is locked")
        assert (board.pulses()[-1].end_s or 0.0) - over_s < 1.0
        wait_recovered(daemon, 0)
        assert daemon.end() == 0


def prey(parent: int) -> list[int]:
    """Children of `parent` that `pkill -f edgeface.doord` would find."""
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # that thread has ended
    return [pid for pid in set(found) if _named_like_the_door_process(pid)]


def _named_like_the_door_process(pid: int) -> bool:
    try:
        return b"edgeface.doord" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_told_to_stop_while_both_are_dead_the_daemon_locks_before_it_ends(device: Device, board: Simboard) -> None:
    empty_doorway(device)
    with device.run() as daemon:
        at_s = strike(*open_by_hand(device, board))
        assert daemon.end() == 0
        assert (board.level(), board.owner_pid()) == (0, 0)
        assert_locked_within_a_second(board, at_s)
