"""A single admin and one site on a broker in memory: from the first key to a door that has everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.adminsite import Site, make_site, pair, settle, someone

from edgeface.admin.answers import RequestRefused
from edgeface.admin.desk import OwnDesk


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(make_site(tmp_path / "site"))


def test_a_person_reaches_a_door_and_leaves_it_again(site: Site) -> None:
    door = pair(site)
    ada = someone("Ada")
    with site.desk() as desk:
        site.people(desk).add(ada)
        assert desk.flush(10)
    settle(door)
    assert door.site.standing().in_step
    assert door.people == {ada.id}
    assert door.names[ada.id] == "Ada"
    with site.desk() as desk:
        site.people(desk).remove(site.people(desk).find("Ada").person, erase=False)
        assert desk.flush(10)
    settle(door)
    assert door.people == set()
    assert door.site.standing().in_step
    assert door.refused == []


def test_the_keys_are_for_one_user_alone(site: Site) -> None:
    assert site.home.folder.stat().st_mode & 0o777 == 0o700
    for path in (site.home.folder / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert (site.home.folder / "journal.db").stat().st_mode & 0o777 == 0o600


def test_a_stale_change_is_refused_and_nothing_is_lost(site: Site) -> None:
    ada = someone("Ada")
    with site.desk() as desk:
        people = site.people(desk)
        people.add(ada)
        seen = people.find("Ada")
        people.change(seen, someone("Ada Lovelace", id=ada.id))
        with pytest.raises(RequestRefused) as caught:
            people.change(seen, someone("Ada Byron", id=ada.id))
        assert caught.value.code == "stale"
        assert people.find(ada.id).person.name == "Ada Lovelace"


def test_a_removed_person_never_comes_back(site: Site) -> None:
    ada = someone("Ada")
    with site.desk() as desk:
        people = site.people(desk)
        people.add(ada)
        people.remove(ada, erase=True)
        with pytest.raises(RequestRefused) as caught:
            people.add(ada)
        assert caught.value.code == "removed"


def test_a_receipt_shows_in_the_status(site: Site) -> None:
    door = pair(site)
    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        site.people(desk).add(someone())
        assert desk.flush(10)
        settle(door)
        door.report()
        desk.pass_time(0.2)
        from edgeface.admin.status import items

        (item,) = items(desk.agent.state)
    assert b'"in_step": true' in item
    assert b'"online": true' in item
