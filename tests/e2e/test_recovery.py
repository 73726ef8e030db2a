"""The real daemon when things go wrong for longer: recognition that hangs, starts that do not last, a disk that takes
nothing. Each is an alarm with a sentence, and ends by itself."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.device import Device, Running
from support.freezing import busiest_threads, frozen_thread
from support.simboard import Simboard
from support.visits import Visit, write_scene

from edgeface.control.client import ControlClient
from edgeface.domain.errors import ControlError

FAST = {"decision": {"cooldown_s": 0.5}, "lockout": {"failures": 100}, "door": {"pulse_ms": 400}}
_LIBC = ctypes.CDLL(None, use_errno=True)


def comes_and_goes(device: Device, **more: dict[str, object]) -> None:
    write_scene(device.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
    device.write({**FAST, **more, "camera": {"source": "replay:scene.toml", "loop": True}})


def alarms(daemon: Running) -> dict[str, str]:
    return daemon.ask("status")["alarms"]


def hang_recognition(daemon: Running, script: Callable[[], None]) -> None:
    """Freezes the thread that looks at pictures, outside the interpreter: the others go on."""
    for attempt in range(60):
        threads = [tid for tid in busiest_threads(daemon.process.pid) if tid != daemon.process.pid]
        try:
            with frozen_thread(threads[attempt % 3]):
                if _recognition_stands(daemon):
                    script()
                    return
        except PermissionError:
            pytest.skip("this machine allows no ptrace")
        time.sleep(0.05)
    pytest.fail("the thread was never found outside the interpreter")


def _recognition_stands(daemon: Running) -> bool:
    """The daemon answers, pictures come, and none of them is looked at."""
    try:
        with ControlClient(daemon.device.folder / "control.sock", timeout_s=1.0) as client:
            before = client.call("status")["camera"]
            time.sleep(0.7)
            now = client.call("status")["camera"]
    except ControlError:
        return False
    return bool(now["frames"] == before["frames"] and now["not_looked_at"] > before["not_looked_at"])


def test_recognition_that_hangs_is_an_alarm_and_opens_nothing(enrolled: Device, board: Simboard) -> None:
    comes_and_goes(enrolled)
    with enrolled.run() as daemon:
        board.wait_level(1, timeout_s=60)
        seen: dict[str, object] = {}

        def script() -> None:
            daemon.wait(lambda: "vision_hung" in alarms(daemon), "the alarm of recognition")
            board.wait_level(0)
            before = len(board.pulses())
            time.sleep(1.5)
            seen["opened"] = len(board.pulses()) - before

        hang_recognition(daemon, script)
        assert seen["opened"] == 0
        started = daemon.wait_event("alarm_started", alarm="vision_hung")
        assert "hangs" in started["detail"]
        ended = daemon.wait_event("alarm_ended", alarm="vision_hung")
        daemon.wait_event("access_granted", after_seq=ended["seq"])
        assert daemon.end() == 0


def killed_soon(device: Device) -> None:
    with device.run() as daemon:
        daemon.process.kill()
        daemon.process.wait()


def test_starts_that_do_not_last_end_in_a_safe_mode_that_is_locked_and_reachable(
    enrolled: Device, board: Simboard
) -> None:
    comes_and_goes(enrolled, health={"safe_mode_starts": 2})
    killed_soon(enrolled)
    killed_soon(enrolled)
    with enrolled.run() as daemon:
        status = daemon.ask("status")
        assert "safe_mode" in status["alarms"]
        assert status["door"]["locked"] is True
        assert daemon.ask("door.mode", mode="lockdown") == {"mode": "lockdown"}
        assert daemon.ask("door.mode", mode="normal") == {"mode": "normal"}
        said = enrolled.edgeface("door", "status")
        assert said.code == 0, said.err
        assert "ALARM safe_mode" in said.out
        before = len(board.pulses())
        time.sleep(3.0)  # she stands there; without models nobody is known
        assert len(board.pulses()) == before
        assert daemon.end() == 0
    assert enrolled.audit("alarm_ended")[-1]["alarm"] == "safe_mode"
    with enrolled.run() as daemon:  # stopped in order: the next start is an ordinary one
        daemon.wait_event("access_granted", after_seq=enrolled.audit("alarm_ended")[-1]["seq"])
        assert alarms(daemon) == {}
        assert daemon.end() == 0


def test_safe_mode_tries_again_by_itself(enrolled: Device, board: Simboard) -> None:
    """In the same process; what follows is an ordinary run."""
    comes_and_goes(enrolled, health={"safe_mode_starts": 1, "safe_mode_min": 0.05})
    killed_soon(enrolled)
    with enrolled.run() as daemon:
        pid = daemon.process.pid
        ended = daemon.wait_event("alarm_ended", alarm="safe_mode")
        daemon.wait_event("access_granted", after_seq=ended["seq"])
        assert daemon.process.pid == pid
        assert daemon.end() == 0
    assert enrolled.edgeface("audit", "verify").code == 0


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[None]:
    path.mkdir()
    if _LIBC.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=6m") != 0:
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        _LIBC.umount2(os.fsencode(path), 2)


def fill(disk: Path) -> None:
    """Not even the space that the log had set aside is left."""
    for reserve in disk.glob("audit/*reserve*"):
        reserve.unlink()
    with (disk / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_disk_lets_nobody_in_until_it_takes_the_record_again(
    device: Device, enrolled_state: Path, board: Simboard
) -> None:
    with small_disk(device.state):
        shutil.copytree(enrolled_state, device.state, dirs_exist_ok=True)
        comes_and_goes(device, audit={"reserve_mb": 1, "max_mb": 4}, health={"disk_low_mb": 0})
        with device.run() as daemon:
            board.wait_level(1, timeout_s=60)
            fill(device.state)
            daemon.wait(lambda: daemon.ask("status")["audit_fault"], "the fault is said")
            board.wait_level(0)
            before = len(board.pulses())
            time.sleep(5.0)  # she comes again
            assert len(board.pulses()) == before
            (device.state / "filler").unlink()
            daemon.wait(lambda: daemon.ask("status")["audit_fault"] is None, "it clears by itself")
            daemon.wait(lambda: len(board.pulses()) > before, "she is let in again")
            assert daemon.end() == 0
        kinds = [e["event"] for e in device.audit()]
        assert kinds.index("storage_fault") < kinds.index("storage_recovered")
        assert device.edgeface("audit", "verify").code == 0
