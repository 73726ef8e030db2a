"""The site's mode on the disk, so that a lockdown outlives a power cut. Replaced whole: beside it, synced, renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from edgeface.domain.door_rules import Mode

MAX_BYTES = 1024


class ModeKeeper:
    """`path` None: nothing is kept, and the mode is normal after each start."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept: Mode | None = None

    def load(self) -> tuple[Mode, str]:
        """The kept mode, and a sentence where it could not be read: then it is lockdown, since nobody knows whether
        that was it."""
        if self._path is None:
            return Mode.NORMAL, ""
        try:
            with self._path.open("rb") as stream:
                kept = json.loads(stream.read(MAX_BYTES))
            self._kept = Mode(kept["mode"])
        except FileNotFoundError:
            self._kept = Mode.NORMAL
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is damaged"
            return Mode.LOCKDOWN, f"The kept mode in {self._path} can't be read: {why}. Set the mode anew."
        return self._kept, ""

    def keep(self, mode: Mode) -> None:
        """Durable when this returns. Raises OSError."""
        if self._path is None or mode is self._kept:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_name(f"{self._path.name}.new")
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.write(fd, json.dumps({"mode": mode.value}).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        aside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._kept = mode
