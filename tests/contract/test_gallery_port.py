"""What every gallery store promises (ports.GalleryStore)."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.people import person, person_id, same

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.memory import MemoryGallery
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.domain.errors import GalleryError, PersonUnknown, RecordConflict, RecordDamaged
from edgeface.domain.types import Person
from edgeface.ports import GalleryStore

Damage = Callable[[str], None]


@pytest.fixture(params=["sqlite", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Iterator[SqliteGallery | MemoryGallery]:
    gallery = (
        MemoryGallery() if kind == "memory" else SqliteGallery(tmp_path / "g" / "gallery.db", DeviceKeys.generate())
    )
    yield gallery
    gallery.close()


@pytest.fixture
def damage(store: SqliteGallery | MemoryGallery) -> Damage:
    """Flips a bit of one record."""
    if isinstance(store, MemoryGallery):
        return store.damage

    def flip(one: str) -> None:
        db = store._file.db
        sealed = bytearray(db.execute("SELECT sealed FROM person WHERE id = ?", (one,)).fetchone()[0])
        sealed[len(sealed) // 2] ^= 4
        db.execute("UPDATE person SET sealed = ? WHERE id = ?", (bytes(sealed), one))

    return flip


def test_a_new_store_is_empty(store: GalleryStore) -> None:
    assert list(store.people()) == []
    assert store.damaged() == {}


def test_a_person_comes_back_as_put(store: GalleryStore) -> None:
    one = dataclasses.replace(
        person(1, templates=16),
        name="Zoë Ødegård-李",
        groups=("staff", "night"),
        doors=("front",),
        schedule="office",
        valid_from_s=1.5,
        valid_to_s=2e9,
        notes={"k": "first line\nsecond line", "empty": ""},
    )
    store.put(one)
    assert same(store.get(one.id), one)
    assert [same(p, one) for p in store.people()] == [True]


def test_templates_keep_their_cosines(store: GalleryStore) -> None:
    store.put(person(1))
    store.put(person(2))
    a, b = (store.get(person_id(i)).templates[0].vector for i in (1, 2))
    expected = float(person(1).templates[0].vector @ person(2).templates[0].vector)
    assert a.dtype == np.float32
    assert float(a @ b) == pytest.approx(expected, abs=1e-6)


def test_people_come_by_id(store: GalleryStore) -> None:
    for i in range(20):
        store.put(person(i))
    ids = [p.id for p in store.people()]
    assert ids == sorted(ids)
    assert len(ids) == 20


def test_a_newer_record_replaces_and_an_older_or_equal_one_is_refused(store: GalleryStore) -> None:
    store.put(person(1, seq=3))
    newer = person(1, seq=7)
    store.put(newer)
    for seq in (7, 6, 1):
        with pytest.raises(RecordConflict):
            store.put(person(1, seq=seq, name="late"))
    assert same(store.get(newer.id), newer)


def test_the_version_rises_with_every_change_and_with_nothing_else(store: GalleryStore) -> None:
    seen = [store.version()]
    store.put(person(1))
    seen.append(store.version())
    store.put(person(1, seq=2))
    seen.append(store.version())
    store.remove(person_id(1))
    seen.append(store.version())
    assert seen == sorted(set(seen))
    with pytest.raises(RecordConflict):
        store.put(person(1, seq=9))
    list(store.people())
    assert store.version() == seen[-1]


def test_a_mark_changes_with_its_record_and_with_no_other(store: GalleryStore) -> None:
    assert store.marks() == {}
    for i in range(3):
        store.put(person(i))
    first = store.marks()
    assert list(first) == sorted(person_id(i) for i in range(3))
    assert store.marks() == first
    store.put(person(1, seq=2))
    second = store.marks()
    assert {i for i in first if first[i] != second[i]} == {person_id(1)}
    store.remove(person_id(0))
    assert store.marks() == {i: second[i] for i in second if i != person_id(0)}


def test_a_removed_person_is_gone_for_good(store: GalleryStore) -> None:
    store.put(person(1))
    store.put(person(2))
    store.remove(person_id(1))
    assert [p.id for p in store.people()] == [person_id(2)]
    with pytest.raises(PersonUnknown):
        store.get(person_id(1))
    with pytest.raises(PersonUnknown):
        store.remove(person_id(1))
    with pytest.raises(RecordConflict, match="removed"):
        store.put(person(1, seq=99))


@pytest.mark.parametrize("one", ["", "nobody", "f" * 32, "'; DROP TABLE person; --", "\x1b[2J"])
def test_nobody_has_an_unknown_id(store: GalleryStore, one: str) -> None:
    with pytest.raises(PersonUnknown) as e:
        store.get(one)
    assert "\x1b" not in str(e.value)
    with pytest.raises(PersonUnknown):
        store.remove(one)


def test_a_damaged_record_is_refused_and_the_others_work(store: GalleryStore, damage: Damage) -> None:
    for i in range(3):
        store.put(person(i))
    damage(person_id(1))
    assert {p.id for p in store.people()} == {person_id(0), person_id(2)}
    assert list(store.damaged()) == [person_id(1)]
    with pytest.raises(RecordDamaged):
        store.get(person_id(1))


def test_a_damaged_record_can_be_replaced_or_removed(store: GalleryStore, damage: Damage) -> None:
    for i in range(2):
        store.put(person(i))
        damage(person_id(i))
    store.put(person(0, seq=2))
    store.remove(person_id(1))
    assert store.damaged() == {}
    assert [p.id for p in store.people()] == [person_id(0)]


def _unfit() -> list[tuple[str, Person]]:
    good = person(1)
    template = good.templates[0]

    def with_vector(vector: np.ndarray) -> Person:
        return dataclasses.replace(good, templates=(dataclasses.replace(template, vector=vector),))

    return [
        ("id", dataclasses.replace(good, id="Ada")),
        ("id upper", dataclasses.replace(good, id="A" * 32)),
        ("no name", dataclasses.replace(good, name="")),
        ("long name", dataclasses.replace(good, name="x" * 129)),
        ("control", dataclasses.replace(good, name="a\x1b[31m")),
        ("newline", dataclasses.replace(good, name="a\nb")),
        ("surrogate", dataclasses.replace(good, name="\ud800")),
        ("direction", dataclasses.replace(good, name="a\u202eb")),
        ("no template", dataclasses.replace(good, templates=())),
        ("17 templates", dataclasses.replace(good, templates=(template,) * 17)),
        ("seq 0", dataclasses.replace(good, seq=0)),
        ("seq bool", dataclasses.replace(good, seq=True)),
        ("length", with_vector(template.vector * np.float32(1.1))),
        ("nan", with_vector(np.full(128, np.nan, np.float32))),
        ("zero", with_vector(np.zeros(128, np.float32))),
        ("shape", with_vector(np.ones(64, np.float32) / 8)),
        ("validity", dataclasses.replace(good, valid_to_s=float("inf"))),
        ("notes", dataclasses.replace(good, notes={str(i): "x" for i in range(17)})),
        ("note", dataclasses.replace(good, notes={"k": "\x00"})),
        ("schedule", dataclasses.replace(good, schedule="")),
        ("group", dataclasses.replace(good, groups=("a\x00",))),
    ]


@pytest.mark.parametrize("unfit", [p for _, p in _unfit()], ids=[n for n, _ in _unfit()])
def test_a_record_outside_the_contract_is_refused_and_changes_nothing(store: GalleryStore, unfit: Person) -> None:
    before = store.version()
    with pytest.raises(GalleryError) as e:
        store.put(unfit)
    assert "can't be stored" in str(e.value)
    assert store.version() == before
    assert list(store.people()) == []


def test_templates_given_out_are_read_only(store: GalleryStore) -> None:
    store.put(person(1))
    with pytest.raises(ValueError, match="read-only"):
        store.get(person_id(1)).templates[0].vector[0] = 0


def test_several_threads_may_use_it(store: GalleryStore) -> None:
    problems: list[BaseException] = []

    def work(base: int) -> None:
        try:
            for i in range(5):
                store.put(person(base + i))
                list(store.people())
                store.remove(person_id(base + i))
        except BaseException as e:
            problems.append(e)

    threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert problems == []
    assert list(store.people()) == []


def test_closing_twice_is_harmless(store: GalleryStore) -> None:
    store.close()
    store.close()


def test_the_own_copy_is_plain_json_and_unrotated(store: SqliteGallery | MemoryGallery) -> None:
    store.put(person(1))
    copy = store.export(person_id(1))
    assert copy["name"] == person(1).name
    vectors = [t["vector"] for t in copy["templates"]]  # type: ignore[attr-defined]
    assert np.allclose(vectors, [t.vector for t in person(1).templates], atol=1e-6)
