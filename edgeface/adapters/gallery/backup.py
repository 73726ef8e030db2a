"""A copy of the gallery while it is in use. It holds ciphertext alone and is read with the same device key."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from edgeface.adapters.gallery import database, files
from edgeface.adapters.gallery.creation import translated
from edgeface.domain.errors import GalleryError, StorageError


def back_up(path: Path, target: Path, *, busy_timeout_s: float = 10.0) -> None:
    """All of the gallery of one moment into a new file of mode 0600, durable when this returns; without an effect
    where it raises. Raises StorageError (also where `target` exists already), GalleryError."""
    try:
        os.close(files.create_private(target))
    except FileExistsError:
        raise StorageError(f"{target} is there already.", "Give another file; nothing is overwritten.") from None
    except OSError as e:
        raise StorageError(f"{target} can't be written ({e.strerror}).", "Give another file.") from None
    try:
        gallery = database.Database(path, busy_timeout_s=busy_timeout_s)
        try:
            with translated(path, f"copy the gallery to {target}"):
                _copy(gallery.db, target)
        finally:
            gallery.close()
    except BaseException:
        for ending in ("", "-wal", "-shm", "-journal"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
        raise


def _copy(source: sqlite3.Connection, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        source.backup(copy)
        if found := database.structural(database.findings(copy)):
            raise GalleryError(f"The copy {target} is not sound ({found[0]}).", "Try another disk.")
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    files.sync_folder(target.parent)
