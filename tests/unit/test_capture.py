"""The one-slot buffer and the camera thread's work."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edgeface.adapters.camera.reconnect import Backoff, ResilientCamera
from edgeface.adapters.camera.recorded import Fault, FaultKind, RecordedCamera
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.capture import NewestFrame, capture
from edgeface.domain.errors import SourceError
from edgeface.domain.types import Frame

PIXELS = np.zeros((8, 8, 3), np.uint8)


def frame(n: int) -> Frame:
    return Frame(PIXELS, float(n), n)


def test_a_newer_frame_replaces_one_that_nobody_took():
    slot = NewestFrame()
    for n in range(3):
        slot.put(frame(n))
    assert slot.take(0).index == 2
    assert slot.take(0) is None
    assert slot.replaced == 2


def test_a_waiting_taker_is_woken_by_a_frame_and_by_the_end():
    slot = NewestFrame()
    got: list = []
    taker = threading.Thread(target=lambda: got.extend([slot.take(30), slot.take(30)]))
    taker.start()
    slot.put(frame(1))
    slot.end()
    taker.join(20)
    assert not taker.is_alive()
    assert [None if f is None else f.index for f in got] == [1, None]


def test_the_last_frame_of_a_recording_is_still_handed_out():
    slot = NewestFrame()
    slot.put(frame(7))
    slot.end()
    assert not slot.ended
    assert slot.take(0).index == 7
    assert slot.ended


def test_a_cleared_slot_gives_nothing_old():
    slot = NewestFrame()
    slot.put(frame(1))
    slot.clear()
    assert slot.take(0) is None


class Watched(NewestFrame):
    """Notes each frame and each clearing."""

    def __init__(self) -> None:
        super().__init__()
        self.story: list = []

    def put(self, frame):
        self.story.append(frame.index)
        super().put(frame)

    def clear(self):
        self.story.append("clear")
        super().clear()


def run(camera_factory, clock, slot, stop=None):
    events: list = []
    turns: list = []
    camera = ResilientCamera(
        camera_factory, backoff=Backoff(0.1, 0.1, 0.0), monotonic=clock.monotonic_s, sleep=clock.advance, seed=1
    )
    stop = stop or threading.Event()
    capture(camera, slot, stop, events.extend, lambda: turns.append(1))
    return events, turns


def noisy(count: int) -> list:
    rng = np.random.default_rng(3)
    return [rng.integers(40, 200, (48, 64, 3), np.uint8) for _ in range(count)]


def test_every_frame_of_a_recording_goes_into_the_slot_and_then_it_ends():
    slot = Watched()
    recording = RecordedCamera(noisy(5))
    _, turns = run(lambda: recording, VirtualClock(), slot)
    assert slot.story == [0, 1, 2, 3, 4]
    assert slot._ended
    assert len(turns) == 5
    assert recording.closes == 1


def test_a_camera_that_vanishes_empties_the_slot_is_reported_and_comes_back():
    clock, slot, stop = VirtualClock(), Watched(), threading.Event()
    camera = RecordedCamera(
        noisy(8), fps=10, faults=[Fault(3, FaultKind.VANISH, 4)], monotonic=clock.monotonic_s, sleep=clock.advance
    )
    events, turns = run(lambda: camera, clock, slot, stop)
    assert [e.kind for e in events] == ["camera_lost", "camera_recovered"]
    assert events[0].fault == "unavailable"
    lost_at = slot.story.index("clear")
    assert slot.story[:lost_at] == [0, 1, 2]
    assert [n for n in slot.story if n != "clear"] == list(range(8))
    assert len(turns) == len(slot.story)  # the watchdog is told also while there is no camera


def test_a_source_that_cannot_be_read_is_raised_and_the_camera_closed():
    class Unreadable(RecordedCamera):
        def read(self, timeout_s):
            raise SourceError("The clip is damaged.")

    camera = Unreadable(noisy(1))
    with pytest.raises(SourceError):
        run(lambda: camera, VirtualClock(), Watched())
    assert camera.closes == 1


def test_stop_ends_the_work_within_a_read():
    clock, stop, slot = VirtualClock(), threading.Event(), Watched()
    camera = RecordedCamera(noisy(3), loop=True, monotonic=clock.monotonic_s, sleep=clock.advance)
    put = slot.put
    slot.put = lambda f: (put(f), stop.set() if f.index == 4 else None)
    run(lambda: camera, clock, slot, stop)
    assert slot.story == [0, 1, 2, 3, 4]
    assert camera.closes == 1
