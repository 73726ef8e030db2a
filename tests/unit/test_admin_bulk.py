"""Many people from a table: whole rows or none, begun again without doing anything twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from support.adminsite import Site, make_site, now_s
from support.protocol import person

from edgeface.admin import bulk
from edgeface.admin.desk import Desk
from edgeface.admin.requests import Made
from edgeface.cli.admin_import import _time
from edgeface.domain.errors import EnrolmentError, SourceError, StorageError
from edgeface.domain.types import Person

PICTURES = 6


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(make_site(tmp_path / "site"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(PICTURES):
        (folder / f"{n}.jpg").write_bytes(b"picture %d" % n)
    return folder


def table(tmp_path: Path, *lines: str, head: str = "name,photos,doors,valid_to") -> Path:
    path = tmp_path / "people.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


class Models:
    """In the models' place: which photos are good is in their content, and how many were looked at is counted."""

    def __init__(self, bad: bytes = b"picture 9", dies_at: int = 0) -> None:
        self.bad, self.dies_at, self.looked = bad, dies_at, 0

    def __call__(self, given: list[tuple[str, bytes]], others: Iterable[Person], replaced: str | None) -> Made:
        self.looked += 1
        if self.looked == self.dies_at:
            raise StorageError("The disk is full.")
        if given[0][1] == self.bad:
            raise EnrolmentError("Nobody was enrolled.", "", ((given[0][0], "It is too dark."),))
        return Made(person(1).templates)


def run(site: Site, desk: Desk, rows: Sequence[bulk.Row], models: Models) -> list[bulk.Outcome]:
    return list(bulk.enrol_all(rows, site.people(desk), site.home.admin(), models, now_s))


def lines(count: int = 4) -> list[str]:
    return [f"Person {n},{n}.jpg,front;lab,2027-06-30" for n in range(count)]


def test_a_table_becomes_people(site: Site, photos: Path, tmp_path: Path) -> None:
    rows = bulk.read_table(table(tmp_path, *lines()), photos, _time)
    with site.desk() as desk:
        outcomes = run(site, desk, rows, Models(b"picture 2"))
        assert [(o.name, o.result, o.reason) for o in outcomes] == [
            ("Person 0", "enrolled", ""),
            ("Person 1", "enrolled", ""),
            ("Person 2", "refused", "It is too dark."),
            ("Person 3", "enrolled", ""),
        ]
        found = site.people(desk).find("Person 1").person
        assert found.doors == ("front", "lab")
        assert found.valid_to_s == 1814313600.0


@pytest.mark.parametrize("dies_at", [1, 2, 4])
def test_interrupted_it_goes_on_where_it_stopped(site: Site, photos: Path, tmp_path: Path, dies_at: int) -> None:
    rows = bulk.read_table(table(tmp_path, *lines()), photos, _time)
    with site.desk() as desk, pytest.raises(StorageError):
        run(site, desk, rows, Models(dies_at=dies_at))
    again = Models()
    with site.desk() as desk:
        outcomes = run(site, desk, rows, again)
        assert [o.result for o in outcomes] == ["already"] * (dies_at - 1) + ["enrolled"] * (5 - dies_at)
        assert again.looked == 5 - dies_at
        assert len(list(site.people(desk).all())) == 4


def test_somebody_who_was_revoked_is_not_brought_back_by_the_table(site: Site, photos: Path, tmp_path: Path) -> None:
    rows = bulk.read_table(table(tmp_path, *lines(1)), photos, _time)
    with site.desk() as desk:
        run(site, desk, rows, Models())
        site.people(desk).remove(site.people(desk).find("Person 0").person, erase=False)
        (outcome,) = run(site, desk, rows, Models())
        assert outcome.result == "refused"
        assert list(site.people(desk).all()) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Ada,missing.jpg,,", "no photo missing.jpg"),
        ("Ada,../people.csv,,", "no photo people.csv"),
        ("Ada,,,", "names no photo"),
        (",0.jpg,,", "a name has"),
        ("Ada,0.jpg,,tomorrow", "no date"),
        ("Ada,0.jpg,,,too,many", "more cells"),
    ],
)
def test_a_fault_in_the_table_is_named_before_anybody_is_enrolled(
    photos: Path, tmp_path: Path, line: str, says: str
) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        bulk.read_table(table(tmp_path, "Bob,1.jpg,,", line), photos, _time)
    assert "line 3" in str(caught.value)


def test_the_same_person_twice_is_told_apart_or_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="stands in the table twice"):
        bulk.read_table(table(tmp_path, "Ada,0.jpg,,", "Ada,0.jpg,,"), photos, _time)
    rows = bulk.read_table(table(tmp_path, "Ada,0.jpg,a", "Ada,0.jpg,b", head="name,photos,key"), photos, _time)
    assert len({r.key for r in rows}) == 2


def test_an_unknown_column_is_a_fault(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="unknown column 'door'"):
        bulk.read_table(table(tmp_path, "Ada,0.jpg,x", head="name,photos,door"), photos, _time)


def test_record_ids_of_a_table_are_nobodys_guess(site: Site, photos: Path, tmp_path: Path) -> None:
    (row,) = bulk.read_table(table(tmp_path, *lines(1)), photos, _time)
    keys = site.home.admin()
    assert bulk.record_id(keys, row) == bulk.record_id(keys, row)
    assert bulk.record_id(type(keys).generate(), row) != bulk.record_id(keys, row)
