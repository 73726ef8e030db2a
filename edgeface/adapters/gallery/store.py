"""The durable gallery: SQLite underneath, a key of its own for every record.

    device key -HKDF-> wrapping key -AES-GCM-> the person's key -AES-GCM-> the record (canonical JSON)

Erasing the 61 bytes of a wrapped key makes its record unreadable wherever a copy of it survives; the record's own
bytes are overwritten as well. What a flash card's controller keeps in retired cells is beyond any file's reach."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeface.adapters.gallery import cipher, creation, database, record
from edgeface.adapters.gallery.batch import Batch
from edgeface.adapters.gallery.erasure import Erasure
from edgeface.adapters.gallery.rotation import SEED_BYTES, Rotation
from edgeface.domain.errors import (
    EdgefaceError,
    GalleryError,
    KeyRejected,
    PersonUnknown,
    RecordDamaged,
    StorageError,
    TracesRemain,
)
from edgeface.domain.types import Person
from edgeface.ports import Keys

_ERASE_S = 2.0  # how long a removal waits for readers in other processes before it says that its traces remain
_SEEDS = ("rotation", "rotation-copy")  # sealed twice: a flipped bit must not cost everybody's templates


@dataclass(frozen=True, slots=True)
class Check:
    """What `SqliteGallery.check` found: record id -> sentence, and SQLite's complaints. Sound where both are empty."""

    people: int
    removed: int
    damaged: dict[str, str]
    findings: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.damaged and not self.findings


class SqliteGallery:
    """Implements ports.GalleryStore. Thread-safe; several processes may have one gallery open."""

    def __init__(self, path: Path, keys: Keys, *, busy_timeout_s: float = 10.0) -> None:
        """Makes the gallery where there is none. Raises KeyRejected (another device's gallery), GalleryError
        (damaged, of another version, lax in its mode), StorageError."""
        self._path = path
        self._wrapping_key = keys.secret("gallery wrapping key")
        self._seed_key = keys.secret("gallery rotation seed")
        self._lock = threading.RLock()
        self._closed = False
        if not path.exists():
            creation.create(path, self._fill)
        creation.check_guard(path)
        self._file = database.Database(path, busy_timeout_s=busy_timeout_s)
        self._erasure = Erasure(self._file)
        try:
            with self.reading("open the gallery") as db:
                self._rotation = Rotation(self._seed(db))
            if not self._file.read_only:
                with contextlib.suppress(EdgefaceError), self._writing("open the gallery"):
                    self._erasure.finish(database.BRIEFLY_S)  # what a crash left, in the WAL and behind it
        except BaseException:
            self._file.close()
            raise

    @property
    def read_only(self) -> bool:
        """True where the disk was full or read-only at opening: reads work, changes raise StorageError."""
        return self._file.read_only

    # -- ports.GalleryStore ---------------------------------------------------------------------------------------

    def put(self, person: Person) -> None:
        person = record.checked(person)
        with self.batch(f"store the record {person.id}") as batch:
            batch.put(person)

    def remove(self, person_id: str) -> None:
        with self.batch(f"remove the record {person_id}", removing=person_id) as batch:
            owed = self._has_tombstone(batch.db, person_id) and self._erasure.owed(batch.db)
            if not batch.remove(person_id) and not owed:
                raise _unknown(person_id)

    def removed(self, person_id: str) -> bool:
        with self.reading(f"look for the record {person_id}") as db:
            return self._has_tombstone(db, person_id)

    def get(self, person_id: str) -> Person:
        with self.reading(f"read the record {person_id}") as db:
            query = "SELECT id, seq, wrapped_key, sealed FROM person WHERE id = ?"
            row = db.execute(query, (person_id,)).fetchone()
        if row is None:
            raise _unknown(person_id)
        return self._open(*row)

    def people(self) -> Iterator[Person]:
        for row in self._rows():
            with contextlib.suppress(RecordDamaged):
                yield self._open(*row)

    def damaged(self) -> dict[str, str]:
        found = {}
        for row in self._rows():
            try:
                self._open(*row)
            except RecordDamaged as e:
                found[str(row[0])] = str(e)
        return found

    def marks(self) -> dict[str, bytes]:
        """The wrapped keys: every sealing of a record has a fresh one."""
        return {str(i): w if isinstance(w, bytes) else repr(w).encode() for i, _, w, _ in self._rows("NULL")}

    def version(self) -> int:
        with self.reading("read the gallery's version") as db:
            row = db.execute("SELECT version FROM state").fetchone()
        return int(row[0])

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._file.close()

    # -- beyond the port ------------------------------------------------------------------------------------------

    def export(self, person_id: str) -> dict[str, object]:
        """The person's own copy of everything that is stored about him or her; plain JSON types."""
        return record.own_copy(self.get(person_id))

    def check(self) -> Check:
        """Reads and authenticates everything; changes nothing."""
        with self.reading("check the gallery") as db:
            findings = self._file.findings(thorough=True)
            removed = db.execute("SELECT count(*) FROM tombstone").fetchone()[0]
        damaged = self.damaged()
        return Check(len(self._rows()), int(removed), damaged, tuple(findings))

    # -- within ---------------------------------------------------------------------------------------------------

    def _fill(self, db: sqlite3.Connection) -> None:
        seed = cipher.new_key()[:SEED_BYTES]
        for name in _SEEDS:
            db.execute("INSERT INTO meta VALUES (?, ?)", (name, cipher.seal(self._seed_key, seed, cipher.place(name))))

    def _seed(self, db: sqlite3.Connection) -> bytes:
        """The rotation's seed; being sealed under the device key it also tells whether the key is this gallery's."""
        for name in _SEEDS:
            row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
            if row is not None and isinstance(row[0], bytes):
                with contextlib.suppress(cipher.Unauthentic):
                    return cipher.unseal(self._seed_key, row[0], cipher.place(name))
        for one, seq, wrapped in db.execute("SELECT id, seq, wrapped_key FROM person"):
            with contextlib.suppress(cipher.Unauthentic):
                cipher.unseal(self._wrapping_key, wrapped, _key_place(one, seq))
                raise GalleryError(
                    f"The gallery {self._path} is damaged: what its templates are rotated by can't be read.",
                    creation.RESTORE,
                )
        raise KeyRejected(
            f"The gallery {self._path} was made with another device key.",
            "Put back the key that belongs to it, or move the gallery and the audit log's folder away (both need that "
            "key) and enrol everybody again. Nothing was changed.",
        )

    @contextlib.contextmanager
    def batch(self, doing: str, *, removing: str | None = None) -> Iterator[Batch]:
        """Changes that are durable together once it is left, and without any effect where it is left by an exception.
        Raises StorageError, with `removing` (whose removal it is) TracesRemain where the change stands and the erasure
        is still owed; otherwise the next change, or the next opening, tries that again."""
        with self._writing(doing):
            rotation = self._rotation
            try:
                with self._file.transaction() as db:
                    batch = Batch(db, self._seal, self._erasure)
                    yield batch
            except BaseException:
                self._rotation = rotation
                raise
            batch.committed()
            if removing is not None:
                self._erase_traces(removing)
            elif batch.owes:
                with contextlib.suppress(StorageError):
                    self._erase_traces()

    def erase_traces(self) -> None:
        """Afterwards nothing that was superseded is left in the file. Raises TracesRemain, StorageError."""
        with self._writing("overwrite what was removed"):
            self._erase_traces()

    def turn(self, batch: Batch, seed: bytes, people: Iterable[Person]) -> None:
        """Within a batch: another matrix, and everybody's templates turned by it. `people` are all that there are."""
        self._rotation = Rotation(seed)
        batch.owe_everything()
        for person in people:
            batch.rewrite(person)
        for name in _SEEDS:
            sealed = cipher.seal(self._seed_key, seed, cipher.place(name))
            batch.db.execute("UPDATE meta SET value = ? WHERE name = ?", (sealed, name))

    def _seal(self, person: Person) -> tuple[bytes, bytes]:
        key = cipher.new_key()
        wrapped = cipher.seal(self._wrapping_key, key, _key_place(person.id, person.seq))
        plain = record.encode(person, self._rotation.rotate)
        return wrapped, cipher.seal(key, plain, self._record_place(person.id, person.seq))

    def _record_place(self, person_id: str, seq: int) -> bytes:
        return cipher.place("person record", self._rotation.id, person_id, seq)

    def _open(self, person_id: object, seq: object, wrapped: object, sealed: object) -> Person:
        damaged = RecordDamaged(
            f"The record {person_id} is damaged and can't be trusted; this person is refused, the others work.",
            "Remove it and enrol this person again.",
        )
        if not (isinstance(person_id, str) and isinstance(seq, int)):
            raise damaged
        if not (isinstance(wrapped, bytes) and isinstance(sealed, bytes)):
            raise damaged
        try:
            key = cipher.unseal(self._wrapping_key, wrapped, _key_place(person_id, seq))
            plain = cipher.unseal(key, sealed, self._record_place(person_id, seq))
            person = record.decode(plain, self._rotation.turn_back)
        except (cipher.Unauthentic, GalleryError) as e:
            raise damaged from e
        if (person.id, person.seq) != (person_id, seq):
            raise damaged
        return person

    def _rows(self, sealed: str = "sealed") -> list[tuple[object, object, object, object]]:
        with self.reading("read the gallery") as db:
            db.execute("BEGIN")  # the rows and their counts are of one moment
            try:
                rows = db.execute(f"SELECT id, seq, wrapped_key, {sealed} FROM person NOT INDEXED").fetchall()
                tombstones = db.execute("SELECT count(*) FROM tombstone NOT INDEXED").fetchone()[0]
                people, removed = db.execute("SELECT people, removed FROM state").fetchone()
            finally:
                db.execute("COMMIT")
        if (people, removed) != (len(rows), tombstones):
            raise GalleryError(
                f"The gallery {self._path} is damaged: it has {len(rows)} of {people} people and {tombstones} of "
                f"{removed} removals.",
                "Nothing was changed. Restore the gallery from a backup.",
            )
        rows.sort(key=lambda row: str(row[0]))
        return rows

    def _erase_traces(self, person_id: str | None = None) -> None:
        try:
            self._erasure.finish(_ERASE_S)
        except (sqlite3.OperationalError, OSError) as e:
            again = "" if person_id is None else f", or: edgeface gallery remove {person_id}"
            raise TracesRemain(
                f"The change is in force, but what it removed from {self._path} could not be overwritten yet: {e}.",
                f"The next change finishes it{again}, once the disk has space and no other process reads the gallery.",
            ) from e

    @staticmethod
    def _has_tombstone(db: sqlite3.Connection, person_id: str) -> bool:
        return db.execute("SELECT 1 FROM tombstone WHERE id = ?", (person_id,)).fetchone() is not None

    @contextlib.contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        with self._lock, creation.translated(self._path, doing):
            self._refuse_closed()
            yield self._file.db

    @contextlib.contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        with self._lock, creation.translated(self._path, doing):
            self._refuse_closed()
            with self._file.exclusive():
                yield

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StorageError(f"The gallery {self._path} is closed.", "Open it again.")


def _key_place(person_id: str, seq: int) -> bytes:
    return cipher.place("person key", person_id, seq)


def _unknown(person_id: str) -> PersonUnknown:
    shown = person_id if record.is_id(person_id) else ascii(person_id[:40])
    return PersonUnknown(f"Nobody in the gallery has the id {shown}.", "`edgeface gallery list` shows who is there.")
