"""Home Assistant and the doors in a real Mosquitto with the rights that ship: who may announce and unlock what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.broker import SITE, Clients, device, eventually, message, quiet, running, send

from edgeface.adapters.link import homeassistant as ha
from edgeface.adapters.link.broker import LocalBroker
from edgeface.domain.home_assistant import View

COMMAND = device("door1", "ha", "lock", "set")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    yield from running(tmp_path)


def allowed(broker: LocalBroker, *, unlock: bool) -> None:
    broker.write_acl(home_assistant=True, remote_unlock=unlock)
    broker.stop()
    broker.start()


@pytest.fixture
def clients(broker: LocalBroker) -> Iterator[Clients]:
    made = Clients(broker, clean=True)
    yield made
    made.close()


def test_everything_that_a_door_says_arrives(broker: LocalBroker, clients: Clients) -> None:
    allowed(broker, unlock=False)
    messages = ha.HomeAssistantMessages(ha.Door("door1", device("door1"), "1"), ha.Options())
    house, door = clients.link("homeassistant", "homeassistant/#", f"{SITE}/#"), clients.link("door1")
    said = [messages.discovery("Door", "5e"), *messages.states(View("locked", True, True, True, True, 1.0))]
    said += [event for event in [messages.event({"event": "access_granted"})] if event]
    for one in said:
        send(door, one.topic, one.payload, retain=one.retain)
        assert (heard := message(house)).topic == one.topic
        assert heard.payload == one.payload
    send(door, device("door1", "status"), b"{}", retain=True)
    assert message(house).topic == device("door1", "status")


def test_it_is_told_to_the_doors_that_home_assistant_is_there(broker: LocalBroker, clients: Clients) -> None:
    allowed(broker, unlock=False)
    door, other = clients.link("door1", "homeassistant/#"), clients.link("door2")
    send(other, "homeassistant/status", b"online")
    send(clients.link("homeassistant"), "homeassistant/status", b"online")
    message(door)
    assert quiet(door)


@pytest.mark.parametrize(
    "topic",
    [
        "homeassistant/device/door2/config", "homeassistant/lock/door1/config", "homeassistant/status",
        device("door2", "ha", "lock"), device("door2", "ha", "lock", "set"),
    ],
)  # fmt: skip
def test_a_door_cannot_announce_or_operate_another(broker: LocalBroker, clients: Clients, topic: str) -> None:
    allowed(broker, unlock=True)
    watch, other = clients.link("homeassistant", "homeassistant/#", f"{SITE}/#"), clients.link("door2", f"{SITE}/#")
    door = clients.link("door1")
    send(door, topic, b"forged", retain=True)
    send(door, device("door1", "ha", "event"), b"mine")
    assert message(watch).payload == b"mine"
    assert quiet(other)


@pytest.mark.parametrize("unlock", [False, True])
def test_it_unlocks_only_where_the_broker_lets_it(broker: LocalBroker, clients: Clients, unlock: bool) -> None:
    allowed(broker, unlock=unlock)
    door, house = clients.link("door1", COMMAND), clients.link("homeassistant")
    send(house, COMMAND, b"UNLOCK")
    assert quiet(door, 0.5) is not unlock


@pytest.mark.parametrize("name", ["mode", "roster", "manifest", "gallery-log", "device/door1/cmd/run"])
def test_it_is_no_admin(broker: LocalBroker, clients: Clients, name: str) -> None:
    allowed(broker, unlock=True)
    watch, house = clients.link("door1", f"{SITE}/#"), clients.link("homeassistant")
    send(house, f"{SITE}/{name}", b"forged", retain=True)
    assert quiet(watch)


def test_without_the_setting_it_has_no_rights(broker: LocalBroker, clients: Clients) -> None:
    house = clients.link("homeassistant", f"{SITE}/device/+/ha/#", wait=False)
    eventually(lambda: house.status().connected)
    send(clients.link("door1"), device("door1", "ha", "lock"), b"ON")
    assert quiet(house)
