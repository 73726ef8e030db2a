from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.camera.reconnect import Backoff, ResilientCamera
from edgeface.adapters.camera.recorded import Fault, FaultKind, RecordedCamera
from edgeface.domain.errors import CameraError, CameraStalled, CameraUnavailable, EndOfStream
from edgeface.domain.events import CameraLost, CameraRecovered


class VirtualTime:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += max(0.0, seconds)


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(60, 200, (count, 48, 64, 3), dtype=np.uint8)


def build(frames=None, **script):
    t = VirtualTime()
    frames = pictures(600) if frames is None else frames
    camera = RecordedCamera(frames, monotonic=t.monotonic, sleep=t.sleep, **script)
    said = []
    resilient = ResilientCamera(
        lambda: camera, monotonic=t.monotonic, sleep=t.sleep, seed=1, report=lambda level, error: said.append(level)
    )
    return resilient, camera, t, said


def drive(resilient, t, seconds, timeout_s=0.5):
    """Reads as the daemon's camera thread does, never stopping for a fault: frames, errors and events."""
    frames, errors, events = [], [], []
    end = t.now + seconds
    while t.now < end:
        try:
            frames.append(resilient.read(timeout_s))
        except EndOfStream:
            break
        except CameraError as exc:
            errors.append(exc)
        events += resilient.poll_events()
    return frames, errors, events


def test_a_camera_that_vanishes_and_returns_is_taken_up_again():
    resilient, _camera, t, said = build(faults=[Fault(10, FaultKind.VANISH, 4)])
    resilient.open()
    frames, _errors, events = drive(resilient, t, 20)
    assert [type(e) for e in events] == [CameraLost, CameraRecovered]
    assert events[0].fault == "unavailable"
    assert events[1].after_s > 0
    assert [f.index for f in frames] == list(range(len(frames)))
    assert len(frames) > 100
    assert said == ["warning", "debug", "debug", "debug"]


def test_the_first_opening_tells_and_reading_goes_on_trying():
    """The daemon may start before its camera is there."""
    resilient, _camera, t, said = build(refuse_opens=3)
    with pytest.raises(CameraUnavailable):
        resilient.open()
    frames, _, events = drive(resilient, t, 10)
    assert frames
    assert [e.kind for e in events] == ["camera_lost", "camera_recovered"]
    assert said == ["warning", "debug", "debug"]


def test_a_short_stall_is_no_loss_and_a_long_one_is():
    resilient, camera, t, _ = build(faults=[Fault(5, FaultKind.STALL, 2)])
    resilient.open()
    _, errors, events = drive(resilient, t, 3)
    assert len(errors) == 2
    assert events == []
    assert camera.opens == 1
    resilient, camera, t, _ = build(faults=[Fault(5, FaultKind.STALL, 8)])
    resilient.open()
    _, _, events = drive(resilient, t, 20)
    assert [e.fault for e in events if isinstance(e, CameraLost)] == ["stalled"]
    assert isinstance(events[-1], CameraRecovered)
    assert camera.opens >= 2


def test_a_frozen_camera_gives_no_picture_twice_and_is_opened_again():
    resilient, camera, t, _ = build(faults=[Fault(20, FaultKind.FROZEN, 90)])
    resilient.open()
    frames, errors, events = drive(resilient, t, 15)
    assert [e.fault for e in events if isinstance(e, CameraLost)] == ["frozen"]
    assert isinstance(events[-1], CameraRecovered)
    assert camera.opens >= 2
    seen = [f.pixels.tobytes() for f in frames]
    assert len(seen) == len(set(seen))
    assert any("frozen" in str(e) for e in errors)


def test_a_camera_that_stays_frozen_is_not_announced_as_recovered():
    still = np.repeat(pictures(1), 2000, axis=0)
    resilient, _, t, _ = build(still)
    resilient.open()
    frames, _, events = drive(resilient, t, 40)
    assert len(frames) == 1
    assert [e.kind for e in events] == ["camera_lost"]


def test_black_pictures_are_reported_once_and_passed_on():
    resilient, camera, t, _ = build(faults=[Fault(10, FaultKind.BLACK, 150)])
    resilient.open()
    frames, errors, events = drive(resilient, t, 12)
    assert [(e.kind, getattr(e, "fault", None)) for e in events] == [
        ("camera_lost", "black"),
        ("camera_recovered", None),
    ]
    assert errors == []
    assert len(frames) > 200
    assert camera.opens == 1


def test_reading_while_the_camera_is_away_keeps_to_its_timeout():
    resilient, _, t, _ = build(refuse_opens=10**6)
    with pytest.raises(CameraUnavailable):
        resilient.open()
    for _ in range(100):
        before = t.now
        with pytest.raises(CameraUnavailable):
            resilient.read(0.25)
        assert t.now - before <= 0.25 + 1e-9


def test_the_back_off_grows_and_is_capped():
    resilient, camera, t, said = build(refuse_opens=10**6)
    with pytest.raises(CameraUnavailable):
        resilient.open()
    drive(resilient, t, 3600)
    assert 3600 / 15 <= camera.opens <= 3600 / (15 * 0.7) + 12
    assert said.count("warning") == 1


def test_a_flapping_camera_is_not_tried_ever_faster():
    """One good picture between failures doesn't start the back-off afresh, and is warned of once."""
    resilient, camera, t, said = build(pictures(600), faults=[Fault(i, FaultKind.VANISH, 1) for i in range(1, 40)])
    resilient.open()
    drive(resilient, t, 60)
    assert camera.opens < 15
    assert said.count("warning") == 1


def test_a_picture_of_long_ago_is_not_given():
    """A driver's queue that was not drained yields old pictures first."""
    t = VirtualTime()
    camera = RecordedCamera(pictures(50), monotonic=lambda: t.now - 5.0, sleep=t.sleep)
    resilient = ResilientCamera(lambda: camera, monotonic=t.monotonic, sleep=t.sleep)
    resilient.open()
    with pytest.raises(CameraStalled):
        resilient.read(0.5)


def test_a_recording_is_passed_on_whole_and_ends():
    """Nothing is dropped from a recording, repeats included."""
    still = np.repeat(pictures(1), 120, axis=0)
    resilient = ResilientCamera(lambda: RecordedCamera(still))
    resilient.open()
    frames = [resilient.read(1.0) for _ in range(120)]
    assert [f.index for f in frames] == list(range(120))
    with pytest.raises(EndOfStream):
        resilient.read(1.0)
    assert resilient.poll_events() == []


def test_closing_twice_is_fine():
    resilient, camera, _, _ = build()
    resilient.open()
    resilient.close()
    resilient.close()
    assert camera.closes == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.builds(Fault, st.integers(0, 120), st.sampled_from(list(FaultKind)), st.integers(1, 30)), max_size=6)
)
def test_whatever_happens_frames_are_new_in_order_and_losses_pair_with_recoveries(faults):
    resilient, _, t, _ = build(pictures(200), faults=faults)
    resilient.open()
    frames, _, events = drive(resilient, t, 120)
    assert [f.index for f in frames] == list(range(len(frames)))
    assert all(a.captured_s < b.captured_s for a, b in pairwise(frames))
    kinds = [e.kind for e in events]
    assert kinds == ["camera_lost", "camera_recovered"] * (len(kinds) // 2) + ["camera_lost"] * (len(kinds) % 2)


@given(st.integers(0, 10**6), st.integers(0, 2**32))
def test_a_delay_is_never_above_its_cap_nor_below_its_jitter(attempt, seed):
    import random

    backoff = Backoff()
    delay = backoff.delay_s(attempt, random.Random(seed))
    assert backoff.first_s * (1 - backoff.jitter) <= delay <= backoff.most_s
