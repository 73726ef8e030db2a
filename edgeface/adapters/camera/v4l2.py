"""USB and other V4L2 cameras through OpenCV."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from edgeface.adapters.camera import devices
from edgeface.adapters.camera.devices import CameraDevice, Roots, list_cameras
from edgeface.adapters.camera.grabber import Capture, Grabber, StreamBroken, require_no_hang
from edgeface.domain.errors import CameraStalled, CameraUnavailable
from edgeface.domain.types import Frame
from edgeface.ports import CameraInfo

__all__ = ["CameraDevice", "V4l2Camera", "list_cameras"]

# cv2.CAP_PROP_*, spelled out so that this module loads without OpenCV (they are part of its binary interface).
_POS_MSEC, _WIDTH, _HEIGHT, _FPS, _FOURCC = 0, 3, 4, 5, 6
_EXPOSURE, _AUTO_EXPOSURE, _BUFFERSIZE = 15, 21, 38
# V4L2_EXPOSURE_MANUAL and V4L2_EXPOSURE_APERTURE_PRIORITY; V4L2 counts exposure in units of 100 microseconds.
_MANUAL, _AUTOMATIC, _EXPOSURE_UNITS_PER_MS = 1, 3, 10
# A driver's time stamp older than this, or of the future, is of another clock (uvcvideo's `clock` parameter).
_MAX_STAMP_AGE_S = 2.0


class V4l2Camera:
    """A V4L2 camera. `device` is anything that `devices.resolve` understands, resolved at each `open`, so that a
    camera that returns under another number is found again.

    `exposure` is "auto" or a time in milliseconds. `steady_rate` forbids the camera to lengthen its exposure beyond
    the frame interval: in the dark many halve their rate otherwise, and a blink is missed. `buffers` is the driver's
    queue: two, for with one UVC drops every other picture while the first is decoded; it doesn't grow old, because it
    is drained all the time. `warmup_frames` are dropped after opening, while the exposure settles. `strict` refuses a
    camera that offers another size or format than asked for; otherwise `notes` says so.

    Pictures are BGR; `captured_s` is the driver's own time stamp (CLOCK_MONOTONIC; OpenCV gives the buffer's stamp as
    CAP_PROP_POS_MSEC) where that is plausible, else the time at which the picture was fetched.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        fourcc: str = "MJPG",
        exposure: str | float = "auto",
        warmup_frames: int = 3,
        buffers: int = 2,
        steady_rate: bool = True,
        strict: bool = False,
        roots: Roots | None = None,
        open_capture: Callable[[Path], Capture] | None = None,
        check: Callable[[CameraDevice, Roots | None], None] = devices.check_usable,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._width, self._height, self._fps, self._fourcc = width, height, fps, fourcc
        self._exposure = exposure
        self._warmup_frames = warmup_frames
        self._buffers = buffers
        self._steady_rate = steady_rate
        self._strict = strict
        self._roots = roots
        self._open_capture = open_capture or _open_cv2
        self._check = check
        self._monotonic = monotonic
        self._camera: CameraDevice | None = None
        self._grabber: Grabber | None = None
        self._next_index = 0
        self.notes: tuple[str, ...] = ()

    def open(self) -> CameraInfo:
        self.close()
        camera = devices.resolve(self._device, self._roots)
        require_no_hang(camera.label)
        self._check(camera, self._roots)
        capture = self._open_capture(camera.node)
        if not capture.isOpened():
            capture.release()
            raise devices.why_busy(camera, self._roots)
        try:
            info = self._configure(capture, camera)
        except BaseException:
            capture.release()
            raise
        self._camera = camera
        self._next_index = 0
        self._grabber = Grabber(capture, lambda: self._stamp(capture), skip=self._warmup_frames)
        return info

    def _configure(self, capture: Capture, camera: CameraDevice) -> CameraInfo:
        code = sum(ord(c) << 8 * i for i, c in enumerate(self._fourcc[:4].ljust(4)))
        # The format first: size and rate are offered per format. Each is checked below by what the driver then says.
        for prop, value in (
            (_FOURCC, code), (_WIDTH, self._width), (_HEIGHT, self._height), (_FPS, self._fps),
            (_BUFFERSIZE, self._buffers),
        ):  # fmt: skip
            capture.set(prop, float(value))
        notes = []
        if self._exposure == "auto":
            capture.set(_AUTO_EXPOSURE, _AUTOMATIC)
        else:
            capture.set(_AUTO_EXPOSURE, _MANUAL)
            if not capture.set(_EXPOSURE, max(1.0, round(float(self._exposure) * _EXPOSURE_UNITS_PER_MS))):
                notes.append("the exposure can't be set on this camera")
        if self._steady_rate:
            devices.set_control(camera.node, devices.EXPOSURE_DYNAMIC_FRAMERATE, 0)
        width, height = _whole(capture.get(_WIDTH)), _whole(capture.get(_HEIGHT))
        fps = capture.get(_FPS)
        if not math.isfinite(fps) or fps <= 0:
            fps = self._fps
        given = _whole(capture.get(_FOURCC))
        fourcc = "".join(chr(given >> 8 * i & 0xFF) for i in range(4)) if given else self._fourcc
        asked = f"{self._fourcc} {self._width}x{self._height}"
        gives = f"{fourcc if fourcc.isprintable() else '?'} {width}x{height}"
        if asked != gives:
            sentence = f"{camera.label} doesn't offer {asked}; it gives {gives}."
            if self._strict or width <= 0 or height <= 0:
                raise CameraUnavailable(
                    sentence, f"`v4l2-ctl -d {camera.node} --list-formats-ext` shows what it offers."
                )
            notes.append(sentence)
        if fps < 0.9 * self._fps:
            notes.append(f"{camera.label} gives {fps:g} frames a second, not {self._fps:g}.")
        self.notes = tuple(notes)
        return CameraInfo(name=f"{camera.name} [{fourcc}]", width=width, height=height, fps=fps, live=True)

    def _stamp(self, capture: Capture) -> float:
        now_s = self._monotonic()
        driver_s = capture.get(_POS_MSEC) / 1000.0
        return driver_s if 0.0 <= now_s - driver_s <= _MAX_STAMP_AGE_S else now_s

    def read(self, timeout_s: float) -> Frame:
        if self._grabber is None or self._camera is None:
            raise CameraUnavailable("The camera is not open.", "Open it first.")
        try:
            grabbed = self._grabber.take(timeout_s)
        except StreamBroken as exc:
            raise self._vanished_or(CameraUnavailable(
                f"{self._camera.label} has to be opened again: {exc}.",
                "If it happens often, try another cable or port, or a powered hub.",
            )) from exc  # fmt: skip
        if grabbed is None:
            raise self._vanished_or(CameraStalled(
                f"{self._camera.label} gave no picture within {timeout_s:g} s.",
                "If it lasts, unplug it and plug it in again.",
            ))  # fmt: skip
        frame = Frame(grabbed.pixels, grabbed.captured_s, self._next_index)
        self._next_index += 1
        return frame

    def _vanished_or(self, error: CameraUnavailable | CameraStalled) -> CameraUnavailable | CameraStalled:
        assert self._camera is not None
        if devices.is_present(self._camera.node):
            return error
        return CameraUnavailable(f"{self._camera.label} was unplugged or lost its power.", "Check its plug and cable.")

    def close(self) -> None:
        if self._grabber is not None:
            self._grabber.stop()
            self._grabber = None
        self._camera = None


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) and value > 0 else 0


def _open_cv2(node: Path) -> Capture:
    import cv2

    capture: Capture = cv2.VideoCapture(str(node), cv2.CAP_V4L2)
    return capture
