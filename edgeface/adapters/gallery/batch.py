"""Several changes of the gallery in one commit."""

from __future__ import annotations

import sqlite3

from edgeface.adapters.gallery.erasure import Erasure
from edgeface.adapters.gallery.keyring import Keyring, Ring, owe_renewal
from edgeface.domain.errors import RecordConflict
from edgeface.domain.types import Person


class Batch:
    """Inside one transaction. `owes`: it supersedes what must not be left in the file once it is committed. `now_s` is
    Unix time, as this device has it."""

    def __init__(self, db: sqlite3.Connection, keyring: Keyring, erasure: Erasure, now_s: int) -> None:
        self.db, self._keyring, self._erasure, self._now_s = db, keyring, erasure, now_s
        self.ring: Ring = keyring.read(db)
        self._superseded: list[tuple[object, object]] = []
        self.owes = False

    def put(self, person: Person, *, ordered: bool = True) -> None:
        """Raises RecordConflict for somebody removed, and unless `ordered` is False (the caller has settled the order:
        a damaged record may be replaced by itself) for a sequence number that is not above the stored one."""
        db = self.db
        if db.execute("SELECT 1 FROM tombstone WHERE id = ?", (person.id,)).fetchone() is not None:
            raise RecordConflict(
                f"The record {person.id} was removed for good and can't come back.",
                "Enrol the person under a new id.",
            )
        old = self._old(person.id)
        if ordered and old is not None and isinstance(old[0], int) and person.seq <= old[0]:
            raise RecordConflict(
                f"The record {person.id} is at number {old[0]} already; number {person.seq} is not newer.",
                "Read it again and repeat the change.",
            )
        wrapped, sealed = self.ring.seal(person)
        if old is None:
            statement = "INSERT INTO person (seq, wrapped_key, sealed, id) VALUES (?, ?, ?, ?)"
        else:
            statement = "UPDATE person SET seq = ?, wrapped_key = ?, sealed = ? WHERE id = ?"
        db.execute(statement, (person.seq, wrapped, sealed, person.id))
        db.execute("UPDATE state SET version = version + 1, people = people + ?", (int(old is None),))
        self._note(old)

    def remove(self, person_id: str, *, unknown_too: bool = False) -> bool:
        """Whether the record was there. `unknown_too`: the removal is kept also of a record that never was here."""
        old = self._old(person_id)
        if old is None and not unknown_too:
            return False
        if self.db.execute("SELECT 1 FROM tombstone WHERE id = ?", (person_id,)).fetchone() is None:
            seq = old[0] if old is not None and isinstance(old[0], int) else 0
            self.db.execute("INSERT INTO tombstone (id, seq) VALUES (?, ?)", (person_id, seq))
            self.db.execute("UPDATE state SET removed = removed + 1")
        if old is not None:
            self.db.execute("DELETE FROM person WHERE id = ?", (person_id,))
            self.db.execute("UPDATE state SET people = people - 1")
            self.owe_renewal()
        self.db.execute("UPDATE state SET version = version + 1")
        self._note(old)
        return old is not None

    def rewrite(self, person: Person) -> None:
        """The same record, sealed anew."""
        wrapped, sealed = self.ring.seal(person)
        self.db.execute("UPDATE person SET wrapped_key = ?, sealed = ? WHERE id = ?", (wrapped, sealed, person.id))

    def turn(self, seed: bytes) -> None:
        """Another matrix; the records are to be rewritten."""
        self.owe_everything()
        self.ring = self._keyring.turn(self.db, seed)

    def renew(self) -> None:
        """Another wrapping key: the one before opens nothing any more, and is not left in the file."""
        self.owe_everything()
        self.ring, stale = self._keyring.renew(self.db, self._now_s)
        self._superseded += [(None, sealed) for sealed in stale]

    def owe_renewal(self) -> None:
        """A person's key is destroyed: the key that wrapped it is to follow within a day."""
        owe_renewal(self.db, self._now_s)

    def _old(self, person_id: str) -> tuple[object, ...] | None:
        query = "SELECT seq, wrapped_key, sealed FROM person WHERE id = ?"
        row: tuple[object, ...] | None = self.db.execute(query, (person_id,)).fetchone()
        return row

    def owe_everything(self) -> None:
        """More is superseded than can be named: the whole file is to be written anew."""
        self._erasure.owe_everything(self.db)
        self.owes = True

    def committed(self) -> None:
        for wrapped, sealed in self._superseded:
            self._erasure.note(wrapped, sealed)

    def _note(self, old: tuple[object, ...] | None) -> None:
        if old is not None:
            if not self.owes:
                self._erasure.owe(self.db)
            self._superseded.append((old[1], old[2]))
            self.owes = True
