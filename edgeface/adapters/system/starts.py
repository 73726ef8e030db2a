"""How many starts in a row did not last. One small file, written twice a start."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from edgeface.adapters.system.disk import make_private_folder, sync_folder, write_all

LARGEST_FILE = 100
LARGEST_COUNT = 1_000_000


class StartCount:
    """A disk that refuses, or a file that is damaged, counts as no failed start: it must not keep the door from
    working."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = self._read()

    @property
    def failed(self) -> int:
        """Starts before this one that did not last."""
        return self._before

    def begin(self) -> None:
        """This start has not lasted, as long as nothing else is said. Durable when it returns."""
        self._write(self._before + 1)

    def lasted(self) -> None:
        """This one did, or was stopped in order: the next one begins to count anew."""
        if self._read() != 0:
            self._write(0)

    def does_not_count(self) -> None:
        """It ended by something that a person must mend, and that says so itself (wrong settings, a rejected key)."""
        if self._before:
            self._write(self._before)
        else:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _read(self) -> int:
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(LARGEST_FILE))
        except (OSError, ValueError):
            return 0
        count = found.get("failed_starts") if isinstance(found, dict) else None
        return count if type(count) is int and 0 <= count <= LARGEST_COUNT else 0

    def _write(self, count: int) -> None:
        beside = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            make_private_folder(self._path.parent)
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                write_all(fd, json.dumps({"failed_starts": count}).encode())
                os.fsync(fd)
            finally:
                os.close(fd)
            beside.replace(self._path)
            sync_folder(self._path.parent)
