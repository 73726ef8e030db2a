"""The agent's journal: the site's whole state and what of it the broker has not acknowledged yet, in one SQLite file.
WAL and `synchronous=FULL`: what a transaction changed and what has to be published for it are durable together."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edgeface.adapters.link.journal_rows import PendingRow, RecordRow, RemovalRow, removal_row
from edgeface.adapters.link.secret_file import Box
from edgeface.domain.errors import StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS record (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, content BLOB NOT NULL, by TEXT NOT NULL,
    since INTEGER NOT NULL, epoch INTEGER NOT NULL, raw BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS record_epoch ON record (epoch);
CREATE TABLE IF NOT EXISTS removal (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, erased INTEGER NOT NULL,
    since INTEGER NOT NULL, confirmed INTEGER NOT NULL, raw BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS epoch (epoch INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS granted (device TEXT, epoch INTEGER, raw BLOB NOT NULL, PRIMARY KEY (device, epoch)) STRICT;
CREATE TABLE IF NOT EXISTS receipt (device TEXT PRIMARY KEY, raw BLOB NOT NULL, at_s INTEGER NOT NULL,
    manifest INTEGER NOT NULL, in_step INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS erasure (record TEXT, device TEXT, rotated INTEGER, raw BLOB NOT NULL,
    PRIMARY KEY (record, device)) STRICT;
CREATE TABLE IF NOT EXISTS reply (admin TEXT, id TEXT, at_s INTEGER NOT NULL, raw BLOB NOT NULL,
    PRIMARY KEY (admin, id)) STRICT;
CREATE TABLE IF NOT EXISTS pending (number INTEGER PRIMARY KEY AUTOINCREMENT, rank INTEGER NOT NULL,
    topic TEXT NOT NULL, payload BLOB NOT NULL, retain INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS pending_order ON pending (rank, number);
CREATE INDEX IF NOT EXISTS pending_topic ON pending (topic);
CREATE TABLE IF NOT EXISTS certificate (serial TEXT PRIMARY KEY, party TEXT NOT NULL, revoked INTEGER NOT NULL) STRICT;
"""
_MARK = 0x45464A31  # "EFJ1"
_REPLIES_KEPT = 10_000


class Journal:
    """One writer at a time (SQLite's lock); other processes read beside it. Not thread-safe. Raises StorageError."""

    def __init__(self, path: Path, box: Box) -> None:
        self._path, self._box, self._depth, self._scrub_due = path, box, 0, False
        with self._translated("open"):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.close(fd)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30.0)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            mark = self._db.execute("PRAGMA application_id").fetchone()[0]
            if mark not in (0, _MARK):
                raise StorageError(f"{path} is no journal of a site.", "Give the site's folder.")
            self._db.executescript(_SCHEMA)
            if not mark:
                self._db.execute(f"PRAGMA application_id={_MARK}")

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Everything inside is one transaction; one inside another belongs to it."""
        self._depth += 1
        try:
            if self._depth > 1:
                yield
                return
            self._scrub_due = False
            with self._translated("write"):
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
        finally:
            self._depth -= 1
        if self._scrub_due and not self.busy:
            self.scrub()

    @property
    def busy(self) -> bool:
        """Within a transaction."""
        return self._depth > 0

    def scrub(self) -> None:
        """Moves the log into the file and empties it: what was deleted is then in neither. Within a transaction it
        happens after it."""
        self._scrub_due = self.busy
        if not self.busy:
            self._do("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- single values ------------------------------------------------------------------------------------------------

    def get(self, name: str) -> bytes | None:
        row = self._one("SELECT value FROM meta WHERE name=?", name)
        return None if row is None else bytes(row[0])

    def set(self, name: str, value: bytes) -> None:
        self._do("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def number(self, name: str) -> int:
        value = self.get(name)
        return 0 if value is None else int(value)

    # -- people -------------------------------------------------------------------------------------------------------

    def record(self, record_id: str) -> RecordRow | None:
        row = self._one("SELECT * FROM record WHERE id=?", record_id)
        return None if row is None else RecordRow(*row)

    def records(self, after: str = "", limit: int = -1) -> Iterator[RecordRow]:
        """In the order of their ids."""
        for row in self._all("SELECT * FROM record WHERE id>? ORDER BY id LIMIT ?", after, limit):
            yield RecordRow(*row)

    def heads(self) -> Iterator[tuple[str, int, bytes]]:
        yield from self._all("SELECT id, seq, content FROM record")

    def records_before(self, epoch: int, limit: int) -> list[RecordRow]:
        rows = self._all("SELECT * FROM record WHERE epoch<? ORDER BY id LIMIT ?", epoch, limit)
        return [RecordRow(*row) for row in rows]

    def put_record(self, row: RecordRow) -> None:
        values = (row.id, row.seq, row.content, row.by, row.since, row.epoch, row.raw)
        self._do("INSERT OR REPLACE INTO record VALUES (?,?,?,?,?,?,?)", *values)

    def removal(self, record_id: str) -> RemovalRow | None:
        row = self._one("SELECT * FROM removal WHERE id=?", record_id)
        return None if row is None else removal_row(row)

    def removals(self) -> Iterator[RemovalRow]:
        for row in self._all("SELECT * FROM removal ORDER BY id"):
            yield removal_row(row)

    def unconfirmed(self, limit: int) -> list[str]:
        """The newest of them, rising by id."""
        rows = self._all("SELECT id FROM removal WHERE confirmed=0 ORDER BY since DESC LIMIT ?", limit)
        return sorted(row[0] for row in rows)

    def put_removal(self, row: RemovalRow) -> None:
        self._do("DELETE FROM record WHERE id=?", row.id)
        values = (row.id, row.seq, int(row.erased), row.since, int(row.confirmed), row.raw)
        self._do("INSERT OR REPLACE INTO removal VALUES (?,?,?,?,?,?)", *values)

    def confirm_removals(self, manifest: int) -> None:
        self._do("UPDATE removal SET confirmed=1 WHERE confirmed=0 AND since<=?", manifest)

    # -- keys ---------------------------------------------------------------------------------------------------------

    def epochs(self) -> dict[int, bytes]:
        """Epoch -> what `put_epoch` was given."""
        rows = self._all("SELECT epoch, sealed FROM epoch")
        return {epoch: self._box.open(bytes(sealed), b"epoch %d" % epoch) for epoch, sealed in rows}

    def put_epoch(self, epoch: int, secret: bytes) -> None:
        self._do("INSERT INTO epoch VALUES (?,?)", epoch, self._box.close(secret, b"epoch %d" % epoch))

    def drop_epochs_before(self, epoch: int) -> list[tuple[str, int]]:
        """Their grants go too: (device, epoch) of each."""
        gone = self._all("SELECT device, epoch FROM granted WHERE epoch<?", epoch)
        self._do("DELETE FROM granted WHERE epoch<?", epoch)
        self._do("DELETE FROM epoch WHERE epoch<?", epoch)
        return [(device, number) for device, number in gone]

    def grants(self) -> dict[tuple[str, int], bytes]:
        return {(d, e): bytes(raw) for d, e, raw in self._all("SELECT device, epoch, raw FROM granted")}

    def put_grant(self, device: str, epoch: int, raw: bytes) -> None:
        self._do("INSERT OR REPLACE INTO granted VALUES (?,?,?)", device, epoch, raw)

    def drop_grant(self, device: str, epoch: int) -> None:
        self._do("DELETE FROM granted WHERE device=? AND epoch=?", device, epoch)

    # -- doors --------------------------------------------------------------------------------------------------------

    def put_receipt(self, device: str, raw: bytes, at_s: int, manifest: int, in_step: bool) -> None:
        self._do("INSERT OR REPLACE INTO receipt VALUES (?,?,?,?,?)", device, raw, at_s, manifest, int(in_step))

    def receipts(self) -> dict[str, tuple[int, bool]]:
        """Device -> (manifest, in step)."""
        return {d: (m, bool(s)) for d, m, s in self._all("SELECT device, manifest, in_step FROM receipt")}

    def receipt_messages(self) -> dict[str, bytes]:
        return {d: bytes(raw) for d, raw in self._all("SELECT device, raw FROM receipt")}

    def put_erasure(self, record: str, device: str, rotated: bool, raw: bytes) -> None:
        """The one that says more stands, in whatever order the broker brings them."""
        self._do(
            "INSERT INTO erasure VALUES (?,?,?,?) ON CONFLICT (record, device) DO UPDATE SET rotated = "
            "excluded.rotated, raw = excluded.raw WHERE excluded.rotated >= rotated",
            record, device, int(rotated), raw,
        )  # fmt: skip

    def erasures(self, record: str) -> dict[str, bool]:
        """Device -> whether its wrapping key was renewed since."""
        return {d: bool(r) for d, r in self._all("SELECT device, rotated FROM erasure WHERE record=?", record)}

    # -- requests -----------------------------------------------------------------------------------------------------

    def reply(self, admin: str, request: str) -> bytes | None:
        row = self._one("SELECT raw FROM reply WHERE admin=? AND id=?", admin, request)
        return None if row is None else bytes(row[0])

    def put_reply(self, admin: str, request: str, at_s: int, raw: bytes) -> None:
        self._do("INSERT OR REPLACE INTO reply VALUES (?,?,?,?)", admin, request, at_s, raw)
        self._do("DELETE FROM reply WHERE rowid <= (SELECT max(rowid) FROM reply) - ?", _REPLIES_KEPT)

    # -- certificates -------------------------------------------------------------------------------------------------

    def put_certificate(self, serial: int, party: str) -> None:
        self._do("INSERT OR REPLACE INTO certificate VALUES (?,?,0)", str(serial), party)

    def revoke_certificates(self, party: str) -> None:
        self._do("UPDATE certificate SET revoked=1 WHERE party=?", party)

    def revoked_serials(self) -> list[int]:
        return [int(row[0]) for row in self._all("SELECT serial FROM certificate WHERE revoked=1")]

    # -- what is to be published --------------------------------------------------------------------------------------

    def enqueue(self, rank: int, topic: str, payload: bytes, retain: bool) -> None:
        """A retained message takes the place of one for the same topic that waits."""
        if retain:
            self._do("DELETE FROM pending WHERE topic=? AND retain=1", topic)
        self._do("INSERT INTO pending (rank, topic, payload, retain) VALUES (?,?,?,?)", rank, topic, payload, retain)

    def pending(self, limit: int, without: Iterable[int] = ()) -> list[PendingRow]:
        """The lowest rank first; within one, the oldest."""
        known = set(without)
        rows = self._all(
            "SELECT number, topic, payload, retain FROM pending ORDER BY rank, number LIMIT ?", limit + len(known)
        )
        return [PendingRow(n, t, bytes(p), bool(r)) for n, t, p, r in rows if n not in known][:limit]

    def pending_count(self) -> int:
        row = self._one("SELECT count(*) FROM pending")
        return int(row[0]) if row else 0

    def published(self, numbers: Iterable[int]) -> None:
        with self.change(), self._translated("write"):
            self._db.executemany("DELETE FROM pending WHERE number=?", [(n,) for n in numbers])

    # -- within -------------------------------------------------------------------------------------------------------

    def _do(self, statement: str, *values: object) -> None:
        with self._translated("write"):
            self._db.execute(statement, values).fetchall()

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._all(statement, *values)
        return rows[0] if rows else None

    def _all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._translated("read"):
            return self._db.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as e:
            raise StorageError(
                f"Could not {doing} the site's journal {self._path}: {e}.",
                "What was stored before is still there. Check the disk with `df -h`.",
            ) from e
