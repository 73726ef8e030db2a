from __future__ import annotations

import importlib.util
import time

import pytest
from support.fake_picamera import Board

from edgeface.adapters.camera.picamera import PiCamera, load_picamera2
from edgeface.domain.errors import CameraStalled, CameraUnavailable


def test_pictures_are_contiguous_bgr_with_the_sensors_time():
    board = Board()
    camera = PiCamera(load=lambda: board, warmup_frames=2)
    info = camera.open()
    frame = camera.read(5.0)
    camera.close()
    assert (info.width, info.height, info.fps, info.live) == (640, 480, 30.0, True)
    assert frame.pixels.shape == (480, 640, 3)
    assert frame.pixels.flags.c_contiguous
    assert frame.index == 0
    assert frame.captured_s < time.monotonic()
    assert board.config["main"]["format"] == "RGB888"
    assert board.config["controls"]["FrameDurationLimits"] == (33333, 33333)
    assert board.released == board.requested == 3, "a request that is kept starves the camera"


def test_a_stamp_of_the_boot_clock_is_brought_to_the_monotonic_one():
    """They differ once the board has slept."""
    camera = PiCamera(
        load=lambda: Board(clock=lambda: time.monotonic() + 1e5),
        boottime=lambda: time.monotonic() + 1e5,
        warmup_frames=0,
    )
    camera.open()
    age = time.monotonic() - camera.read(5.0).captured_s
    camera.close()
    assert 0 <= age < 100


def test_a_hanging_camera_stalls_and_its_late_picture_is_still_used():
    board = Board(hang=True)
    camera = PiCamera(load=lambda: board, warmup_frames=0)
    camera.open()
    for _ in range(3):
        with pytest.raises(CameraStalled):
            camera.read(0.01)
    assert board.requested == 1, "requests don't pile up behind a stall"
    job, signal = board.waiting[0]
    signal(job)
    assert camera.read(1.0).index == 0
    camera.close()


def test_exposure_is_given_in_milliseconds():
    board = Board()
    camera = PiCamera(load=lambda: board, exposure=8)
    camera.open()
    camera.close()
    assert board.config["controls"]["ExposureTime"] == 8000
    assert board.config["controls"]["AeEnable"] is False


def test_no_camera_on_the_ribbon_says_what_to_check():
    with pytest.raises(CameraUnavailable, match=r"no Pi camera 0.*none.*ribbon"):
        PiCamera(load=lambda: Board(cameras=0)).open()
    with pytest.raises(CameraUnavailable, match=r"no Pi camera 1 .*0: imx708"):
        PiCamera(1, load=lambda: Board()).open()


def test_a_camera_held_by_another_program_is_unavailable():
    with pytest.raises(CameraUnavailable, match="Only one program may hold it"):
        PiCamera(load=lambda: Board(busy=True)).open()


def test_a_failing_request_is_unavailable():
    camera = PiCamera(load=lambda: Board(error=RuntimeError("dma error")), warmup_frames=0)
    camera.open()
    with pytest.raises(CameraUnavailable, match="dma error"):
        camera.read(5.0)
    camera.close()


def test_without_the_systems_package_the_advice_names_it():
    if importlib.util.find_spec("picamera2") is not None:
        pytest.skip("picamera2 is installed here")
    with pytest.raises(CameraUnavailable, match=r"--system-site-packages") as caught:
        load_picamera2()
    assert "apt install python3-picamera2" in str(caught.value)
