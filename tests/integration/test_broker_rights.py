"""The broker configuration that ships, in a real Mosquitto: who may say and hear what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from support.broker import QUICK, SITE, Clients, device, eventually, message, quiet, running, send, until

from edgeface.adapters.link import topics
from edgeface.adapters.link.broker import HOST, LocalBroker
from edgeface.adapters.link.connection import Presence, Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.ports import LinkUp

NOW = datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    yield from running(tmp_path_factory.mktemp("broker"))


@pytest.fixture
def clients(broker: LocalBroker) -> Iterator[Clients]:
    made = Clients(broker, clean=True)  # what an earlier test subscribed to is of no interest
    yield made
    made.close()


# -- rights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topic",
    [
        device("door2", "status"), device("door2", "receipt"), device("door2", "event", "access"),
        device("door2", "telemetry"), device("door2", "cmd", "reply"), f"{SITE}/request/door2",
        f"{SITE}/roster", f"{SITE}/manifest", f"{SITE}/mode", f"{SITE}/gallery/00/aa", f"{SITE}/gallery-log",
        f"{SITE}/removal/aa", device("door1", "cmd", "run"), device("door2", "cmd", "run"),
        device("door1", "grant", "1"), device("door1", "beacon", "answer"), f"{SITE}/reply/door1",
        "homeassistant/device/door1/config", "anything", "$SYS/x",
    ],
)  # fmt: skip
def test_a_device_cannot_speak_for_another_nor_for_the_site(clients: Clients, topic: str) -> None:
    """Nobody hears it, not even the one who may read everything there; and nothing is kept."""
    clients.broker.write_acl()
    watch = clients.link("agent", f"{SITE}/#", "anything", "homeassistant/#")
    door = clients.link("door1")
    send(door, topic, b"forged", retain=True)
    send(door, device("door1", "telemetry"), b"mine")
    assert message(watch).payload == b"mine"


def test_each_may_say_what_is_its_own(clients: Clients) -> None:
    watch = clients.link("admin", f"{SITE}/device/#")
    door, agent = clients.link("door1"), clients.link("agent", f"{SITE}/request/+")
    for last in ("status", "receipt", "event/access", "telemetry", "erasure", "beacon/ask", "cmd/nonce"):
        send(door, device("door1", last), last.encode())
        assert message(watch).payload == last.encode()
    send(door, f"{SITE}/request/door1", b"?")
    assert message(agent).payload == b"?"


def test_the_rights_cover_every_topic_of_the_protocol(clients: Clients) -> None:
    """Each is written by whom docs/protocol.md, section 3, says, and heard by whom it says."""
    site, door, admin, record = "5" * 32, "d0" * 16, "ad" * 16, "ab" * 16
    clients.broker.write_acl(admin)
    clients.broker.reload()
    mine = ("status", "receipt", "erasure", "telemetry", "event/access", "event/door", "event/alarm", "beacon/ask")
    wanted = [("door", topics.of_device(site, door, name), "agent") for name in mine]
    wanted += [("door", topics.of_device(site, door, name), "admin") for name in (*mine, "cmd/nonce", "cmd/reply")]
    wanted += [("agent", topics.of_site(site, name), "door") for name in ("roster", "manifest", "mode", "gallery-log")]
    wanted += [("agent", topics.record(site, record), "door"), ("agent", topics.grant(site, door, 7), "door")]
    removal = topics.removal(site, record)
    wanted += [("agent", topics.of_device(site, door, "beacon/answer"), "door"), ("admin", removal, "door")]
    wanted += [("admin", topics.of_device(site, door, name), "door") for name in ("cmd/ask", "cmd/run")]
    wanted += [
        ("admin", removal, "agent"),
        ("agent", removal, "agent"),
        ("admin", topics.of_site(site, "mode"), "agent"),
    ]
    wanted += [("admin", topics.of_admin(site, name, admin), "agent") for name in ("request", "enrol")]
    wanted += [("agent", topics.of_admin(site, "reply", admin), "admin")]
    everything = f"edgeface/v1/{site}/#"
    links = {
        "door": clients.link(door, everything), "agent": clients.link("agent", everything),
        "admin": clients.link(admin, everything),
    }  # fmt: skip
    for number, (writer, topic, reader) in enumerate(wanted):
        send(links[writer], topic, b"%d" % number)
        while (heard := message(links[reader])).payload != b"%d" % number:
            pass
        assert heard.topic == topic
    clients.broker.write_acl()
    clients.broker.reload()


def test_a_device_hears_the_site_and_its_own_topics_alone(clients: Clients) -> None:
    door = clients.link("door1", f"{SITE}/#")
    agent = clients.link("agent")
    send(agent, device("door2", "grant", "1"), b"not yours")
    send(agent, f"{SITE}/reply/door2", b"not yours")
    send(clients.link("door2"), device("door2", "event", "access"), b"not yours")
    send(agent, f"{SITE}/manifest", b"1")
    send(agent, device("door1", "grant", "1"), b"2")
    assert [message(door).payload for _ in range(2)] == [b"1", b"2"]
    assert quiet(door)


def test_a_client_id_belongs_to_its_certificate(clients: Clients) -> None:
    """Another device under this one's id would throw it out and empty its queue."""
    door = clients.link("door1", device("door1", "#"))
    thief = MqttLink(Target(HOST, clients.broker.port, "door1", clients.broker.client("door2")), backoff=QUICK)
    thief.subscribe(device("door1", "#"))
    thief.start()
    until(thief, LinkUp)
    send(clients.link("admin"), device("door1", "cmd", "run"), b"1")
    assert message(door).payload == b"1"
    assert quiet(thief)
    assert door.status().connections == 1
    thief.close()


def test_nobody_sets_another_ones_status_by_a_last_will(clients: Clients) -> None:
    watch = clients.link("agent", device("door2", "status"))
    liar = clients.link("door1", presence=Presence(device("door2", "status"), b"online", b"offline"), wait=False)
    eventually(lambda: liar.status().connected or liar.status().failures)
    liar.close()
    assert quiet(watch)


def test_only_admins_named_in_the_acl_command(clients: Clients) -> None:
    clients.broker.write_acl("alice")
    clients.broker.reload()
    watch = clients.link("door1", device("door1", "cmd", "#"))
    send(clients.link("mallory"), device("door1", "cmd", "run"), b"no")
    alice = clients.link("alice")
    eventually(lambda: (send(alice, device("door1", "cmd", "run"), b"yes"), not quiet(watch, 0.2))[1])
    clients.broker.write_acl()
    clients.broker.reload()
