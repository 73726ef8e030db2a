"""A site's mode at the door: lockdown stands whatever restarts, free access is given once, and a gallery that the site
doesn't stand by lets nobody in, or says so."""

from __future__ import annotations

import pytest
from support.doorway import Doorway, Seen, enrolled
from support.running import Running

from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.door_mode import DoorMode
from edgeface.app.site_gate import SiteGate
from edgeface.domain.freshness import Freshness
from edgeface.domain.messages import SiteMode
from edgeface.doord import protocol


def test_the_door_process_takes_a_mode_and_nothing_that_looks_like_one() -> None:
    from edgeface.adapters.door import wire

    asked = protocol.parse(wire.encode({"op": "mode", "mode": "lockdown"}))
    assert protocol.name_of(asked) == "mode"
    for bad in ({"op": "mode"}, {"op": "mode", "mode": "open"}, {"op": "mode", "mode": "normal", "x": 1},
                {"op": "mode", "mode": ["normal"]}):  # fmt: skip
        with pytest.raises(protocol.Nonsense):
            protocol.parse(wire.encode(bad))


def gate() -> SiteGate:
    return SiteGate(Freshness("ab" * 16, 5.0), VirtualClock(), None, False)


def test_lockdown_is_told_to_every_door_process_and_free_access_once() -> None:
    running, site_gate = Running(), gate()
    door = running.door
    agreed = DoorMode(door, running.parts.loop, site_gate, running.parts.clock)
    site_gate.set_mode(SiteMode.LOCKDOWN)
    agreed.ask()
    assert door.status().mode == running.parts.loop.mode == "lockdown"
    door.set_mode("normal")  # as a door process that began anew
    agreed.ask()
    assert door.status().mode == "lockdown"
    site_gate.set_mode(SiteMode.FREE_ACCESS)
    agreed.ask()
    assert not door.status().locked
    door.lock()
    agreed.ask()
    assert door.status().locked  # a hand that locks is not overruled
    site_gate.set_mode(SiteMode.NORMAL)
    agreed.ask()
    assert running.parts.loop.mode == "normal"


def test_a_door_process_in_lockdown_stays_so_when_the_daemon_starts_and_in_free_access_it_does_not() -> None:
    running, site_gate = Running(), gate()
    running.door.set_mode("lockdown")
    DoorMode(running.door, running.parts.loop, site_gate, running.parts.clock).ask()
    assert running.door.status().mode == running.parts.loop.mode == "lockdown"
    running.door.set_mode("free_access")
    DoorMode(running.door, running.parts.loop, site_gate, running.parts.clock).ask()
    assert running.door.status().locked


def test_a_lockdown_counts_also_while_the_door_process_is_away() -> None:
    running, site_gate = Running(), gate()
    site_gate.set_mode(SiteMode.LOCKDOWN)
    running.door.fail_with = "gone"
    DoorMode(running.door, running.parts.loop, site_gate, running.parts.clock).ask()
    assert running.parts.loop.mode == "lockdown"


class Says:
    """A gate that says what the test wants."""

    def __init__(self, state: str) -> None:
        self.state = state

    def gallery(self) -> str:
        return self.state


@pytest.mark.parametrize(
    ("state", "kinds", "unconfirmed"),
    [
        ("confirmed", ["access_granted"], False),
        ("unconfirmed", ["access_granted"], True),
        ("waiting", [], False),
        ("refused", ["access_denied"], False),
    ],
)
def test_a_grant_rests_on_a_gallery_that_the_site_stands_by(state: str, kinds: list[str], unconfirmed: bool) -> None:
    door = Doorway(enrolled("ann"))
    door.loop.gate = Says(state)  # type: ignore[assignment]
    door.show(Seen("ann"), s=2.0)
    told = [e for e in door.events if e.kind in ("access_granted", "access_denied")]
    assert [e.kind for e in told][:1] == kinds
    if kinds == ["access_granted"]:
        assert told[0].to_dict()["unconfirmed"] is unconfirmed
    elif kinds:
        assert told[0].to_dict()["reason"] == "gallery_unconfirmed"


def test_the_sites_name_for_the_door_is_what_records_mean() -> None:
    door = Doorway(enrolled("ann", doors=("north gate",)))
    door.show(Seen("ann"), s=1.0)
    assert [e.to_dict()["reason"] for e in door.events if e.kind == "access_denied"][:1] == ["not_allowed_here"]
    door = Doorway(enrolled("ann", doors=("north gate",)))
    door.loop.named("north gate")
    door.show(Seen("ann"), s=1.0)
    assert [e for e in door.events if e.kind == "access_granted"]


def test_somebody_removed_is_refused_in_the_middle_of_an_attempt() -> None:
    """Before the store knows, and also when the store is read again."""
    ann = enrolled("ann")
    door = Doorway(ann)
    door.show(Seen("ann"), frames=2)
    door.gallery.drop([ann.id])
    door.show(Seen("ann"), s=2.0)
    door.store.put(enrolled("bob"))
    door.gallery.refresh()
    assert ann.id not in door.gallery.now.people
    assert not [e for e in door.events if e.kind == "access_granted"]
