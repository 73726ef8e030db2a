"""What the agent's journal is read in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RecordRow:
    id: str
    seq: int
    content: bytes
    by: str
    since: int
    epoch: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class RemovalRow:
    """`confirmed`: every door had it by a receipt."""

    id: str
    seq: int
    erased: bool
    since: int
    confirmed: bool
    raw: bytes


@dataclass(frozen=True, slots=True)
class PendingRow:
    number: int
    topic: str
    payload: bytes
    retain: bool


def removal_row(row: tuple[Any, ...]) -> RemovalRow:
    record_id, seq, erased, since, confirmed, raw = row
    return RemovalRow(record_id, seq, bool(erased), since, bool(confirmed), raw)
