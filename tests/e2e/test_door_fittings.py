"""Contact, exits, fire, lights and modes on the real door process; the simulated board's log judges every edge."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.doord import Client, Doord, grant_id
from support.simboard import Simboard, wait_for

from edgeface.adapters.door.driver import InputSpec, RelaySpec
from edgeface.adapters.door.fittings import Fittings
from edgeface.adapters.door.process import DoorProcess
from edgeface.adapters.door.remote import RemoteDoor
from edgeface.domain.door_rules import Input
from edgeface.domain.errors import GrantRefused
from edgeface.domain.events import Event

pytestmark = pytest.mark.e2e

RELAY, CONTACT, REX, FIRE, TAMPER, GREEN, RED, BUZZER = 17, 27, 22, 23, 24, 5, 6, 13
PINS = "17,27,22:1,23,24,5,6,13"  # the button's pull-up holds it high
FITTED = (
    "--input", "contact=27,up,20ms", "--input", "rex=22,up,active_low,20ms", "--input", "fire=23,up,20ms",
    "--input", "tamper=24,up,20ms", "--lamp", "green=5", "--lamp", "red=6", "--lamp", "buzzer=13",
    "--rex-pulse-ms", "400", "--relock", "on_close",
)  # fmt: skip


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Simboard]:
    with Simboard(tmp_path, PINS) as running:
        yield running


class Fitted(Doord):
    def __init__(self, folder: Path, board: Simboard, *more: str, guarded: bool = False) -> None:
        super().__init__(folder, board, *FITTED, "--state-file", str(folder / "mode.json"), *more, guarded=guarded)


@pytest.fixture
def doord(tmp_path: Path, board: Simboard) -> Iterator[Doord]:
    with Fitted(tmp_path, board) as running:
        yield running


def drive(board: Simboard, pin: int, level: int) -> None:
    """A hand on the wire."""
    assert board.ask(op="drive", pin=pin, level=level)["ok"] is True


def press(board: Simboard) -> None:
    drive(board, REX, 0)
    time.sleep(0.15)
    drive(board, REX, 1)


def events(door: RemoteDoor, last: str) -> list[dict[str, Any]]:
    """All events until one of kind `last`."""
    seen: list[Event] = []

    def came() -> bool:
        seen.extend(door.poll_events())
        return any(e.kind == last for e in seen)

    wait_for(came, f"{last} comes")
    return [e.to_dict() for e in seen]


def test_an_exit_needs_no_daemon_and_is_told_to_the_next_one(board: Simboard, doord: Doord) -> None:
    """Nobody is connected: the door opens for the button all the same, and the night's story is kept."""
    press(board)
    board.wait_level(1)
    board.wait_level(0)
    (pulse,) = board.pulses()
    assert 0.39 <= pulse.length_s < 1.4
    door = RemoteDoor(doord.socket, connect_timeout_s=10)
    told = events(door, "door_locked")
    assert [e["event"] for e in told] == ["exit_requested", "door_unlocked", "door_locked"]
    assert told[1]["cause"] == "exit_request"
    door.close()


def test_fire_opens_in_lockdown_and_while_the_daemon_dies(board: Simboard, doord: Doord) -> None:
    with Client(doord.socket) as client:
        assert client.ask(op="mode", mode="lockdown")["ok"] is True
        assert client.ask(op="grant", id=grant_id(), pulse_ms=1000)["code"] == "lockdown"
        drive(board, FIRE, 1)
        board.wait_level(1)
        assert client.ask(op="lock")["code"] == "fire"
    time.sleep(1.0)  # the client is gone, and its silence is over
    assert board.level() == 1
    drive(board, FIRE, 0)
    board.wait_level(0)
    with Client(doord.socket) as client:
        assert client.ask(op="status")["mode"] == "lockdown"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["lockdown", "free_access"])
def test_the_mode_outlives_the_door_process(tmp_path: Path, board: Simboard, mode: str, end: signal.Signals) -> None:
    with Fitted(tmp_path, board) as doord:
        with Client(doord.socket) as client:
            assert client.ask(op="mode", mode=mode) == {"re": "mode", "ok": True, "mode": mode}
        os.kill(doord.pid, end)
        assert doord.process is not None
        doord.process.wait(20)
    with Fitted(tmp_path, board) as doord, Client(doord.socket) as client:
        status = client.ask(op="status")
        assert (status["mode"], status["locked"]) == (mode, mode == "lockdown")
        assert client.ask(op="mode", mode="normal")["ok"] is True
        assert client.ask(op="status")["locked"] is True
    assert board.level() == 0


def test_a_damaged_mode_is_lockdown_until_it_is_set_anew(tmp_path: Path, board: Simboard) -> None:
    (tmp_path / "mode.json").write_bytes(b'{"mode":')
    with Fitted(tmp_path, board) as doord, Client(doord.socket) as client:
        assert client.ask(op="status")["mode"] == "lockdown"
        assert client.ask(op="mode", mode="normal")["ok"] is True
    with Fitted(tmp_path, board) as doord, Client(doord.socket) as client:
        assert client.ask(op="status")["mode"] == "normal"


def test_a_mode_that_cannot_be_kept_is_not_acknowledged(tmp_path: Path, board: Simboard) -> None:
    """Free access is taken back; a lockdown is in force all the same."""
    (tmp_path / "file").write_text("no folder")
    with (
        Doord(tmp_path, board, "--state-file", str(tmp_path / "file" / "mode.json")) as doord,
        Client(doord.socket) as client,
    ):
        assert client.ask(op="mode", mode="lockdown")["ok"] is False
        assert client.ask(op="status")["mode"] == "lockdown"
        assert client.ask(op="mode", mode="free_access")["ok"] is False
        status = client.ask(op="status")
        assert (status["mode"], status["locked"]) == ("normal", True)


def test_a_forced_door_is_told_and_ends_with_closing(board: Simboard, doord: Doord) -> None:
    door = RemoteDoor(doord.socket, connect_timeout_s=10)
    door.status()
    drive(board, CONTACT, 1)
    events(door, "door_forced_open")
    assert door.status().alarms == ("forced_open",)
    wait_for(lambda: board.pulses(BUZZER), "the buzzer sounds")
    drive(board, CONTACT, 0)
    events(door, "door_closed")
    status = door.status()
    assert (status.alarms, status.contact) == ((), "closed")
    wait_for(lambda: board.level(BUZZER) == 0 and board.level(RED) == 0, "it is silent again")
    door.close()


def test_closing_the_door_ends_the_pulse(board: Simboard, doord: Doord) -> None:
    door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
    name = grant_id()
    door.grant(name, 9000)
    board.wait_level(1, GREEN)
    drive(board, CONTACT, 1)
    opened = events(door, "door_opened")
    assert opened[-1]["grant_id"] == name
    drive(board, CONTACT, 0)
    locked = events(door, "door_closed")
    assert ("door_locked", "closed", name) in [(e["event"], e.get("cause"), e.get("grant_id")) for e in locked] or (
        events(door, "door_locked")[-1]["cause"] == "closed"
    )
    assert len(board.pulses()) == 1
    wait_for(lambda: board.level(GREEN) == 0, "the light goes out")
    door.close()


def test_the_daemon_shows_what_it_may_show(board: Simboard, doord: Doord) -> None:
    door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
    door.show("look")
    wait_for(lambda: len(board.pulses(GREEN)) >= 2, "green blinks")
    door.show("denied")
    wait_for(lambda: len(board.pulses(BUZZER)) == 3, "three beeps")
    wait_for(lambda: board.level(RED) == 0, "it fades by itself")
    assert board.pulses(RELAY) == []
    door.close()


def test_scheduled_free_access_dies_with_its_daemon(board: Simboard, doord: Doord) -> None:
    door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
    door.free(60_000, False)
    assert board.level() == 1
    door.close()
    board.wait_level(0)
    door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
    door.set_mode("lockdown")
    with pytest.raises(GrantRefused) as caught:
        door.free(60_000, False)
    assert caught.value.code == "lockdown"
    door.close()


@pytest.mark.parametrize(("more", "power_up", "locked"), [((), "17", 0), (("--active-low",), "17:1", 1),
                                                          (("--fail-safe",), "17:1", 1)])  # fmt: skip
def test_nothing_twitches_from_start_to_stop(tmp_path: Path, more: tuple[str, ...], power_up: str, locked: int) -> None:
    """The relay's pin has no edge at start, stop, restart or kill, however it is wired; the lamps have none either."""
    with Simboard(tmp_path, PINS.replace("17", power_up, 1)) as board:
        for end in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            with Fitted(tmp_path, board, *more) as doord:
                with Client(doord.socket) as client:
                    client.ask(op="hello")
                os.kill(doord.pid, end)
                assert doord.process is not None
                doord.process.wait(20)
        assert board.level() == locked
        assert [edge for pin in (RELAY, GREEN, RED, BUZZER) for edge in board.edges(pin)] == []


def test_a_fail_safe_lock_is_driven_the_other_way(tmp_path: Path) -> None:
    with Simboard(tmp_path, "17:1") as board, Doord(tmp_path, board, "--fail-safe") as doord:
        with Client(doord.socket) as client:
            client.ask(op="grant", id=grant_id(), pulse_ms=50)
            board.wait_level(1)
        assert [edge.level for edge in board.edges()] == [0, 1]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--input", "rex=17"), 78, "GPIO 17 stands for the relay and for the input rex"),
        (("--input", "rex=22", "--lamp", "red=22"), 78, "GPIO 22"),
        (("--input", "rex=22", "--input", "rex=23"), 2, "fitted twice"),
        (("--input", "bell=22"), 2, "NAME=PIN"),
        (("--input", "rex=22,sideways"), 2, "sideways"),
        (("--rex-pulse-ms", "0"), 2, "rex_pulse_ms"),
        (("--relock", "never"), 2, "relock"),
    ],
)
def test_fittings_that_make_no_sense_are_refused_before_anything_moves(
    tmp_path: Path, board: Simboard, more: tuple[str, ...], code: int, words: str
) -> None:
    command = Doord(tmp_path, board, *more).command
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, board.edges()) == (code, [])
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_input_in_use_is_named_with_its_holder(tmp_path: Path, board: Simboard) -> None:
    with Fitted(tmp_path, board) as doord:
        other = Doord(tmp_path, board, "--input", f"fire={FIRE}")
        command = [a.replace("door.sock", "b.sock") if "door.sock" in a else a for a in other.command]
        command[command.index("17")] = str(CONTACT)
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 69
        assert f"in use by process {doord.pid}" in done.stderr


def test_a_board_whose_inputs_cannot_be_read_ends_the_door_process(board: Simboard, doord: Doord) -> None:
    """Nobody would know of a fire: its supervisor starts anew, locked."""
    board.kill()
    assert doord.process is not None
    assert doord.process.wait(20) == 69


def test_the_daemons_own_is_kept_with_all_that_is_fitted_to_it(tmp_path: Path) -> None:
    """Guard and door process are killed at a fail-safe door in free access: the lock command pulls the relay in, and
    what starts anew knows of the contact and of the mode."""
    relay = RelaySpec("simboard", RELAY, fail_safe=True, board_socket=str(tmp_path / "board.sock"))
    fitted = Fittings((InputSpec(Input.CONTACT, CONTACT),), state_file=tmp_path / "mode.json")
    stop, said = threading.Event(), list[str]()
    with Simboard(tmp_path, PINS) as board:
        process = DoorProcess(relay, tmp_path / "door.sock", 9000, fitted.to_args())
        process.start()
        keeper = threading.Thread(target=process.keep, args=(stop, said.append))
        keeper.start()
        door = RemoteDoor(tmp_path / "door.sock", connect_timeout_s=20)
        door.set_mode("free_access")
        board.wait_level(0)
        guard, owner = process.pid, board.owner_pid()
        assert guard
        assert owner  # 0 would mean ourselves
        drive(board, CONTACT, 1)
        os.kill(guard, signal.SIGSTOP)  # so that it can't lock in between
        os.kill(owner, signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
        wait_for(lambda: board.owner_pid() not in (0, owner) and board.level() == 0, "free access again")
        wait_for(lambda: door.connected and door.status().contact == "open", "the contact is listened to")
        assert [edge.level for edge in board.edges()] == [1, 0, 1, 0]
        assert door.status().mode == "free_access"
        stop.set()
        keeper.join()
        door.close()
        process.stop()
        assert (board.level(), board.owner_pid()) == (1, 0)
    assert said
