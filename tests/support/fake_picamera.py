"""A stand-in for picamera2, which only a Raspberry Pi has: requests that complete, hang or fail."""

from __future__ import annotations

import threading
import time

import numpy as np


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
