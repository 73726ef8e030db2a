"""What the admin's commands say about the broker: which files it wants, what to restart, why it isn't reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.adminsite import PaperDoor, make_site
from support.commands import Command, commands

from edgeface.admin.home import Home
from edgeface.cli import admin_agent, admin_common
from edgeface.ports import LinkStatus

UP = LinkStatus(connected=True)


def down(code: str, fault: str = "The broker is not there.") -> LinkStatus:
    return LinkStatus(fault=fault, fault_code=code)


# -- the agent --------------------------------------------------------------------------------------------------------


def test_a_reason_is_said_once_until_it_is_through() -> None:
    watch = admin_agent.BrokerWatch()
    assert watch.look(LinkStatus(), False) == []  # it has only begun
    (said,) = watch.look(down("refused", "Nobody listens."), False)
    assert said.startswith("It can't reach its broker: Nobody listens.")
    assert watch.look(down("refused", "Nobody listens."), False) == []
    (said,) = watch.look(down("name", "The name is unknown."), False)
    assert "The name is unknown." in said
    assert watch.look(down("refused"), False) == []  # the two alternate
    assert watch.look(UP, False) == []  # connected, and its subscriptions are not answered yet
    assert watch.look(UP, True) == ["It has its broker."]
    assert watch.look(UP, True) == []


def test_a_broker_that_is_lost_is_said_and_that_it_is_back() -> None:
    watch = admin_agent.BrokerWatch()
    watch.look(UP, True)
    (said,) = watch.look(down("closed"), False)
    assert said.startswith("It has lost its broker")
    (said,) = watch.look(down("refused"), False)
    assert said.startswith("It can't reach its broker")
    assert watch.look(UP, True) == ["It has its broker again."]
    assert watch.look(down("closed"), False)


# -- what to copy -----------------------------------------------------------------------------------------------------


class Owner:
    """A site without a broker: what is published waits in its journal."""

    def __init__(self, folder: Path, edgeface: Command) -> None:
        self.folder, self._edgeface = folder, edgeface
        self.home: Home = make_site(folder / "site", port=1)

    def admin(self, *arguments: object, site: str = "site", code: int = 0) -> str:
        said = self._edgeface("admin", *arguments, "--site", self.folder / site)
        assert said.code == code, said
        return str(said.err)

    def door(self, name: str) -> str:
        door = PaperDoor(name)
        (self.folder / f"{name}.offer").write_bytes(door.offer)
        return self.admin("device", "add", self.folder / f"{name}.offer", "--answer", self.folder / "a", "--yes")

    @property
    def acl(self) -> str:
        return (self.home.broker_folder / "acl").read_text()


@pytest.fixture
def owner(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(admin_common, "PUBLISH_S", 0.0)  # there is no broker to wait for
    return Owner(tmp_path, commands(capsys))


def wants(owner: Owner, said: str, *files: str) -> None:
    """Exactly these files, whole paths, and a restart."""
    assert "systemctl restart mosquitto" in said
    assert "1. copy" in said
    (line,) = [line for line in said.splitlines() if "1. copy" in line]
    for name in ("acl", "crl.pem"):
        there = f"{owner.home.broker_folder}/{name}" in line
        assert there is (name in files), line
        assert (f"/etc/mosquitto/edgeface/{name}" in line) is there


def test_a_new_door_needs_nothing(owner: Owner) -> None:
    before = owner.acl
    said = owner.door("front")
    assert "broker needs nothing" in said
    assert "restart" not in said
    assert owner.acl == before


def test_a_removed_door_needs_the_list_of_the_revoked(owner: Owner) -> None:
    owner.door("front")
    before, revoked = owner.acl, (owner.home.broker_folder / "crl.pem").read_bytes()
    said = owner.admin("device", "remove", "front", "--yes")
    wants(owner, said, "crl.pem")
    assert owner.acl == before
    assert (owner.home.broker_folder / "crl.pem").read_bytes() != revoked


def test_a_replaced_door_needs_the_same(owner: Owner) -> None:
    owner.door("front")
    (owner.folder / "new.offer").write_bytes(PaperDoor("new").offer)
    wants(
        owner,
        owner.admin("device", "replace", "front", owner.folder / "new.offer", "--answer", owner.folder / "a", "--yes"),
        "crl.pem",
    )


def test_an_admin_needs_his_rights_and_a_removed_one_both(owner: Owner) -> None:
    offer = owner.folder / "bob.offer"
    owner.admin("site", "join", "Bob", "--offer", offer, site="bob")
    before = owner.acl
    said = owner.admin("admin", "add", offer, "--role", "revoke", "--answer", owner.folder / "bob.answer", "--yes")
    wants(owner, said, "acl")
    assert owner.acl != before
    said = owner.admin("admin", "remove", "Bob", "--yes")
    wants(owner, said, "acl", "crl.pem")
    assert owner.acl == before


def test_home_assistant_gets_a_certificate_and_rights_that_last(owner: Owner) -> None:
    """Also over the next change of the admins, which writes the ACL anew; until they are taken back."""
    out = owner.folder / "ha"
    wants(owner, owner.admin("site", "home-assistant", "--out", out), "acl")
    assert sorted(f.name for f in out.iterdir()) == ["ca.pem", "homeassistant.key", "homeassistant.pem"]
    assert (out / "homeassistant.key").stat().st_mode & 0o777 == 0o600
    assert "\nuser homeassistant" in owner.acl
    assert "\ntopic write edgeface/v1/+/device/+/ha/lock/set" not in owner.acl
    owner.admin("site", "home-assistant", "--out", out, "--unlock")
    assert "\ntopic write edgeface/v1/+/device/+/ha/lock/set" in owner.acl
    owner.door("front")
    assert "\ntopic write edgeface/v1/+/device/+/ha/lock/set" in owner.acl
    wants(owner, owner.admin("site", "home-assistant", "--off"), "acl", "crl.pem")
    assert "\nuser homeassistant" not in owner.acl
    journal = owner.home.journal()
    assert len(journal.revoked_serials()) == 2
    journal.close()
