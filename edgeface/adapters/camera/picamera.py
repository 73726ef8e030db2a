"""A Raspberry Pi's ribbon camera through picamera2, which comes with the system (`apt install python3-picamera2`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeface.domain.errors import CameraStalled, CameraUnavailable
from edgeface.domain.types import Frame
from edgeface.ports import CameraInfo

_CHECK_RIBBON = (
    "Check that the ribbon's contacts face the right way at both ends and that `rpicam-hello --list-cameras` shows "
    "the camera."
)
# A time stamp older than this is of another clock than the one it is compared with.
_MAX_STAMP_AGE_S = 2.0


class PiCamera:
    """Camera number `number` of libcamera. `exposure` is "auto" or a time in milliseconds. Pictures are BGR: libcamera
    names formats by the order in a little-endian word, so its RGB888 is B, G, R in memory (picamera2 manual, appendix
    A). `captured_s` comes from SensorTimestamp (start of the exposure of the first row), on the monotonic clock.
    `load` gives the Picamera2 class; only a test passes one."""

    def __init__(
        self,
        number: int = 0,
        *,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        buffer_count: int = 4,
        exposure: str | float = "auto",
        warmup_frames: int = 3,
        load: Callable[[], Any] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        boottime: Callable[[], float] | None = None,
    ) -> None:
        self._number = number
        self._width, self._height, self._fps = width, height, fps
        self._buffer_count = buffer_count
        self._exposure = exposure
        self._warmup_frames = warmup_frames
        self._load = load or load_picamera2
        self._monotonic = monotonic
        self._boottime = boottime or (lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self._camera: Any = None
        self._pending: tuple[Any, threading.Event] | None = None
        self._next_index = 0
        self._to_skip = 0

    def open(self) -> CameraInfo:
        self.close()
        picamera2 = self._load()
        known = picamera2.global_camera_info()
        if self._number >= len(known):
            there = ", ".join(f"{i}: {info.get('Model', '?')}" for i, info in enumerate(known)) or "none"
            raise CameraUnavailable(f"There is no Pi camera {self._number} (libcamera sees {there}).", _CHECK_RIBBON)
        model = str(known[self._number].get("Model", "camera"))
        try:
            camera = picamera2(self._number)
        except Exception as exc:  # libcamera's binding raises RuntimeError, IndexError and its own, by version
            raise CameraUnavailable(
                f"The Pi camera {model} can't be opened: {_words(exc)}.",
                "Only one program may hold it: stop the other (`sudo fuser -v /dev/media*`).",
            ) from exc
        try:
            info = self._start(camera, model)
        except Exception as exc:
            _quietly(camera.close)
            raise CameraUnavailable(f"The Pi camera {model} doesn't start: {_words(exc)}.", _CHECK_RIBBON) from exc
        self._camera = camera
        self._next_index, self._to_skip = 0, self._warmup_frames
        return info

    def _start(self, camera: Any, model: str) -> CameraInfo:
        frame_us = round(1_000_000 / self._fps)
        # Both limits the same: the exposure may not stretch the interval in the dark (a blink needs 15 a second).
        controls: dict[str, Any] = {"FrameDurationLimits": (frame_us, frame_us)}
        if self._exposure != "auto":
            controls |= {"AeEnable": False, "ExposureTime": round(float(self._exposure) * 1000)}
        camera.configure(
            camera.create_video_configuration(
                main={"size": (self._width, self._height), "format": "RGB888"},
                controls=controls,
                buffer_count=self._buffer_count,
            )
        )
        width, height = camera.camera_configuration()["main"]["size"]
        camera.start()
        return CameraInfo(f"picamera {self._number} ({model})", int(width), int(height), self._fps, live=True)

    def read(self, timeout_s: float) -> Frame:
        if self._camera is None:
            raise CameraUnavailable("The camera is not open.", "Open it first.")
        deadline_s = self._monotonic() + timeout_s
        while True:
            pixels, captured_s = self._request(max(0.0, deadline_s - self._monotonic()), timeout_s)
            if self._to_skip > 0:
                self._to_skip -= 1
                continue
            frame = Frame(pixels, captured_s, self._next_index)
            self._next_index += 1
            return frame

    def _request(self, wait_s: float, timeout_s: float) -> tuple[np.ndarray[Any, Any], float]:
        try:
            # One request is under way at most: one that came too late for a read serves the next. The signal works
            # with every release of picamera2; a timeout inside it only with the later ones.
            if self._pending is None:
                done = threading.Event()
                job = self._camera.capture_request(wait=False, signal_function=lambda _job: done.set())
                self._pending = job, done
            job, done = self._pending
            if not done.wait(wait_s):
                raise CameraStalled(f"The Pi camera gave no picture within {timeout_s:g} s.", _CHECK_RIBBON)
            self._pending = None
            request = job.get_result()
            try:
                pixels = request.make_array("main")
                sensor_ns = request.get_metadata().get("SensorTimestamp", 0)
            finally:
                request.release()  # the buffer goes back to the camera; kept, the stream ends after buffer_count
        except CameraStalled:
            raise
        except Exception as exc:
            raise CameraUnavailable(f"The Pi camera failed: {_words(exc)}.", _CHECK_RIBBON) from exc
        # A copy of its own, without the row padding and the fourth channel that some configurations have.
        return np.ascontiguousarray(pixels[: self._height, :, :3]), self._stamp(sensor_ns / 1e9)

    def _stamp(self, sensor_s: float) -> float:
        """libcamera documents CLOCK_BOOTTIME and the Pi's drivers stamp with CLOCK_MONOTONIC; they are one until the
        board has slept once. The one that gives a plausible age is it."""
        now_s = self._monotonic()
        for age_s in (now_s - sensor_s, self._boottime() - sensor_s):
            if 0.0 <= age_s <= _MAX_STAMP_AGE_S:
                return now_s - age_s
        return now_s

    def close(self) -> None:
        camera, self._camera, self._pending = self._camera, None, None
        if camera is not None:
            _quietly(camera.stop)
            _quietly(camera.close)


def load_picamera2() -> Any:
    """The Picamera2 class. Raises CameraUnavailable where the package is absent or doesn't load."""
    try:
        from picamera2 import Picamera2
    except ImportError as exc:
        raise CameraUnavailable(
            f"picamera2 is not usable here ({_words(exc)}).",
            "Install it with `sudo apt install python3-picamera2 --no-install-recommends`, and make the environment "
            'with --system-site-packages; a USB camera needs none: camera.source = "auto".',
        ) from exc
    return Picamera2


def _words(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200].rstrip(".") or type(exc).__name__


def _quietly(action: Callable[[], object]) -> None:
    """Closing a camera that has already failed fails again; there is nothing left to do about it."""
    try:
        action()
    except Exception:
        return
