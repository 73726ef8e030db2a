"""What the owner does: doors replaced and removed, admins with roles, keys under a passphrase, backup and restore."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.adminsite import (
    ACL,
    AT,
    CODE,
    PaperDoor,
    Site,
    make_site,
    now_s,
    pair,
    settle,
    someone,
)

from edgeface.adapters.link import codec, secret_file
from edgeface.admin import admins, creation
from edgeface.admin.answers import RequestRefused
from edgeface.admin.desk import OwnDesk
from edgeface.admin.devices import find_device, read_offer
from edgeface.admin.home import Home
from edgeface.domain.errors import ConfigError, KeyRejected, LinkBusy, SourceError
from edgeface.domain.messages import ModeState, SiteMode
from edgeface.domain.roster import Role


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(make_site(tmp_path / "site"))


def offered(door: PaperDoor) -> str:
    return codec.offer_text(door.offer)


def test_new_hardware_takes_a_doors_name_over(site: Site) -> None:
    old = pair(site)
    ada = someone("Ada")
    with site.desk() as desk:
        site.people(desk).add(ada)
        assert desk.flush(10)
    new = PaperDoor("front")
    with site.desk() as desk:
        owner = site.owner(desk)
        answer = owner.add_device(read_offer(offered(new)), "front", find_device(desk.roster, "front"))
        new.pair(answer)
        assert desk.flush(10)
        assert [(d.name, d.id, d.replaces) for d in desk.roster.devices] == [("front", new.keys.id, old.keys.id)]
        assert old.keys.id in desk.roster.revoked
    from edgeface.adapters.link.memory import MemoryLink

    new.connect(MemoryLink(site.broker, new.keys.id))
    settle(new)
    settle(old)
    assert new.people == {ada.id}
    assert new.site.standing().epoch == 2
    assert not old.site.member
    assert 2 not in old.epochs


def test_the_same_offer_again_gives_another_answer_for_the_same_door(site: Site) -> None:
    """The stick was lost: nothing changes at the site."""
    door = pair(site)
    with site.desk() as desk:
        version = desk.roster.version
        door.pair(site.owner(desk).add_device(read_offer(offered(door)), "front"))
        assert desk.roster.version == version


def test_two_doors_of_one_name_are_refused(site: Site) -> None:
    pair(site)
    with site.desk() as desk, pytest.raises(ConfigError, match="called front"):
        site.owner(desk).add_device(read_offer(offered(PaperDoor("front"))), "front")


def test_a_removed_door_cannot_come_back_with_its_old_keys(site: Site) -> None:
    door = pair(site)
    with site.desk() as desk:
        site.owner(desk).remove_device(find_device(desk.roster, "front"))
        with pytest.raises(ConfigError, match="was removed"):
            site.owner(desk).add_device(read_offer(offered(door)), "front")


@pytest.mark.parametrize("text", ["EDGEFACE1:AAAA", "EDGEFACE1:", "no offer", "\x00"])
def test_what_is_no_offer_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "offer"
    file.write_text(text)
    with pytest.raises(SourceError):
        read_offer(str(file))


def joined(site: Site, tmp_path: Path, *roles: Role, name: str = "Bob") -> tuple[Home, str]:
    folder, answer = tmp_path / name, tmp_path / f"{name}.answer"
    offer = admins.join(folder, name, None, AT)
    with site.desk() as desk:
        answer.write_bytes(admins.add(site.owner(desk), read_offer(codec.offer_text(offer)), name, roles))
        assert desk.flush(10)
    made = admins.accept(folder, answer)
    return made.home, made.site_code


def test_another_admin_joins_with_roles_of_his_own(site: Site, tmp_path: Path) -> None:
    from edgeface.domain.roster import short_code

    home, code = joined(site, tmp_path, Role.ENROL, Role.AUDIT)
    assert code == short_code(site.home.site)
    assert not home.info.owner
    assert home.folder.stat().st_mode & 0o777 == 0o700
    with site.desk() as desk:
        bob = admins.find_admin(desk.roster, "Bob")
        assert bob.id == home.admin().id
        assert bob.roles == (Role.ENROL, Role.AUDIT)
    acl = (site.home.broker_folder / "acl").read_text()
    assert f"user {bob.id}\n" in acl
    assert f"user {bob.id}.view1\n" in acl


def test_what_a_removed_admin_signed_stands_under_the_owners_name(site: Site, tmp_path: Path) -> None:
    """Doors that have the people change nothing; a door that is new finds a signer whom it knows. The mode too."""
    home, _ = joined(site, tmp_path, Role.ENROL, Role.OPERATE)
    door = pair(site)
    ada = someone("Ada")
    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        from edgeface.admin.requests import signed_person
        from edgeface.domain.messages import Request, RequestOp

        raw = signed_person(ada, bytes(16), site.home.site, home.admin())
        assert desk.agent.requests.execute(home.admin().id, Request(RequestOp.PUT, 0, raw)).done
        mode = codec.sign(codec.MODE, ModeState(1, SiteMode.LOCKDOWN), site.home.site, home.admin())
        assert desk.agent.requests.execute(home.admin().id, Request(RequestOp.MODE, 0, mode)).done
        assert desk.flush(10)
        settle(door)
        bob = admins.find_admin(desk.roster, "Bob")
        assert admins.remove(site.owner(desk), bob, site.people(desk), now_s()) == 1
        assert desk.flush(10)
        found = site.people(desk).find("Ada")
        assert (found.by, found.sound) == ("Ann", True)
        assert not desk.agent.requests.execute(home.admin().id, Request(RequestOp.LIST)).done
        assert desk.mode is not None
        assert (desk.mode[0].version, desk.mode[0].mode) == (2, SiteMode.LOCKDOWN)
    settle(door)
    late = pair(site, "late")
    settle(late)
    assert door.people == late.people == {ada.id}
    assert late.site.mode is not None
    assert late.site.standing().in_step


def test_a_roster_that_would_orphan_records_is_refused(site: Site, tmp_path: Path) -> None:
    from dataclasses import replace

    home, _ = joined(site, tmp_path, Role.ENROL)
    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        from edgeface.admin.requests import signed_person
        from edgeface.domain.messages import Request, RequestOp

        raw = signed_person(someone("Ada"), bytes(16), site.home.site, home.admin())
        assert desk.agent.requests.execute(home.admin().id, Request(RequestOp.PUT, 0, raw)).done
        kept = tuple(a for a in desk.roster.admins if a.name != "Bob")
        with pytest.raises(RequestRefused) as caught:
            site.owner(desk).publish_roster(replace(desk.roster, admins=kept))
        assert caught.value.code == "unsigned_records"


def test_the_owner_cannot_remove_himself(site: Site) -> None:
    with site.desk() as desk, pytest.raises(ConfigError, match="yourself"):
        admins.remove(site.owner(desk), desk.roster.admins[0], site.people(desk), now_s())


def test_the_backup_brings_everything_back_and_the_broker_the_people(site: Site, tmp_path: Path) -> None:
    """Also after a rotation: the backup is renewed with it, without the code."""
    door = pair(site)
    ada, eve = someone("Ada"), someone("Eve")
    with site.desk() as desk:
        people = site.people(desk)
        people.add(ada)
        people.add(eve)
        people.remove(eve, erase=False)
        site.owner(desk).rotate()
        assert desk.flush(10)
    settle(door)
    before = door.site.standing()
    backup = (site.home.folder / "backup").read_bytes()
    shutil.rmtree(site.home.folder)
    restored = creation.restore(tmp_path / "again", backup, CODE, b"secret", ACL, datetime.now(timezone.utc))
    assert restored.site == site.home.site
    again = Site(Home(restored.folder, lambda: b"secret"), site.broker)
    with again.desk() as desk:
        desk.flush(20)
        assert [x.person.name for x in again.people(desk).all()] == ["Ada"]
        again.people(desk).add(someone("Bob"))
        with pytest.raises(RequestRefused):
            again.people(desk).add(eve)
        assert desk.flush(10)
    settle(door)
    after = door.site.standing()
    assert after.in_step
    assert after.manifest > before.manifest
    assert len(door.people) == 2
    assert door.refused == []


def test_a_wrong_code_opens_no_backup(site: Site, tmp_path: Path) -> None:
    backup = (site.home.folder / "backup").read_bytes()
    with pytest.raises(KeyRejected):
        creation.restore(tmp_path / "again", backup, b"WRONG", None, ACL, datetime.now(timezone.utc))
    assert not (tmp_path / "again").exists()
    for at in (0, 30, len(backup) - 1):
        damaged = backup[:at] + bytes([backup[at] ^ 1]) + backup[at + 1 :]
        with pytest.raises(KeyRejected):
            secret_file.open_backup(damaged, CODE)


def test_a_recovery_code_is_read_as_people_write_it() -> None:
    code = creation.new_code()
    assert creation.read_code(code) == creation.read_code(f" {code.lower().replace('-', ' ')} ")
    assert creation.read_code("o0Il") == b"0011"


def test_keys_under_a_passphrase_need_it(tmp_path: Path) -> None:
    wanted = creation.Wanted("HQ", "Ann", ("localhost",))
    creation.create(tmp_path / "site", wanted, CODE, b"right", ACL, datetime.now(timezone.utc))
    assert Home(tmp_path / "site", lambda: b"right").admin().id
    with pytest.raises(KeyRejected, match="passphrase"):
        Home(tmp_path / "site", lambda: b"wrong").admin()
    (tmp_path / "site" / "keys" / "admin.key").chmod(0o644)
    with pytest.raises(KeyRejected, match="others"):
        Home(tmp_path / "site", lambda: b"right").admin()


def test_a_site_is_never_overwritten(site: Site) -> None:
    before = (site.home.folder / "site.json").read_bytes()
    with pytest.raises(ConfigError, match="not empty"):
        make_site(site.home.folder)
    assert (site.home.folder / "site.json").read_bytes() == before
    assert json.loads(before)["owner"]


def test_an_erased_person_is_nowhere_in_the_journals_files(site: Site) -> None:
    ada = someone("Ada")
    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        site.people(desk).add(ada)
        assert desk.flush(10)
        row = desk.agent.state.journal.record(ada.id)
        assert row is not None
        site.people(desk).remove(ada, erase=True)
        assert desk.flush(10)
        desk.agent.state.journal.scrub()
        for path in site.home.folder.glob("journal.db*"):
            assert row.raw[200:260] not in path.read_bytes()


def test_three_lookers_on_at_once_and_no_more(site: Site) -> None:
    with site.home.viewer() as a, site.home.viewer() as b, site.home.viewer() as c:
        assert {a, b, c} == {"view1", "view2", "view3"}
        with pytest.raises(LinkBusy), site.home.viewer():
            pass
