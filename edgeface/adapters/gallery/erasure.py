"""The erasure of superseded keys and records. What is owed is written into the gallery with the very transaction that
supersedes them, so that a reader in another process, a full disk or a power cut delays it and nothing forgets it."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3

from edgeface.adapters.gallery.database import Database, traces

_MARK = "erasing"  # a name in the table meta; its value says whose erasure it is


class Erasure:
    """Of one open gallery. Only inside `Database.exclusive`."""

    def __init__(self, file: Database) -> None:
        self._file = file
        self._token = secrets.token_bytes(8)
        self._needles: list[bytes] = []  # bytes that must not be in the file any more, as far as this process knows

    def owed(self, db: sqlite3.Connection) -> bool:
        return self._owner(db) is not None

    def owe(self, db: sqlite3.Connection) -> None:
        """Inside the transaction that supersedes a record."""
        owner = self._owner(db)
        if owner in (None, self._token):
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_MARK, self._token))
        else:  # another process owes too: nobody knows all the bytes
            self.owe_everything(db)

    def owe_everything(self, db: sqlite3.Connection) -> None:
        """Inside a transaction: whatever the file holds beside what is in force."""
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_MARK, b"several"))

    def note(self, wrapped: object, sealed: object) -> None:
        """After that transaction: what it superseded."""
        self._needles += traces(wrapped, sealed)

    def finish(self, patience_s: float) -> None:
        """Afterwards neither the database nor its WAL holds a superseded key or record. secure_delete overwrites what
        SQLite frees; a page that was rebuilt may still hold a leftover of a cell that moved: then, and where the bytes
        are another process's, everything is rewritten. Raises sqlite3.OperationalError, OSError: still owed then."""
        with self._file.patience(patience_s):
            self._file.scrub()
            owner = self._owner(self._file.db)
            if owner is None:  # nothing is owed, or another process has rewritten everything meanwhile
                self._needles.clear()
                return
            if owner != self._token or self._file.holds(self._needles):
                self._file.db.execute("VACUUM")
                self._file.scrub()
            if self._file.holds(self._needles):
                raise sqlite3.OperationalError("the old bytes are still in the file")
            with self._file.transaction() as db:
                db.execute("DELETE FROM meta WHERE name = ?", (_MARK,))
            self._needles.clear()
            with contextlib.suppress(
                sqlite3.OperationalError, OSError
            ):  # it holds nothing secret; the next one does it
                self._file.scrub()

    def _owner(self, db: sqlite3.Connection) -> object:
        row = db.execute("SELECT value FROM meta WHERE name = ?", (_MARK,)).fetchone()
        return None if row is None else row[0]
