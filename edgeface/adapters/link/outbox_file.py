"""The SQLite file under the outbox: made for one user, opened with what durability needs, its errors as ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from edgeface.domain.errors import StorageError

_MARK = 0x45464F31  # "EFO1", the file's mark in its SQLite header
_VERSION = 1
_SCHEMA = """
CREATE TABLE message (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
                      topic TEXT NOT NULL, payload BLOB NOT NULL, retain INTEGER NOT NULL) STRICT;
CREATE INDEX kinds ON message (kind, number);
"""
_SIDES = ("", "-wal", "-shm")
_LOG_PAGES = 32  # of 4 KiB, until the log is moved into the file: a full disk must not be full of log
RESERVE_BYTES = 384 * 1024  # what moving the log and removing telemetry may need at once


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """SQLite's and the system's errors as sentences."""
    try:
        yield
    except (sqlite3.Error, OSError) as e:
        raise StorageError(
            f"Could not {doing}: {e} (outbox {path}).",
            "What was stored before is still there. Check the disk with `df -h` and `dmesg`.",
        ) from e


def open_outbox(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """A connection, and where a damaged file was put aside: events are in the audit log as well, so a door does not
    stop for it. Raises StorageError."""
    with translated(path, "open the outbox"):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return _opened(path), None
        except sqlite3.DatabaseError as e:
            if isinstance(e, sqlite3.OperationalError) and "malformed" not in str(e):
                raise  # the disk, not the file
        aside = _put_aside(path)
        return _opened(path), aside


def is_full(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


class Reserve:
    """Disk set aside, so that there is room to make room on a full one."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self.fill()

    def fill(self) -> None:
        """Where it isn't whole, and as much stays free beside it."""
        with contextlib.suppress(OSError):
            if self._path.exists() and self._path.stat().st_size >= self._size:
                return
            room = os.statvfs(self._path.parent)
            if room.f_bavail * room.f_frsize < 2 * self._size:
                return
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._size)
            except OSError:
                os.ftruncate(fd, 0)
                raise
            finally:
                os.close(fd)

    def release(self) -> None:
        with contextlib.suppress(OSError):
            os.truncate(self._path, 0)


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync_folder(path.parent)
    db = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=10.0
    )
    try:
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=ON")  # what was sent doesn't stay on the card
        db.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        db.execute("PRAGMA journal_size_limit=0")
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    mark = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if mark == 0 and tables == 0:
        db.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id={_MARK}; PRAGMA user_version={_VERSION}; COMMIT;"
        )
        return
    findings = [str(row[0]) for row in db.execute("PRAGMA quick_check(1)")]
    if mark != _MARK or db.execute("PRAGMA user_version").fetchone()[0] != _VERSION or findings != ["ok"]:
        raise sqlite3.DatabaseError("the file is damaged or not an outbox")


def _put_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for side in reversed(_SIDES):
        part = path.with_name(path.name + side)
        if part.exists():
            part.rename(aside.with_name(aside.name + side))
    _sync_folder(path.parent)
    return aside


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
