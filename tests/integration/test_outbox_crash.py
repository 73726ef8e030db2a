"""The outbox through kill -9, power cuts and full disks: what was acknowledged is there, what was struck off is not."""

from __future__ import annotations

import ctypes
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import powercut
from support.killing import runs, victim

from edgeface.adapters.link.outbox import Entry, Kind, Outbox
from edgeface.domain.errors import StorageError

WORKLOAD = Path(__file__).parents[1] / "support" / "workloads" / "outbox.py"
_LIBC = ctypes.CDLL(None, use_errno=True)


class Books:
    """What must be waiting, what may be, and what must not."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.either: set[str] = set()
        self.gone: set[str] = set()

    def feed(self, fact: dict[str, Any]) -> None:
        if fact["op"] == "put":
            self.waiting.add(fact["id"])
        elif fact["op"] == "striking":
            self.waiting.discard(fact["id"])
            self.either.add(fact["id"])
        elif fact["op"] == "struck":
            self.either.discard(fact["id"])
            self.gone.add(fact["id"])

    def complaint(self, folder: Path) -> str | None:
        outbox = Outbox(folder / "outbox.db")
        try:
            if outbox.damaged is not None and self.waiting:
                return "it was damaged"
            found = {e.message_id for e in outbox.pending(100_000)}
            if missing := self.waiting - found:
                return f"lost: {sorted(missing)[:3]}"
            if back := self.gone & found:
                return f"back again: {sorted(back)[:3]}"
            if outbox.status().waiting != len(found):
                return "miscounted"
            return None
        finally:
            outbox.close()


def test_an_outbox_survives_being_killed_at_any_point(tmp_path: Path) -> None:
    books = Books()
    with victim("outbox", tmp_path) as workload:
        for seed in range(runs(40)):
            for fact in workload.run(seed):
                books.feed(fact)
            assert books.complaint(tmp_path) is None, f"after kill {seed}"


def _complaints(base: Path, *, unsynced: bool = False) -> list[str]:
    root = base / "run"
    root.mkdir(mode=0o700)
    record = powercut.record(WORKLOAD, root, "40", *(["unsynced"] if unsynced else []))
    found = []
    for i, (moment, write_disk) in enumerate(record.cuts(60, seed=3)):
        folder = base / f"cut{i}"
        folder.mkdir(mode=0o700)
        write_disk(folder)
        books = Books()
        for at, line in record.acknowledged():
            if at <= moment:
                books.feed(json.loads(line))
        if (complaint := books.complaint(folder)) is not None:
            found.append(f"at call {moment}: {complaint}")
    return found


def test_an_outbox_keeps_what_it_acknowledged_through_a_power_cut(tmp_path: Path) -> None:
    assert _complaints(tmp_path) == []


def test_a_power_cut_is_noticed_where_nothing_is_synced(tmp_path: Path) -> None:
    """The test above can fail."""
    assert _complaints(tmp_path, unsynced=True) != []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    if _LIBC.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=2097152") != 0:
        code = ctypes.get_errno()
        if code in (errno.EPERM, errno.ENOSYS, errno.ENODEV):
            pytest.skip("mounting a small file system needs root")
        raise OSError(code, os.strerror(code))
    path.chmod(0o700)
    yield path
    _LIBC.umount2(os.fsencode(path), 2)


def _fill(outbox: Outbox, kind: Kind, prefix: str) -> int:
    """Puts until the disk refuses; how many were acknowledged."""
    for i in range(5000):
        try:
            outbox.put(Entry(f"{prefix}{i}", kind, "t", bytes(2000)))
        except StorageError:
            return i
    raise AssertionError("the small disk never filled up")


def test_a_full_disk_is_said_and_loses_nothing(small_disk: Path) -> None:
    outbox = Outbox(small_disk / "outbox.db")
    stored = _fill(outbox, Kind.ALARM, "a")
    assert stored > 50
    with pytest.raises(StorageError, match="full"):
        outbox.put(Entry("more", Kind.ALARM, "t", bytes(50_000)))
    assert [e.message_id for e in outbox.pending(5000)] == [f"a{i}" for i in range(stored)]
    outbox.close()
    outbox = Outbox(small_disk / "outbox.db")
    assert outbox.status().waiting == stored
    outbox.close()


def test_on_a_full_disk_telemetry_gives_way_to_an_alarm(small_disk: Path) -> None:
    outbox = Outbox(small_disk / "outbox.db")
    for i in range(2000):  # telemetry is dropped by itself when the disk is full: no error
        outbox.put(Entry(f"t{i}", Kind.TELEMETRY, "t", bytes(2000)))
        if outbox.status().dropped:
            break
    assert outbox.status().dropped
    outbox.put_all([Entry(f"x{i}", Kind.TELEMETRY, "t", bytes(2000)) for i in range(100)])
    outbox.put(Entry("alarm", Kind.ALARM, "t", bytes(20_000)))
    assert outbox.pending(1)[0].message_id == "alarm"
    outbox.close()
