"""Looking on: doors' reports and events as they come, forged ones left out; and erasure receipts at the agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.adminsite import AT, PaperDoor, Site, make_site, memory_connect, pair, settle, someone

from edgeface.adapters.link import codec, topics
from edgeface.admin.desk import OwnDesk
from edgeface.admin.people import erasure_receipts
from edgeface.admin.status import Standing, door_status, read_presence
from edgeface.admin.viewer import Seen, open_viewer
from edgeface.domain.messages_door import ErasureReceipt


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(make_site(tmp_path / "site"))


def tell(door: PaperDoor, kind: str, event: object) -> None:
    topic = topics.of_device(door.trust.site, door.keys.id, f"event/{kind}")
    door.link.publish(topic, json.dumps(event).encode(), message_id=kind)


def test_a_viewer_sees_doors_and_events(site: Site) -> None:
    door = pair(site)
    with site.desk() as desk:
        site.people(desk).add(someone())
        assert desk.flush(10)
    settle(door)
    door.report()
    with open_viewer(site.home, memory_connect(site.broker)) as viewer:
        assert list(viewer.look(0.0)) == []
        assert viewer.ready
        (row,) = viewer.doors()
        assert (row.name, row.online, row.in_step, row.people, row.alarms) == ("front", True, True, 1, ())
        tell(door, "access", {"event": "access_granted", "person": "ab" * 16})
        tell(door, "alarm", {"event": "door_forced"})
        tell(door, "alarm", "nonsense")
        assert list(viewer.look(0.0)) == [
            Seen("front", "access", {"event": "access_granted", "person": "ab" * 16}),
            Seen("front", "alarm", {"event": "door_forced"}),
        ]
        assert viewer.alarms("front") == ["door_forced"]


def test_a_forged_receipt_changes_nothing_for_the_viewer(site: Site) -> None:
    door, other = pair(site), pair(site, "back")
    settle(other)
    with open_viewer(site.home, memory_connect(site.broker)) as viewer:
        list(viewer.look(0.0))
        raw = codec.sign(codec.RECEIPT, other.receipt(), site.home.site, other.keys)
        site.broker.inject(topics.of_device(site.home.site, door.keys.id, "receipt"), raw, retain=True)
        list(viewer.look(0.0))
        assert [d.alarms for d in viewer.doors()] == [("no receipt yet",), ("no receipt yet",)]


def test_a_door_ahead_of_the_site_is_an_alarm(site: Site) -> None:
    """The journal is an older copy than what the doors have."""
    door = pair(site)
    settle(door)
    receipt = door.receipt()
    told = door_status(door.keys.id, "front", receipt, True, Standing(receipt.manifest - 1), frozenset())
    assert not told.in_step
    assert "newer manifest" in told.alarms[0]


@pytest.mark.parametrize("payload", [b"", b"online", b"[1]", b"{}", b'{"state": 1}', b"\xff"])
def test_a_status_that_says_nothing_is_unknown(payload: bytes) -> None:
    assert read_presence(payload) is None


def test_an_erasure_receipt_is_kept(site: Site) -> None:
    door = pair(site)
    ada = someone("Ada")
    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        site.people(desk).add(ada)
        site.people(desk).remove(ada, erase=True)
        for rotated in (False, True):
            raw = codec.sign(codec.ERASURE, ErasureReceipt(ada.id, AT, rotated), site.home.site, door.keys)
            where = topics.of_device(site.home.site, door.keys.id, "erasure")
            door.link.publish(where, raw, message_id="erasure")
            desk.pass_time(0.1)
            assert erasure_receipts(desk, site.home, ada.id) == {door.keys.id: rotated}
