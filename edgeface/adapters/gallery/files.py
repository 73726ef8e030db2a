"""Files with the right to read them: made whole, durable, and for one user alone."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_private_folder(folder: Path) -> None:
    """The folder, made with mode 0700 where it is missing. Its parents get the usual mode."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=PRIVATE_FOLDER)
    give_to_owner(folder, folder.parent)
    sync_folder(folder.parent)


def give_to_owner(path: Path, folder: Path) -> None:
    """Root working for a service's user leaves files that the service can read."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def create_private(path: Path) -> int:
    """A new, empty file of mode 0600 whatever the umask; the descriptor is the caller's. Raises FileExistsError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    os.fchmod(fd, PRIVATE_FILE)
    give_to_owner(path, path.parent)
    return fd


def write_whole(path: Path, content: bytes) -> None:
    """All of `content` or nothing, whatever happens: write aside, fsync, rename, fsync the folder."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    fd = create_private(aside)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    aside.rename(path)
    sync_folder(path.parent)


def lax_mode(info: os.stat_result) -> bool:
    """True where anybody but the owner may read or write."""
    return bool(stat.S_IMODE(info.st_mode) & 0o077)


class Descriptors:
    """One read descriptor for each open database file of this process, closed with its last connection."""

    _lock = threading.Lock()
    _open: dict[tuple[int, int], list[int]] = {}  # (device, inode) -> [descriptor, users]  # noqa: RUF012

    @classmethod
    def acquire(cls, path: Path) -> tuple[tuple[int, int], int]:
        with cls._lock:
            info = path.stat()
            key = (info.st_dev, info.st_ino)
            entry = cls._open.get(key)
            if entry is None:
                entry = cls._open[key] = [os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0]
            entry[1] += 1
            return key, entry[0]

    @classmethod
    def release(cls, key: tuple[int, int]) -> None:
        with cls._lock:
            entry = cls._open[key]
            entry[1] -= 1
            if entry[1] == 0:
                os.close(cls._open.pop(key)[0])
