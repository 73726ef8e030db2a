"""kill -9 at any point of a change: every acknowledged change is there, nothing is there by half; and what is removed
leaves nothing in the files."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest
from support.killing import FIRST_SEED, runs, victim
from support.ledger import Ledger
from support.people import person, person_id, same

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery


@pytest.mark.campaign
def test_a_gallery_survives_being_killed_at_any_point(tmp_path: Path) -> None:
    ledger = Ledger()
    with victim("gallery", tmp_path) as workload:
        for seed in range(FIRST_SEED, FIRST_SEED + runs(60)):
            for ack in workload.run(seed):
                if ack["op"] == "unfinished":
                    continue
                ledger.feed(ack)
            if not (tmp_path / "gallery.db").exists():
                assert not ledger.opened
                continue
            assert ledger.trace(_raw(tmp_path)) is None, f"after kill {seed}"
            gallery = SqliteGallery(tmp_path / "gallery.db", DeviceKeys.load(tmp_path / "key", environ={}))
            assert ledger.complaint(gallery) is None, f"after kill {seed}"
            gallery.close()
    assert ledger.changes >= runs(60)
    assert ledger.removed
    assert ledger.stale


def _raw(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def _sealed(gallery: SqliteGallery, one: str) -> tuple[bytes, bytes]:
    query = "SELECT wrapped_key, sealed FROM person WHERE id = ?"
    row: tuple[bytes, bytes] = gallery._file.db.execute(query, (one,)).fetchone()
    return row


def test_a_removed_person_leaves_no_key_and_no_record_in_any_file(tmp_path: Path) -> None:
    """In the database and the WAL, over every version that the person had, among many others."""
    gallery = SqliteGallery(tmp_path / "g" / "gallery.db", DeviceKeys.generate())
    for i in range(60):
        gallery.put(person(i, templates=1 + i % 16))
    needles = []
    for seq in (2, 3, 4):
        for i in range(0, 60, 7):
            needles.append(_sealed(gallery, person_id(i)))
            gallery.put(person(i, seq=seq, templates=1 + (i * seq) % 16))
    for i in range(0, 60, 7):
        needles.append(_sealed(gallery, person_id(i)))
        assert needles[-1][0] in _raw(tmp_path / "g")
        gallery.remove(person_id(i))
        raw = _raw(tmp_path / "g")
        for wrapped, sealed in needles[-1:]:
            assert wrapped not in raw
            assert sealed[:32] not in raw
            assert sealed[-32:] not in raw
    raw = _raw(tmp_path / "g")
    assert not any(wrapped in raw or sealed[:32] in raw for wrapped, sealed in needles)
    assert person(0).name.encode() not in raw
    gallery.close()


def test_a_leftover_of_a_rebuilt_page_is_found_and_overwritten(tmp_path: Path) -> None:
    """secure_delete doesn't reach bytes that SQLite believes unused; the search of the file does."""
    path = tmp_path / "gallery.db"
    keys = DeviceKeys.generate()
    gallery = SqliteGallery(path, keys)
    for i in range(3):
        gallery.put(person(i))
    wrapped, _ = _sealed(gallery, person_id(1))
    gallery._file.db.execute("CREATE TABLE leftover (x BLOB)")
    gallery._file.db.execute("INSERT INTO leftover VALUES (?)", (wrapped,))
    gallery._file.db.execute("PRAGMA secure_delete=OFF")
    gallery._file.db.execute("DROP TABLE leftover")
    gallery._file.db.execute("PRAGMA secure_delete=ON")
    gallery._file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert gallery._file.holds([wrapped])
    gallery.remove(person_id(1))
    gallery.close()
    assert wrapped not in _raw(tmp_path)
    gallery = SqliteGallery(path, keys)
    assert [p.id for p in gallery.people()] == sorted([person_id(0), person_id(2)])
    gallery.close()


def test_nothing_in_the_files_tells_a_name_or_a_template(tmp_path: Path) -> None:
    gallery = SqliteGallery(tmp_path / "gallery.db", DeviceKeys.generate())
    gallery.put(person(1, name="Ada Lovelace"))
    raw = _raw(tmp_path)
    assert b"Lovelace" not in raw
    assert person(1).templates[0].vector.tobytes()[:16] not in raw
    gallery.close()
    assert b"Lovelace" not in _raw(tmp_path)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    gallery = SqliteGallery(tmp_path / "new" / "gallery.db", DeviceKeys.generate())
    gallery.put(person(1))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {0o600}
    gallery.close()


def test_two_processes_see_each_others_changes(tmp_path: Path) -> None:
    """The daemon and a command: the daemon polls `version`."""
    keys = DeviceKeys.generate()
    daemon = SqliteGallery(tmp_path / "gallery.db", keys)
    command = SqliteGallery(tmp_path / "gallery.db", keys)
    before = daemon.version()
    command.put(person(1))
    assert daemon.version() > before
    assert same(daemon.get(person_id(1)), person(1))
    daemon.put(person(2))
    command.remove(person_id(1))
    command.close()
    assert [p.id for p in daemon.people()] == [person_id(2)]
    daemon.put(person(3))
    daemon.close()
    again = SqliteGallery(tmp_path / "gallery.db", keys)
    assert {p.id for p in again.people()} == {person_id(2), person_id(3)}
    again.close()


def test_a_reader_in_mid_read_holds_no_removal_up(tmp_path: Path) -> None:
    keys = DeviceKeys.generate()
    a, b = (SqliteGallery(tmp_path / "gallery.db", keys) for _ in range(2))
    for i in range(5):
        a.put(person(i))
    reading = a.people()
    next(reading)
    b.remove(person_id(4))
    assert len(list(reading)) == 4
    a.close()
    b.close()


@pytest.mark.parametrize("pragma", ["journal_mode", "synchronous", "secure_delete"])
def test_the_connection_is_as_durable_as_promised(tmp_path: Path, pragma: str) -> None:
    gallery = SqliteGallery(tmp_path / "gallery.db", DeviceKeys.generate())
    expected = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}
    assert gallery._file.db.execute(f"PRAGMA {pragma}").fetchone()[0] == expected[pragma]
    gallery.close()


def test_a_record_moved_to_another_row_is_refused(tmp_path: Path) -> None:
    """Associated data binds key and record to id, sequence number and role."""
    gallery = SqliteGallery(tmp_path / "gallery.db", DeviceKeys.generate())
    gallery.put(person(1))
    gallery.put(person(2))
    wrapped, sealed = _sealed(gallery, person_id(1))
    row = (wrapped, sealed, person_id(2))
    gallery._file.db.execute("UPDATE person SET wrapped_key = ?, sealed = ? WHERE id = ?", row)
    assert list(gallery.damaged()) == [person_id(2)]
    gallery._file.db.execute("UPDATE person SET seq = 5 WHERE id = ?", (person_id(1),))
    assert set(gallery.damaged()) == {person_id(1), person_id(2)}
    gallery.close()


def test_a_plain_sqlite_shell_beside_it_does_no_harm(tmp_path: Path) -> None:
    gallery = SqliteGallery(tmp_path / "gallery.db", DeviceKeys.generate())
    gallery.put(dataclasses.replace(person(1), name="One"))
    shell = sqlite3.connect(tmp_path / "gallery.db")
    assert shell.execute("SELECT count(*) FROM person").fetchone() == (1,)
    shell.close()
    gallery.put(person(1, seq=2))
    gallery.close()
