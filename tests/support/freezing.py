"""Stops one thread of another process, as a driver or a model runtime that hangs would be stopped: ptrace(2), which
unlike a signal leaves the other threads alone."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SEIZE, _INTERRUPT, _DETACH, _WALL = 0x4206, 0x4207, 17, 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_LIBC.ptrace.restype = ctypes.c_long


def _ptrace(request: int, tid: int) -> None:
    if _LIBC.ptrace(request, tid, None, None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def busiest_threads(pid: int) -> list[int]:
    """Thread ids, the one that took most processor time first."""

    def ticks(tid: Path) -> int:
        fields = (tid / "stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    return [int(t.name) for t in sorted(Path(f"/proc/{pid}/task").iterdir(), key=ticks, reverse=True)]


@contextmanager
def frozen_thread(tid: int) -> Iterator[None]:
    """The thread stands still within; the caller's own thread must not change. Raises OSError where this may not be."""
    _ptrace(_SEIZE, tid)
    try:
        _ptrace(_INTERRUPT, tid)
        os.waitpid(tid, _WALL)
        yield
    finally:
        _ptrace(_DETACH, tid)
