"""A door in Home Assistant: the real workers on a broker in memory and a virtual clock, and Home Assistant as its
documentation describes it at the other end."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.home_assistant import House
from support.sitedoor import SiteDoor
from support.siteowner import Site

from edgeface.adapters.door.recording import RecordingDoor
from edgeface.adapters.link import homeassistant as ha
from edgeface.adapters.link.connection import Presence
from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.home_assistant import BIRTH_S, HomeAssistant, Withdrawal
from edgeface.app.home_assistant_view import PERSON_S, DoorWatch
from edgeface.app.remote_commands import RemoteCommands
from edgeface.domain.device_events import RemoteCommand
from edgeface.domain.events import AccessGranted, DoorLocked, DoorUnlocked, Event
from edgeface.domain.home_assistant import ENTITIES
from edgeface.domain.messages import SiteMode
from edgeface.ports import DoorStatus

PULSE_MS = 3000


class WiredDoor(RecordingDoor):
    """With a contact and a case that may be open."""

    contact = "closed"
    alarms: tuple[str, ...] = ()

    def status(self) -> DoorStatus:
        return replace(super().status(), contact=self.contact, alarms=self.alarms)


class Rig:
    """`run` lets everything work until nothing moves, for so long a time."""

    def __init__(self, folder: Path, *, remote: bool = True, names: bool = False) -> None:
        self.broker, self.clock = MemoryBroker(), VirtualClock()
        self.site = Site(MemoryLink(self.broker, "agent"))
        self.site.begin()
        assert self.site.link is not None
        self.site.link.start()
        self.door = SiteDoor(folder, self.site, self._link, clock=self.clock)
        self.relay = WiredDoor(self.clock)
        self.loop = SimpleNamespace(latest=None, door_name="front")
        self.warm: float | None = 51.0
        door, base = self.door, f"edgeface/v1/{self.site.id}/device/{self.door.keys.id}"
        self.messages = ha.HomeAssistantMessages(
            ha.Door(door.keys.id, base, "1"), ha.Options(entities=frozenset(ENTITIES), remote_unlock=remote)
        )
        in_step = lambda: bool(door.sync.status()["in_step"])  # noqa: E731
        self.commands = RemoteCommands(
            "home_assistant", remote, self.relay, door.gate, door.recorder, self.clock, lambda: PULSE_MS
        )
        self.home = HomeAssistant(
            door.link, self.messages,
            DoorWatch(self.relay, self.loop, door.gate, in_step, lambda: self.warm, self.clock),  # type: ignore[arg-type]
            self.commands, self.clock, lambda: self.loop.door_name, (lambda _: "Ada") if names else (lambda _: None),
            rng=random.Random(1),
        )  # fmt: skip
        door.sync.beside = self.home.take
        self.home.begin()
        self.house = House(MemoryLink(self.broker, "homeassistant"))
        self.house.link.start()
        self.said: list[tuple[str, bytes]] = []
        self._told = 0
        self._watch = MemoryLink(self.broker, "watch")
        self._watch.subscribe(f"{base}/ha/#")
        self._watch.subscribe("homeassistant/#")
        self._watch.start()
        self.site.new_manifest()
        self.run(2.0)
        self.said.clear()

    def _link(self, name: str) -> MemoryLink:
        status = f"edgeface/v1/{self.site.id}/device/{name}/status"
        return MemoryLink(self.broker, name, presence=Presence(status, b'{"state":"online"}', b'{"state":"offline"}'))

    def run(self, for_s: float = 0.5) -> None:
        until = self.clock.monotonic_s() + for_s
        while True:
            moved = self.site.turn()
            moved = self.door.turn() or moved
            for event in self.relay.poll_events():
                self.tell(event)
            for event in self.door.events[self._told :]:
                self.home.heard(event)
            self._told = len(self.door.events)
            self.home.turn()
            moved = self.house.turn() or moved
            item = self._watch.receive(0.0)
            if item is not None and hasattr(item, "topic"):
                item.done()  # type: ignore[union-attr]
                self.said.append((item.topic, item.payload))  # type: ignore[union-attr]
            moved = moved or item is not None
            if not moved:
                if self.clock.monotonic_s() >= until:
                    return
                self.clock.advance_to(self.clock.monotonic_s() + 0.1)

    def tell(self, event: Event) -> None:
        self.door.recorder.record([event])

    def now_s(self) -> float:
        return self.clock.utc().timestamp()

    def operate(self, word: str, at_s: float | None = None) -> None:
        self.house.operate(word, at_s=self.now_s() if at_s is None else at_s)
        self.run()

    def remote(self) -> list[tuple[str, bool, str]]:
        return [(e.op, e.done, e.code) for e in self.door.events if isinstance(e, RemoteCommand)]

    @property
    def opened(self) -> int:
        return sum(on for _, on in self.relay.energised)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def seen(*visible: bool) -> Any:
    return SimpleNamespace(tracks=tuple(SimpleNamespace(visible=v) for v in visible))


def test_it_is_announced_with_every_state(rig: Rig) -> None:
    rig.loop.latest = seen()
    rig.run()
    house = rig.house
    assert {key: house.state(key) for key in house.components} == {
        "lock": "locked", "contact": "off", "person": "off", "tamper": "off", "gallery": "off", "temperature": "51.0",
        "event": "unknown",
    }  # fmt: skip
    assert house.device["name"] == "front"


def test_only_what_changed_is_said(rig: Rig) -> None:
    rig.run(30.0)
    assert rig.said == []
    rig.relay.contact = "open"
    rig.run(10.0)
    assert [topic.rsplit("/", 1)[1] for topic, _ in rig.said] == ["contact"]


def test_a_pulse_shows_even_where_it_is_over_before_anybody_looks(rig: Rig) -> None:
    now = rig.clock.monotonic_s()
    for event in (DoorUnlocked(now, "ab" * 16, 100), DoorLocked(now, "pulse_ended", "ab" * 16)):
        rig.tell(event)
    rig.run()
    assert [state for key, state in rig.house.history if key == "lock"][-3:] == ["locked", "unlocked", "locked"]


def test_somebody_who_is_not_seen_for_a_moment_has_not_left(rig: Rig) -> None:
    assert rig.house.state("person") == "unknown"  # there is no picture
    rig.loop.latest = seen(True)
    rig.run()
    assert rig.house.state("person") == "on"
    rig.loop.latest = seen(False)
    rig.run(PERSON_S / 2)
    assert rig.house.state("person") == "on"
    rig.run(PERSON_S)
    assert rig.house.state("person") == "off"


def test_the_temperature_is_said_when_it_is_another_one(rig: Rig) -> None:
    for degrees, shown in ((51.3, "51.0"), (51.7, "51.7"), (60.0, "60.0")):
        rig.warm = degrees
        rig.run(40.0)
        assert rig.house.state("temperature") == shown
    assert len([t for t, _ in rig.said if t.endswith("temperature")]) == 2


def test_a_door_process_that_is_away_makes_the_lock_unknown(rig: Rig) -> None:
    rig.relay.fail_with = "gone"
    rig.run()
    assert rig.house.state("lock") == "unknown"
    rig.operate("unlock")
    assert rig.remote() == [("unlock", False, "door_fault")]
    rig.relay.fail_with = ""
    rig.run()
    assert rig.house.state("lock") == "locked"


def test_a_flickering_state_is_said_at_a_rate_and_ends_right(rig: Rig) -> None:
    for turn in range(200):
        rig.relay.contact = "open" if turn % 2 else "closed"
        rig.run(0.1)
    rig.relay.contact = "open"
    rig.run(5.0)
    assert len(rig.said) < 30
    assert rig.house.state("contact") == "on"


def test_a_flood_of_events_is_said_at_a_rate(rig: Rig) -> None:
    for _ in range(50):
        for _ in range(10):
            rig.tell(AccessGranted(rig.clock.monotonic_s(), 1, "ab" * 16, 0.9, 0.5, 300, "cd" * 16))
        rig.run(0.1)
    assert 20 <= len(rig.house.events) < 40
    assert rig.home.unsaid > 400


@pytest.mark.parametrize("names", [False, True])
def test_nobody_is_named_unless_the_operator_wants_it(tmp_path: Path, names: bool) -> None:
    rig = Rig(tmp_path, names=names)
    rig.tell(AccessGranted(rig.clock.monotonic_s(), 1, "ab" * 16, 0.9, 0.5, 300, "cd" * 16))
    rig.run()
    assert rig.house.events == [{"event_type": "access_granted", **({"name": "Ada"} if names else {})}]


def test_another_name_is_announced(rig: Rig) -> None:
    rig.loop.door_name = "back"
    rig.run()
    assert rig.house.device["name"] == "back"
    assert len(rig.said) == 1


# -- links and births -------------------------------------------------------------------------------------------------


def test_a_door_that_drops_is_unavailable_and_comes_back(rig: Rig) -> None:
    rig.broker.cut(rig.door.keys.id, reconnect=False)
    rig.run()
    assert rig.house.state("lock") == "unavailable"
    rig.relay.contact = "open"
    rig.tell(AccessGranted(rig.clock.monotonic_s(), 1, "ab" * 16, 0.9, 0.5, 300, "cd" * 16))
    rig.run(5.0)
    rig.broker.connect(rig.door.link)  # type: ignore[arg-type]
    rig.run(2.0)
    assert (rig.house.state("lock"), rig.house.state("contact")) == ("locked", "on")
    assert rig.house.events == [], "what was is not told as if it were now"


def test_home_assistant_starts_and_finds_everything_again(rig: Rig) -> None:
    before = len(rig.house.discoveries)
    rig.house.born()
    rig.run(BIRTH_S + 1)
    assert len(rig.house.discoveries) > before
    assert rig.house.state("lock") == "locked"
    assert len([t for t, _ in rig.said if t.endswith("/ha/lock")]) == 1


def test_a_broker_without_its_database_is_filled_again(rig: Rig) -> None:
    rig.broker.cut(rig.door.keys.id, reconnect=False)
    rig.broker.retained.clear()
    rig.broker.connect(rig.door.link)  # type: ignore[arg-type]
    rig.run(2.0)
    rig.house.born()
    rig.run(BIRTH_S + 1)
    assert rig.house.state("lock") == "locked"


def test_switched_off_it_is_taken_away(rig: Rig) -> None:
    over: list[bool] = []
    gone = Withdrawal(rig.door.link, rig.messages, lambda: over.append(True))
    rig.home = gone  # type: ignore[assignment]
    rig.door.sync.beside = gone.take
    gone.begin()
    rig.broker.cut(rig.door.keys.id, reconnect=False)
    rig.broker.connect(rig.door.link)  # type: ignore[arg-type]
    rig.run(2.0)
    assert rig.house.components == {}
    assert over == [True]
    assert not [t for t in rig.broker.retained if "/ha/" in t or t.startswith("homeassistant/device")]


# -- commands ---------------------------------------------------------------------------------------------------------


def test_it_unlocks_where_the_operator_allows_it_and_that_is_recorded(rig: Rig) -> None:
    rig.operate("unlock")
    assert rig.opened == 1
    assert rig.remote() == [("unlock", True, "")]
    recorded = [e for e in rig.door.audit.read() if e["event"] == "remote_command"]
    assert [(e["source"], e["op"], e["done"]) for e in recorded] == [("home_assistant", "unlock", True)]
    assert rig.house.state("lock") == "unlocked"
    rig.run(PULSE_MS / 1000)
    assert rig.house.state("lock") == "locked"


def test_it_locks(rig: Rig) -> None:
    rig.operate("unlock")
    rig.operate("lock")
    assert rig.relay.status().locked
    assert rig.remote() == [("unlock", True, ""), ("lock", True, "")]


def test_unlocking_what_is_unlocked_changes_nothing(rig: Rig) -> None:
    rig.operate("unlock")
    rig.operate("unlock")
    assert rig.opened == 1
    assert rig.remote() == [("unlock", True, "")] * 2


def test_where_it_is_not_allowed_nothing_opens_and_the_attempt_is_recorded(tmp_path: Path) -> None:
    rig = Rig(tmp_path, remote=False)
    assert "lock" not in rig.house.components
    payload = {"do": "UNLOCK", "at": int(rig.now_s()), "session": rig.home._session}
    rig.house.say(rig.messages.command_topic, json.dumps(payload).encode())
    rig.run()
    assert rig.opened == 0
    assert rig.remote() == [("unlock", False, "not_allowed")]


def test_an_old_command_opens_nothing(rig: Rig) -> None:
    """Home Assistant was away from the broker, and sends what it was told minutes ago."""
    rig.operate("unlock", at_s=rig.now_s() - 120)
    assert rig.opened == 0
    assert rig.remote() == [("unlock", False, "stale")]


def test_a_command_from_before_a_reconnect_opens_nothing(rig: Rig) -> None:
    """Also one of a moment ago: it waited in the broker's queue."""
    rig.broker.cut(rig.door.keys.id, reconnect=False)
    rig.house.operate("unlock", at_s=rig.now_s())
    rig.broker.connect(rig.door.link)  # type: ignore[arg-type]
    rig.run()
    assert rig.opened == 0
    assert rig.remote() == [("unlock", False, "other_connection")]
    rig.operate("unlock")
    assert rig.opened == 1


def test_a_retained_command_opens_nothing_also_after_a_restart(rig: Rig) -> None:
    rig.broker.cut(rig.door.keys.id, reconnect=False)
    rig.house.say(rig.messages.command_topic, rig.house.command("unlock", at_s=rig.now_s()), retain=True)
    rig.door.link.unsubscribe(rig.messages.command_topic)
    rig.broker.connect(rig.door.link)  # type: ignore[arg-type]
    rig.run()
    rig.door.link.subscribe(rig.messages.command_topic)
    rig.run()
    assert rig.opened == 0
    assert set(rig.remote()) <= {("unlock", False, "retained_command"), ("unlock", False, "other_connection")}
    assert ("unlock", False, "retained_command") in rig.remote()


def test_a_lockdown_refuses_it_as_it_refuses_a_grant(rig: Rig) -> None:
    rig.relay.set_mode("lockdown")
    rig.operate("unlock")
    rig.relay.set_mode("normal")
    rig.door.gate.set_mode(SiteMode.LOCKDOWN)
    rig.operate("unlock")
    assert rig.opened == 0
    assert rig.remote() == [("unlock", False, "lockdown")] * 2
    assert [e["code"] for e in rig.house.events if e["event_type"] == "remote_refused"] == ["lockdown"] * 2


def test_an_open_case_refuses_it(rig: Rig) -> None:
    rig.relay.alarms = ("tamper",)
    rig.operate("unlock")
    assert rig.opened == 0
    assert rig.remote() == [("unlock", False, "tamper")]
    assert rig.house.state("tamper") == "on"


def test_a_door_that_was_removed_from_its_site_refuses_it(rig: Rig) -> None:
    rig.door.gate.member = False
    rig.operate("unlock")
    assert rig.opened == 0
    assert rig.house.state("gallery") == "on"


def test_what_can_not_be_recorded_is_not_opened(rig: Rig) -> None:
    rig.door.audit.fail_writes()
    rig.operate("unlock")
    assert rig.opened == 0


def test_nonsense_opens_nothing_and_a_flood_is_not_written_down(rig: Rig) -> None:
    for number in range(200):
        rig.house.say(rig.messages.command_topic, b"UNLOCK %d" % number)
        rig.run(0.0)
    rig.run(1.0)
    assert rig.opened == 0
    assert rig.remote() == [("", False, "malformed")] * 5
    rig.run(10.0)
    rig.operate("unlock")
    assert rig.opened == 1
    last = [e for e in rig.door.events if isinstance(e, RemoteCommand)][-1]
    assert last.unsaid == 195
