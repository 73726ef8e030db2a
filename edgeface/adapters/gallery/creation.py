"""A new gallery file: complete under its name or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeface.adapters.gallery import files
from edgeface.domain.errors import GalleryError, StorageError

SCHEMA_VERSION = 2
DERIVED_WRAPPING = 1  # the format before: works as it is, until the first renewal moves it over
APPLICATION_ID = 0x45464731  # "EFG1", the file's mark in its SQLite header
RESTORE = (
    "Nothing was changed. Put a copy that `edgeface gallery backup` made in its place, or move it away and enrol "
    "everybody again."
)
_OLDEST_SQLITE = (3, 37, 0)  # STRICT tables

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, people INTEGER NOT NULL,
                    removed INTEGER NOT NULL) STRICT;
CREATE TABLE person (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
                     wrapped_key BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE tombstone (id TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0, 0, 0);
"""


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """SQLite's and the system's errors as sentences of our own tree."""
    try:
        yield
    except sqlite3.OperationalError as e:
        text = str(e)
        if "locked" in text or "busy" in text:
            advice = "Try again; if it stays so, look for a process that hangs with `fuser`."
            raise StorageError(f"Could not {doing}: the gallery {path} is in use by another process.", advice) from e
        if "malformed" in text:
            raise GalleryError(f"Could not {doing}: the gallery {path} is damaged ({text}).", RESTORE) from e
        raise StorageError(
            f"Could not {doing}: {text} (gallery {path}).", "Nothing was lost. Check the disk with `df -h` and `dmesg`."
        ) from e
    except sqlite3.DatabaseError as e:
        raise GalleryError(f"Could not {doing}: the gallery {path} is damaged ({e}).", RESTORE) from e
    except UnicodeDecodeError as e:  # in SQLite's own text: of a schema, of an error
        raise GalleryError(f"Could not {doing}: the gallery {path} is damaged (its text is no UTF-8).", RESTORE) from e
    except UnicodeEncodeError as e:  # a command's argument that was no UTF-8
        raise GalleryError(f"Could not {doing}: that is no text.", "Write it again. Nothing was changed.") from e
    except OSError as e:
        raise StorageError(
            f"Could not {doing}: {e.strerror or e} (gallery {path}).", "Nothing was lost. Check the disk with `df -h`."
        ) from e


def create(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """A new gallery file, complete under its name or not there at all. `fill` adds the first rows."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        wanted = ".".join(map(str, _OLDEST_SQLITE))
        raise GalleryError(
            f"SQLite {sqlite3.sqlite_version} is too old, edgeface needs {wanted}.", "Update the system."
        )
    with translated(path, "create the gallery"):
        files.make_private_folder(path.parent)
        lock = open_lock(path)
        try:
            lock_within(lock, 10.0, path)
            if path.exists():  # another process was faster
                return
            aside = path.with_name(path.name + ".new")
            for leftover in ("", "-wal", "-shm", "-journal"):
                aside.with_name(aside.name + leftover).unlink(missing_ok=True)
            os.close(files.create_private(aside))
            db = sqlite3.connect(aside, isolation_level=None)
            try:
                db.executescript(
                    f"PRAGMA application_id={APPLICATION_ID};PRAGMA user_version={SCHEMA_VERSION};{_SCHEMA}"
                )
                fill(db)
                db.execute("PRAGMA journal_mode=WAL")
            finally:
                db.close()
            fd = os.open(aside, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            aside.rename(path)
            files.sync_folder(path.parent)
        finally:
            os.close(lock)


def open_lock(path: Path) -> int:
    lock = path.with_name(path.name + ".lock")
    with contextlib.suppress(FileExistsError):
        return files.create_private(lock)
    return os.open(lock, os.O_RDWR | os.O_CLOEXEC)


def lock_within(fd: int, timeout_s: float, path: Path) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StorageError(
                    f"The gallery {path} is being written by another process.", "Try again in a moment."
                ) from None
            time.sleep(0.005)
        else:
            return


def check_guard(path: Path) -> None:
    """Raises GalleryError where others may read or change the gallery."""
    with translated(path, "open the gallery"):
        if files.lax_mode(info := path.stat()):
            mode = info.st_mode & 0o7777
            raise GalleryError(
                f"The gallery {path} has mode {mode:04o}: others may read or change it.", f"Run: chmod 600 {path}"
            )
