"""Network cameras (RTSP, HTTP) through FFmpeg, and GStreamer pipelines (a Jetson's CSI camera), both by OpenCV."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeface.adapters.camera.grabber import Capture, Grabber, StreamBroken, require_no_hang
from edgeface.domain.errors import CameraStalled, CameraUnavailable
from edgeface.domain.redaction import without_secrets
from edgeface.domain.types import Frame
from edgeface.ports import CameraInfo

# cv2.CAP_PROP_*; see v4l2.py
_WIDTH, _HEIGHT, _FPS = 3, 4, 5


class StreamCamera:
    """`address` is rtsp://…, http(s)://…, or gst:<pipeline>. A pipeline without a sink gets an appsink that holds one
    picture. `captured_s` is the time of arrival: a network camera's own delay is unknown, so prefer a local camera
    where the door's freshness limit matters."""

    def __init__(
        self,
        address: str,
        *,
        open_timeout_s: float = 5.0,
        fps: float = 25.0,
        open_capture: Callable[[str, float], Capture] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._open_timeout_s = open_timeout_s
        self._fps = fps
        self._open_capture = open_capture or _open_cv2
        self._monotonic = monotonic
        self._grabber: Grabber | None = None
        self._next_index = 0
        # An address often holds a password: messages and logs get it without.
        self.label = without_secrets(address)

    def open(self) -> CameraInfo:
        self.close()
        require_no_hang(f"The stream {self.label}")
        capture = self._open_capture(self._address, self._open_timeout_s)
        if not capture.isOpened():
            capture.release()
            raise CameraUnavailable(
                f"The stream {self.label} can't be opened.",
                "Check the address, the user and password in it, and that this device reaches the camera.",
            )
        width, height, fps = int(capture.get(_WIDTH)), int(capture.get(_HEIGHT)), capture.get(_FPS)
        self._next_index = 0
        self._grabber = Grabber(capture, self._monotonic)
        return CameraInfo(self.label, width, height, fps if 0 < fps < 1000 else self._fps, live=True)

    def read(self, timeout_s: float) -> Frame:
        if self._grabber is None:
            raise CameraUnavailable("The camera is not open.", "Open it first.")
        try:
            grabbed = self._grabber.take(timeout_s)
        except StreamBroken as exc:
            raise CameraUnavailable(
                f"The stream {self.label} ended: {without_secrets(str(exc))}.", "Check the camera's power and network."
            ) from exc
        if grabbed is None:
            raise CameraStalled(
                f"The stream {self.label} gave no picture within {timeout_s:g} s.", "Check the network to the camera."
            )
        frame = Frame(grabbed.pixels, grabbed.captured_s, self._next_index)
        self._next_index += 1
        return frame

    def close(self) -> None:
        if self._grabber is not None:
            self._grabber.stop()
            self._grabber = None


def with_sink(pipeline: str) -> str:
    """A GStreamer pipeline that ends in BGR for OpenCV and keeps the newest picture alone."""
    if "appsink" in pipeline:
        return pipeline
    return f"{pipeline} ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"


def _open_cv2(address: str, open_timeout_s: float) -> Capture:
    import cv2

    timeout_ms = int(open_timeout_s * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
    capture: Capture
    if address.startswith("gst:"):
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise CameraUnavailable(
                "This OpenCV is built without GStreamer.",
                "Use the system's OpenCV (JetPack has one: `apt install libopencv-python`, and an environment with "
                "system site packages).",
            )
        capture = cv2.VideoCapture(with_sink(address[4:]), cv2.CAP_GSTREAMER)
    else:
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    return capture
