"""A camera by its name in the settings or on the command line. Each adapter is imported when it is chosen."""

from __future__ import annotations

import importlib.util
from typing import Any

from edgeface.adapters.camera import devices
from edgeface.domain.errors import CameraUnavailable, ConfigError
from edgeface.domain.redaction import without_secrets
from edgeface.domain.types import Frame
from edgeface.ports import Camera, CameraInfo

FORMS = (
    ("auto", "the Pi camera where there is one, else the first USB camera"),
    ("v4l2:NAME", "a V4L2 camera by its name under /dev/v4l/by-id, or a part of it, such as the serial number"),
    ("/dev/…", "a V4L2 camera by its device path"),
    ("picamera", "the Pi camera; picamera:1 for the second"),
    ("replay:PATH", "a video file, a folder of images or a scene file"),
    ("rtsp://…", "a network camera (http:// and https:// too)"),
    ("gst:PIPELINE", "a GStreamer pipeline, such as a Jetson's CSI camera"),
)

# Which options each kind takes; a caller may pass all that the settings have.
_V4L2 = ("width", "height", "fps", "fourcc", "exposure", "warmup_frames", "buffers", "steady_rate", "strict")
_PICAMERA = ("width", "height", "fps", "buffer_count", "exposure", "warmup_frames")
_REPLAY = ("realtime", "loop", "fps", "seed", "find_face", "on_break")
_STREAM = ("fps", "open_timeout_s")
_KNOWN = frozenset((*_V4L2, *_PICAMERA, *_REPLAY, *_STREAM))


def open_source(source: str, **opts: Any) -> Camera:
    """The camera that `source` names (see FORMS), not yet opened. Options that its kind doesn't have are left out, and
    those that are None take the adapter's own value; a name that no kind has is a programming error (TypeError).
    Raises ConfigError for a source that means nothing; SourceError may come from a recording."""
    unknown = sorted(set(opts) - _KNOWN)
    if unknown:
        raise TypeError(f"unknown camera options: {', '.join(unknown)}")
    given = {name: value for name, value in opts.items() if value is not None}
    text = source.strip()
    kind, colon, rest = text.partition(":")
    if text == "auto":
        return AutoCamera(given)
    if text.startswith("/dev/"):
        return _v4l2(text, given)
    if kind == "v4l2" and rest:
        return _v4l2(rest, given)
    if kind == "picamera" and (not colon or rest.isdecimal()):
        return _picamera(int(rest or 0), given)
    if kind == "replay" and rest:
        from edgeface.adapters.camera.replay import ReplayCamera

        camera: Camera = ReplayCamera(rest, **_only(given, _REPLAY))
        return camera
    if (kind in ("rtsp", "rtsps", "http", "https") and rest.startswith("//") and len(rest) > 2) or (
        kind == "gst" and rest.strip()
    ):
        from edgeface.adapters.camera.stream import StreamCamera

        return StreamCamera(text, **_only(given, _STREAM))
    shown = without_secrets("".join(c for c in source if c.isprintable()))[:80]
    forms = "; ".join(f"{form}: {meaning}" for form, meaning in FORMS)
    raise ConfigError(f"The camera source {shown!r} means nothing.", f"It is one of: {forms}.")


def _only(opts: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: opts[name] for name in names if name in opts}


def _v4l2(device: str, opts: dict[str, Any]) -> Camera:
    from edgeface.adapters.camera.v4l2 import V4l2Camera

    return V4l2Camera(device, **_only(opts, _V4L2))


def _picamera(number: int, opts: dict[str, Any]) -> Camera:
    from edgeface.adapters.camera.picamera import PiCamera

    return PiCamera(number, **_only(opts, _PICAMERA))


class AutoCamera:
    """Chooses at each opening, so that a camera plugged in after the start is found."""

    def __init__(self, opts: dict[str, Any] | None = None, roots: devices.Roots | None = None) -> None:
        self._opts = opts or {}
        self._roots = roots
        self._camera: Camera | None = None

    def open(self) -> CameraInfo:
        self.close()
        pi_error: CameraUnavailable | None = None
        if devices.has_csi_receiver(self._roots) and importlib.util.find_spec("picamera2") is not None:
            self._camera = _picamera(0, self._opts)
            try:
                return self._camera.open()
            except CameraUnavailable as exc:  # a board has the receiver with no camera on it
                pi_error = exc
        try:
            self._camera = _v4l2(devices.resolve("auto", self._roots).node.as_posix(), self._opts)
            return self._camera.open()
        except CameraUnavailable as exc:
            self._camera = None
            if pi_error is None:
                raise
            raise CameraUnavailable(f"{exc.message} {pi_error.message}", pi_error.advice) from exc

    def read(self, timeout_s: float) -> Frame:
        if self._camera is None:
            raise CameraUnavailable("The camera is not open.", "Open it first.")
        return self._camera.read(timeout_s)

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
