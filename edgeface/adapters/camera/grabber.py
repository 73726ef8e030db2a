"""Bounded reading of an OpenCV capture. `cv2.VideoCapture.grab` may block for ten seconds (V4L2's own select) or for
ever (a network stream): a thread blocks in its place.

The thread grabs all the time, so that the driver's queue never grows old, and decodes a picture only when somebody
waits for one: an idle door that looks five times a second decodes five MJPEG pictures a second, not thirty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgeface.domain.errors import CameraUnavailable
from edgeface.domain.types import Pixels

# This many pictures in a row that don't decode, and the stream counts as broken: one second at 30 a second. Single
# damaged MJPEG pictures are ordinary on a long USB cable.
_MAX_DAMAGED = 30
# A failed grab is tried again this often at once (a signal, a USB hiccup) before the stream counts as broken.
_GRAB_RETRIES = 3


# Threads that were left hanging in a driver. Each holds a device or a socket, so their number is limited: a driver that
# never returns must not fill the process in a month of trying again.
_MAX_ABANDONED = 3
_abandoned: set[threading.Thread] = set()


def require_no_hang(label: str) -> None:
    """Before a capture is opened. Raises CameraUnavailable while too many earlier ones hang in their driver."""
    _abandoned.difference_update([t for t in _abandoned if not t.is_alive()])
    if len(_abandoned) >= _MAX_ABANDONED:
        raise CameraUnavailable(
            f"{label} is not opened again: its driver hangs in {len(_abandoned)} earlier attempts.",
            "Restart the service; if it happens again, the camera or its driver is broken.",
        )


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, prop: int) -> float: ...
    def set(self, prop: int, value: float) -> bool: ...
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Grabbed:
    pixels: Pixels
    captured_s: float


class StreamBroken(Exception):
    """The capture ended or failed; it has to be opened again."""


class Grabber:
    """Owns `capture` from now on: reads it in a thread of its own and releases it there. `stamp` gives the monotonic
    time of capture of the picture that was just grabbed."""

    def __init__(
        self,
        capture: Capture,
        stamp: Callable[[], float],
        *,
        skip: int = 0,
        pause_s: float = 0.02,
    ) -> None:
        self._capture = capture
        self._stamp = stamp
        self._skip = skip
        self._pause_s = pause_s
        self._cond = threading.Condition()
        self._waiting = False
        self._fresh: list[Grabbed] = []  # one at most
        self._broken: str | None = None
        self._stop = False
        # Daemonic: a driver that never returns must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="camera-grab", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Grabbed | None:
        """The next picture grabbed after this call, None after `timeout_s` without one. Raises StreamBroken."""
        with self._cond:
            self._fresh.clear()
            self._waiting = True
            try:
                self._cond.wait_for(lambda: self._fresh or self._broken is not None, max(0.0, timeout_s))
                if self._fresh:
                    return self._fresh.pop()
                if self._broken is not None:
                    raise StreamBroken(self._broken)
                return None
            finally:
                self._waiting = False

    def stop(self, timeout_s: float = 1.0) -> bool:
        """Ends the thread; False where it still hangs in the driver. It then releases the capture when it returns."""
        with self._cond:
            self._stop = True
            self._cond.notify_all()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _abandoned.add(self._thread)
            return False
        return True

    def _run(self) -> None:
        try:
            reason = self._loop()
        except Exception as exc:  # cv2.error and what a driver's binding may raise: all mean that the stream is over
            reason = " ".join(str(exc).split())[:200] or type(exc).__name__
        finally:
            # Here and nowhere else: releasing under a blocked grab crashes OpenCV.
            self._capture.release()
        with self._cond:
            self._broken = reason
            self._cond.notify_all()

    def _loop(self) -> str:
        damaged = failed = 0
        while not self._stop:
            if not self._capture.grab():
                failed += 1
                if failed > _GRAB_RETRIES:
                    return "it stopped giving pictures"
                with self._cond:
                    self._cond.wait_for(lambda: self._stop, self._pause_s)
                continue
            failed = 0
            captured_s = self._stamp()
            if self._skip > 0:
                self._skip -= 1
                continue
            if not self._waiting:
                continue
            ok, pixels = self._capture.retrieve()
            if not ok or not _is_picture(pixels):
                damaged += 1
                if damaged >= _MAX_DAMAGED:
                    return "its pictures are damaged"
                continue
            damaged = 0
            with self._cond:
                self._fresh[:] = [Grabbed(np.ascontiguousarray(pixels), captured_s)]
                self._cond.notify_all()
        return "closed"


def _is_picture(pixels: Any) -> bool:
    return isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
