from __future__ import annotations

import subprocess
import sys
import time

import pytest
from support.fake_capture import AUTO_EXPOSURE, EXPOSURE, FPS, FakeCapture, machine

from edgeface.adapters.camera.stream import StreamCamera, with_sink
from edgeface.adapters.camera.v4l2 import V4l2Camera
from edgeface.domain.errors import CameraStalled, CameraUnavailable

USB = "HD Webcam|usb-Acme_HD_Webcam_SN123-video-index0"


def make(tmp_path, capture, **opts):
    roots = machine(tmp_path, video0=USB)
    opts = {"warmup_frames": 0} | opts
    return V4l2Camera("SN123", roots=roots, open_capture=lambda _node: capture, check=lambda *_: None, **opts), roots


def read_on(camera, times, timeout_s):
    for _ in range(times):
        camera.read(timeout_s)


@pytest.fixture
def opened():
    cameras = []
    yield cameras
    for camera in cameras:
        camera.close()


def test_frames_come_numbered_and_with_the_drivers_time(tmp_path, opened):
    """CAP_PROP_POS_MSEC is the buffer's stamp on CLOCK_MONOTONIC."""
    capture = FakeCapture(stamp=lambda: (time.monotonic() - 0.5) * 1000)
    camera, _ = make(tmp_path, capture)
    opened.append(camera)
    info = camera.open()
    frames = [camera.read(5.0) for _ in range(3)]
    assert [f.index for f in frames] == [0, 1, 2]
    assert (info.width, info.height, info.fps, info.live) == (640, 480, 30.0, True)
    assert frames[0].pixels.shape == (480, 640, 3)
    assert frames[0].captured_s < frames[1].captured_s
    assert time.monotonic() - frames[-1].captured_s >= 0.5


def test_a_stamp_of_another_clock_is_not_believed(tmp_path, opened):
    camera, _ = make(tmp_path, FakeCapture(stamp=lambda: time.time() * 1000))
    opened.append(camera)
    camera.open()
    before = time.monotonic()
    assert camera.read(5.0).captured_s >= before - 0.5


def test_a_picture_that_nobody_waits_for_is_not_decoded(tmp_path, opened):
    capture = FakeCapture()
    camera, _ = make(tmp_path, capture)
    opened.append(camera)
    camera.open()
    deadline = time.monotonic() + 5
    while capture.grabs < 20 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert capture.grabs >= 20
    assert capture.retrieves == 0
    camera.read(5.0)
    assert capture.retrieves >= 1


def test_what_the_camera_really_gives_is_reported(tmp_path, opened):
    """The driver chooses the nearest; the frame's size and rate are what it says."""
    camera, _ = make(tmp_path, FakeCapture(width=800, height=600, fps=10, fourcc="YUYV"))
    opened.append(camera)
    info = camera.open()
    assert (info.width, info.height, info.fps) == (800, 600, 10)
    assert any("doesn't offer MJPG 640x480; it gives YUYV 800x600" in note for note in camera.notes)
    assert any("10 frames a second, not 30" in note for note in camera.notes)


def test_strict_refuses_another_format(tmp_path):
    capture = FakeCapture(fourcc="YUYV")
    camera, _ = make(tmp_path, capture, strict=True)
    with pytest.raises(CameraUnavailable, match=r"doesn't offer MJPG.*list-formats-ext"):
        camera.open()
    assert capture.releases == 1


def test_a_driver_without_a_frame_rate_is_taken_at_its_word(tmp_path, opened):
    camera, _ = make(tmp_path, FakeCapture(fps=float("nan")))
    opened.append(camera)
    assert camera.open().fps == 30.0


def test_exposure_is_given_in_milliseconds(tmp_path, opened):
    """V4L2 counts in units of 100 microseconds, and manual is mode 1."""
    capture = FakeCapture()
    camera, _ = make(tmp_path, capture, exposure=12.5)
    opened.append(camera)
    camera.open()
    assert (AUTO_EXPOSURE, 1) in capture.sets
    assert (EXPOSURE, 125.0) in capture.sets or (EXPOSURE, 124.0) in capture.sets
    assert (FPS, 30.0) in capture.sets


def test_warm_up_pictures_are_dropped(tmp_path, opened):
    camera, _ = make(tmp_path, FakeCapture(), warmup_frames=5)
    opened.append(camera)
    camera.open()
    frame = camera.read(5.0)
    assert frame.index == 0
    assert frame.pixels[0, 0, 0] > 5


def test_a_hanging_driver_is_a_stall_not_a_hang(tmp_path):
    capture = FakeCapture(hang_after=2)
    camera, _ = make(tmp_path, capture)
    camera.open()
    with pytest.raises(CameraStalled, match=r"no picture within 0.05 s"):
        read_on(camera, 3, 0.05)
    camera.close()
    assert capture.releases == 0, "releasing under a blocked grab crashes OpenCV"
    capture.unhang.set()
    deadline = time.monotonic() + 5
    while not capture.releases and time.monotonic() < deadline:
        time.sleep(0.005)
    assert capture.releases == 1
    assert capture.release_thread == "camera-grab"


def test_a_driver_that_always_hangs_is_not_tried_without_end():
    """Each attempt leaves a thread in the driver; after three of them it stops, until one returns."""
    hanging = [FakeCapture(hang_after=0) for _ in range(3)]
    captures = iter([*hanging, FakeCapture()])
    camera = StreamCamera("rtsp://10.0.0.9/1", open_capture=lambda *_: next(captures))
    for _ in hanging:
        camera.open()
        camera.close()
    with pytest.raises(CameraUnavailable, match="hangs in 3 earlier attempts"):
        camera.open()
    for capture in hanging:
        capture.unhang.set()
    deadline = time.monotonic() + 5
    while not all(c.releases for c in hanging) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    camera.open()
    assert camera.read(5.0).index == 0
    camera.close()


def test_an_unplugged_camera_is_unavailable(tmp_path, opened):
    capture = FakeCapture(fail_after=2)
    camera, roots = make(tmp_path, capture)
    opened.append(camera)
    camera.open()
    (roots.dev / "video0").unlink()
    with pytest.raises(CameraUnavailable, match="unplugged"):
        read_on(camera, 4, 5.0)


def test_a_camera_that_stops_but_is_still_there_has_to_be_opened_again(tmp_path, opened):
    camera, _ = make(tmp_path, FakeCapture(fail_after=0))
    opened.append(camera)
    camera.open()
    with pytest.raises(CameraUnavailable, match="opened again"):
        camera.read(5.0)


def test_single_damaged_pictures_are_passed_over(tmp_path, opened):
    camera, _ = make(tmp_path, FakeCapture(damaged={1, 2}))
    opened.append(camera)
    camera.open()
    assert camera.read(5.0).index == 0


def test_a_stream_of_damage_has_to_be_opened_again(tmp_path, opened):
    camera, _ = make(tmp_path, FakeCapture(damaged=set(range(1, 100))))
    opened.append(camera)
    camera.open()
    with pytest.raises(CameraUnavailable, match="damaged"):
        camera.read(5.0)


def test_a_camera_that_opens_nowhere_is_busy_or_refuses(tmp_path):
    capture = FakeCapture(opened=False)
    camera, _ = make(tmp_path, capture)
    with pytest.raises(CameraUnavailable, match="doesn't start"):
        camera.open()
    assert capture.releases == 1


def test_listing_cameras_loads_no_opencv():
    code = "import sys; from edgeface.adapters.camera import v4l2; v4l2.list_cameras(); print('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_network_cameras_password_is_in_no_message():
    camera = StreamCamera("rtsp://admin:s3cret@10.0.0.9/1", open_capture=lambda *_: FakeCapture(opened=False))
    with pytest.raises(CameraUnavailable) as caught:
        camera.open()
    assert "s3cret" not in str(caught.value)
    assert "10.0.0.9" in str(caught.value)


def test_a_network_camera_gives_frames_and_stalls():
    capture = FakeCapture(hang_after=1, fps=0)
    camera = StreamCamera("rtsp://10.0.0.9/1", open_capture=lambda *_: capture)
    info = camera.open()
    assert info.fps == 25.0
    with pytest.raises(CameraStalled):
        read_on(camera, 3, 0.05)
    capture.unhang.set()
    camera.close()


def test_a_pipeline_gets_a_sink_that_keeps_the_newest():
    assert with_sink("nvarguscamerasrc").endswith("appsink drop=true max-buffers=1 sync=false")
    assert with_sink("a ! appsink") == "a ! appsink"
