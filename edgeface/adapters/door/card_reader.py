"""A Wiegand reader or keypad on the door process's lines, as the daemon sees it: what RemoteDoor hears of it becomes
readings. Implements ports.Reader."""

from __future__ import annotations

import math
import queue
from collections.abc import Callable

from edgeface.domain.errors import ReaderUnavailable
from edgeface.domain.factors import card_id
from edgeface.domain.wiegand import KEYS
from edgeface.ports import Reading

READINGS = ("card_read", "key_read", "read_garbled")
FORGET_S = 8.0  # keys that were not ended by #: somebody walked off
LONGEST_PIN = 8
UNREAD = 64  # more than anybody shows while the reader's thread is busy; the rest is dropped


class DoorReader:
    """`heard` is RemoteDoor's to call; `connected` is asked once a turn: no door process, no reader."""

    def __init__(self) -> None:
        self.connected: Callable[[], bool] = lambda: False
        self._readings: queue.Queue[Reading] = queue.Queue(UNREAD)
        self._keys, self._last_s = "", -math.inf
        self._open = False

    @property
    def name(self) -> str:
        return "wiegand"

    def heard(self, message: dict[str, object]) -> None:
        """A message of the door process; one that is not of its form is dropped."""
        t_s = message.get("t_s")
        if type(t_s) not in (int, float) or not math.isfinite(float(t_s)):  # type: ignore[arg-type]
            return
        kind, now = message.get("event"), float(t_s)  # type: ignore[arg-type]
        text = message.get({"card_read": "card", "key_read": "key"}.get(str(kind), "detail"))
        if not isinstance(text, str):
            return
        if kind == "card_read":
            try:
                self._put(Reading("card", card_id(text), now))
            except ValueError:
                return
        elif kind == "key_read" and text in KEYS:
            self._key(text, now)
        elif kind == "read_garbled":
            self._put(Reading("garbled", "".join(c if c.isprintable() else "?" for c in text[:200]), now))

    def open(self) -> None:
        if not self.connected():
            raise ReaderUnavailable("The door process, which has the reader's lines, can't be reached.", "See its log.")
        self._readings, self._keys, self._open = queue.Queue(UNREAD), "", True

    def read(self, timeout_s: float) -> Reading | None:
        if not (self._open and self.connected()):
            raise ReaderUnavailable("The door process, which has the reader's lines, is gone.", "See its log.")
        try:
            return self._readings.get(timeout=timeout_s) if timeout_s > 0 else self._readings.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        self._keys, self._open = "", False

    def _key(self, key: str, now: float) -> None:
        if now - self._last_s > FORGET_S or key == "*":
            self._keys = ""
        self._last_s = now
        if key == "#":
            digits, self._keys = self._keys, ""
            if len(digits) > LONGEST_PIN:
                self._put(Reading("garbled", "too many keys", now))
            elif digits:
                self._put(Reading("pin", digits, now))
        elif key != "*" and len(self._keys) <= LONGEST_PIN:
            self._keys += key

    def _put(self, reading: Reading) -> None:
        try:
            self._readings.put_nowait(reading)
        except queue.Full:
            return
