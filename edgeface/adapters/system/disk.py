"""Durable writing to files that nobody else may read, and disk space that is set aside."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path

_STEP = 16 * 1024  # given back at a time: whatever else fills the disk can't take it all at once


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file of mode 0600, made where it is missing; root leaves it to the folder's owner."""
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return os.open(path, flags | os.O_CLOEXEC)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)
    return fd


def make_private_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            owner = folder.parent.stat()
            os.chown(folder, owner.st_uid, owner.st_gid)
        sync_folder(folder.parent)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def lock_within(fd: int, timeout_s: float) -> None:
    """flock(2), exclusive; TimeoutError (an OSError) where another process keeps it longer."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another process keeps it locked") from None
            time.sleep(0.002)
        else:
            return


def is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class Reserve:
    """A file of allocated, unused blocks: disk that stays free for one purpose while everything else fills up."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def held(self) -> int:
        """Bytes still set aside."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def whole(self) -> bool:
        return self.held() >= self._size

    def fill(self) -> bool:
        """Sets the space aside again, if as much stays free beside it; whether it is whole now."""
        held = self.held()
        if held >= self._size:
            return True
        with contextlib.suppress(OSError):
            room = os.statvfs(self._path.parent)
            if room.f_bavail * room.f_frsize < 2 * (self._size - held):
                return False
            fd = open_private(self._path, os.O_RDWR)
            try:
                os.posix_fallocate(fd, held, self._size - held)
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, held)
                raise
            finally:
                os.close(fd)
        return self.whole()

    def release(self) -> bool:
        """Gives some of it back to the disk; False where nothing is left."""
        held = self.held()
        if held == 0:
            return False
        try:
            os.truncate(self._path, max(0, held - _STEP))
            sync_folder(self._path.parent)
        except OSError:
            return False
        return True
