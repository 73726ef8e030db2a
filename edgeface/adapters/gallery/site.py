"""A door's memory of its site, in the gallery's own file: what was seen, which records came from the site, its keys. So
a record and the fact that it is there are one commit.

Values are sealed under the device key, each for its own name. The table of records says what the site's digests are
computed from; it holds hashes alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgeface.adapters.gallery import cipher
from edgeface.adapters.gallery.batch import Batch
from edgeface.adapters.gallery.rotation import SEED_BYTES
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.domain.errors import GalleryError
from edgeface.domain.shards import Gone, Held
from edgeface.domain.site_change import OwedErasure, SiteChange
from edgeface.ports import Keys

_SCHEMA = """
CREATE TABLE IF NOT EXISTS site (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS site_record (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, content BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS site_removal (id TEXT PRIMARY KEY, erased INTEGER NOT NULL, owed_since INTEGER) STRICT;
"""
# Of an erasure: whether the site has the receipt of the person's key, and the wrapping key of that moment.
_LATER = ("told INTEGER NOT NULL DEFAULT 0", "generation INTEGER NOT NULL DEFAULT 0")


class SiteMemory:
    """Thread-safe, as the gallery is. Several processes may look; one daemon writes."""

    def __init__(self, gallery: SqliteGallery, keys: Keys) -> None:
        self._gallery = gallery
        self._key = keys.secret("site state")
        self._known_there = self._known_whole = False

    @property
    def _there(self) -> bool:
        """Whether this gallery has ever heard of a site; another process may have changed that a moment ago."""
        if not self._known_there:
            query = "SELECT count(*) FROM sqlite_schema WHERE name IN ('site', 'site_record', 'site_removal')"
            with self._gallery.reading("look for the site's state") as db:
                self._known_there = db.execute(query).fetchone()[0] == 3
        return self._known_there

    @property
    def _whole(self) -> bool:
        """Whether the tables have the columns that came later."""
        if not self._known_whole:
            query = "SELECT count(*) FROM pragma_table_info('site_removal') WHERE name IN ('told', 'generation')"
            with self._gallery.reading("look for the site's state") as db:
                self._known_whole = db.execute(query).fetchone()[0] == len(_LATER)
        return self._known_whole

    def read(self) -> dict[str, bytes]:
        """Every value by name; empty where this device belongs to no site. Raises GalleryError where one was
        altered."""
        if not self._there:
            return {}
        with self._gallery.reading("read the site's state") as db:
            rows = db.execute("SELECT name, value FROM site").fetchall()
        try:
            return {name: cipher.unseal(self._key, value, cipher.place("site", name)) for name, value in rows}
        except cipher.Unauthentic as e:
            raise GalleryError(
                "What this door knows of its site was altered, or belongs to another device key.",
                "Restore the gallery from a backup, or unpair the door and pair it again.",
            ) from e

    def entries(self) -> list[tuple[str, Held | Gone]]:
        """What the site's digests are made of. A record that doesn't authenticate any more counts as missing: the
        site sends it again."""
        if not self._there:
            return []
        damaged = self._gallery.damaged()
        with self._gallery.reading("read what came from the site") as db:
            held = db.execute(
                "SELECT s.id, s.seq, s.content FROM site_record s JOIN person p ON p.id = s.id AND p.seq = s.seq"
            ).fetchall()
            gone = db.execute("SELECT id, erased FROM site_removal").fetchall()
        found: list[tuple[str, Held | Gone]] = [(i, Held(seq, c)) for i, seq, c in held if i not in damaged]
        return found + [(i, Gone(bool(erased))) for i, erased in gone]

    def commit(self, change: SiteChange) -> None:
        """Durable when it returns, all of it or nothing. Raises StorageError, GalleryError."""
        people = None if change.rotation_seed is None else list(self._gallery.people())
        with self._changing("store what came from the site") as batch:
            for stored in change.puts:
                batch.put(stored.person, ordered=False)
                batch.db.execute(
                    "INSERT OR REPLACE INTO site_record VALUES (?, ?, ?)",
                    (stored.person.id, stored.person.seq, stored.content),
                )
            for record, erased in change.removals:
                batch.remove(record, unknown_too=True)
                batch.db.execute("DELETE FROM site_record WHERE id = ?", (record,))
                batch.db.execute(
                    "INSERT INTO site_removal VALUES (?, ?, ?, 0, ?) ON CONFLICT (id) DO UPDATE SET erased = 1, "
                    "owed_since = excluded.owed_since, told = 0, generation = excluded.generation "
                    "WHERE excluded.erased = 1 AND erased = 0",
                    (record, int(erased), change.at_s if erased else None, batch.ring.generation),
                )
                if erased:
                    batch.owe_renewal()
            for name, value in change.values.items():
                batch.db.execute("DELETE FROM site WHERE name = ?", (name,))
                if value is not None:
                    sealed = cipher.seal(self._key, value, cipher.place("site", name))
                    batch.db.execute("INSERT INTO site VALUES (?, ?)", (name, sealed))
            if change.rotation_seed is not None and people is not None:
                fresh = {stored.person.id for stored in change.puts}
                gone = {record for record, _ in change.removals}
                kept = [p for p in people if p.id not in fresh | gone] + [stored.person for stored in change.puts]
                self._gallery.turn(batch, change.rotation_seed[:SEED_BYTES], kept)

    def owed(self) -> list[OwedErasure]:
        """Receipts of erasures that the site doesn't have yet: one that the person's key is destroyed, one more when
        the key that wrapped it is too. Both are so when it is listed here: traces that a crash left are overwritten
        first. Raises StorageError."""
        if not self._there:
            return []
        if not self._whole:
            with self._changing("look for erasures"):
                pass
        now = self._gallery.wrapping_key()
        query = (
            "SELECT id, owed_since, generation FROM site_removal WHERE owed_since IS NOT NULL AND "
            "(told = 0 OR generation < ?)"
        )
        with self._gallery.reading("look for erasures") as db:
            rows = db.execute(query, (now.generation,)).fetchall()
        if rows:
            self._gallery.erase_traces()
        return [
            OwedErasure(record, since, rotated, now.renewed_s if rotated else 0)
            for record, since, generation in rows
            for rotated in (generation < now.generation,)
        ]

    def receipted(self, record: str, rotated: bool) -> None:
        """The broker has that receipt of the erasure."""
        done = "owed_since = NULL" if rotated else "told = 1"
        with self._changing("note an erasure's receipt") as batch:
            batch.db.execute(f"UPDATE site_removal SET {done} WHERE id = ?", (record,))

    def forget(self) -> None:
        """Unpairing: the site's keys, its people and its removals are gone, and leave nothing in the file."""
        with self._changing("leave the site") as batch:
            for table in ("site", "site_record", "site_removal", "person", "tombstone"):
                batch.db.execute(f"DELETE FROM {table}")
            batch.db.execute("UPDATE state SET version = version + 1, people = 0, removed = 0")
            batch.renew()
        self._gallery.erase_traces()

    @contextlib.contextmanager
    def _changing(self, doing: str) -> Iterator[Batch]:
        with self._gallery.batch(doing) as batch:
            if not self._there:
                for statement in _SCHEMA.strip().split("\n"):
                    batch.db.execute(statement)
            if not self._whole:
                for column in _LATER:
                    batch.db.execute(f"ALTER TABLE site_removal ADD COLUMN {column}")
            yield batch
