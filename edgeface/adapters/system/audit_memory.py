"""An audit log in memory: the same lines and the same chain, for replay, the demo and tests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime

from edgeface.adapters.system.audit_reader import Verified, entries
from edgeface.adapters.system.chain import GENESIS, Chain, LineBroken, recorded
from edgeface.domain.errors import AuditBroken, StorageError
from edgeface.domain.events import Event
from edgeface.ports import Clock, Keys


class MemoryAudit:
    """Implements ports.AuditLog. `fail_writes` plays a disk that can't be written."""

    def __init__(self, *, clock: Clock, boot_id: str, keys: Keys | None = None, include_scores: bool = False) -> None:
        self._clock = clock
        self._boot_id = boot_id
        self._include_scores = include_scores
        self._chain = Chain(keys)
        self._lines: list[bytes] = []
        self._head = GENESIS
        self._failing = False
        self._closed = False
        self._lock = threading.Lock()

    def append(self, events: Iterable[Event]) -> None:
        with self._lock:
            if self._failing or self._closed:
                raise StorageError("The audit log can't be written.", "Nothing opens that can't be recorded.")
            for event in list(events):
                fields = recorded(event, include_scores=self._include_scores)
                seq = len(self._lines) + 1
                line, self._head = self._chain.line(seq, self._clock.utc(), self._boot_id, fields, self._head)
                self._lines.append(line)

    def close(self) -> None:
        self._closed = True

    def fail_writes(self, failing: bool = True) -> None:
        self._failing = failing

    def read(self, since: int | datetime = 0) -> Iterator[dict[str, object]]:
        return entries(list(self._lines), since)

    def verify(self) -> Verified:
        prev = GENESIS
        for number, line in enumerate(self._lines, start=1):
            try:
                entry = self._chain.entry(line.rstrip(b"\n"))
            except LineBroken as e:
                raise AuditBroken(f"The audit log is broken: line {number} {e}.") from None
            if (entry.seq, entry.prev) != (number, prev):
                raise AuditBroken(f"The audit log is broken: line {number} doesn't follow from the one before.")
            prev = entry.hash
        return Verified(len(self._lines), 1, len(self._lines), prev)
