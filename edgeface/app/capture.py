"""Camera thread -> one-slot newest-frame buffer. A stale frame is never decided on: a newer one replaces it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from edgeface.domain.errors import CameraError, EndOfStream
from edgeface.domain.events import Event
from edgeface.domain.types import Frame
from edgeface.ports import Camera

READ_TIMEOUT_S = 1.0  # bounds how late the thread notices that it should stop


class EventfulCamera(Camera, Protocol):
    """A camera that reopens itself and says so."""

    def poll_events(self) -> list[Event]: ...


class NewestFrame:
    """One slot. `put` replaces what nobody took; `take` hands a frame out once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self.replaced = 0  # frames that nobody looked at: the price of never deciding on a stale one

    def put(self, frame: Frame) -> None:
        with self._changed:
            self.replaced += self._frame is not None
            self._frame = frame
            self._changed.notify()

    def end(self) -> None:
        """No more frames will come (a recording ended); what is in the slot is still handed out."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def clear(self) -> None:
        """Forgets the frame: the camera was lost, what it saw before is history."""
        with self._changed:
            self._frame = None

    @property
    def ended(self) -> bool:
        return self._ended and self._frame is None

    @property
    def waiting(self) -> bool:
        """Whether a frame waits to be taken."""
        return self._frame is not None

    def take(self, timeout_s: float) -> Frame | None:
        with self._changed:
            if self._frame is None and not self._ended:
                self._changed.wait(timeout_s)
            frame, self._frame = self._frame, None
            return frame


def capture(
    camera: EventfulCamera,
    slot: NewestFrame,
    stop: threading.Event,
    on_events: Callable[[list[Event]], None],
    progress: Callable[[], None],
) -> None:
    """The camera thread's whole work, until `stop` or the end of a recording. `camera` opens itself, again and again: a
    CameraError here is one read that gave nothing. Raises SourceError where a recording can't be read."""
    try:
        while not stop.is_set():
            try:
                slot.put(camera.read(READ_TIMEOUT_S))
            except EndOfStream:
                if events := camera.poll_events():  # a recording that is cut short says so here
                    on_events(events)
                slot.end()
                return
            except CameraError:
                slot.clear()
            progress()
            if events := camera.poll_events():
                on_events(events)
    finally:
        camera.close()
