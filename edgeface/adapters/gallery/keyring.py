"""The secrets in the gallery's file that everything else in it hangs on: the key that wraps every person's key, and the
seed of the matrix that templates are rotated by. Each is random, sealed under a secret of the device key's own, and
there twice, for a flipped bit must not cost everybody. Being in the file, they can be destroyed; the device key can't.

Format 1 had no wrapping key of its own but one derived from the device key: generation 0."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgeface.adapters.gallery import cipher, creation, record
from edgeface.adapters.gallery.rotation import SEED_BYTES, Rotation
from edgeface.domain.errors import GalleryError, KeyRejected, RecordDamaged
from edgeface.domain.types import Person
from edgeface.ports import Keys

_SEEDS = ("rotation", "rotation-copy")
_WRAPPINGS = ("wrapping", "wrapping-copy")
_NAMES = (*_SEEDS, *_WRAPPINGS)
_OWED = "renewal-owed"  # in the table meta; its value is when, in Unix seconds, as this device's clock had it


@dataclass(frozen=True, slots=True)
class Ring:
    """The secrets of one moment: they open the rows of that moment. `generation` counts the wrapping keys from 0, the
    derived one; `made_s` is when this one was made, Unix time, 0 for unknown."""

    wrapping_key: bytes = field(repr=False)
    generation: int
    made_s: int
    rotation: Rotation

    def seal(self, person: Person) -> tuple[bytes, bytes]:
        """(wrapped key, sealed record), the key a fresh one."""
        key = cipher.new_key()
        plain = record.encode(person, self.rotation.rotate)
        return self.wrap(person.id, person.seq, key), cipher.seal(key, plain, self._place(person.id, person.seq))

    def open(self, person_id: object, seq: object, wrapped: object, sealed: object) -> Person:
        """Raises RecordDamaged, for whatever a row may have in it."""
        damaged = RecordDamaged(
            f"The record {person_id} is damaged and can't be trusted; this person is refused, the others work.",
            "Remove it and enrol this person again.",
        )
        try:
            key = self.unwrap(person_id, seq, wrapped)
            if not (isinstance(person_id, str) and isinstance(seq, int) and isinstance(sealed, bytes)):
                raise damaged
            plain = cipher.unseal(key, sealed, self._place(person_id, seq))
            person = record.decode(plain, self.rotation.turn_back)
        except (cipher.Unauthentic, GalleryError) as e:
            raise damaged from e
        if (person.id, person.seq) != (person_id, seq):
            raise damaged
        return person

    def wrap(self, person_id: str, seq: int, key: bytes) -> bytes:
        return cipher.seal(self.wrapping_key, key, _key_place(person_id, seq))

    def unwrap(self, person_id: object, seq: object, wrapped: object) -> bytes:
        """The person's key. Raises cipher.Unauthentic, for whatever a row may have in it."""
        if not (isinstance(person_id, str) and isinstance(seq, int) and isinstance(wrapped, bytes)):
            raise cipher.Unauthentic("of another type")
        return cipher.unseal(self.wrapping_key, wrapped, _key_place(person_id, seq))

    def _place(self, person_id: str, seq: int) -> bytes:
        return cipher.place("person record", self.rotation.id, person_id, seq)


class Keyring:
    """Of one gallery. Every method is given the connection, within the transaction whose moment counts: another process
    may have changed the secrets since."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self._path = path
        self._derived = keys.secret("gallery wrapping key")
        self._wrapping_seal = keys.secret("gallery wrapping key seal")
        self._seed_seal = keys.secret("gallery rotation seed")
        self._seen: tuple[object, ...] = ()
        self._ring: Ring | None = None

    def read(self, db: sqlite3.Connection) -> Ring:
        """Raises KeyRejected (another device's gallery), GalleryError (damaged)."""
        rows = dict(db.execute(f"SELECT name, value FROM meta WHERE name IN ({','.join('?' * len(_NAMES))})", _NAMES))
        values = tuple(rows.get(name) for name in _NAMES)
        if self._ring is None or values != self._seen:
            self._ring = self._opened(db, rows)
            self._seen = values
        return self._ring

    def damage(self, db: sqlite3.Connection) -> list[str]:
        """Copies that can't be read while the other one can."""
        found = []
        for names, key in ((_SEEDS, self._seed_seal), (_WRAPPINGS, self._wrapping_seal)):
            if names == _WRAPPINGS and _derives(db):
                continue
            good = len(_copies(_blobs(db, names), names, key))
            if good < len(names):
                found.append(f"{len(names) - good} of {len(names)} copies of the gallery's {names[0]} can't be read")
        return found

    # -- within a change --------------------------------------------------------------------------------------------

    def begin(self, db: sqlite3.Connection, now_s: int) -> None:
        """Of a new gallery."""
        self._put_seed(db, cipher.new_key()[:SEED_BYTES])
        self._put_wrapping(db, 1, now_s, cipher.new_key())

    def turn(self, db: sqlite3.Connection, seed: bytes) -> Ring:
        """Another matrix. The records are the caller's business."""
        self._put_seed(db, seed)
        return self.read(db)

    def renew(self, db: sqlite3.Connection, now_s: int) -> tuple[Ring, list[bytes]]:
        """Another wrapping key, and every person's key wrapped by it. (The new ring, the sealed copies of the old key,
        which must not be left in the file.) A key that doesn't unwrap belongs to a record that is damaged: it stays as
        it is, and with the old wrapping key gone nothing opens it any more."""
        old, stale = self.read(db), list(_blobs(db, _WRAPPINGS).values())
        fresh = Ring(cipher.new_key(), old.generation + 1, now_s, old.rotation)
        for number, person_id, seq, wrapped in db.execute("SELECT number, id, seq, wrapped_key FROM person").fetchall():
            with contextlib.suppress(cipher.Unauthentic):
                key = old.unwrap(person_id, seq, wrapped)
                again = fresh.wrap(person_id, seq, key)
                db.execute("UPDATE person SET wrapped_key = ? WHERE number = ?", (again, number))
        self._put_wrapping(db, fresh.generation, now_s, fresh.wrapping_key)
        db.execute("DELETE FROM meta WHERE name = ?", (_OWED,))
        db.execute(f"PRAGMA user_version={creation.SCHEMA_VERSION}")
        return self.read(db), stale

    def _put_seed(self, db: sqlite3.Connection, seed: bytes) -> None:
        for name in _SEEDS:
            sealed = cipher.seal(self._seed_seal, seed, cipher.place(name))
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, sealed))

    def _put_wrapping(self, db: sqlite3.Connection, generation: int, now_s: int, key: bytes) -> None:
        plain = generation.to_bytes(8, "big") + now_s.to_bytes(8, "big") + key
        for name in _WRAPPINGS:
            sealed = cipher.seal(self._wrapping_seal, plain, cipher.place(name))
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, sealed))

    # -- opening ----------------------------------------------------------------------------------------------------

    def _opened(self, db: sqlite3.Connection, rows: Mapping[str, object]) -> Ring:
        seeds = _copies(rows, _SEEDS, self._seed_seal)
        wrappings = _copies(rows, _WRAPPINGS, self._wrapping_seal)
        derives = not rows.keys() & set(_WRAPPINGS) and _derives(db)
        if seeds and (wrappings or derives):
            rotation = Rotation(seeds[0])
            if derives:
                return Ring(self._derived, 0, 0, rotation)
            plain = max(wrappings)  # the first bytes are the generation
            return Ring(plain[16:], int.from_bytes(plain[:8], "big"), int.from_bytes(plain[8:16], "big"), rotation)
        if seeds or wrappings or (derives and self._derived_fits(db)):
            what = "its people's keys are wrapped by" if seeds else "its templates are rotated by"
            raise GalleryError(f"The gallery {self._path} is damaged: what {what} can't be read.", creation.RESTORE)
        raise KeyRejected(
            f"The gallery {self._path} was made with another device key.",
            "Put back the key that belongs to it, or move the gallery and the audit log's folder away (both need that "
            "key) and enrol everybody again. Nothing was changed.",
        )

    def _derived_fits(self, db: sqlite3.Connection) -> bool:
        for one, seq, wrapped in db.execute("SELECT id, seq, wrapped_key FROM person"):
            with contextlib.suppress(cipher.Unauthentic):
                cipher.unseal(self._derived, wrapped, _key_place(one, seq))
                return True
        return False


def owe_renewal(db: sqlite3.Connection, now_s: int) -> None:
    """Within the transaction that destroys a person's key. The earliest one counts."""
    db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_OWED, now_s.to_bytes(8, "big")))


def renewal_owed_since(db: sqlite3.Connection) -> int | None:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_OWED,)).fetchone()
    return None if row is None else int.from_bytes(row[0][:8], "big")


def _derives(db: sqlite3.Connection) -> bool:
    return int(db.execute("PRAGMA user_version").fetchone()[0]) == creation.DERIVED_WRAPPING


def _blobs(db: sqlite3.Connection, names: tuple[str, ...]) -> dict[str, bytes]:
    rows = db.execute(f"SELECT name, value FROM meta WHERE name IN ({','.join('?' * len(names))})", names)
    return {str(name): value for name, value in rows if isinstance(value, bytes)}


def _copies(rows: Mapping[str, object], names: tuple[str, ...], key: bytes) -> list[bytes]:
    """Those that authenticate."""
    found = []
    for name in names:
        sealed = rows.get(name)
        if isinstance(sealed, bytes):
            with contextlib.suppress(cipher.Unauthentic):
                found.append(cipher.unseal(key, sealed, cipher.place(name)))
    return found


def _key_place(person_id: str, seq: int) -> bytes:
    return cipher.place("person key", person_id, seq)
