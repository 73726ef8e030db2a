"""Reading and verifying the audit log. Needs no lock and writes nothing, so that it works beside the daemon."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edgeface.adapters.system.anchor import Anchor, AnchorFile
from edgeface.adapters.system.chain import Chain, LineBroken
from edgeface.domain.errors import AuditBroken, StorageError
from edgeface.ports import Keys

_AT = re.compile(rb'\{"seq":\d+,"at":"([^"]+)"')
_PATTERN = "audit-*.jsonl"
_KEEP = "Keep the folder as it is, as evidence; copy it away before anything else is done with it."
_RETRIES = 5  # a segment may be pruned between listing and opening it


@dataclass(frozen=True, slots=True)
class Verified:
    """The chain holds from `first_seq` to `last_seq`; `head` is the last entry's hash."""

    count: int
    first_seq: int
    last_seq: int
    head: str


def segment_path(folder: Path, first_seq: int) -> Path:
    return folder / f"audit-{first_seq:012d}.jsonl"


def segments(folder: Path) -> list[tuple[int, Path]]:
    """(first sequence number, path) of every segment, oldest first."""
    found = []
    for path in folder.glob(_PATTERN):
        number = path.name[len("audit-") : -len(".jsonl")]
        if number.isdigit():
            found.append((int(number), path))
    return sorted(found)


class AuditReader:
    """`keys` are those that the log was written with; None for a log without a key."""

    def __init__(self, folder: Path, keys: Keys | None) -> None:
        self._folder = folder
        self._chain = Chain(keys)
        self._anchor_file = AnchorFile(folder, keys)

    def read(self, since: int | datetime = 0) -> Iterator[dict[str, object]]:
        """Entries with a higher sequence number than `since`, or not older than it; oldest first. What can't be
        parsed is left out: `verify` is what tells."""
        found = segments(self._folder)
        for i, (_, path) in enumerate(found):
            if isinstance(since, int) and i + 1 < len(found) and found[i + 1][0] <= since + 1:
                continue
            try:
                lines = path.read_bytes().split(b"\n")[:-1]
            except FileNotFoundError:
                continue  # pruned a moment ago
            except OSError as e:
                raise _unreadable(path, e) from e
            yield from entries(lines, since)

    def newest_time(self) -> datetime | None:
        """The latest time in the newest segment, of entries that authenticate: it has been, so now is later."""
        for _, path in reversed(segments(self._folder)):
            try:
                lines = path.read_bytes().split(b"\n")
            except OSError:
                return None
            stamped = sorted(((found[1], line) for line in lines if (found := _AT.match(line))), reverse=True)
            for at, line in stamped:
                with contextlib.suppress(LineBroken):
                    self._chain.entry(line)
                    return datetime.fromisoformat(at.decode().replace("Z", "+00:00"))
        return None

    def verify(self) -> Verified:
        """Walks the whole chain. Raises AuditBroken naming the file, the line and what is wrong; StorageError where a
        file can't be read."""
        for _ in range(_RETRIES):
            anchor, damaged = self._anchor_file.read()
            try:
                return self._verify(anchor, damaged)
            except FileNotFoundError:
                continue
            except AuditBroken:
                if self._anchor_file.read()[0] == anchor:
                    raise  # otherwise the daemon wrote meanwhile: look again
            except OSError as e:
                raise _unreadable(self._folder, e) from e
        anchor, damaged = self._anchor_file.read()
        return self._verify(anchor, damaged)

    def _verify(self, anchor: Anchor | None, damaged: int) -> Verified:
        found = segments(self._folder)
        if anchor is None:
            if not found and damaged == 0:
                raise AuditBroken(
                    f"There is no audit log in {self._folder}.", "Look at `audit.folder` in the settings."
                )
            raise AuditBroken(
                f"The audit log's anchor {self._anchor_file.path} is missing, damaged, or of another device key: "
                "whether entries were cut off at the end can't be told.",
                _KEEP,
            )
        if damaged:
            raise AuditBroken(f"A slot of the audit log's anchor {self._anchor_file.path} was altered.", _KEEP)
        seq, prev, where = anchor.start_seq - 1, anchor.start_prev, str(self._folder)
        for i, (_, path) in enumerate(found):
            last = i + 1 == len(found)
            if not last and found[i + 1][0] <= anchor.start_seq:
                continue  # pruned already, save for its file
            lines = path.read_bytes().split(b"\n")
            for number, line in enumerate(lines, start=1):
                if number == len(lines) and not line:
                    break
                where = f"{path}, line {number}"
                try:
                    if number == len(lines):
                        raise LineBroken("is cut off")
                    entry = self._chain.entry(line)
                    if entry.seq != seq + 1:
                        raise LineBroken(f"is entry {entry.seq}, but {seq + 1} is due: entries are missing or repeated")
                    if entry.prev != prev:
                        raise LineBroken("doesn't follow from the entry before it")
                    if entry.seq == anchor.seq and entry.hash != anchor.hash:
                        raise LineBroken("is not the entry that was acknowledged")
                except LineBroken as e:
                    if seq >= anchor.seq and last:
                        # after the last acknowledged entry: left by a power cut, or being written this moment
                        return Verified(seq - anchor.start_seq + 1, anchor.start_seq, seq, prev)
                    raise AuditBroken(f"The audit log is broken: {where} {e}.", _KEEP) from None
                seq, prev = entry.seq, entry.hash
        if seq < anchor.seq:
            raise AuditBroken(
                f"The audit log is broken: it ends after {where} with entry {seq}, but entry {anchor.seq} was "
                f"acknowledged: {anchor.seq - seq} are missing.",
                _KEEP,
            )
        return Verified(seq - anchor.start_seq + 1, anchor.start_seq, seq, prev)


def entries(lines: Iterable[bytes], since: int | datetime) -> Iterator[dict[str, object]]:
    """Those of `lines` that `AuditReader.read` gives."""
    for line in lines:
        entry = _parsed(line)
        if entry is not None and _is_since(entry, since):
            yield entry


def _parsed(line: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _is_since(entry: dict[str, object], since: int | datetime) -> bool:
    if isinstance(since, int):
        seq = entry.get("seq")
        return isinstance(seq, int) and seq > since
    limit = since.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(entry.get("at", "")) >= limit


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"The audit log {path} can't be read: {error.strerror}.", "Check its owner and the disk.")
