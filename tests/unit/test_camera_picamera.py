from __future__ import annotations

import importlib.util
import threading
import time

import numpy as np
import pytest

from edgeface.adapters.camera.picamera import PiCamera, load_picamera2
from edgeface.domain.errors import CameraStalled, CameraUnavailable


class Request:
    def __init__(self, board, stamp_ns):
        self.board, self.stamp_ns = board, stamp_ns

    def make_array(self, name):
        assert name == "main"
        array = np.zeros((480, 704, 3), np.uint8)[:, :640]  # libcamera pads rows; the view is not contiguous
        array[..., 0] = 200
        return array

    def get_metadata(self):
        return {"SensorTimestamp": self.stamp_ns}

    def release(self):
        self.board.released += 1


class Job:
    def __init__(self, request):
        self.request = request

    def get_result(self):
        if isinstance(self.request, Exception):
            raise self.request
        return self.request


class Board:
    """What Picamera2 is to the adapter: the class and its one instance."""

    def __init__(self, cameras=1, hang=False, busy=False, error=None, clock=time.monotonic):
        self.cameras, self.hang, self.busy, self.error, self.clock = cameras, hang, busy, error, clock
        self.released = self.requested = self.closed = 0
        self.config = None
        self.waiting = []

    def global_camera_info(self):
        return [{"Model": "imx708", "Id": f"/base/i2c/imx708@{i}"} for i in range(self.cameras)]

    def __call__(self, number):
        if self.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        return self

    def create_video_configuration(self, **kwargs):
        return kwargs

    def configure(self, config):
        self.config = config

    def camera_configuration(self):
        return self.config

    def start(self):
        pass

    def stop(self):
        pass

    def close(self):
        self.closed += 1

    def capture_request(self, wait, signal_function):
        assert wait is False
        self.requested += 1
        job = Job(self.error or Request(self, int((self.clock() - 0.02) * 1e9)))
        if self.hang:
            self.waiting.append((job, signal_function))
        else:
            threading.Timer(0.001, signal_function, [job]).start()
        return job


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
