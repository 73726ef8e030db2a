"""How the machine is: read by a thread of its own, because a firmware's tool and a failing disk take their time, and
the main thread has none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

READ_S = 5.0  # heat takes longer than this to build up


class Machine(Protocol):
    """What adapters/system/host.py tells; None where this machine doesn't."""

    def temperature_c(self) -> float | None: ...

    def throttled(self) -> tuple[str, ...] | None: ...

    def disk_free_bytes(self, path: Path) -> int | None: ...

    def rss_bytes(self) -> int | None: ...


class UnknownMachine:
    """Tells nothing: for a replay."""

    def temperature_c(self) -> float | None:
        return None

    def throttled(self) -> tuple[str, ...] | None:
        return None

    def disk_free_bytes(self, path: Path) -> int | None:
        return None

    def rss_bytes(self) -> int | None:
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    temperature_c: float | None = None
    throttled: tuple[str, ...] | None = None
    disk_free_bytes: int | None = None
    rss_bytes: int | None = None


class MachineWatch:
    """`latest` is the newest reading; `heard` is called with each, from the watch's thread."""

    def __init__(self, machine: Machine, disk: Path, heard: Callable[[Reading], None]) -> None:
        self._machine, self._disk, self._heard = machine, disk, heard
        self.latest = Reading()

    def work(self, stop: threading.Event) -> None:
        """Until `stop`."""
        while True:
            self.read()
            if stop.wait(READ_S):
                return

    def read(self) -> None:
        m = self._machine
        self.latest = Reading(m.temperature_c(), m.throttled(), m.disk_free_bytes(self._disk), m.rss_bytes())
        self._heard(self.latest)
