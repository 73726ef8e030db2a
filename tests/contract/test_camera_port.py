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
from support.fake_picamera import Board
from support.netcam import NetworkCamera
from support.scenes import drawn_portrait

from edgeface.adapters.camera import sources
from edgeface.adapters.camera.devices import list_cameras
from edgeface.adapters.camera.picamera import PiCamera
from edgeface.adapters.camera.reconnect import ResilientCamera
from edgeface.adapters.camera.recorded import Fault, FaultKind, RecordedCamera
from edgeface.adapters.camera.scene.parse import load_scene
from edgeface.adapters.camera.sources import AutoCamera, open_source
from edgeface.adapters.camera.stream import StreamCamera
from edgeface.adapters.camera.v4l2 import V4l2Camera
from edgeface.domain.errors import CameraError, CameraUnavailable, EndOfStream

COUNT = 12


@dataclass
class Case:
    """`new` gives a fresh adapter on the same scene; `count` is a recording's length, None for a live camera; `end`
    clears away what `new` needed."""

    new: Any
    count: int | None
    end: Any = lambda: None


def noise(count=COUNT):
    return np.random.default_rng(5).integers(0, 255, (count, 48, 64, 3), dtype=np.uint8)


def recorded(_tmp, _patch):
    return Case(lambda: RecordedCamera(noise()), COUNT)


def recorded_live(_tmp, _patch):
    return Case(lambda: RecordedCamera(noise(), loop=True, monotonic=time.monotonic, fps=200), None)


def resilient(_tmp, _patch):
    return Case(lambda: ResilientCamera(lambda: RecordedCamera(noise())), COUNT)


def resilient_live(_tmp, _patch):
    return Case(lambda: ResilientCamera(lambda: RecordedCamera(noise(), loop=True, monotonic=time.monotonic)), None)


def folder_in(tmp):
    folder = tmp / "pictures"
    folder.mkdir()
    for i, picture in enumerate(noise()):
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture)
    return folder


def video_in(tmp):
    path = tmp / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for picture in noise():
        writer.write(picture)
    writer.release()
    return path


def scene_in(tmp):
    """A scene with a drawn portrait of its own, and who finds the face in it."""
    portrait = drawn_portrait()
    cv2.imwrite(str(tmp / "me.png"), np.where(portrait.matte[..., None] > 127, portrait.pixels, np.uint8(20)))
    path = tmp / "scene.toml"
    path.write_text(
        'size = [160, 120]\nfps = 20\nlength_s = 0.6\n[[actor]]\nid = "a"\nkind = "live"\nportrait = "me.png"\n'
        '[[act]]\nname = "n"\nstart_s = 0\nend_s = 0.6\nexpect = "nothing"\n[[act.cast]]\nactor = "a"\n'
        "keys = [{ at_s = 0, x = 0.5, y = 0.5, face = 0.3 }]\n"
    )
    return path, lambda _: portrait.points


def replay_folder(tmp, _patch):
    folder = folder_in(tmp)
    return Case(lambda: open_source(f"replay:{folder}", realtime=False, loop=False, fps=10.0), COUNT)


def replay_video(tmp, _patch):
    path = video_in(tmp)
    return Case(lambda: open_source(f"replay:{path}", realtime=False, loop=False), COUNT)


def replay_scene(tmp, _patch):
    path, find_face = scene_in(tmp)
    return Case(lambda: open_source(f"replay:{path}", realtime=False, find_face=find_face), load_scene(path).frames)


def replay_folder_by_the_clock(tmp, _patch):
    """As the daemon plays it."""
    folder = folder_in(tmp)
    return Case(lambda: open_source(f"replay:{folder}?loop=1&fps=50", realtime=True), None)


def replay_video_by_the_clock(tmp, _patch):
    path = video_in(tmp)
    return Case(lambda: open_source(f"replay:{path}?loop=1&fps=50", realtime=True), None)


def replay_scene_by_the_clock(tmp, _patch):
    path, find_face = scene_in(tmp)
    return Case(lambda: open_source(f"replay:{path}?loop=1", realtime=True, find_face=find_face), None)


def resilient_replay_by_the_clock(tmp, _patch):
    path = video_in(tmp)
    return Case(lambda: ResilientCamera(lambda: open_source(f"replay:{path}?loop=1", realtime=True)), None)


def stream_on_a_fake_decoder(_tmp, _patch):
    return Case(lambda: StreamCamera("rtsp://u:p@cam/live", open_capture=lambda *_: FakeCapture(fps=25.0)), None)


def stream_over_http(_tmp, _patch):
    server = NetworkCamera().__enter__()
    return Case(lambda: open_source(server.address), None, lambda: server.__exit__())


def picamera_on_a_fake_board(_tmp, _patch):
    return Case(lambda: PiCamera(load=lambda: Board()), None)


def auto(tmp, patch):
    """Finds the one camera of a machine with a fake driver."""
    roots = machine(tmp, video0="HD Webcam|usb-Acme_HD_SN1-video-index0")

    def v4l2_there(device, _opts):
        return V4l2Camera(device, roots=roots, open_capture=lambda _: FakeCapture(), check=lambda *_: None)

    patch.setattr(sources, "_v4l2", v4l2_there)
    return Case(lambda: AutoCamera({}, roots), None)


def v4l2_on_a_fake_driver(tmp, _patch):
    roots = machine(tmp, video0="HD Webcam|usb-Acme_HD_SN1-video-index0")
    return Case(
        lambda: V4l2Camera("SN1", roots=roots, open_capture=lambda _: FakeCapture(), check=lambda *_: None), None
    )


def v4l2(_tmp, _patch):
    if not any(c.capture for c in list_cameras()):
        pytest.skip("no V4L2 capture device on this machine")
    return Case(lambda: open_source("v4l2:auto"), None)


def picamera(_tmp, _patch):
    if importlib.util.find_spec("picamera2") is None:
        pytest.skip("picamera2 is not installed (a Raspberry Pi's system package)")
    return Case(lambda: open_source("picamera"), None)


ALL = [
    recorded, recorded_live, resilient, resilient_live, replay_folder, replay_video, replay_scene,
    replay_folder_by_the_clock, replay_video_by_the_clock, replay_scene_by_the_clock, resilient_replay_by_the_clock,
    stream_on_a_fake_decoder, stream_over_http, auto, v4l2_on_a_fake_driver, v4l2, picamera_on_a_fake_board, picamera,
]  # fmt: skip


@pytest.fixture(params=ALL, ids=lambda f: f.__name__)
def case(request, tmp_path, monkeypatch):
    case = request.param(tmp_path, monkeypatch)
    yield case
    case.end()


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
