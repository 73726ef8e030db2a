"""A gallery with flipped bits, under a wrong key, of another version, or not a gallery at all: a clear sentence,
nothing overwritten, and whatever is sound goes on working."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from support.people import person, person_id, same

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.domain.errors import EdgefaceError, GalleryError, KeyRejected, StorageError

KEYS = DeviceKeys(bytes(32))
PEOPLE = 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed gallery of twelve people and a removed one."""
    made = tmp_path / "gallery.db"
    gallery = SqliteGallery(made, KEYS)
    for i in range(PEOPLE + 1):
        gallery.put(person(i))
    gallery.remove(person_id(PEOPLE))
    gallery.close()
    return made


def test_a_wrong_key_is_recognised_and_destroys_nothing(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyRejected, match="made with another device key"):
        SqliteGallery(path, DeviceKeys.generate())
    assert path.read_bytes() == before
    gallery = SqliteGallery(path, KEYS)
    assert len(list(gallery.people())) == PEOPLE
    gallery.close()


def test_a_flipped_bit_costs_one_person_at_most_or_is_told(path: Path) -> None:
    """Anywhere in the file. Never a wrong person, never a person changed, never a file overwritten."""
    rng = random.Random(5)
    sound = path.read_bytes()
    outcomes = {"whole": 0, "one refused": 0, "told": 0}
    for _ in range(150):
        bit = rng.randrange(8 * len(sound))
        altered = bytearray(sound)
        altered[bit // 8] ^= 1 << bit % 8
        path.write_bytes(altered)
        try:
            gallery = SqliteGallery(path, KEYS)
        except GalleryError:
            assert path.read_bytes() == altered
            outcomes["told"] += 1
            continue
        try:
            people = list(gallery.people())
            assert all(any(same(p, person(i)) for i in range(PEOPLE)) for p in people)
            assert len(people) >= PEOPLE - 1
            assert len(people) + len(gallery.damaged()) == PEOPLE
            outcomes["whole" if len(people) == PEOPLE else "one refused"] += 1
        except GalleryError:
            outcomes["told"] += 1
        finally:
            gallery.close()
    assert all(outcomes.values()), outcomes


def test_a_schema_that_is_no_text_any_more_is_told(path: Path) -> None:
    """SQLite hands over its own texts, its errors too, as UTF-8: they need not be any after a bit flipped."""
    sound = path.read_bytes()
    texts = [at for at in range(4096) if 0x61 <= sound[at] <= 0x7A]
    for at in texts[::9]:
        altered = bytearray(sound)
        altered[at] ^= 0x80
        path.write_bytes(altered)
        try:
            SqliteGallery(path, KEYS).close()
        except (GalleryError, StorageError):
            assert path.read_bytes() == altered


def test_an_id_that_is_no_text_is_told(path: Path) -> None:
    gallery = SqliteGallery(path, KEYS)
    with pytest.raises(GalleryError, match="no text"):
        gallery.get("\udcff")
    gallery.close()


def test_a_flipped_bit_in_each_persons_record_refuses_that_person_alone(path: Path) -> None:
    sound = path.read_bytes()
    db = sqlite3.connect(path)
    rows = db.execute("SELECT id, wrapped_key, sealed FROM person").fetchall()
    db.close()
    for one, wrapped, sealed in rows:
        for needle in (wrapped[20:40], sealed[20:40]):
            altered = bytearray(sound)
            altered[sound.index(needle)] ^= 1
            path.write_bytes(altered)
            gallery = SqliteGallery(path, KEYS)
            assert list(gallery.damaged()) == [one]
            assert "the others work" in gallery.damaged()[one]
            assert len(list(gallery.people())) == PEOPLE - 1
            assert not gallery.check().sound
            gallery.close()


def _read_all(path: Path) -> None:
    with contextlib.closing(SqliteGallery(path, KEYS)) as gallery:
        list(gallery.people())


@pytest.mark.parametrize(
    "damage",
    ["empty", "truncated", "half", "rubbish", "text", "header zeros", "page zeros", "other database"],
)
def test_a_file_that_is_no_sound_gallery_is_told_and_left_alone(path: Path, damage: str) -> None:
    sound = path.read_bytes()
    other = path.with_name("other.db")
    db = sqlite3.connect(other)
    db.executescript("PRAGMA journal_mode=WAL; CREATE TABLE cats (name)")
    db.close()
    altered = {
        "empty": b"",
        "truncated": sound[:-4096],
        "half": sound[: len(sound) // 2 + 100],
        "rubbish": random.Random(1).randbytes(len(sound)),
        "text": b"edgeface\n",
        "header zeros": bytes(100) + sound[100:],
        "page zeros": sound[:8192] + bytes(4096) + sound[12288:],
        "other database": other.read_bytes(),
    }[damage]
    path.write_bytes(altered)
    with pytest.raises(GalleryError) as e:
        _read_all(path)
    assert str(path) in str(e.value)
    assert "Restore" in str(e.value) or "backup" in str(e.value)
    if damage not in ("page zeros", "truncated"):
        assert path.read_bytes() == altered


def test_a_newer_format_is_told(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(GalleryError, match="format 99"):
        SqliteGallery(path, KEYS)


def test_rows_that_vanished_are_noticed(path: Path) -> None:
    for table in ("person", "tombstone"):
        copy = path.with_name(f"{table}.db")
        shutil.copy(path, copy)
        db = sqlite3.connect(copy)
        with db:
            db.execute(f"DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table})")
        db.close()
        gallery = SqliteGallery(copy, KEYS)
        with pytest.raises(GalleryError, match="damaged"):
            list(gallery.people())
        gallery.close()


@pytest.mark.parametrize("copies", [1, 2])
def test_one_damaged_seed_costs_nothing_and_two_are_told(path: Path, copies: int) -> None:
    db = sqlite3.connect(path)
    for name in ("rotation", "rotation-copy")[:copies]:
        with db:
            db.execute("UPDATE meta SET value = zeroblob(61) WHERE name = ?", (name,))
    db.close()
    if copies == 2:
        with pytest.raises(GalleryError, match="what its templates are rotated by"):
            SqliteGallery(path, KEYS)
        return
    gallery = SqliteGallery(path, KEYS)
    assert len(list(gallery.people())) == PEOPLE
    gallery.close()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_lax_mode_is_refused_with_the_command_that_mends_it(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(GalleryError, match="chmod 600"):
        SqliteGallery(path, KEYS)


def test_a_folder_in_the_galleys_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "gallery.db").mkdir(mode=0o700)
    with pytest.raises(EdgefaceError):
        SqliteGallery(tmp_path / "gallery.db", KEYS)


def test_a_gallery_begun_and_never_finished_is_begun_again(tmp_path: Path) -> None:
    """What a power cut leaves of a creation stands under another name."""
    (tmp_path / "gallery.db.new").write_bytes(b"half")
    (tmp_path / "gallery.db.new-wal").write_bytes(b"half")
    gallery = SqliteGallery(tmp_path / "gallery.db", KEYS)
    gallery.put(person(1))
    gallery.close()
    assert sorted(p.name for p in tmp_path.iterdir() if "new" in p.name) == []
