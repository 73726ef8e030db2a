"""Recordings as the daemon plays them: by the clock, through the camera that reopens itself, in the camera thread."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.adapters.camera.reconnect import ResilientCamera
from edgeface.adapters.camera.replay import ReplayCamera
from edgeface.app import wiring
from edgeface.app.capture import NewestFrame, capture
from edgeface.app.settings import Settings
from edgeface.domain.errors import CameraError, EndOfStream


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(40 + 40 * seed, 60 + 40 * seed, (48, 64, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), noise(i))
    return tmp_path


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A clip that was not copied to its end."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (64, 48))
    for _ in range(60):
        writer.write(noise(2))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def played(source: str, seconds: float = 60.0):
    """(capture times and mean greys, events) of what a daemon's camera gives."""
    time = Time()
    camera = ResilientCamera(
        lambda: ReplayCamera(source, realtime=True, clock=time, sleep=time.sleep), monotonic=time, sleep=time.sleep
    )
    seen, events = [], []
    while time.now < 1000.0 + seconds:
        try:
            frame = camera.read(1.0)
            seen.append((round(frame.captured_s - 1000.0, 2), round(float(frame.pixels.mean()))))
        except EndOfStream:
            events += camera.poll_events()
            break
        except CameraError:
            pass
        events += camera.poll_events()
    return seen, events


def test_a_folder_that_holds_its_pictures_is_played_through_and_no_frozen_camera(folder):
    seen, events = played(f"{folder}?hold_s=4")
    assert events == []
    assert [grey for t, grey in seen if t in (0.0, 4.0, 8.0, 12.0)] == pytest.approx([50, 90, 130, 170], abs=2)
    assert len(seen) == 160


def test_a_recording_with_long_pauses_is_no_stalled_camera(folder):
    seen, events = played(f"{folder}?fps=0.2")
    assert events == []
    assert [t for t, _ in seen] == [0.0, 5.0, 10.0, 15.0]


def test_a_black_picture_is_still_reported(tmp_path):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), noise(2) if i != 1 else np.zeros((48, 64, 3), np.uint8))
    _, events = played(f"{tmp_path}?hold_s=5")
    assert [(e.kind, getattr(e, "fault", None)) for e in events] == [
        ("camera_lost", "black"),
        ("camera_recovered", None),
    ]


def test_a_clip_that_breaks_off_is_an_event_with_its_sentence(cut):
    time, slot, events = Time(), NewestFrame(), []
    camera = ResilientCamera(
        lambda: ReplayCamera(cut, realtime=True, clock=time, sleep=time.sleep), monotonic=time, sleep=time.sleep
    )
    capture(camera, slot, threading.Event(), events.extend, lambda: None)
    assert slot.take(0) is not None
    assert slot.ended
    assert [(e.kind, e.fault) for e in events] == [("camera_lost", "cut_short")]
    assert "breaks off after" in events[0].detail
    assert "Copy it again." in events[0].detail


def test_a_whole_clip_ends_without_an_event(folder):
    assert played(str(folder))[1] == []


def test_a_looped_clip_that_breaks_off_is_said_once(cut):
    said: list[tuple[str, str]] = []
    settings = Settings(camera={"source": f"replay:{cut}?loop=1&fps=200"})
    camera = wiring.resilient_camera(settings, lambda level, error: said.append((level, str(error))))
    camera.open()
    for _ in range(150):
        camera.read(1.0)
    camera.close()
    assert len(said) == 1
    assert said[0][0] == "warning"
    assert "breaks off after" in said[0][1]


def test_a_loop_does_not_catch_up_with_turns_that_nobody_saw(folder):
    time = Time()
    camera = ReplayCamera(f"{folder}?loop=1", realtime=True, clock=time, sleep=time.sleep)
    camera.open()
    camera.read(1.0)
    time.now += 100_000.05
    assert camera.read(1.0).captured_s == pytest.approx(time.now, abs=0.2)


class Stamped:
    """cv2.VideoCapture with given time stamps, announcing 30 a second for as long as they last."""

    def __init__(self, stamps_ms: list[float], announced: int, fps: float = 30.0) -> None:
        self._stamps, self._announced, self._fps, self._n = stamps_ms, announced, fps, -1

    def open(self, _: str) -> bool:
        self._n = -1
        return True

    def grab(self) -> bool:
        self._n += 1
        return self._n < len(self._stamps)

    def retrieve(self):
        return True, np.full((48, 64, 3), self._n, np.uint8)

    def get(self, prop: int) -> float:
        known = {cv2.CAP_PROP_FPS: self._fps, cv2.CAP_PROP_FRAME_COUNT: float(self._announced)}
        return known.get(prop, self._stamps[min(max(self._n, 0), len(self._stamps) - 1)])

    def release(self) -> None:
        pass


def replayed(monkeypatch, tmp_path, *capture, options=""):
    """(capture times, how it ended), as fast as it is read."""
    monkeypatch.setattr(cv2, "VideoCapture", lambda: Stamped(*capture))
    path = tmp_path / "phone.webm"
    path.write_bytes(b"x")
    camera = ReplayCamera(f"{path}{options}", realtime=False)
    camera.open()
    times = []
    while True:
        try:
            times.append(camera.read(1.0).captured_s)
        except EndOfStream as end:
            return times, end


UNEVEN = [0, 100, 200, 232, 268, 300, 900, 932, 968, 1000]


def test_a_video_of_varying_rate_is_played_by_its_time_stamps_and_is_whole(monkeypatch, tmp_path):
    times, end = replayed(monkeypatch, tmp_path, UNEVEN, 31)
    assert times == pytest.approx([t / 1000 for t in UNEVEN])
    assert end.advice == ""


def test_a_video_of_varying_rate_that_breaks_off_says_when(monkeypatch, tmp_path):
    _, end = replayed(monkeypatch, tmp_path, UNEVEN, 90)
    assert "breaks off after 1.0 of 3.0 s" in end.message
    assert end.advice


@pytest.mark.parametrize(
    "stamps", [[0.0] * 5, [0, -5, -10, -15, -20], [0, 1e9, 0, 1e9, 0], [float("nan")] * 5], ids=str
)
def test_time_stamps_that_make_no_sense_give_way_to_the_rate(monkeypatch, tmp_path, stamps):
    times, _ = replayed(monkeypatch, tmp_path, stamps, 5)
    assert times == pytest.approx([i / 30 for i in range(5)])


def test_a_rate_of_ones_own_goes_above_the_time_stamps(monkeypatch, tmp_path):
    times, _ = replayed(monkeypatch, tmp_path, UNEVEN, 31, options="?fps=10")
    assert times == pytest.approx([i / 10 for i in range(10)])


def test_by_the_clock_too_a_picture_comes_at_its_own_time(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, "VideoCapture", lambda: Stamped(UNEVEN, 31))
    (tmp_path / "phone.webm").write_bytes(b"x")
    seen, events = played(str(tmp_path / "phone.webm"))
    assert [t for t, _ in seen] == [round(t / 1000, 2) for t in UNEVEN]
    assert events == []


def test_a_browsers_real_clip_is_whole(test_data):
    path = test_data / "spoof" / "video" / "b-live.webm"
    if not path.is_file():
        pytest.skip("the test data has no such clip")
    camera = ReplayCamera(path, realtime=False)
    camera.open()
    times = []
    end = None
    while end is None:
        try:
            times.append(camera.read(1.0).captured_s)
        except EndOfStream as over:
            end = over
    assert len(times) == 214
    assert times[-1] == pytest.approx(11.644, abs=0.01)
    assert end.advice == ""
