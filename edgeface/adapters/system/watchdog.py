"""Telling systemd that the daemon is ready, stopping, and making progress: not merely alive."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Protocol

import sdnotify

from edgeface.ports import Clock


class Notifier(Protocol):
    def notify(self, state: str) -> None:
        """One sd_notify(3) message, such as "READY=1"."""
        ...


class SystemdNotifier:
    """Does nothing where systemd isn't listening ($NOTIFY_SOCKET is unset)."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier() if os.environ.get("NOTIFY_SOCKET") else None

    def notify(self, state: str) -> None:
        if self._notifier is not None:
            self._notifier.notify(state)


class RecordingNotifier:
    """The fake: `states` has every message, oldest first."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def notify(self, state: str) -> None:
        self.states.append(state)


class ProgressWatchdog:
    """Healthy while every named worker has made progress within `limit_s`. Times are the monotonic clock's.
    Thread-safe."""

    def __init__(self, names: Iterable[str], limit_s: float, clock: Clock) -> None:
        """Each worker has `limit_s` from now for its first progress."""
        self._limit_s = limit_s
        self._clock = clock
        self._seen = dict.fromkeys(names, clock.monotonic_s())
        self._fresh: set[str] = set()
        self._lock = threading.Lock()
        if not self._seen:
            raise ValueError("a watchdog needs a worker to watch")

    def progress(self, name: str) -> None:
        """Called by a worker each time around its loop. KeyError for a name that isn't watched."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._seen[name] = max(self._seen[name], now_s)
            self._fresh.add(name)

    def late(self, now_s: float) -> tuple[str, ...]:
        """The workers that are overdue, in the order of their names."""
        with self._lock:
            return tuple(sorted(n for n, t in self._seen.items() if now_s - t > self._limit_s))

    def healthy(self, now_s: float) -> bool:
        return not self.late(now_s)

    def take(self) -> bool:
        """True, once, when every worker has made progress since the last True."""
        with self._lock:
            if self._fresh != self._seen.keys():
                return False
            self._fresh.clear()
            return True


class Systemd:
    """The daemon's messages to systemd."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def ready(self, status: str = "") -> None:
        self._notifier.notify("READY=1" + (f"\nSTATUS={_line(status)}" if status else ""))

    def status(self, text: str) -> None:
        self._notifier.notify(f"STATUS={_line(text)}")

    def stopping(self) -> None:
        self._notifier.notify("STOPPING=1")

    def feed(self, watchdog: ProgressWatchdog) -> bool:
        """WATCHDOG=1 if every worker made progress since the last one; whether it was sent. Call it a few times
        within WatchdogSec."""
        if not watchdog.take():
            return False
        self._notifier.notify("WATCHDOG=1")
        return True


def _line(text: str) -> str:
    return " ".join(text.split())
