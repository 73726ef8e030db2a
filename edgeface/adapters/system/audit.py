"""The audit log: append-only segments of hash-chained JSON lines, synced before a call returns, with disk of its own.

folder/  audit-<first seq>.jsonl …   the entries
         head                        how far they are acknowledged, where they start (anchor.py)
         reserve                     allocated blocks that are given back when the disk is full
         lock                        one writer at a time: the daemon, or a command
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from edgeface.adapters.system import disk
from edgeface.adapters.system.anchor import Anchor, AnchorFile
from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.audit_reader import AuditReader, Verified, segment_path, segments
from edgeface.adapters.system.audit_tail import anchor_from, last_sound, put_aside, save_tail
from edgeface.adapters.system.chain import Chain, LineBroken, recorded
from edgeface.domain.errors import KeyRejected, StorageError
from edgeface.domain.events import Event, StorageFault, StorageRecovered
from edgeface.ports import Clock, Keys

__all__ = ["AuditReader", "FileAudit", "MemoryAudit", "Verified"]

_SEGMENTS = 16  # the log is pruned by a sixteenth at most at a time
_SEGMENT_BYTES = (4096, 1 << 19)  # the least and the most; a start reads the last one
_LOCK_S = 5.0


class FileAudit:
    """Implements ports.AuditLog. Thread-safe; several processes may append."""

    def __init__(
        self,
        folder: Path,
        *,
        keys: Keys | None,
        clock: Clock,
        boot_id: str,
        reserve_bytes: int = 4 << 20,
        max_bytes: int = 256 << 20,
        include_scores: bool = False,
    ) -> None:
        """Heals what a power cut left behind the last acknowledged entry, and records that it did. Raises
        StorageError; KeyRejected where the log was written with another key: nothing of it is touched then."""
        self.folder = folder
        self._clock, self._boot_id, self._include_scores = clock, boot_id, include_scores
        self._max_bytes = max_bytes
        self._segment_bytes = min(max(max_bytes // _SEGMENTS, _SEGMENT_BYTES[0]), _SEGMENT_BYTES[1])
        self._chain = Chain(keys)
        self._anchor_file = AnchorFile(folder, keys)
        self._reader = AuditReader(folder, keys)
        self._reserve = disk.Reserve(folder / "reserve", reserve_bytes)
        self._lock = threading.Lock()
        self._anchor = Anchor()
        self._fd = -1
        self._size = 0  # of the current segment, up to its last acknowledged entry
        self._trusted = False  # False: look at the disk again before the next write
        self._facts: list[str] = []  # found at opening, to be recorded with the next entries
        self._was_full = False
        self._lock_fd = -1
        try:
            disk.make_private_folder(folder)
            self._lock_fd = disk.open_private(folder / "lock", os.O_RDWR)
            with self._exclusive():
                self._recover()
                self._was_full = not self._reserve.fill()
                if self._was_full:
                    self._note("The disk has no room for the space that is reserved for the audit log.")
        except OSError as e:
            self.close()
            raise self._fault(e) from e
        except KeyRejected:
            self.close()
            raise
        if self._facts:
            with contextlib.suppress(StorageError):  # they stay due
                self.append(())

    # -- ports.AuditLog -------------------------------------------------------------------------------------------

    def append(self, events: Iterable[Event]) -> None:
        batch = list(events)
        with self._lock:
            if self._lock_fd < 0:
                raise StorageError("The audit log is closed.", "Open it again.")
            try:
                with self._exclusive():
                    if not self._trusted or self._anchor_file.read()[0] != self._anchor:
                        self._recover()
                    if self._was_full and self._reserve.fill():
                        self._was_full = False
                        batch.append(StorageRecovered(t_s=self._clock.monotonic_s()))
                    facts = [StorageFault(t_s=self._clock.monotonic_s(), detail=fact) for fact in self._facts]
                    if facts or batch:
                        self._append([*facts, *batch])
                        self._facts.clear()
            except OSError as e:
                raise self._fault(e) from e
            except KeyRejected as e:  # while it is open: whatever happened to the files, no entry can be written
                raise StorageError(e.message, e.advice) from e

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            for fd in (self._fd, self._lock_fd):
                if fd >= 0:
                    os.close(fd)
            self._fd = self._lock_fd = -1

    # -- beyond the port ------------------------------------------------------------------------------------------

    def read(self, since: int | datetime = 0) -> Iterator[dict[str, object]]:
        return self._reader.read(since)

    def verify(self) -> Verified:
        return self._reader.verify()

    def head(self) -> tuple[int, bytes]:
        """Sequence number and hash (32 bytes) of the newest entry that is acknowledged."""
        with self._lock:
            return self._anchor.seq, bytes.fromhex(self._anchor.hash)

    def reserve_whole(self) -> bool:
        """False while the disk is, or was a moment ago, full."""
        return self._reserve.whole()

    # -- writing --------------------------------------------------------------------------------------------------

    def _append(self, events: list[Event]) -> None:
        """The entries, then the anchor: each synced before the next step."""
        self._trusted = False  # until everything below has succeeded
        while True:
            try:
                anchor = self._write(events)
                break
            except OSError as e:
                self._cut_back()
                if not disk.is_full(e) or not self._reserve.release():
                    raise
                if not self._was_full:
                    self._was_full = True
                    detail = "The disk is full; the audit log uses the space that is reserved for it."
                    events = [*events, StorageFault(t_s=self._clock.monotonic_s(), detail=detail)]
        self._anchor_file.write(anchor)  # should this fail, the entries stay: the anchor may have reached the disk
        self._anchor = anchor
        self._trusted = True
        with contextlib.suppress(OSError, LineBroken):
            self._prune()

    def _write(self, events: list[Event]) -> Anchor:
        """The entries, synced; the anchor that acknowledges them."""
        seq, prev, data = self._anchor.seq, self._anchor.hash, bytearray()
        now = self._clock.utc()
        for event in events:
            seq += 1
            fields = recorded(event, include_scores=self._include_scores)
            line, prev = self._chain.line(seq, now, self._boot_id, fields, prev)
            data += line
        if self._fd < 0 or (self._size > 0 and self._size + len(data) > self._segment_bytes):
            self._roll(self._anchor.seq + 1)
        disk.write_all(self._fd, bytes(data))
        os.fdatasync(self._fd)
        self._size += len(data)
        return dataclasses.replace(self._anchor, generation=self._anchor.generation + 1, seq=seq, hash=prev)

    def _roll(self, first_seq: int) -> None:
        """A new segment. What exists under this name has nothing of this chain in it, but is nobody's to delete."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        path = segment_path(self.folder, first_seq)
        put_aside(path)
        fd = disk.open_private(path, os.O_WRONLY | os.O_APPEND)
        try:
            disk.sync_folder(self.folder)
        except OSError:
            os.close(fd)
            raise
        self._fd, self._size = fd, 0

    def _cut_back(self) -> None:
        """Takes back what a failed write left, so that no half line stands before the next one."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
                os.fdatasync(self._fd)

    def _prune(self) -> None:
        """Drops the oldest segments beyond `max_bytes`. The anchor first: a crash in between leaves a file too many,
        never a chain without its start."""
        found = segments(self.folder)
        sizes = [path.stat().st_size for _, path in found]
        drop = 0
        while drop + 1 < len(found) and sum(sizes[drop:]) > self._max_bytes:
            drop += 1
        if drop == 0:
            return
        with found[drop][1].open("rb") as f:
            first = self._chain.entry(f.readline().rstrip(b"\n")) if sizes[drop] else None
        if first is not None:
            self._move_anchor(start_seq=first.seq, start_prev=first.prev)
            for _, path in found[:drop]:
                path.unlink()

    def _move_anchor(self, **changes: object) -> None:
        anchor = dataclasses.replace(self._anchor, generation=self._anchor.generation + 1, **changes)  # type: ignore[arg-type]
        self._anchor_file.write(anchor)
        self._anchor = anchor

    # -- recovery -------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Finds where the next entry goes: after the last sound line, whatever stands behind it having never been
        acknowledged; or, where acknowledged entries are gone, in a new segment that shows the gap."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        anchor, damaged = self._anchor_file.read()
        found = segments(self.folder)
        rebuilt = anchor is None
        if anchor is None:
            anchor = anchor_from(found, self._chain)
            if anchor.seq == 0 and any(path.stat().st_size for _, path in found):
                raise KeyRejected(
                    f"The audit log in {self.folder} was written with another device key, or is damaged as a whole.",
                    f"Put back the key that belongs to it, or move the folder {self.folder} away (it is evidence: keep "
                    "it) and start again. Nothing was changed.",
                )
            if found or damaged:
                self._note("The audit log's anchor was missing or damaged; it was made anew from the entries.")
            self._anchor_file.create(anchor)
        elif damaged:
            self._note("A slot of the audit log's anchor was damaged.")
            anchor = dataclasses.replace(anchor, generation=anchor.generation + 1)
            self._anchor_file.create(anchor)
        self._anchor = anchor
        while len(found) > 1 and found[1][0] <= anchor.start_seq:
            self._drop(found.pop(0)[1], rebuilt)  # pruned, but for the unlinking
        last, path, end = last_sound(found, self._chain, anchor)
        lost = last is None or last.seq < anchor.seq or (last.seq == anchor.seq and last.hash != anchor.hash)
        if last is None or path is None or lost:
            if anchor.seq >= anchor.start_seq:
                self._note(
                    f"Entries of the audit log up to {anchor.seq} were acknowledged, but its files end with "
                    f"{last.seq if last else anchor.start_seq - 1}."
                )
            self._trusted = True
            return  # the next write starts a segment
        for first_seq, beyond in found:
            if first_seq > last.seq:
                self._drop(beyond, rebuilt)
        self._fd = disk.open_private(path, os.O_WRONLY | os.O_APPEND)
        torn = os.fstat(self._fd).st_size - end
        if torn:
            if rebuilt:
                self._note(f"What followed entry {last.seq} was kept as {save_tail(path, end).name}.")
            self._note(f"{torn} bytes of an unfinished entry were cut off the audit log after entry {last.seq}.")
            os.ftruncate(self._fd, end)
        os.fdatasync(self._fd)
        self._size = end
        if last.seq > anchor.seq:
            self._move_anchor(seq=last.seq, hash=last.hash)
        self._trusted = True

    def _drop(self, path: Path, rebuilt: bool) -> None:
        """A segment that a sound anchor shows to be superfluous. One made anew from the entries shows no such thing:
        what doesn't authenticate then may be damaged, and is kept."""
        if not rebuilt:
            path.unlink()
        elif (aside := put_aside(path)) is not None:
            self._note(f"No entry of {path.name} in the audit log could be read; it was kept as {aside.name}.")

    def _note(self, fact: str) -> None:
        if fact not in self._facts:
            self._facts.append(fact)

    # -- within ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        disk.lock_within(self._lock_fd, _LOCK_S)
        try:
            yield
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def _fault(self, error: OSError) -> StorageError:
        reason = "the disk is full and the reserve is used up" if disk.is_full(error) else error.strerror or str(error)
        return StorageError(
            f"The audit log in {self.folder} can't be written: {reason}.",
            "Nothing opens that can't be recorded. Free space or mend the disk (`df -h`, `dmesg`).",
        )
