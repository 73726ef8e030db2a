"""A full or read-only disk: a clear error, nothing lost, what was there stays readable; the audit log has space of its
own. On a real small file system where the test may mount one, else skipped with a reason."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.people import person, person_id, same

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.adapters.system.audit import FileAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.domain.errors import StorageError
from edgeface.domain.events import DoorLocked

_LIBC = ctypes.CDLL(None, use_errno=True)
_RDONLY, _REMOUNT, _DETACH = 1, 32, 2
SIZE = 1 << 20


class SmallDisk:
    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, leave: int = 0) -> None:
        """Writes until nothing but `leave` bytes is free."""
        with (self.path / "filler").open("ab", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                room = os.statvfs(self.path)
                free = room.f_bavail * room.f_frsize - leave
                if free <= 0:
                    return
                f.write(bytes(min(4096, free)))

    def free(self) -> None:
        (self.path / "filler").unlink(missing_ok=True)

    def remount(self, *, read_only: bool) -> None:
        _mount(self.path, _REMOUNT | (_RDONLY if read_only else 0))


def _mount(path: Path, flags: int = 0) -> None:
    if _LIBC.mount(b"tmpfs", os.fsencode(path), b"tmpfs", flags, f"size={SIZE}".encode()) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "disk"
    path.mkdir()
    try:
        _mount(path)
    except OSError as e:
        if e.errno in (errno.EPERM, errno.ENOSYS, errno.ENODEV):
            pytest.skip("mounting a small file system needs root")
        raise
    path.chmod(0o700)
    yield SmallDisk(path)
    _LIBC.umount2(os.fsencode(path), _DETACH)


KEYS = DeviceKeys(bytes(32))


def _audit(disk: SmallDisk) -> FileAudit:
    return FileAudit(
        disk.path / "audit", keys=KEYS, clock=VirtualClock(), boot_id="b", reserve_bytes=131072, max_bytes=1 << 20
    )


def _fill_gallery(gallery: SqliteGallery) -> int:
    """Puts people until the disk refuses one; how many were acknowledged."""
    for i in range(2000):
        try:
            gallery.put(person(i, templates=4))
        except StorageError:
            return i
    raise AssertionError("the small disk never filled up")


def test_a_gallery_on_a_full_disk_refuses_changes_and_loses_nothing(disk: SmallDisk) -> None:
    gallery = SqliteGallery(disk.path / "gallery.db", KEYS)
    disk.fill(leave=300_000)
    stored = _fill_gallery(gallery)
    disk.fill()
    assert stored > 5
    assert {p.id for p in gallery.people()} == {person_id(i) for i in range(stored)}
    with pytest.raises(StorageError):
        gallery.put(person(9999, templates=16))
    assert gallery.check().sound
    disk.free()
    gallery.put(person(9999))
    gallery.remove(person_id(0))
    gallery.close()
    gallery = SqliteGallery(disk.path / "gallery.db", KEYS)
    assert {p.id for p in gallery.people()} == {person_id(i) for i in [*range(1, stored), 9999]}
    gallery.close()


def test_a_gallery_opens_on_a_full_disk_and_can_be_read(disk: SmallDisk) -> None:
    gallery = SqliteGallery(disk.path / "gallery.db", KEYS)
    for i in range(20):
        gallery.put(person(i))
    gallery.close()
    disk.fill()
    gallery = SqliteGallery(disk.path / "gallery.db", KEYS)
    assert len(list(gallery.people())) == 20
    with pytest.raises(StorageError) as e:
        gallery.put(person(100))
    assert "Nothing was lost" in str(e.value) or "still works" in str(e.value)
    gallery.close()
    disk.free()
    gallery = SqliteGallery(disk.path / "gallery.db", KEYS)
    gallery.put(person(100))
    assert len(list(gallery.people())) == 21
    gallery.close()


def test_a_gallery_on_a_read_only_disk_can_be_read_with_all_that_was_acknowledged(disk: SmallDisk) -> None:
    """Also what stood in the WAL alone, as after a crash that made the kernel remount the disk."""
    first = SqliteGallery(disk.path / "gallery.db", KEYS)
    first.put(person(1))
    first.put(person(2))
    wal = (disk.path / "gallery.db-wal").read_bytes()
    database = (disk.path / "gallery.db").read_bytes() if not first.read_only else b""
    first.close()
    (disk.path / "gallery.db").write_bytes(database)
    (disk.path / "gallery.db-wal").write_bytes(wal)
    (disk.path / "gallery.db-wal").chmod(0o600)
    disk.remount(read_only=True)
    gallery = SqliteGallery(disk.path / "gallery.db", KEYS)
    assert gallery.read_only
    assert [same(gallery.get(person_id(i)), person(i)) for i in (1, 2)] == [True, True]
    for change in (lambda: gallery.put(person(3)), lambda: gallery.remove(person_id(1))):
        with pytest.raises(StorageError, match="read-only"):
            change()
    gallery.close()
    disk.remount(read_only=False)


def test_no_gallery_is_begun_on_a_full_disk(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(StorageError):
        SqliteGallery(disk.path / "gallery.db", KEYS)
    with pytest.raises(StorageError):
        DeviceKeys.load_or_create(disk.path / "sub" / "key", environ={})
    disk.free()
    gallery = SqliteGallery(disk.path / "gallery.db", KEYS)
    gallery.put(person(1))
    gallery.close()
    DeviceKeys.load_or_create(disk.path / "sub" / "key", environ={})


def test_the_audit_log_goes_on_recording_on_a_full_disk_from_its_reserve(disk: SmallDisk) -> None:
    audit = _audit(disk)
    audit.append([DoorLocked(t_s=0.0, cause="first")])
    disk.fill()
    recorded = 1
    with pytest.raises(StorageError, match="reserve is used up"):  # noqa: PT012
        for _ in range(5000):
            audit.append([DoorLocked(t_s=1.0, cause="x" * 100)])
            recorded += 1
            if recorded % 20 == 0:
                disk.fill()  # whatever fills the disk goes on doing so
    assert recorded > 100
    assert audit.verify().count >= recorded
    facts = [e["detail"] for e in audit.read() if e["event"] == "storage_fault"]
    assert any("reserved" in str(fact) for fact in facts)
    with pytest.raises(StorageError):
        audit.append([DoorLocked(t_s=1.0, cause="y")])
    count = audit.verify().count

    disk.free()
    audit.append([DoorLocked(t_s=2.0, cause="after")])
    assert audit.reserve_whole()
    assert [e["event"] for e in audit.read(since=count)] == ["door_locked", "storage_recovered"]
    audit.verify()
    audit.close()


def test_the_audit_log_opens_on_a_full_disk(disk: SmallDisk) -> None:
    audit = _audit(disk)
    audit.append([DoorLocked(t_s=0.0, cause="first")])
    audit.close()
    disk.fill()
    audit = _audit(disk)
    audit.append([DoorLocked(t_s=0.0, cause="second")])
    assert audit.verify().count >= 2
    audit.close()


def test_an_audit_log_on_a_read_only_disk_says_so(disk: SmallDisk) -> None:
    audit = _audit(disk)
    audit.append([DoorLocked(t_s=0.0, cause="first")])
    audit.close()
    disk.remount(read_only=True)
    with pytest.raises(StorageError, match="Read-only"):
        _audit(disk)
    disk.remount(read_only=False)
