"""The whole daemon on its real processes: it is killed, it is told to stop, its people change under it. Judged by the
simulated board's log of edges and by the audit log."""

from __future__ import annotations

import os
import signal
import time

import pytest
from support.device import Device
from support.simboard import Pulse, Simboard, wait_for
from support.visits import COLLINS, Visit, write_scene

LONG_MS = 9_000  # no pulse of these tests would end by itself in time
FAST = {"door": {"pulse_ms": 400}, "decision": {"cooldown_s": 0.5}, "lockout": {"failures": 100}}


def stands(device: Device, length_s: float = 30.0) -> None:
    """Eileen Collins comes and stays."""
    write_scene(device.folder / "scene.toml", Visit("collins", 0, length_s))


def comes_and_goes(device: Device, **more: dict[str, object]) -> None:
    """Eileen Collins, again and again."""
    write_scene(device.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
    device.write({**FAST, **more, "camera": {"source": "replay:scene.toml", "loop": True}})


def last_pulse(board: Simboard) -> Pulse:
    return board.pulses()[-1]


def assert_locked_within_a_second(board: Simboard, at_s: float) -> None:
    board.wait_level(0)
    pulse = last_pulse(board)
    assert pulse.start_s < at_s
    assert pulse.end_s is not None
    assert pulse.end_s - at_s < 1.0


def assert_recorded_before_it_opened(device: Device, board: Simboard) -> None:
    """Each pulse of the board has its grant in the log, from before."""
    grants = [e["t_s"] for e in device.audit("access_granted", "door_tested")]
    for pulse in board.pulses():
        assert any(t <= pulse.start_s for t in grants)
    assert len(grants) >= len(board.pulses())


@pytest.mark.campaign
def test_killed_in_mid_pulse_it_leaves_a_locked_door_and_a_whole_record(enrolled: Device, board: Simboard) -> None:
    """And the next start goes on as if nothing had been."""
    stands(enrolled)
    enrolled.write({"door": {"pulse_ms": LONG_MS}})
    with enrolled.run() as daemon:
        board.wait_level(1, timeout_s=60)
        at_s = time.monotonic()
        os.kill(daemon.process.pid, signal.SIGKILL)
        assert_locked_within_a_second(board, at_s)
        wait_for(lambda: board.owner_pid() == 0, "guard and door process end with it")
        daemon.process.wait()
    assert len(board.pulses()) == 1
    assert_recorded_before_it_opened(enrolled, board)
    before = enrolled.audit()
    assert enrolled.edgeface("audit", "verify", "--json").json["ok"] is True
    listed = enrolled.edgeface("gallery", "list", "--json").json
    assert ([p["name"] for p in listed["people"]], listed["damaged"]) == ([COLLINS], {})

    enrolled.write({"door": {"pulse_ms": 400}})
    with enrolled.run() as daemon:
        again = daemon.wait_event("access_granted", after_seq=before[-1]["seq"])
        daemon.wait_event("door_locked", after_seq=again["seq"])
        assert daemon.end() == 0
    assert enrolled.audit()[: len(before)] == before
    assert again["person"] == listed["people"][0]["id"]
    assert enrolled.edgeface("audit", "verify").code == 0


@pytest.mark.campaign
def test_its_door_process_killed_in_mid_pulse_is_locked_and_works_again(enrolled: Device, board: Simboard) -> None:
    comes_and_goes(enrolled, door={"pulse_ms": LONG_MS})
    with enrolled.run() as daemon:
        board.wait_level(1, timeout_s=60)
        victim = board.owner_pid()
        at_s = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        assert_locked_within_a_second(board, at_s)
        lost = daemon.wait_event("door_process_lost")
        recovered = daemon.wait_event("door_process_recovered", after_seq=lost["seq"])
        granted = daemon.wait_event("access_granted", after_seq=recovered["seq"])
        daemon.wait_event("door_unlocked", after_seq=granted["seq"], grant_id=granted["grant_id"])
        assert board.owner_pid() not in (0, victim)
        assert len(board.pulses()) == 2
        assert daemon.end() == 0
    assert board.level() == 0
    assert_recorded_before_it_opened(enrolled, board)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_in_mid_pulse_it_locks_first_and_says_so(
    enrolled: Device, board: Simboard, number: signal.Signals
) -> None:
    stands(enrolled)
    enrolled.write({"door": {"pulse_ms": LONG_MS}})
    with enrolled.run() as daemon:
        board.wait_level(1, timeout_s=60)
        assert daemon.end(number) == 0
    assert board.level() == 0
    assert board.owner_pid() == 0
    assert last_pulse(board).end_s is not None
    tail = enrolled.audit()[-2:]
    assert [e["event"] for e in tail] == ["door_locked", "daemon_stopped"]
    assert tail[1]["cause"] == number.name
    assert not (enrolled.folder / "control.sock").exists()


def test_a_recording_that_ends_in_mid_pulse_ends_the_daemon_after_the_door_has_locked(
    enrolled: Device, board: Simboard
) -> None:
    write_scene(enrolled.folder / "scene.toml", Visit("collins", 0, 4.5))
    enrolled.write({"door": {"pulse_ms": 4000}})
    with enrolled.run() as daemon:
        daemon.wait(lambda: daemon.process.poll() is not None, "the recording ends", alive=False)
        assert daemon.process.returncode == 0
    assert len(board.pulses()) == 1
    assert last_pulse(board).length_s >= 3.9
    assert enrolled.audit("daemon_stopped")[-1]["cause"] == "end of the recording"


def test_people_enrolled_and_removed_by_another_process_count_in_the_same_run(
    device: Device, board: Simboard, photos
) -> None:
    """Nobody is known, then she is, then she is not any more."""
    comes_and_goes(device)
    with device.run() as daemon:
        daemon.wait_event("access_denied", reason="unknown_person")
        assert board.pulses() == []
        said = device.edgeface("enroll", COLLINS, "--photo", photos.collins, "--json")
        assert said.code == 0, said.err
        person = said.json["id"]
        granted = daemon.wait_event("access_granted")
        assert granted["person"] == person
        daemon.wait_event("door_locked", after_seq=granted["seq"])

        assert device.edgeface("gallery", "remove", COLLINS, "--yes", "--json").json["removed"] == person
        removed_s = time.monotonic()
        removed = daemon.wait_event("person_removed")
        daemon.wait_event("access_denied", after_seq=removed["seq"] + 1, reason="unknown_person")
        assert [p for p in board.pulses() if p.start_s > removed_s] == []
        assert daemon.ask("status")["gallery"]["people"] == 0
    assert_recorded_before_it_opened(device, board)


def test_the_door_is_tested_locked_and_shown_through_the_running_daemon(device: Device, board: Simboard) -> None:
    write_scene(device.folder / "scene.toml", length_s=4.0)
    device.write({"camera": {"source": "replay:scene.toml", "loop": True}})
    with device.run() as daemon:
        daemon.wait(lambda: daemon.ask("status")["camera"]["ok"], "the camera gives pictures")
        said = device.edgeface("door", "test", "--pulse-ms", 300, "--json")
        assert said.json["pulse_ms"] == 300
        tested = daemon.wait_event("door_tested", grant_id=said.json["grant_id"])
        daemon.wait_event("door_locked", after_seq=tested["seq"], cause="pulse_ended")
        assert len(board.pulses()) == 1

        assert device.edgeface("door", "test", "--pulse-ms", LONG_MS).code == 0
        shown = device.edgeface("door", "status")
        assert "UNLOCKED" in shown.out
        assert device.edgeface("door", "lock").err == "The door is locked.\n"
        daemon.wait_event("door_locked", cause="requested")
        status = device.edgeface("door", "status", "--json").json
        assert (status["door"]["locked"], status["camera"]["ok"], status["gallery"]["people"]) == (True, True, 0)
        assert len(board.pulses()) == 2

        refused = device.edgeface("door", "test", "--pulse-ms", 20_000)
        assert refused.code == 69
        assert "20000" in refused.err or "10000" in refused.err
        assert len(board.pulses()) == 2
    assert_recorded_before_it_opened(device, board)


def test_the_door_commands_say_that_no_daemon_runs(device: Device) -> None:
    for command in (["test"], ["lock"], ["status"]):
        said = device.edgeface("door", *command)
        assert said.code == 69
        assert "No daemon answers" in said.err
        assert "edgeface run" in said.err


def test_a_person_is_enrolled_at_the_doors_own_camera_while_it_runs(device: Device, board: Simboard) -> None:
    """The daemon looks; nothing opens meanwhile; she is let in right after."""
    comes_and_goes(device)
    with device.run() as daemon:
        daemon.wait_event("access_denied", reason="unknown_person")
        said = device.edgeface("enroll", COLLINS, "--seconds", 9, "--json")
        assert said.code == 0, said.err
        assert said.json["templates"] >= 1
        enrolled = daemon.wait_event("person_enrolled")
        assert (enrolled["person"], enrolled["source"]) == (said.json["id"], "camera")
        granted = daemon.wait_event("access_granted", after_seq=enrolled["seq"])
        daemon.wait_event("door_unlocked", after_seq=granted["seq"])
        assert granted["person"] == said.json["id"]
        again = device.edgeface("enroll", "Somebody Else", "--seconds", 6)
        assert again.code == 65
        assert f"enrolled already, as {COLLINS}" in again.err
    assert_recorded_before_it_opened(device, board)
