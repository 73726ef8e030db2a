"""The key that wraps everybody's keys: another one within a day after a removal, and nothing of the old one left."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import Command, commands
from support.oldgallery import make_old
from support.people import person, person_id, same

from edgeface.adapters.gallery import cipher
from edgeface.adapters.gallery.backup import back_up
from edgeface.adapters.gallery.keys import DeviceKeys, _line
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.app import wiring
from edgeface.app.settings import Settings
from edgeface.domain.errors import GalleryError, KeyRejected, StorageError, TracesRemain

KEYS = DeviceKeys(bytes(range(32)))
WRAPPINGS = ("wrapping", "wrapping-copy")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gallery.db"


@pytest.fixture
def gallery(path: Path) -> Iterator[SqliteGallery]:
    made = SqliteGallery(path, KEYS, utc_s=lambda: 1_800_000_000.9)
    yield made
    made.close()


def secrets_of(gallery: SqliteGallery) -> list[bytes]:
    """Every wrapped key and both sealed wrapping keys, as they are in the file."""
    db = gallery._file.db
    wrapped = [bytes(row[0]) for row in db.execute("SELECT wrapped_key FROM person")]
    return wrapped + [bytes(r[0]) for r in db.execute("SELECT value FROM meta WHERE name IN (?, ?)", WRAPPINGS)]


def raw(folder: Path) -> bytes:
    """Of every file that is there, whatever its name."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_renewal_leaves_nothing_of_the_old_key_and_what_it_wrapped_in_any_file(
    gallery: SqliteGallery, path: Path
) -> None:
    for i in range(80):
        gallery.put(person(i, templates=1 + i % 6))
    row = gallery._file.db.execute("SELECT wrapped_key, sealed FROM person WHERE id = ?", (person_id(7),)).fetchone()
    gallery.remove(person_id(7))
    old = secrets_of(gallery)
    assert all(needle in raw(path.parent) for needle in old)
    assert gallery.wrapping_key().owed_since_s == 1_800_000_000
    renewed = gallery.renew()
    assert (renewed.generation, renewed.owed_since_s, renewed.traces) == (2, None, False)
    left = raw(path.parent)
    assert not any(needle in left for needle in [*old, row[0], row[1][:48], row[1][-48:]])
    assert not any(needle[:24] in left or needle[-24:] in left for needle in old)
    gallery.close()
    left = raw(path.parent)
    assert not any(needle in left for needle in old)
    with contextlib.closing(SqliteGallery(path, KEYS)) as again:
        assert again.check().sound
        assert all(same(again.get(person_id(i)), person(i, templates=1 + i % 6)) for i in range(80) if i != 7)


def test_what_was_wrapped_before_is_opened_by_no_key_that_is_left(gallery: SqliteGallery, path: Path) -> None:
    """A copy of a wrapped key that survives somewhere is worthless, with the device key at hand too."""
    gallery.put(person(1))
    gallery.put(person(2))
    wrapped = gallery._file.db.execute("SELECT wrapped_key FROM person WHERE id = ?", (person_id(1),)).fetchone()[0]
    gallery.remove(person_id(1))
    place = cipher.place("person key", person_id(1), 1)
    with gallery.reading("test") as db:
        assert len(cipher.unseal(gallery._keyring.read(db).wrapping_key, wrapped, place)) == 32
    gallery.renew()
    with gallery.reading("test") as db:
        keys = [gallery._keyring.read(db).wrapping_key, KEYS.secret("gallery wrapping key")]
    for key in keys:
        with pytest.raises(cipher.Unauthentic):
            cipher.unseal(key, wrapped, place)


def test_a_removal_owes_a_renewal_and_a_change_does_not(gallery: SqliteGallery, path: Path) -> None:
    gallery.put(person(1))
    gallery.put(person(1, seq=2))
    assert gallery.wrapping_key().owed_since_s is None
    gallery.put(person(2))
    gallery.remove(person_id(1))
    gallery._utc_s = lambda: -5.0  # a clock that is nowhere near
    gallery.remove(person_id(2))
    assert gallery.wrapping_key().owed_since_s == 1_800_000_000, "the first one counts"
    gallery.close()
    with contextlib.closing(SqliteGallery(path, KEYS, utc_s=lambda: -5.0)) as again:
        assert again.wrapping_key().owed_since_s == 1_800_000_000, "over a restart too"
        assert again.renew().renewed_s == 0


def test_who_is_known_stays_known_and_nothing_is_read_anew(gallery: SqliteGallery) -> None:
    for i in range(5):
        gallery.put(person(i))
    gallery._file.db.execute("UPDATE person SET wrapped_key = zeroblob(61) WHERE id = ?", (person_id(3),))
    version, marks = gallery.version(), gallery.marks()
    gallery.renew()
    assert (gallery.version(), gallery.marks()) == (version, marks)
    assert list(gallery.damaged()) == [person_id(3)]
    gallery._file.db.execute("UPDATE person SET wrapped_key = zeroblob(60) WHERE id = ?", (person_id(2),))
    assert {i for i, mark in gallery.marks().items() if mark != marks[i]} == {person_id(2)}


def test_another_process_reads_and_writes_on_across_renewals(gallery: SqliteGallery, path: Path) -> None:
    with contextlib.closing(SqliteGallery(path, KEYS)) as other:
        for i in range(4):
            gallery.put(person(i))
        reading = other.people()
        next(reading)
        gallery.renew()
        assert len(list(reading)) == 3, "what was read before is opened by the key of before"
        other.put(person(9))
        assert same(gallery.get(person_id(9)), person(9))
        other.renew()
        gallery.put(person(10))
        assert len(list(gallery.people())) == len(list(other.people())) == 6
        assert other.wrapping_key().generation == gallery.wrapping_key().generation == 3
        assert gallery.check().sound


def test_readers_beside_renewals_see_everybody_at_every_moment(gallery: SqliteGallery, path: Path) -> None:
    for i in range(30):
        gallery.put(person(i))
    stop, seen = threading.Event(), []

    def read() -> None:
        with contextlib.closing(SqliteGallery(path, KEYS)) as other:
            for i in itertools.count():
                if stop.is_set():
                    return
                seen.append((len(list(other.people())), same(other.get(person_id(i % 30)), person(i % 30))))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while reader.is_alive() and len(seen) < 40:
            with contextlib.suppress(TracesRemain):
                gallery.renew()
    finally:
        stop.set()
        reader.join()
    assert set(seen) == {(30, True)}


def test_a_reader_in_the_way_delays_the_overwriting_and_nothing_else(gallery: SqliteGallery, path: Path) -> None:
    for i in range(4):
        gallery.put(person(i))
    old = secrets_of(gallery)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN")
    blocker.execute("SELECT count(*) FROM person").fetchone()
    gallery._file._timeout_s = 0.05
    with pytest.raises(TracesRemain):
        gallery.renew()
    state = gallery.wrapping_key()
    assert (state.generation, state.traces) == (2, True)
    blocker.close()
    gallery.erase_traces()
    assert not gallery.wrapping_key().traces
    assert not any(needle in raw(path.parent) for needle in old)


def test_nobody_waits_for_a_renewal_that_takes_long(gallery: SqliteGallery, path: Path) -> None:
    """The daemon renews through a connection of its own: what the main thread asks is answered meanwhile."""
    for i in range(4):
        gallery.put(person(i))
    with contextlib.closing(SqliteGallery(path, KEYS)) as other, other.batch("renew", renewing=True):
        assert gallery.version() == 4
        assert len(list(gallery.people())) == len(gallery.marks()) == 4
        assert gallery.wrapping_key().generation == 1
    assert gallery.wrapping_key().generation == 2
    assert len(list(gallery.people())) == 4


def test_the_daemon_moves_a_gallery_of_before_over_by_itself(old: Path, tmp_path: Path) -> None:
    settings = Settings(
        state_dir=old.parent, run_dir=tmp_path / "run", door={"driver": "recording"}, audit={"reserve_mb": 1}
    )
    settings.key_file.write_bytes(_line(bytes(range(32))))
    settings.key_file.chmod(0o600)
    parts = wiring.build(settings, [], lambda _level, _error: None)
    try:
        assert isinstance(parts.store, SqliteGallery)
        assert dict(parts.side_workers).keys() == {"keys"}
        assert parts.renewal is not None
        parts.renewal.look()
        assert parts.store.wrapping_key().generation == 1
        assert len(list(parts.store.people())) == 5
    finally:
        parts.audit.close()
        parts.store.close()


def test_a_renewal_that_fails_changes_nothing(gallery: SqliteGallery, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(4):
        gallery.put(person(i))
    before = secrets_of(gallery)
    gallery._file.db.execute("PRAGMA query_only=1")
    with pytest.raises(StorageError):
        gallery.renew()
    gallery._file.db.execute("PRAGMA query_only=0")
    assert secrets_of(gallery) == before
    assert gallery.check().sound
    assert gallery.wrapping_key().generation == 1


# -- two copies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", WRAPPINGS)
def test_a_copy_of_the_key_that_is_lost_costs_nobody_and_is_told(gallery: SqliteGallery, path: Path, lost: str) -> None:
    gallery.put(person(1))
    gallery._file.db.execute("UPDATE meta SET value = zeroblob(77) WHERE name = ?", (lost,))
    gallery.close()
    with contextlib.closing(SqliteGallery(path, KEYS)) as again:
        assert same(again.get(person_id(1)), person(1))
        assert again.check().findings == ("1 of 2 copies of the gallery's wrapping can't be read",)
        again.renew()
        assert again.check().sound


def test_both_copies_lost_is_damage_and_not_another_key(gallery: SqliteGallery, path: Path) -> None:
    gallery.put(person(1))
    gallery._file.db.execute("DELETE FROM meta WHERE name IN (?, ?)", WRAPPINGS)
    gallery.close()
    with pytest.raises(GalleryError, match="people's keys are wrapped by can't be read"):
        SqliteGallery(path, KEYS)


def test_another_device_key_is_recognised_after_renewals(gallery: SqliteGallery, path: Path) -> None:
    gallery.put(person(1))
    gallery.renew()
    gallery.close()
    with pytest.raises(KeyRejected):
        SqliteGallery(path, DeviceKeys.generate())


# -- galleries of before ----------------------------------------------------------------------------------------------


@pytest.fixture
def old(path: Path) -> Path:
    with contextlib.closing(SqliteGallery(path, KEYS)) as made:
        for i in range(6):
            made.put(person(i))
        made.remove(person_id(5))
    make_old(path, KEYS)
    return path


def test_a_gallery_of_before_works_as_it_is_and_moves_over_with_the_first_renewal(old: Path) -> None:
    with contextlib.closing(SqliteGallery(old, KEYS)) as gallery:
        assert gallery.check().sound
        assert gallery.wrapping_key().generation == 0
        gallery.put(person(7))
        gallery.remove(person_id(0))
        before = secrets_of(gallery)
        assert gallery.wrapping_key().generation == 0
        assert gallery.renew().generation == 1
        assert not any(needle in raw(old.parent) for needle in before)
        assert {p.id for p in gallery.people()} == {person_id(i) for i in (1, 2, 3, 4, 7)}
    with contextlib.closing(SqliteGallery(old, KEYS)) as gallery:
        assert gallery.check().sound
        assert gallery.renew().generation == 2
    db = sqlite3.connect(old)
    assert db.execute("PRAGMA user_version").fetchone() == (2,), "software of before says that it can't read it"
    db.close()
    with pytest.raises(KeyRejected):
        SqliteGallery(old, DeviceKeys.generate())


def test_a_gallery_of_before_is_read_where_nothing_can_be_written(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("edgeface.adapters.gallery.database.open_lock", refused)
    with contextlib.closing(SqliteGallery(old, KEYS)) as gallery:
        assert gallery.read_only
        assert len(list(gallery.people())) == 5
        with pytest.raises(StorageError):
            gallery.renew()


def test_a_gallery_of_before_under_another_key_is_recognised(old: Path) -> None:
    with pytest.raises(KeyRejected):
        SqliteGallery(old, DeviceKeys.generate())
    db = sqlite3.connect(old)
    with db:
        db.execute("DELETE FROM meta WHERE name LIKE 'rotation%'")
    db.close()
    with pytest.raises(GalleryError, match="templates are rotated by"):
        SqliteGallery(old, KEYS)


# -- backup, command --------------------------------------------------------------------------------------------------


def test_backups_beside_renewals_are_each_of_one_moment(gallery: SqliteGallery, path: Path, tmp_path: Path) -> None:
    for i in range(10):
        gallery.put(person(i))
    stop = threading.Event()

    def renew() -> None:
        while not stop.is_set():
            with contextlib.suppress(TracesRemain):
                gallery.renew()

    worker = threading.Thread(target=renew)
    worker.start()
    try:
        for i in range(5):
            back_up(path, tmp_path / f"copy{i}.db")
    finally:
        stop.set()
        worker.join()
    for i in range(5):
        with contextlib.closing(SqliteGallery(tmp_path / f"copy{i}.db", KEYS)) as copy:
            assert copy.check().sound
            assert len(list(copy.people())) == 10


def test_the_command_renews_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIR", "RUN_DIR"):
        monkeypatch.setenv(f"EDGEFACE_{name}", str(tmp_path))
    keys = DeviceKeys.load_or_create(tmp_path / "device.key")
    daemon = SqliteGallery(tmp_path / "gallery.db", keys)
    daemon.put(person(1))
    daemon.put(person(2))
    daemon.remove(person_id(1))
    edgeface: Command = commands(capsys)
    told = edgeface("gallery", "rotate", "--json")
    assert (told.code, told.json["generation"], told.json["people"]) == (0, 2, 1)
    assert daemon.wrapping_key().owed_since_s is None
    assert same(daemon.get(person_id(2)), person(2))
    assert [e["generation"] for e in edgeface("audit", "list", "--json").lines] == [2]
    said = edgeface("gallery", "rotate")
    assert (said.code, "number 3" in said.err) == (0, True)
    daemon.close()
