"""What must reach the broker, kept until it says that it has it: over lost networks, restarts and power cuts."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from edgeface.adapters.link.outbox_file import RESERVE_BYTES, Reserve, is_full, open_outbox, translated
from edgeface.domain.errors import StorageError


class Kind(str, Enum):
    """In the order in which they go out. Of one kind, the order of arrival is kept."""

    ALARM = "alarm"
    DOOR = "door"
    ACCESS = "access"
    TELEMETRY = "telemetry"  # the only one that is ever dropped: the oldest first


@dataclass(frozen=True, slots=True)
class Entry:
    """`message_id` names the message for its receiver too: one that arrives twice has it twice."""

    message_id: str
    kind: Kind
    topic: str
    payload: bytes = field(repr=False)
    retain: bool = False


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """`dropped` counts telemetry since this process began. `over_bound`: what may not be dropped exceeds the bounds."""

    waiting: int
    waiting_bytes: int
    dropped: int
    over_bound: bool


class Outbox:
    """Thread-safe; one process at a time. `most` and `most_bytes` bound what waits: beyond them telemetry goes, the
    oldest first. Alarms, door and access events are stored as long as the disk takes them."""

    def __init__(self, path: Path, *, most: int = 20_000, most_bytes: int = 32 << 20) -> None:
        """Raises StorageError. `damaged` then names where an unreadable file was put aside, if there was one."""
        self._path, self._most, self._most_bytes = path, most, most_bytes
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._closed = False
        self._dropped = 0
        self._db, self.damaged = open_outbox(path)
        self._reserve = Reserve(path.with_name(path.name + ".reserve"), RESERVE_BYTES)
        with translated(path, "read the outbox"):
            query = "SELECT count(*), coalesce(sum(length(payload)), 0) FROM message"
            self._count: int
            self._bytes: int
            self._count, self._bytes = self._db.execute(query).fetchone()

    def put(self, entry: Entry) -> None:
        """Durable when it returns. One whose id waits already changes nothing. Raises StorageError; telemetry gives
        way to the others on a full disk, and is itself dropped there."""
        self.put_all([entry])

    def put_all(self, entries: Iterable[Entry]) -> None:
        """All of them or none, in one write to the disk."""
        entries = list(entries)
        try:
            self._store(entries)
        except StorageError as e:
            if not is_full(e.__cause__):
                raise
            lasting = [entry for entry in entries if entry.kind is not Kind.TELEMETRY]
            with self._lock:
                self._dropped += len(entries) - len(lasting)
                self._make_room()
            if lasting:
                self._store(lasting)

    def pending(self, most: int, leave_out: Iterable[str] = ()) -> list[Entry]:
        """What is to be sent next: by kind, each in its order. `leave_out`: ids that are on their way."""
        left_out = set(leave_out)
        found: list[Entry] = []
        with self._lock, translated(self._path, "read the outbox"):
            for kind in Kind:
                query = "SELECT id, topic, payload, retain FROM message WHERE kind = ? ORDER BY number LIMIT ?"
                for row in self._db.execute(query, (kind.value, most + len(left_out))):
                    if row[0] not in left_out and len(found) < most:
                        found.append(Entry(row[0], kind, row[1], row[2], bool(row[3])))
        return found

    def sent(self, message_ids: Iterable[str]) -> None:
        """The broker has acknowledged these. Raises StorageError; then they are sent again, under their ids."""
        with self._lock, translated(self._path, "mark messages as sent"), self._transaction():
            for message_id in message_ids:
                self._remove("id = ?", message_id)
            self._reserve.fill()

    def wait(self, timeout_s: float) -> None:
        """Until something is put, at most so long."""
        with self._lock:
            if not self._closed:
                self._arrived.wait(timeout_s)

    def status(self) -> OutboxStatus:
        with self._lock:
            over = self._over() and self._oldest_telemetry() is None
            return OutboxStatus(self._count, self._bytes, self._dropped, over)

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._db.close()
                self._arrived.notify_all()

    # -- within; the lock is held ---------------------------------------------------------------------------------

    def _store(self, entries: list[Entry]) -> None:
        with self._lock, translated(self._path, "keep a message for the broker"):
            if self._closed:
                raise sqlite3.ProgrammingError("it is closed")
            with self._transaction():
                for entry in entries:
                    self._insert(entry)
                while self._over() and (oldest := self._oldest_telemetry()) is not None:
                    self._remove("number = ?", oldest)
                    self._dropped += 1
            self._arrived.notify_all()

    def _insert(self, entry: Entry) -> None:
        statement = "INSERT OR IGNORE INTO message (id, kind, topic, payload, retain) VALUES (?, ?, ?, ?, ?)"
        values = (entry.message_id, entry.kind.value, entry.topic, entry.payload, int(entry.retain))
        if self._db.execute(statement, values).rowcount == 1:
            self._count += 1
            self._bytes += len(entry.payload)

    def _remove(self, where: str, value: object) -> None:
        query = f"DELETE FROM message WHERE {where} RETURNING length(payload)"
        for (size,) in self._db.execute(query, (value,)).fetchall():
            self._count -= 1
            self._bytes -= size

    def _make_room(self) -> None:
        """On a full disk: moves the log into the file, then removes telemetry, whose pages the next message uses."""
        self._reserve.release()
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            waiting = self._db.execute("SELECT count(*) FROM message WHERE kind = 'telemetry'").fetchone()[0]
            with self._transaction():
                self._remove("kind = ?", Kind.TELEMETRY.value)
            self._dropped += waiting
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _over(self) -> bool:
        return self._count > self._most or self._bytes > self._most_bytes

    def _oldest_telemetry(self) -> int | None:
        query = "SELECT number FROM message WHERE kind = 'telemetry' ORDER BY number LIMIT 1"
        row = self._db.execute(query).fetchone()
        return None if row is None else int(row[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Durable once left; without effect, on the counts as well, when it is left by an exception."""
        before = self._count, self._bytes, self._dropped
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._count, self._bytes, self._dropped = before
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise
