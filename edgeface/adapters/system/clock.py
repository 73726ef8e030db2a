"""Time: the system's, and one that only moves when it is told to."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

# No wall clock before this software's own release can be right: a Pi without a battery starts in the past.
RELEASED = datetime(2026, 11, 1, tzinfo=timezone.utc)


# systemd-timesyncd makes this file once the network has set the clock since the boot.
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_SLACK = timedelta(minutes=2)  # a clock that was set back a little, by the network or from its battery, is still right


class SystemClock:
    """Implements ports.Clock. `floor`: a time that has been already, as the newest one in the audit log: a board that
    has no battery may wake up days behind, after the release and yet wrong. A clock that the network has set is right
    also below it, for the one that wrote the log may have been wrong."""

    def __init__(self, floor: datetime | None = None, synchronised: Path = SYNCHRONISED) -> None:
        self._floor = RELEASED if floor is None else max(RELEASED, floor - _SLACK)
        self._synchronised = synchronised

    def monotonic_s(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(timezone.utc)

    def is_set(self) -> bool:
        now = self.utc()
        return now >= self._floor or (now >= RELEASED and self._synchronised.exists())


class VirtualClock:
    """Implements ports.Clock for replays and tests: monotonic time starts at 0, wall time at `start`. Thread-safe."""

    def __init__(self, start: datetime = RELEASED) -> None:
        if start.tzinfo is None:
            raise ValueError("the start of a virtual clock needs a time zone")
        self._start = start.astimezone(timezone.utc)
        self._now_s = 0.0
        self._lock = threading.Lock()

    def monotonic_s(self) -> float:
        with self._lock:
            return self._now_s

    def utc(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._now_s)

    def is_set(self) -> bool:
        return self.utc() >= RELEASED

    def advance_to(self, t_s: float) -> None:
        """Moves to the monotonic time `t_s`; a time that has passed already changes nothing: time never runs back."""
        with self._lock:
            self._now_s = max(self._now_s, t_s)

    def advance(self, by_s: float) -> None:
        with self._lock:
            self._now_s += max(0.0, by_s)

    def set_utc(self, now: datetime) -> None:
        """A step of the wall clock, as NTP makes it; monotonic time is untouched."""
        with self._lock:
            self._start = now.astimezone(timezone.utc) - timedelta(seconds=self._now_s)
