"""One suite over every camera adapter. A live camera must not block, repeat or go back in time; a recording must come
whole and the same each time. Cameras that this machine doesn't have are skipped with the reason."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from support.fake_capture import FakeCapture, machine

from edgeface.adapters.camera.devices import list_cameras
from edgeface.adapters.camera.reconnect import ResilientCamera
from edgeface.adapters.camera.recorded import Fault, FaultKind, RecordedCamera
from edgeface.adapters.camera.sources import open_source
from edgeface.adapters.camera.v4l2 import V4l2Camera
from edgeface.domain.errors import CameraError, CameraUnavailable, EndOfStream

COUNT = 12


@dataclass
class Case:
    """`new` gives a fresh adapter on the same scene; `count` is a recording's length, None for a live camera."""

    new: Any
    count: int | None


def noise(count=COUNT):
    return np.random.default_rng(5).integers(0, 255, (count, 48, 64, 3), dtype=np.uint8)


def recorded(_tmp):
    return Case(lambda: RecordedCamera(noise()), COUNT)


def recorded_live(_tmp):
    return Case(lambda: RecordedCamera(noise(), loop=True, monotonic=time.monotonic, fps=200), None)


def resilient(_tmp):
    return Case(lambda: ResilientCamera(lambda: RecordedCamera(noise())), COUNT)


def resilient_live(_tmp):
    return Case(lambda: ResilientCamera(lambda: RecordedCamera(noise(), loop=True, monotonic=time.monotonic)), None)


def replay_folder(tmp):
    folder = tmp / "pictures"
    folder.mkdir()
    for i, picture in enumerate(noise()):
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture)
    return Case(lambda: open_source(f"replay:{folder}", realtime=False, loop=False, fps=10.0), COUNT)


def replay_video(tmp):
    path = tmp / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for picture in noise():
        writer.write(picture)
    writer.release()
    return Case(lambda: open_source(f"replay:{path}", realtime=False, loop=False), COUNT)


def v4l2_on_a_fake_driver(tmp):
    roots = machine(tmp, video0="HD Webcam|usb-Acme_HD_SN1-video-index0")
    return Case(
        lambda: V4l2Camera("SN1", roots=roots, open_capture=lambda _: FakeCapture(), check=lambda *_: None), None
    )


def v4l2(_tmp):
    if not any(c.capture for c in list_cameras()):
        pytest.skip("no V4L2 capture device on this machine")
    return Case(lambda: open_source("v4l2:auto"), None)


def picamera(_tmp):
    if importlib.util.find_spec("picamera2") is None:
        pytest.skip("picamera2 is not installed (a Raspberry Pi's system package)")
    return Case(lambda: open_source("picamera"), None)


ALL = [recorded, recorded_live, resilient, resilient_live, replay_folder, replay_video, v4l2_on_a_fake_driver, v4l2,
       picamera]  # fmt: skip


@pytest.fixture(params=ALL, ids=lambda f: f.__name__)
def case(request, tmp_path):
    return request.param(tmp_path)


@pytest.fixture
def camera(case):
    camera = case.new()
    yield camera
    camera.close()


def read_some(camera, count=5):
    return [camera.read(5.0) for _ in range(count)]


def read_all(camera):
    while True:
        try:
            yield camera.read(5.0)
        except EndOfStream:
            return


def test_a_frame_is_a_bgr_picture_of_the_size_that_was_promised(camera):
    info = camera.open()
    for frame in read_some(camera):
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.shape == (info.height, info.width, 3)
        assert frame.pixels.flags.c_contiguous
    assert info.fps > 0
    assert info.name


def test_indices_count_from_nought_and_time_only_rises(camera):
    camera.open()
    frames = read_some(camera)
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert all(a.captured_s < b.captured_s for a, b in pairwise(frames))


def test_a_live_cameras_time_is_the_monotonic_clocks(camera, case):
    info = camera.open()
    assert info.live is (case.count is None)
    if info.live:
        before = time.monotonic()
        frame = camera.read(5.0)
        assert before - 2.0 <= frame.captured_s <= time.monotonic()
    else:
        assert camera.read(5.0).captured_s == pytest.approx(0.0, abs=0.2)


def test_frames_do_not_share_memory(camera):
    """A frame is kept by others while the next one is read."""
    camera.open()
    first, second = read_some(camera, 2)
    assert not np.shares_memory(first.pixels, second.pixels)


def test_closing_is_idempotent_also_before_opening(camera):
    camera.close()
    camera.open()
    camera.read(5.0)
    camera.close()
    camera.close()


def test_reading_a_closed_camera_is_an_error_of_the_tree(case):
    camera = case.new()
    if isinstance(camera, ResilientCamera):
        pytest.skip("reading opens it again: that is its task")
    with pytest.raises(CameraError):
        camera.read(0.05)
    camera.open()
    camera.close()
    with pytest.raises(CameraError):
        camera.read(0.05)


def test_it_can_be_opened_again(camera):
    camera.open()
    camera.read(5.0)
    camera.close()
    info = camera.open()
    assert camera.read(5.0).pixels.shape == (info.height, info.width, 3)


def test_a_recording_comes_whole_ends_and_is_the_same_each_time(case):
    if case.count is None:
        pytest.skip("a live camera has no end")
    runs = []
    for _ in range(2):
        camera = case.new()
        camera.open()
        frames = list(read_all(camera))
        with pytest.raises(EndOfStream):
            camera.read(5.0)
        camera.close()
        runs.append([(f.index, f.captured_s, f.pixels.tobytes()) for f in frames])
    assert len(runs[0]) == case.count
    assert runs[0] == runs[1]


def test_the_fakes_faults_come_as_scripted():
    """The recorded camera's script: an opening refused, a stall, a vanishing, black and frozen pictures."""
    camera = RecordedCamera(
        noise(6),
        refuse_opens=1,
        faults=[Fault(1, FaultKind.FROZEN), Fault(2, FaultKind.BLACK), Fault(3, FaultKind.VANISH, 2)],
    )
    with pytest.raises(CameraUnavailable):
        camera.open()
    camera.open()
    first, frozen, black = read_some(camera, 3)
    assert np.array_equal(first.pixels, frozen.pixels)
    assert not black.pixels.any()
    with pytest.raises(CameraUnavailable):
        camera.read(1.0)
    with pytest.raises(CameraUnavailable):
        camera.open()
    camera.open()
    assert camera.read(1.0).index == 0
