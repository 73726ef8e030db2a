"""A backup of the gallery: made while it is in use, read with the same key, in the place of a damaged one."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from support.commands import Command, commands
from support.people import person

from edgeface.adapters.gallery.backup import back_up
from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.domain.errors import GalleryError, KeyRejected, StorageError

KEYS = DeviceKeys(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery.db"


def names(path: Path) -> list[str]:
    store = SqliteGallery(path, KEYS)
    try:
        return sorted(p.name for p in store.people())
    finally:
        store.close()


def test_a_backup_of_a_gallery_in_use_is_whole_and_private(path: Path, tmp_path: Path) -> None:
    store = SqliteGallery(path, KEYS)
    store.put(person(1, name="Ada"))
    store.put(person(2, name="Ben"))
    target = tmp_path / "copy.db"
    back_up(path, target)  # what is in the WAL comes along
    store.put(person(3, name="Cem"))
    store.close()
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.glob("copy.db*")) == ["copy.db"]
    path.write_bytes(b"\0" * 5000)  # the card went bad
    with pytest.raises(GalleryError, match="edgeface gallery backup"):
        SqliteGallery(path, KEYS)
    shutil.copy(target, path)
    assert names(path) == ["Ada", "Ben"]
    with pytest.raises(KeyRejected):
        SqliteGallery(path, DeviceKeys.generate())


def test_nothing_is_overwritten(path: Path, tmp_path: Path) -> None:
    SqliteGallery(path, KEYS).close()
    target = tmp_path / "letter.txt"
    target.write_text("Dear Ada")
    with pytest.raises(StorageError, match="is there already"):
        back_up(path, target)
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StorageError, match="is there already"):
        back_up(path, tmp_path / "link.db")
    assert target.read_text() == "Dear Ada"
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_backup_that_fails_leaves_no_file(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"\0" * 5000)
    path.chmod(0o600)
    with pytest.raises(GalleryError):
        back_up(path, tmp_path / "copy.db")
    with pytest.raises(StorageError, match="can't be written"):
        back_up(path, tmp_path / "none" / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))


def test_backups_beside_a_writer_are_each_of_one_moment(path: Path, tmp_path: Path) -> None:
    store = SqliteGallery(path, KEYS)
    store.put(person(0, name="Ada"))
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count(1):
            if stop.is_set():
                return
            store.put(person(number))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for i in range(5):
            back_up(path, tmp_path / f"copy{i}.db")
    finally:
        stop.set()
        writer.join()
        store.close()
    counts = [len(names(tmp_path / f"copy{i}.db")) for i in range(5)]  # opening checks that it is sound
    assert counts == sorted(counts)
    assert counts[0] >= 1


def test_the_command_tells_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIR", "RUN_DIR"):
        monkeypatch.setenv(f"EDGEFACE_{name}", str(tmp_path))
    keys = DeviceKeys.load_or_create(tmp_path / "device.key")
    store = SqliteGallery(tmp_path / "gallery.db", keys)
    ada, ben = person(1, name="Ada"), person(2, name="Ben")
    store.put(ada)
    store.put(ben)
    store.close()
    edgeface: Command = commands(capsys)
    said = edgeface("gallery", "backup", tmp_path / "a.db")
    assert (said.code, "2 people" in said.err, "device.key" in said.err) == (0, True, True)
    assert edgeface("gallery", "backup", tmp_path / "b.db", "--json").json["people"] == 2
    assert edgeface("gallery", "backup", tmp_path / "b.db").code == 74
    with sqlite3.connect(tmp_path / "gallery.db") as db:
        db.execute("UPDATE person SET sealed = zeroblob(100) WHERE id = ?", (ben.id,))
    said = edgeface("gallery", "backup", tmp_path / "c.db", "--json")
    assert (said.code, said.json["damaged"]) == (65, 1)
