"""The SQLite file under the gallery: made whole, opened with what durability and erasure need, written by one at a
time, and scrubbed of what was deleted. Knows nothing of people or keys.

SQLite's POSIX locks vanish when *any* descriptor of the database file is closed in the same process, so this module
never opens that file itself while a connection exists, save for the one descriptor that `files.Descriptors` keeps."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from edgeface.adapters.gallery import files
from edgeface.adapters.gallery.creation import (
    APPLICATION_ID,
    DERIVED_WRAPPING,
    RESTORE,
    SCHEMA_VERSION,
    lock_within,
    open_lock,
    translated,
)
from edgeface.domain.errors import GalleryError, StorageError

BRIEFLY_S = 0.2  # for tidying that the next one can do as well
_CHUNK = 1 << 20
_PROBE_BYTES = 48  # of a ciphertext's start and end: enough to be unique, short enough to lie in one page
_TELLING = 16  # different bytes; 48 of a ciphertext have about 44
# what `PRAGMA quick_check` says of one row's content; the cipher refuses such a row alone
_ROW_FINDINGS = ("NULL value in", "non-", "CHECK constraint", "out of order for index", "missing from index")


class Database:
    """One connection. Not thread-safe: the store holds a lock around every call."""

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        self.path = path
        self.read_only = False
        self._timeout_s = busy_timeout_s
        self._copy: str | None = None
        self._wal = path.with_name(path.name + "-wal")
        self._key: tuple[int, int] | None = None
        self._writer_lock = -1
        with translated(path, "open the gallery"):
            try:
                self._writer_lock = open_lock(path)
                self._key, self._reader = files.Descriptors.acquire(path)
                self.db = self._connect(path)
            except (sqlite3.OperationalError, OSError) as e:
                self._release()
                if not _cannot_write(e):
                    raise
                self._open_copy()
        try:
            self._check_form()
        except BaseException:
            self.close()
            raise

    # -- opening ------------------------------------------------------------------------------------------------

    def _connect(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=self._timeout_s,
        )
        try:
            db.execute("PRAGMA trusted_schema=OFF")
            db.execute("PRAGMA cell_size_check=ON")
            db.execute("PRAGMA temp_store=MEMORY")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA secure_delete=ON")
            db.execute("PRAGMA schema_version").fetchone()  # the first real access: recovers what a crash left
        except BaseException:
            db.close()
            raise
        return db

    def _open_copy(self) -> None:
        """The folder can't be written (full, read-only): what is there stays readable, through a private copy in
        memory or on another disk. The copy holds ciphertext alone."""
        shm = Path("/dev/shm")
        self._copy = tempfile.mkdtemp(prefix="edgeface-", dir=shm if os.access(shm, os.W_OK) else None)
        copy = Path(self._copy) / self.path.name
        shutil.copyfile(self.path, copy)
        if self._wal.exists():
            shutil.copyfile(self._wal, copy.with_name(copy.name + "-wal"))
        self.db = self._connect(copy)
        self.read_only = True

    def _check_form(self) -> None:
        with translated(self.path, "open the gallery"):
            mark = self.db.execute("PRAGMA application_id").fetchone()[0]
            version = self.db.execute("PRAGMA user_version").fetchone()[0]
            mode = self.db.execute("PRAGMA journal_mode").fetchone()[0]
            if mark != APPLICATION_ID or mode != "wal":
                raise GalleryError(f"{self.path} is not a gallery of edgeface, or its header is damaged.", RESTORE)
            if version not in (DERIVED_WRAPPING, SCHEMA_VERSION):
                raise GalleryError(
                    f"The gallery {self.path} has format {version}, this version reads format {SCHEMA_VERSION}.",
                    "Use the version of edgeface that wrote it. Nothing was changed.",
                )
            if findings := structural(self.findings()):
                raise GalleryError(f"The gallery {self.path} is damaged ({findings[0]}).", RESTORE)

    def findings(self, *, thorough: bool = False) -> list[str]:
        """SQLite's own complaints about the file; empty where it is sound."""
        return findings(self.db, thorough=thorough)

    # -- writing ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """One writer among all processes and connections of this gallery; scrubbing relies on it."""
        if self.read_only:
            raise StorageError(
                f"The gallery {self.path} can't be changed: its disk is full or read-only.",
                "What is stored still works. Free space or mend the disk, then try again.",
            )
        lock_within(self._writer_lock, self._timeout_s, self.path)
        try:
            yield
        finally:
            fcntl.flock(self._writer_lock, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Durable (synced) once it is left without an exception, without any effect otherwise."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.db.execute("ROLLBACK")
            raise

    def scrub(self) -> None:
        """Moves the WAL into the database, overwrites the WAL with zeros on the disk, then truncates it: a truncation
        alone would leave the old bytes in the file system's free blocks. Only inside `exclusive`. Safe against a
        crash at any point: the WAL's content is in the database, synced, before its header is wiped first."""
        if not self._wal.exists() or self._wal.stat().st_size == 0:
            return
        busy, frames, moved = self.db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        if busy or frames != moved:
            raise sqlite3.OperationalError("database is locked by a reader")
        fd = os.open(self._wal, os.O_WRONLY | os.O_CLOEXEC)  # SQLite keeps no POSIX lock on this file
        try:
            size = os.fstat(fd).st_size
            os.pwrite(fd, bytes(min(32, size)), 0)
            os.fdatasync(fd)
            for at in range(0, size, _CHUNK):
                os.pwrite(fd, bytes(min(_CHUNK, size - at)), at)
            os.fdatasync(fd)
        finally:
            os.close(fd)
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextlib.contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Waits at most so long for other processes' readers, or as long as the connection does where that is less."""
        self.db.execute(f"PRAGMA busy_timeout={round(1000 * min(seconds, self._timeout_s))}")
        try:
            yield
        finally:
            self.db.execute(f"PRAGMA busy_timeout={round(1000 * self._timeout_s)}")

    def holds(self, needles: list[bytes]) -> bool:
        """Whether the database file has any of these bytes, in use or as a leftover of a page's rebuilding."""
        if not needles:
            return False
        overlap = max(len(n) for n in needles) - 1
        tail = b""
        at = 0
        while chunk := os.pread(self._reader, _CHUNK, at):
            window = tail + chunk
            if any(n in window for n in needles):
                return True
            tail = window[-overlap:]
            at += len(chunk)
        return False

    def close(self) -> None:
        """Leaves no WAL with old content behind. Idempotent."""
        if self._key is not None:
            with contextlib.suppress(sqlite3.Error, OSError, StorageError), self.exclusive(), self.patience(BRIEFLY_S):
                self.scrub()
        if hasattr(self, "db"):
            self.db.close()
        self._release()
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)

    def _release(self) -> None:
        if self._writer_lock >= 0:
            os.close(self._writer_lock)
            self._writer_lock = -1
        if self._key is not None:
            files.Descriptors.release(self._key)
            self._key = None


@contextlib.contextmanager
def moment(db: sqlite3.Connection) -> Iterator[None]:
    """What is read within is of one moment, whatever another process commits meanwhile."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
    finally:
        with contextlib.suppress(sqlite3.Error):
            db.execute("COMMIT")


def findings(db: sqlite3.Connection, *, thorough: bool = False) -> list[str]:
    pragma = "PRAGMA integrity_check" if thorough else "PRAGMA quick_check"
    return [str(row[0]) for row in db.execute(pragma) if row[0] != "ok"]


def structural(found: list[str]) -> list[str]:
    """Those of SQLite's findings that are about more than one row's content."""
    return [f for f in found if not any(known in f for known in _ROW_FINDINGS)]


def traces(wrapped: object, sealed: object) -> list[bytes]:
    """What `Database.holds` looks for once a wrapped key and a sealed record are superseded."""
    found = []
    if isinstance(wrapped, bytes):
        found.append(wrapped)
    if isinstance(sealed, bytes):
        found += [sealed[:_PROBE_BYTES], sealed[-_PROBE_BYTES:]]
    return [one for one in found if len(set(one)) >= _TELLING]  # zeros of a damaged record are anywhere


def _cannot_write(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, OSError) or any(
        part in text for part in ("readonly", "unable to open", "full", "disk I/O error")
    )
