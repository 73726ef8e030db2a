"""A camera that comes back: opens again what was lost, with a capped and jittered back-off, and says so once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edgeface.adapters.camera.health import FrameHealth
from edgeface.domain.errors import CameraError, CameraStalled, CameraUnavailable, EndOfStream
from edgeface.domain.events import CameraLost, CameraRecovered, Event
from edgeface.domain.types import Frame
from edgeface.ports import Camera, CameraInfo

# A camera that works for this long after a loss starts its next row of failures afresh; one that flaps doesn't.
_SETTLED_S = 10.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay before the n-th attempt in a row: `first_s` doubling up to `most_s`, each shortened by up to `jitter` of
    itself, so that the doors of a building don't all reach for their network cameras at once."""

    first_s: float = 0.5
    most_s: float = 15.0
    jitter: float = 0.3

    def delay_s(self, attempt: int, rng: random.Random) -> float:
        full_s = min(self.most_s, self.first_s * 2.0 ** min(attempt, 30))
        return full_s * (1.0 - self.jitter * rng.random())


class ResilientCamera:
    """Wraps whatever `camera_factory` makes. `open` makes one attempt and raises as the camera does; `read` may be
    called all the same, and tries again when the back-off allows. Like the camera, for one thread.

    A camera that stalls for `stall_limit_s` or repeats one picture (`frozen`) is closed and opened again; a recording
    that is played by the clock (CameraInfo.recorded) may do both: a folder holds each picture for a while. Black and
    blinded pictures are reported, and passed on: opening again doesn't uncover a lens. Of a live camera no picture is
    given twice, none out of order and none older than `max_age_s`. Frames are numbered on over every reopening.

    `report(level, error)` hears each failure: "warning" for the first of a row, "debug" for its repeats."""

    def __init__(
        self,
        camera_factory: Callable[[], Camera],
        *,
        backoff: Backoff | None = None,
        stall_limit_s: float = 2.0,
        max_age_s: float = 1.0,
        health: FrameHealth | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        report: Callable[[str, CameraError], None] | None = None,
        seed: int | None = None,
    ) -> None:
        self._factory = camera_factory
        self._backoff = backoff or Backoff()
        self._stall_limit_s = stall_limit_s
        self._max_age_s = max_age_s
        self._health = health or FrameHealth()
        self._monotonic = monotonic
        self._sleep = sleep
        self._report = report or (lambda _level, _error: None)
        self._rng = random.Random(seed)
        self._camera: Camera | None = None
        self.info: CameraInfo | None = None
        """Of the camera that is or was last open."""
        self._attempts = 0
        self._retry_at_s = 0.0
        self._last_error: CameraError | None = None
        self._stalled_since_s: float | None = None
        self._last_good_s = self._read_began_s = float("-inf")
        self._recovered_at_s = float("-inf")
        self._lost: tuple[str, float] | None = None
        self._events: list[Event] = []
        self._next_index = 0
        self._last_captured_s = float("-inf")

    def open(self) -> CameraInfo:
        self.close()
        return self._open()

    def _open(self) -> CameraInfo:
        camera = self._factory()
        try:
            info = camera.open()
        except CameraError as exc:
            camera.close()
            self._failed("unavailable", exc)
            raise
        self._camera, self.info = camera, info
        self._stalled_since_s = None
        self._last_good_s = self._monotonic()
        self._last_captured_s = float("-inf")
        self._health.reset()
        return info

    def read(self, timeout_s: float) -> Frame:
        """Blocks `timeout_s` at most, apart from the opening of a camera that returned. Raises CameraUnavailable while
        there is none, CameraStalled, EndOfStream."""
        self._read_began_s = self._monotonic()
        deadline_s = self._read_began_s + timeout_s
        if self._camera is None:
            self._await_retry(deadline_s)
            self._open()
        while True:
            frame = self._read_once(max(0.0, deadline_s - self._monotonic()))
            if frame is not None:
                return frame
            if self._monotonic() >= deadline_s:
                error = CameraStalled(f"The camera gave no new picture within {timeout_s:g} s.")
                self._note_stall(error)
                raise error

    def _await_retry(self, deadline_s: float) -> None:
        wait_s = self._retry_at_s - self._monotonic()
        if wait_s <= 0:
            return
        self._sleep(min(wait_s, max(0.0, deadline_s - self._monotonic())))
        if self._monotonic() < self._retry_at_s:
            # A new one each time: an exception that is raised again and again drags an ever longer traceback along.
            last = self._last_error
            raise CameraUnavailable(
                last.message if last else "The camera is not open.",
                last.advice if last else "It is tried again shortly.",
            )

    def _read_once(self, timeout_s: float) -> Frame | None:
        assert self._camera is not None
        assert self.info is not None
        try:
            frame = self._camera.read(timeout_s)
        except EndOfStream as end:
            if end.advice:
                self._lose("cut_short", str(end))
            raise
        except CameraStalled as exc:
            self._note_stall(exc)
            raise
        except CameraError as exc:
            self._drop("unavailable", exc)
            raise
        if self.info.live and not self._is_fresh(frame):
            return None
        self._recovered()
        frame = replace(frame, index=self._next_index)
        self._next_index += 1
        return frame

    def _is_fresh(self, frame: Frame) -> bool:
        """False for a picture to be passed over. Raises CameraStalled for a frozen camera, which is dropped."""
        if frame.captured_s <= self._last_captured_s or self._monotonic() - frame.captured_s > self._max_age_s:
            return False
        self._last_captured_s = frame.captured_s
        assert self.info is not None
        fault = self._health.update(frame)
        if fault is not None and fault.fault == "frozen" and self.info.recorded:
            fault = None
        if fault is not None and fault.fault == "frozen":
            error = CameraStalled(f"The camera is frozen: {fault.detail}.", "It is opened again.")
            self._drop("frozen", error)
            raise error
        # A black picture repeats itself by nature; it goes on, for the loop to see that nothing is seen.
        if self._health.repeated and not self._health.blind and not self.info.recorded:
            return False
        self._stalled_since_s = None
        self._last_good_s = self._monotonic()
        if fault is not None:
            self._lose(fault.fault, fault.detail)
        return True

    def _note_stall(self, error: CameraStalled) -> None:
        if self.info is not None and self.info.recorded:
            return
        if self._stalled_since_s is None:
            # Not since the last picture alone: who didn't read for a while didn't wait.
            self._stalled_since_s = max(self._last_good_s, self._read_began_s)
        if self._monotonic() - self._stalled_since_s >= self._stall_limit_s:
            self._drop("stalled", error)

    def _drop(self, fault: str, error: CameraError) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
        self._failed(fault, error)

    def _failed(self, fault: str, error: CameraError) -> None:
        now_s = self._monotonic()
        if self._lost is None and now_s - self._recovered_at_s >= _SETTLED_S:
            self._attempts = 0
        self._report("debug" if self._attempts else "warning", error)
        self._last_error = error
        self._retry_at_s = now_s + self._backoff.delay_s(self._attempts, self._rng)
        self._attempts += 1
        self._lose(fault, str(error))

    def _lose(self, fault: str, detail: str) -> None:
        """One event for each loss, whatever more goes wrong before the camera is back."""
        if self._lost is None:
            now_s = self._monotonic()
            self._lost = fault, now_s
            self._events.append(CameraLost(t_s=now_s, fault=fault, detail=detail))

    def _recovered(self) -> None:
        """A picture came that may be used."""
        if self._lost is None or self._health.blind:
            return
        now_s = self._monotonic()
        self._events.append(CameraRecovered(t_s=now_s, after_s=round(now_s - self._lost[1], 3)))
        self._lost = None
        self._recovered_at_s = now_s

    def poll_events(self) -> list[Event]:
        """CameraLost and CameraRecovered since the last call."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
