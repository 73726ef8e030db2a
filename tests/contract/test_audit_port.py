"""What every audit log promises (ports.AuditLog), and reading and verifying it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.system.audit import FileAudit, MemoryAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.domain.errors import StorageError
from edgeface.domain.events import (
    AccessDenied,
    AccessGranted,
    DoorLocked,
    PersonEnrolled,
    SpoofRefused,
    StorageFault,
    TailgatingSeen,
)

START = datetime(2026, 12, 24, 18, 0, tzinfo=timezone.utc)
GRANTED = AccessGranted(t_s=1.0, track=1, person="ab" * 16, score=0.61, margin=0.3, evidence_ms=200, grant_id="cd" * 16)
LOCKED = DoorLocked(t_s=4.0, cause="pulse_ended", grant_id="cd" * 16)
Audit = FileAudit | MemoryAudit


@pytest.fixture(params=["file", "memory", "file without key"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _open(kind: str, folder: Path, clock: VirtualClock, *, include_scores: bool = False) -> Audit:
    keys = None if "without" in kind else DeviceKeys(bytes(32))
    if kind == "memory":
        return MemoryAudit(clock=clock, boot_id="boot-1", keys=keys, include_scores=include_scores)
    return FileAudit(
        folder / "audit",
        keys=keys,
        clock=clock,
        boot_id="boot-1",
        reserve_bytes=65536,
        max_bytes=1 << 20,
        include_scores=include_scores,
    )


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def audit(kind: str, tmp_path: Path, clock: VirtualClock) -> Iterator[Audit]:
    made = _open(kind, tmp_path, clock)
    yield made
    made.close()


def test_an_empty_log_verifies(audit: Audit) -> None:
    assert (audit.verify().count, audit.verify().last_seq) == (0, 0)
    assert list(audit.read()) == []
    audit.append([])
    assert audit.verify().count == 0


def test_an_event_is_there_as_the_contract_says(audit: Audit, clock: VirtualClock) -> None:
    clock.advance_to(1.25)
    audit.append([GRANTED])
    (entry,) = audit.read()
    assert entry["seq"] == 1
    assert entry["at"] == "2026-12-24T18:00:01.250000Z"
    assert entry["boot"] == "boot-1"
    assert entry["event"] == "access_granted"
    assert entry["t_s"] == 1.0
    assert entry["person"] == "ab" * 16
    assert list(entry)[-2:] == ["prev", "hash"]
    assert entry["prev"] == "0" * 64


def test_the_entries_form_a_chain_in_order(audit: Audit) -> None:
    audit.append([GRANTED, LOCKED])
    audit.append([LOCKED])
    entries = list(audit.read())
    assert [e["seq"] for e in entries] == [1, 2, 3]
    assert [e["prev"] for e in entries[1:]] == [e["hash"] for e in entries[:-1]]
    found = audit.verify()
    assert (found.count, found.first_seq, found.last_seq, found.head) == (3, 1, 3, entries[-1]["hash"])


def test_reading_since_a_number_or_a_time(audit: Audit, clock: VirtualClock) -> None:
    for t in range(5):
        clock.advance_to(float(t))
        audit.append([LOCKED])
    assert [e["seq"] for e in audit.read(since=3)] == [4, 5]
    assert [e["seq"] for e in audit.read(since=START.replace(second=2))] == [3, 4, 5]
    assert list(audit.read(since=99)) == []


def test_scores_stay_out_unless_asked_for(kind: str, tmp_path: Path, clock: VirtualClock) -> None:
    """Fifty to two hundred scores recover a template."""
    events = [GRANTED, AccessDenied(1.0, 1, "unknown_person", None, 0.3), SpoofRefused(1.0, 1, "spoof", 0.9)]
    for include in (False, True):
        audit = _open(kind, tmp_path / str(include), clock, include_scores=include)
        audit.append(events)
        entries = list(audit.read())
        audit.close()
        assert [("score" in e) for e in entries] == [include] * 3
        assert ("margin" in entries[0]) is include


def test_a_name_never_enters_the_log(audit: Audit) -> None:
    """People by record id alone, so that an erasure leaves nothing behind and breaks no chain."""
    audit.append(
        [
            PersonEnrolled(1.0, person="Ada Lovelace", templates=3, source="camera"),
            TailgatingSeen(1.0, track=1, granted_person="Ada Lovelace", others=1),
            AccessDenied(1.0, 1, "expired", person="ab" * 16),
        ]
    )
    text = json.dumps(list(audit.read()))
    assert "Lovelace" not in text
    assert "ab" * 16 in text


def test_hostile_text_and_numbers_stay_one_line_of_json(audit: Audit) -> None:
    nasty = 'x\n{"seq":99,"hash":"' + "0" * 64 + '"}\n\x00\x1b' + "y" * 10_000
    audit.append([StorageFault(float("nan"), nasty), LOCKED])
    first, second = audit.read()
    assert first["t_s"] is None
    assert str(first["detail"]).startswith("x\n")
    assert len(str(first["detail"])) <= 500
    assert second["seq"] == 2
    assert audit.verify().count == 2


def test_several_threads_may_append(audit: Audit) -> None:
    threads = [threading.Thread(target=lambda: [audit.append([LOCKED]) for _ in range(10)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert audit.verify().count == 40


def test_a_closed_log_takes_nothing_more(audit: Audit) -> None:
    audit.close()
    audit.close()
    with pytest.raises(StorageError):
        audit.append([LOCKED])
