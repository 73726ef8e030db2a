"""What the control socket can do with a running daemon: every operation over a real socket, arguments good and bad."""

from __future__ import annotations

import base64
import math
import threading

import cv2
import numpy as np
import pytest
from support.doorway import Seen, enrolled, person_id
from support.running import WAIT_S, Running

from edgeface.control.client import ControlClient
from edgeface.control.operations import operations
from edgeface.control.server import ControlServer
from edgeface.domain.errors import ControlError

ADA = Seen("ada")


@pytest.fixture
def control(tmp_path):
    """`control(*people, faces=...)(script)` plays the daemon while `script(running, client)` talks to it."""

    def start(*people, faces=(), **settings):
        path = tmp_path / "control.sock"
        running = Running(
            *people, faces=faces, services=lambda daemon: [ControlServer(path, operations(daemon))], **settings
        )

        def play(script):
            def with_client():
                running.until(path.exists)
                running.until(lambda: running.daemon.frames > 0)
                with ControlClient(path, WAIT_S) as client:
                    script(running, client)

            running.play(with_client)
            return running

        return play

    return start


def test_status_tells_what_a_technician_asks(control):
    def script(running, client):
        told = client.call("status")
        assert told["door_name"] == "front"
        assert told["camera"]["ok"] is True
        assert told["camera"]["size"] == [320, 240]
        assert told["camera"]["frames"] > 0
        still = {"grant_id": None, "detail": "", "held_by": None, "contact": None, "alarms": []}
        assert told["door"] == {"reachable": True, "locked": True, "mode": "normal", **still}
        assert (told["gallery"]["people"], told["gallery"]["templates"]) == (1, 1)
        assert list(told["gallery"]["damaged"]) == [person_id("ada")]
        assert told["threshold"]["value"] == 0.5
        assert "threshold" in told["threshold"]["sentence"]
        assert told["audit_fault"] is None
        running.door.fail_with = "The wire is cut."
        assert client.call("status")["door"]["reachable"] is False

    def damaged(running, client):
        running.store.damage(person_id("ada"))
        running.store.put(enrolled("ben", seq=2))
        running.until(lambda: running.parts.gallery.now.damaged)
        script(running, client)

    control(enrolled("ada"), enrolled("ben"))(damaged)


def test_the_mode_is_set_and_kept_by_the_door(control):
    def script(running, client):
        assert client.call("door.mode", mode="lockdown") == {"mode": "lockdown"}
        assert client.call("status")["door"]["mode"] == "lockdown"
        for wrong in ("open", None, ["normal"]):
            with pytest.raises(ControlError, match="mode"):
                client.call("door.mode", mode=wrong)
        assert client.call("door.mode", mode="normal") == {"mode": "normal"}

    control(enrolled("ada"))(script)


def test_view_is_a_picture_with_the_face_in_it(control):
    def script(running, client):
        running.until(lambda: running.count("access_denied") >= 1)
        told = client.call("view", max_width=160)
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(told["jpeg"]), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (120, 160, 3)
        assert told["size"] == [320, 240]
        (track,) = told["tracks"]
        assert (track["box"], track["visible"], track["subject"]) == ([120.0, 70.0, 200.0, 150.0], True, True)
        assert told["hint"] == "unknown_person"

    control(faces=[ADA])(script)


def test_a_door_test_is_recorded_before_the_relay_moves_and_needs_the_log(control):
    def script(running, client):
        told = client.call("door.test", pulse_ms=100)
        assert running.door.energised[-1][1] is True or len(running.door.energised) == 2
        running.until(lambda: running.count("door_locked") == 1)
        assert running.kinds() == ["daemon_started", "door_tested", "door_unlocked", "door_locked"]
        assert running.events[1].grant_id == told["grant_id"]
        edges = len(running.door.energised)
        running.audit.fail_writes()
        with pytest.raises(ControlError, match="can't be written"):
            client.call("door.test")
        assert len(running.door.energised) == edges

    control()(script)


@pytest.mark.parametrize("pulse_ms", [10_001, 10**4000])
def test_a_door_test_beyond_the_cap_is_refused_and_not_recorded_as_done(control, pulse_ms):
    def script(running, client):
        with pytest.raises(ControlError, match="from 1 to 10000"):
            client.call("door.test", pulse_ms=pulse_ms)
        assert running.door.energised == []
        assert running.kinds() == ["daemon_started"]

    control()(script)


def test_a_door_test_that_the_door_refuses_is_recorded_as_refused(control):
    def script(running, client):
        running.door.fail_with = "The wire is cut."
        with pytest.raises(ControlError, match="wire is cut"):
            client.call("door.test", pulse_ms=100)
        assert running.kinds() == ["daemon_started", "door_tested", "door_test_refused"]
        tested, refused = running.events[1:]
        assert (refused.grant_id, refused.detail) == (tested.grant_id, "The wire is cut.")
        assert running.door.energised == []
        running.door.fail_with = None

    control()(script)


def test_lock_ends_a_pulse(control):
    def script(running, client):
        client.call("door.test", pulse_ms=9000)
        assert client.call("door.lock") == {"locked": True}
        assert [level for _, level in running.door.energised] == [True, False]
        running.until(lambda: running.count("door_locked") == 1)
        assert running.events[-1].cause == "requested"

    control()(script)


def test_events_are_streamed_with_their_numbers_and_again_from_a_number(control):
    def script(running, client):
        heard = client.stream("events", since=0)
        first = next(heard)
        assert (first["n"], first["event"]["event"]) == (1, "daemon_started")
        running.parts.door.grant("0" * 32, 50)
        told = [item for item in (next(heard) for _ in range(4)) if item["event"] is not None]
        assert [t["event"]["event"] for t in told][:2] == ["door_unlocked", "door_locked"]
        assert told[0]["n"] == 2
        assert math.isfinite(told[0]["event"]["t_s"])

    control()(script)


def test_reload_takes_over_what_another_process_enrolled(control):
    def script(running, client):
        running.store.put(enrolled("ada"))
        assert client.call("gallery.reload") == {"people": 1, "templates": 1}

    control()(script)


def test_stop_stops_the_daemon(control):
    def script(running, client):
        assert client.call("stop") == {"stopping": True}
        running.until(lambda: running.count("daemon_stopped") == 1)

    assert control()(script).events[-1].cause == "asked to"


def test_an_enrolment_at_the_doors_camera_makes_a_person_who_is_then_let_in(control):
    def script(running, client):
        story = []
        try:
            for told in client.stream("enrol", name="Ada Lovelace", seconds=5, groups=["staff"]):
                story.append(told)
                if "person" in told:
                    break
        finally:
            edges = list(running.door.energised)
        assert edges == []
        assert all(t["accepted"] for t in story[:-1])
        record = story[-1]["person"]
        assert running.store.get(record["id"]).groups == ("staff",)
        assert running.count("person_enrolled") == 1
        running.until(lambda: running.count("access_granted") >= 1)
        assert next(e for e in running.events if e.kind == "access_granted").person == record["id"]

    control(faces=[ADA])(script)


def test_an_enrolment_of_nobody_is_refused_with_the_reason_and_the_door_goes_on(control):
    def script(running, client):
        with pytest.raises(ControlError, match=r"Nobody was enrolled: 0 of \d+ pictures") as caught:
            for _ in client.stream("enrol", name="Ada", seconds=1):
                pass
        assert caught.value.advice == "Show the whole face from the front, near and in good light."
        assert caught.value.exit_code == 65
        assert running.daemon.frame_hook is None
        assert list(running.store.people()) == []

    control()(script)


def test_one_enrolment_at_a_time_and_one_whose_client_leaves_gives_the_camera_back(control):
    def script(running, client):
        first = ControlClient(running.daemon._services[0]._path, WAIT_S)
        next(first.stream("enrol", name="Ada", seconds=30))
        with pytest.raises(ControlError, match="already"):
            client.call("enrol", name="Ben")
        first.close()
        running.until(lambda: running.daemon.frame_hook is None)
        with pytest.raises(ControlError, match="Nobody was enrolled"):
            for _ in client.stream("enrol", name="Ben", seconds=1):
                pass

    control()(script)


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("status", {"verbose": True}),
        ("door.lock", {"now": 1}),
        ("stop", {"force": True}),
        ("gallery.reload", {"path": "/etc/passwd"}),
        ("view", {"max_width": 5}),
        ("view", {"max_width": 10**9}),
        ("view", {"max_width": "640"}),
        ("view", {"max_width": 640.0}),
        ("view", {"max_width": True}),
        ("door.test", {"pulse_ms": 0}),
        ("door.test", {"pulse_ms": -1}),
        ("door.test", {"pulse_ms": 1.5}),
        ("door.test", {"pulse_ms": True}),
        ("door.test", {"pulse_ms": None}),
        ("events", {"since": -1}),
        ("events", {"since": "1"}),
        ("events", {"since": True}),
        ("enrol", {}),
        ("enrol", {"name": "Ada", "seconds": 0}),
        ("enrol", {"name": "Ada", "seconds": 1e9}),
        ("enrol", {"name": "Ada\u0007"}),
        ("enrol", {"name": "Ada", "unknown": 1}),
        ("enrol", {"name": "Ada", "replaces": "0" * 32}),
        ("enrol", {"name": "Ada", "replaces": "\ud800"}),
        ("enrol", {"name": "\ud800"}),
        ("enrol", {"name": "Ada", "replaces": ""}),
    ],
)
def test_arguments_that_are_wrong_are_refused_with_a_sentence_and_do_nothing(shared, op, arguments):
    running, client = shared
    with pytest.raises(ControlError) as caught:
        client.call(op, **arguments)
    assert caught.value.message.endswith(".")
    assert "failed at this request" not in caught.value.message
    assert running.kinds() == ["daemon_started"]
    assert running.door.energised == []
    assert running.daemon.frame_hook is None


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Operations on a daemon whose camera was started and whose other threads stand still: refusals need no more."""
    path = tmp_path_factory.mktemp("control") / "control.sock"
    running = Running()
    server = ControlServer(path, operations(running.daemon))
    running.daemon._start()
    server.start()
    client = ControlClient(path, WAIT_S)
    yield running, client
    client.close()
    server.stop()
    running.daemon._stop()
    assert not [t for t in threading.enumerate() if t.name in ("camera", "vision")]
