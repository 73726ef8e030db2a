"""The real daemon in Home Assistant, over a real Mosquitto with the rights that ship."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from support.broker import Clients, running
from support.device import Device
from support.device import Running as Daemon
from support.home_assistant import House
from support.simboard import Simboard
from support.siteowner import Site
from support.visits import Visit, write_scene

from edgeface.adapters.link.broker import HOST, LocalBroker
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.domain.types import Person

pytestmark = pytest.mark.e2e
CONFIG: dict[str, dict[str, object]] = {
    "camera": {"source": "replay:scene.toml", "loop": True},
    "decision": {"cooldown_s": 0.5, "freshness_ms": 2000},
    "door": {"driver": "simboard", "start_process": True, "pulse_ms": 1000},
}


class Place:
    """A site, a paired door with Collins before it, and Home Assistant."""

    def __init__(self, device: Device, broker: LocalBroker, clients: Clients, collins: Person | None) -> None:
        self.device, self.site = device, Site(clients.link("agent"))
        self.site.begin()
        offer, answer = device.folder / "offer", device.folder / "answer"
        assert device.edgeface("pair", "--out", offer).code == 0
        now = datetime.now(timezone.utc)
        answer.write_bytes(self.site.answer(offer.read_bytes(), broker.authority, HOST, broker.port, now))
        assert device.edgeface("pair", "--answer", answer).code == 0
        if collins is not None:
            self.site.put(collins)
        self.site.new_manifest()
        self.link = MqttLink(Target(HOST, broker.port, "homeassistant", broker.client("homeassistant")))
        self.house = House(self.link)
        self.link.start()

    def settings(self, **home_assistant: object) -> None:
        self.device.write({**CONFIG, "home_assistant": {"enabled": True, **home_assistant}})

    def until(self, condition: Callable[[], object], what: str, daemon: Daemon | None = None) -> None:
        by_s = time.monotonic() + 90
        while not condition():
            said = "" if daemon is None else daemon.said()[-3000:]
            assert time.monotonic() < by_s, f"{what}: {self.house.history[-10:]} {self.house.events[-5:]} {said}"
            assert daemon is None or daemon.process.poll() is None, f"{what}: the daemon ended. {said}"
            self.site.turn(0.01)
            self.house.turn(0.01)

    def heard(self, kind: str) -> list[dict[str, Any]]:
        return [e for e in self.house.events if e["event_type"] == kind]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    for broker in running(tmp_path / "broker"):
        broker.write_acl(home_assistant=True, remote_unlock=True)
        broker.stop()
        broker.start()
        yield broker


@pytest.fixture
def place(device: Device, broker: LocalBroker, collins: Person) -> Iterator[Place]:
    clients = Clients(broker)
    write_scene(device.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
    made = Place(device, broker, clients, collins)
    yield made
    made.link.close()
    clients.close()


def test_it_sees_the_lock_and_the_person_and_operates_nothing_unasked(place: Place, board: Simboard) -> None:
    house = place.house
    place.settings()
    with place.device.run() as daemon:
        place.until(lambda: house.state("lock_state") == "off", "locked", daemon)
        place.until(lambda: house.state("lock_state") == "on", "she is let in: unlocked", daemon)
        place.until(lambda: house.state("lock_state") == "off", "locked again", daemon)
        place.until(lambda: place.heard("access_granted"), "and that is an event", daemon)
        assert place.heard("access_granted")[0] == {"event_type": "access_granted"}, "nobody's name"
        place.until(lambda: house.state("person") == "on", "somebody is there", daemon)
        place.until(lambda: house.state("gallery") == "off", "no problem with the gallery", daemon)
        assert "lock" not in house.components
        assert not {"contact", "tamper"} & set(house.components), "none is wired"
        topic = house.components["lock_state"]["state_topic"] + "/set"
        order = {"do": "UNLOCK", "at": int(time.time()), "session": ""}
        house.say(topic, json.dumps(order).encode())
        house.say(topic, b"UNLOCK", retain=True)
        place.until(lambda: place.heard("remote_refused"), "refused", daemon)
        refused = daemon.wait_event("remote_command")
        assert (refused["source"], refused["done"], refused["code"]) == ("home_assistant", False, "not_allowed")
        assert not [e for e in place.device.audit("remote_command") if e["done"]]
        assert "can not unlock it" in place.device.edgeface("door", "status").out
        daemon.process.send_signal(SIGKILL)
        daemon.process.wait()
        place.until(lambda: house.state("lock_state") == "unavailable", "it is dead: unavailable")
    place.device.write(CONFIG)
    with place.device.run() as daemon:
        place.until(lambda: not house.components, "no longer wanted: gone", daemon)


def test_it_unlocks_where_it_may_and_never_by_an_old_command(place: Place, board: Simboard, tmp_path: Path) -> None:
    house = place.house
    write_scene(place.device.folder / "scene.toml", Visit("print", 0, 4), length_s=4.5)  # nobody is let in
    place.settings(remote_unlock=True)
    with place.device.run() as daemon:
        place.until(lambda: house.state("lock") == "locked", "locked", daemon)
        house.operate("unlock")
        place.until(lambda: house.state("lock") == "unlocked", "unlocked", daemon)
        done = daemon.wait_event("remote_command", done=True)
        opened = daemon.wait_event("door_unlocked")
        assert opened["seq"] > done["seq"], "recorded before it opened"
        place.until(lambda: house.state("lock") == "locked", "locked again", daemon)
        assert place.device.edgeface("door", "mode", "lockdown").code == 0
        house.operate("unlock")
        place.until(lambda: any(e["code"] == "lockdown" for e in place.heard("remote_refused")), "lockdown", daemon)
        assert place.device.edgeface("door", "mode", "normal").code == 0
        daemon.process.send_signal(SIGKILL)
        daemon.process.wait()
        place.until(lambda: house.state("lock") == "unavailable", "unavailable")
    before = max(e["seq"] for e in place.device.audit())
    house.operate("unlock")  # the broker keeps it for the door: this client sends with QoS 1
    with place.device.run() as daemon:
        place.until(lambda: any(e["code"] == "other_connection" for e in place.heard("remote_refused")), "old", daemon)
        assert not [e for e in place.device.audit("door_unlocked") if e["seq"] > before]
        place.until(lambda: house.state("lock") == "locked", "locked", daemon)
        house.born()
        place.until(lambda: house.state("lock") == "locked", "announced anew", daemon)
        house.operate("unlock")
        place.until(lambda: house.state("lock") == "unlocked", "a fresh one opens", daemon)
