"""The daemon with its real threads: start and stop, restarts, a camera that goes and comes, signals."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from support.doorway import Seen, enrolled, person_id
from support.running import Noting, Running, pictures

from edgeface.adapters.camera.recorded import Fault, FaultKind, RecordedCamera
from edgeface.app import supervise
from edgeface.domain.errors import ControlError, DoorUnavailable, EdgefaceError, SourceError
from edgeface.ports import DoorStatus

ADA = Seen("ada")


def test_a_person_is_let_in_and_the_story_begins_and_ends_in_the_log():
    running = Running(enrolled("ada"), faces=[ADA])
    running.play(lambda: running.until(lambda: running.count("door_locked") >= 1))
    durable = [line["event"] for line in running.audit.read()]
    assert durable[:4] == ["daemon_started", "access_granted", "door_unlocked", "door_locked"]
    assert durable[-1] == "daemon_stopped"
    started = next(iter(running.audit.read()))
    assert (started["people"], started["templates"]) == (1, 1)
    assert running.door.energised[-1][1] is False


def test_parts_are_closed_in_the_reverse_order_and_the_log_last_but_one():
    """The door is locked and the process stopped before the log closes, so that their last words are in it."""
    running = Running()
    running.play()
    assert running.story == [
        "service started",
        "service stopped",
        "door closed",
        "process stopped",
        "audit closed",
        "store closed",
    ]
    assert not [t for t in threading.enumerate() if t.name in ("camera", "vision")]
    assert running.notifier.states[0].startswith("READY=1")
    assert running.notifier.states[-1] == "STOPPING=1"


def test_stopping_in_mid_pulse_locks_and_says_so():
    running = Running(enrolled("ada"), faces=[ADA], door={"driver": "recording", "pulse_ms": 8000})
    running.play(lambda: running.until(lambda: running.count("door_unlocked") == 1))
    assert running.door.energised[-1][1] is False
    durable = [line["event"] for line in running.audit.read()]
    assert durable[-2:] == ["door_locked", "daemon_stopped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(number):
    running = Running()

    def script():
        os.kill(os.getpid(), number)
        running.until(lambda: running.count("daemon_stopped") == 1)

    running.play(script)
    assert running.events[-1].cause == number.name
    assert running.story[-1] == "store closed"


def test_a_vision_that_fails_now_and_then_is_begun_again_and_goes_on():
    running = Running(enrolled("ada"), faces=[ADA])
    running.vision.fail = RuntimeError("a hiccup")

    def script():
        running.frames_pass(2)
        assert running.door.energised == []
        running.vision.fail = None
        running.until(lambda: running.count("access_granted") >= 1)

    running.play(script)


def test_a_vision_that_fails_for_ever_ends_the_daemon_with_an_error_and_a_locked_door(monkeypatch):
    monkeypatch.setattr(supervise, "FIRST_PAUSE_S", 0.0)
    running = Running(enrolled("ada"), faces=[ADA])
    running.vision.fail = RuntimeError("out of memory")
    with pytest.raises(EdgefaceError, match="out of memory"):
        running.play(lambda: running.until(lambda: running.count("daemon_stopped") == 1))
    assert running.door.energised == []
    assert running.events[-1].cause == "failure"
    assert running.daemon.frames == supervise.RESTARTS + 1
    assert [line["gave_up"] for line in running.logged if line["event"] == "worker failed"][-2:] == [False, True]
    assert running.story[-1] == "store closed"


def test_a_vision_that_hangs_stops_feeding_the_watchdog():
    running = Running(faces=[ADA])
    hang, hanging = threading.Event(), threading.Event()
    detect = running.vision.detect

    def stuck(pixels):
        hanging.set()
        hang.wait(60)
        return detect(pixels)

    def script():
        running.until(lambda: "WATCHDOG=1" in running.notifier.states)
        running.vision.detect = stuck
        assert hanging.wait(30)
        fed = running.notifier.states.count("WATCHDOG=1")
        time.sleep(0.6)  # several ticks of the main thread
        assert running.notifier.states.count("WATCHDOG=1") <= fed + 1
        assert not running.parts.watchdog.take()
        hang.set()

    running.play(script)


def test_a_camera_that_goes_and_comes_back_is_reported_and_people_are_let_in_after_it():
    camera = RecordedCamera(
        pictures(ADA), fps=40, loop=True, monotonic=time.monotonic, faults=[Fault(1, FaultKind.VANISH, 3)]
    )
    running = Running(enrolled("ada"), faces=[ADA], camera=lambda: camera)
    running.play(lambda: running.until(lambda: running.count("access_granted") >= 1))
    kinds = running.kinds()
    assert kinds.index("camera_lost") < kinds.index("camera_recovered") < kinds.index("access_granted")
    assert running.daemon.camera_ok


def test_without_any_camera_the_daemon_runs_says_so_once_and_feeds_the_watchdog():
    running = Running(camera=lambda: RecordedCamera(pictures(), refuse_opens=10_000, monotonic=time.monotonic))

    def script():
        running.until(lambda: running.count("camera_lost") == 1)
        fed = running.notifier.states.count("WATCHDOG=1")
        running.until(lambda: running.notifier.states.count("WATCHDOG=1") >= fed + 1)
        assert not running.daemon.camera_ok

    running.play(script)
    assert running.count("camera_lost") == 1


def test_the_end_of_a_recording_ends_the_daemon_without_an_error():
    running = Running(camera=lambda: RecordedCamera(pictures(count=30)))
    running.play(lambda: running.until(lambda: running.count("daemon_stopped") == 1))
    assert running.events[-1].cause == "end of the recording"


def test_a_pulse_that_runs_when_the_recording_ends_is_seen_to_its_end():
    camera = RecordedCamera(pictures(ADA, count=40), fps=40, monotonic=time.monotonic)
    running = Running(enrolled("ada"), faces=[ADA], camera=lambda: camera, decision={"freshness_ms": 2000})
    running.play(lambda: running.until(lambda: running.count("daemon_stopped") == 1))
    assert [k for k in running.kinds() if k.startswith(("door", "access"))] == [
        "access_granted",
        "door_unlocked",
        "door_locked",
    ]
    assert running.events[-2].cause == "pulse_ended"


def test_a_recording_that_cannot_be_read_is_an_error_at_once():
    def unreadable():
        raise SourceError("The clip is damaged.", "Give another.")

    running = Running(camera=unreadable)
    with pytest.raises(SourceError):
        running.play(lambda: running.until(lambda: running.count("daemon_stopped") == 1))
    assert running.story[-1] == "store closed"


def test_a_service_that_cannot_start_ends_it_before_anything_looks_at_anybody():
    class Refusing(Noting):
        def start(self):
            raise ControlError("Another edgeface is running.")

    story: list[str] = []
    running = Running(
        enrolled("ada"), faces=[ADA], services=lambda d: [Noting(story, "first"), Refusing(story, "second")]
    )
    with pytest.raises(ControlError):
        running.play()
    assert story == ["first started", "second stopped", "first stopped"]
    assert running.daemon.frames == 0
    assert running.count("daemon_stopped") == 1


def test_somebody_enrolled_or_revoked_by_another_process_is_so_within_moments():
    running = Running(faces=[ADA])

    def script():
        running.until(lambda: running.count("access_denied") >= 1)
        running.store.put(enrolled("ada"))
        running.until(lambda: running.count("access_granted") >= 1)
        running.store.remove(person_id("ada"))
        running.until(lambda: not running.parts.gallery.now.people)
        running.frames_pass(3)  # what was in hand is decided
        granted = running.count("access_granted")
        denied = running.count("access_denied")
        running.until(lambda: running.count("access_denied") > denied)
        assert running.count("access_granted") == granted

    running.play(script)


def test_damaged_records_are_reported_at_the_start():
    running = Running(enrolled("ada"), enrolled("ben"))
    running.store.damage(person_id("ada"))
    running.store.put(enrolled("cyd"))
    running.parts.gallery.refresh()
    running.play()
    assert [e.person for e in running.events if e.kind == "record_refused"] == [person_id("ada")]


def test_a_lockdown_at_the_door_process_is_taken_over_and_given_back():
    running = Running(enrolled("ada"), faces=[ADA])
    mode = ["lockdown"]
    running.door.status = lambda: DoorStatus(True, mode[0], None)
    running.parts.loop.mode = "lockdown"  # until the first answer

    def script():
        running.until(lambda: running.count("access_denied") >= 1)
        assert running.door.energised == []
        mode[0] = "normal"
        running.until(lambda: running.parts.loop.mode == "normal")

    running.play(script)


def test_a_door_process_that_is_away_does_not_stop_the_daemon():
    running = Running(enrolled("ada"), faces=[ADA])

    def away():
        raise DoorUnavailable("The door process is away.")

    status, running.door.status = running.door.status, away
    running.door.fail_with = "The door process is away."

    def script():
        running.until(lambda: running.count("access_denied") >= 1)
        assert next(e.reason for e in running.events if e.kind == "access_denied") == "door_fault"
        running.door.status, running.door.fail_with = status, ""
        running.until(lambda: running.count("door_unlocked") >= 1)

    running.play(script)


def test_frames_that_are_taken_away_for_an_enrolment_open_nothing():
    running = Running(enrolled("ada"), faces=[ADA])
    taken: list = []
    running.daemon.frame_hook = taken.append

    def script():
        running.frames_pass(20)
        assert running.door.energised == []
        assert len(taken) >= 20
        running.daemon.frame_hook = None
        running.until(lambda: running.count("access_granted") >= 1)

    running.play(script)


def test_a_disk_that_works_again_gets_what_waited_without_anybody_coming():
    running = Running()

    def script():
        running.audit.fail_writes()
        running.parts.recorder.record([running.events[0]])
        assert running.parts.recorder.fault
        running.audit.fail_writes(False)
        running.until(lambda: running.parts.recorder.fault is None)

    running.play(script)
    assert [line["event"] for line in running.audit.read()].count("daemon_started") == 2
