"""A card reader or keypad that pretends to be a keyboard, as most USB ones do: it types a number and Enter. Read from
the kernel's input device itself, which is grabbed, so that no console and no other program sees what it types.

Give the path under /dev/input/by-id: the number in /dev/input/eventN changes when something else is plugged in."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import time
from typing import Literal

from edgeface.domain.errors import ReaderUnavailable
from edgeface.domain.factors import LONGEST_CARD
from edgeface.ports import Reading

Reads = Literal["card", "pin", "both"]

_EVENT = struct.Struct("@llHHi")  # struct input_event: seconds, microseconds, type, code, value
_EVIOCGRAB = 0x40044590  # _IOW('E', 0x90, int), linux/input.h
_EV_SYN, _EV_KEY, _SYN_DROPPED, _PRESSED = 0, 1, 3, 1
_ENTER, _CLEAR = (28, 96), (1, 14, 55, 83)  # Enter and the keypad's; Esc, Backspace, the keypad's * and dot
_ROWS = ((2, "1234567890"), (16, "QWERTYUIOP"), (30, "ASDFGHJKL"), (44, "ZXCVBNM"), (71, "789"), (75, "456"),
         (79, "1230"))  # fmt: skip
KEYS = {first + i: key for first, row in _ROWS for i, key in enumerate(row)}
_SHIFTS = (42, 54, 58, 69)  # both shifts, caps lock, num lock: they change nothing here
LONGEST_PIN = 8  # digits; where a reader does both, what is longer is a card
FORGET_S = 8.0  # a line that was not ended: somebody walked off


class UsbReader:
    """Implements ports.Reader. `reads`: what it types; `both`: digits up to LONGEST_PIN are a PIN. `grab` False is for
    recorded events on a pipe, which nobody else can read anyway."""

    def __init__(self, path: str, reads: Reads = "both", *, grab: bool = True) -> None:
        self._path, self._reads, self._grab = path, reads, grab
        self._fd = -1
        self._line, self._spoiled, self._last_s = "", False, 0.0
        self._rest = b""

    @property
    def name(self) -> str:
        return "usb"

    def open(self) -> None:
        self.close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if self._grab:
                fcntl.ioctl(self._fd, _EVIOCGRAB, 1)
        except OSError as error:
            self.close()
            raise _unusable(self._path, error) from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)  # ungrabs
        self._fd, self._rest = -1, b""
        self._forget()

    def read(self, timeout_s: float) -> Reading | None:
        give_up_s = time.monotonic() + timeout_s
        while True:
            reading = self._next_event()
            if reading is not None:
                return reading
            if len(self._rest) >= _EVENT.size:
                continue
            wait_s = give_up_s - time.monotonic()
            if wait_s < -1.0 or not self._fill(max(0.0, wait_s)):  # one that types without end is no reason to stay
                return None

    def _fill(self, wait_s: float) -> bool:
        if self._fd < 0:
            raise ReaderUnavailable(f"The reader {self._path} is not open.", "It is opened again by itself.")
        try:
            if not select.select([self._fd], [], [], wait_s)[0]:
                return False
            more = os.read(self._fd, 64 * _EVENT.size)
        except BlockingIOError:
            return True
        except OSError as error:
            raise _gone(self._path, error) from error
        if not more:
            raise _gone(self._path, OSError(errno.ENODEV, "it ended"))
        self._rest += more
        return True

    def _next_event(self) -> Reading | None:
        if len(self._rest) < _EVENT.size:
            return None
        _, _, kind, code, value = _EVENT.unpack_from(self._rest)
        self._rest = self._rest[_EVENT.size :]
        now = time.monotonic()
        if kind == _EV_SYN and code == _SYN_DROPPED:  # the kernel's buffer ran over: keys are missing
            self._spoiled = True
            return None
        if kind != _EV_KEY or value != _PRESSED or code in _SHIFTS:
            return None
        if now - self._last_s > FORGET_S:
            self._forget()
        self._last_s = now
        if code in _ENTER:
            line, spoiled = self._line, self._spoiled
            self._forget()
            return self._reading(line, spoiled, now)
        if code in _CLEAR:
            self._forget()
        elif code in KEYS and len(self._line) < LONGEST_CARD:
            self._line += KEYS[code]
        else:
            self._spoiled = True
        return None

    def _reading(self, line: str, spoiled: bool, now: float) -> Reading | None:
        if spoiled:
            return Reading("garbled", "keys came that are no digit or letter, or too many, or some were lost", now)
        if not line:
            return None
        is_pin = line.isdecimal() and len(line) <= LONGEST_PIN
        if self._reads == "pin" and not is_pin:
            return Reading("garbled", "what was typed is no PIN", now)
        return Reading("pin" if is_pin and self._reads != "card" else "card", line, now)

    def _forget(self) -> None:
        self._line, self._spoiled = "", False


def _unusable(path: str, error: OSError) -> ReaderUnavailable:
    advice = {
        errno.ENOENT: "Plug it in; `ls /dev/input/by-id` shows what there is.",
        errno.EACCES: "This user needs the group input.",
        errno.EBUSY: "Another program has grabbed it; stop that one.",
        errno.ENOTTY: "Name an input device, as one under /dev/input/by-id.",
    }.get(error.errno or 0, "`ls /dev/input/by-id` shows what there is.")
    return ReaderUnavailable(f"The reader {path} can't be used: {error.strerror}.", advice)


def _gone(path: str, error: OSError) -> ReaderUnavailable:
    return ReaderUnavailable(f"The reader {path} is gone: {error.strerror}.", "Plug it in again.")
