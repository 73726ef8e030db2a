"""A reader that reads what it is told: the fake of ports.Reader."""

from __future__ import annotations

import queue
import time

from edgeface.domain.errors import ReaderUnavailable
from edgeface.ports import Reading


class ScriptedReader:
    """`show` and `type` from any thread. `unplug` makes it vanish, also for `open`, until `plug`."""

    def __init__(self, name: str = "scripted") -> None:
        self._name = name
        self._readings: queue.Queue[Reading | None] = queue.Queue()
        self._plugged, self._open = True, False

    @property
    def name(self) -> str:
        return self._name

    def show(self, card_id: str) -> None:
        self._readings.put(Reading("card", card_id, time.monotonic()))

    def type(self, digits: str) -> None:
        self._readings.put(Reading("pin", digits, time.monotonic()))

    def babble(self, why: str) -> None:
        self._readings.put(Reading("garbled", why, time.monotonic()))

    def unplug(self) -> None:
        self._plugged = False
        self._readings.put(None)

    def plug(self) -> None:
        self._plugged = True

    def open(self) -> None:
        if not self._plugged:
            raise ReaderUnavailable(f"The reader {self._name} is not plugged in.", "Plug it in.")
        self._readings = queue.Queue() if not self._open else self._readings
        self._open = True

    def read(self, timeout_s: float) -> Reading | None:
        if not (self._open and self._plugged):
            raise ReaderUnavailable(f"The reader {self._name} is gone.", "Plug it in again.")
        try:
            reading = self._readings.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if reading is None:
            raise ReaderUnavailable(f"The reader {self._name} is gone.", "Plug it in again.")
        return reading

    def close(self) -> None:
        self._open = False
