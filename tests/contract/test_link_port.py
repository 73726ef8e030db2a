"""What every Link does: the in-process one, and MQTT over TLS to a real Mosquitto with the configuration that ships."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

import pytest
from support.broker import SITE, Clients, device, eventually, message, messages, quiet, running, send, until
from support.proxy import Proxy

from edgeface.adapters.link.broker import LocalBroker
from edgeface.adapters.link.connection import Presence
from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker
from edgeface.domain.errors import LinkError, LinkUnavailable
from edgeface.ports import Link, LinkDown, LinkUp, SubscriptionAnswered

_numbers = itertools.count()


class Bench(Protocol):
    def link(self, name: str, *filters: str, presence: Presence | None = None, wait: bool = True) -> Link: ...

    def cut(self, name: str) -> None:
        """The client's connection breaks; it comes back by itself."""

    def restart(self, *, lose_database: bool = False) -> None: ...

    def close(self) -> None: ...


class MemoryBench:
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self._links: list[MemoryLink] = []

    def link(self, name: str, *filters: str, presence: Presence | None = None, wait: bool = True) -> Link:
        link = MemoryLink(self.broker, name, presence=presence)
        self._links.append(link)
        for topic_filter in filters:
            link.subscribe(topic_filter)
        link.start()
        if wait:
            until(link, LinkUp)
        return link

    def cut(self, name: str) -> None:
        self.broker.cut(name)

    def restart(self, *, lose_database: bool = False) -> None:
        self.broker.stop(lose_database=lose_database)
        self.broker.start()

    def close(self) -> None:
        for link in self._links:
            link.close()


class MosquittoBench:
    def __init__(self, broker: LocalBroker) -> None:
        self.broker = broker
        self._clients = Clients(broker)
        self._proxies: dict[str, Proxy] = {}

    def link(self, name: str, *filters: str, presence: Presence | None = None, wait: bool = True) -> Link:
        proxy = self._proxies[name] = Proxy(self.broker.port)
        return self._clients.link(name, *filters, presence=presence, port=proxy.port, wait=wait)

    def cut(self, name: str) -> None:
        self._proxies[name].cut()

    def restart(self, *, lose_database: bool = False) -> None:
        if not lose_database:
            self.broker.save()
        self.broker.kill()
        if lose_database:
            self.broker.forget()
        self.broker.start()

    def close(self) -> None:
        self._clients.close()
        for proxy in self._proxies.values():
            proxy.close()


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    yield from running(tmp_path_factory.mktemp("broker"))


@pytest.fixture(params=["memory", "mosquitto"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made: Bench = MemoryBench() if request.param == "memory" else MosquittoBench(request.getfixturevalue("mosquitto"))
    yield made
    made.close()


@pytest.fixture
def topic() -> str:
    """Of this test alone: the broker outlives it."""
    return f"{SITE}/gallery/t{next(_numbers)}"


def door() -> str:
    return f"door{next(_numbers)}"


def test_a_message_arrives_and_is_acknowledged(bench: Bench, topic: str) -> None:
    there, here = bench.link(door(), f"{topic}/#"), bench.link("agent")
    send(here, f"{topic}/a", b"\x00\xff payload")
    got = message(there)
    assert (got.topic, got.payload, got.retained, got.duplicate) == (f"{topic}/a", b"\x00\xff payload", False, False)
    assert here.status().unacknowledged_out == 0


def test_messages_keep_their_order(bench: Bench, topic: str) -> None:
    there, here = bench.link(door(), f"{topic}/#"), bench.link("agent")
    sent = [here.publish(f"{topic}/{i % 7}", b"%d" % i, message_id=str(i), timeout_s=20.0) for i in range(300)]
    assert [m.payload for m in messages(there, 300)] == [b"%d" % i for i in range(300)]
    assert all(delivery.wait(20) for delivery in sent)


def test_the_sender_hears_of_the_acknowledgement_by_its_own_id(bench: Bench, topic: str) -> None:
    here = bench.link("agent")
    heard: list[str] = []
    delivery = here.publish(topic, b"x", message_id="mine", on_acknowledged=heard.append)
    assert delivery.wait(20)
    assert delivery.acknowledged
    eventually(lambda: heard == ["mine"])


def test_what_is_retained_comes_with_a_subscription_and_is_marked(bench: Bench, topic: str) -> None:
    here = bench.link("agent")
    send(here, f"{topic}/kept", b"1", retain=True)
    send(here, f"{topic}/passing", b"2")
    there = bench.link(door(), f"{topic}/#", wait=False)
    got = message(there)
    assert (got.payload, got.retained) == (b"1", True)
    assert quiet(there)
    send(here, f"{topic}/kept", b"", retain=True)
    assert message(there).payload == b""
    later = bench.link(door(), f"{topic}/#")
    assert quiet(later)


def test_subscriptions_come_and_go_at_run_time(bench: Bench, topic: str) -> None:
    there, here = bench.link(door()), bench.link("agent")
    here_alone = topic.rsplit("/", 1)[1]
    wild = f"{SITE}/gallery/+/{here_alone}"
    there.subscribe(wild)
    assert until(there, SubscriptionAnswered) == SubscriptionAnswered(wild, True)
    send(here, f"{SITE}/gallery/a/other")
    send(here, f"{SITE}/gallery/a/{here_alone}")
    assert message(there).topic == f"{SITE}/gallery/a/{here_alone}"
    there.unsubscribe(wild)
    there.subscribe(f"{topic}/end")
    until(there, SubscriptionAnswered)
    send(here, f"{SITE}/gallery/a/{here_alone}")
    send(here, f"{topic}/end")
    assert message(there).topic == f"{topic}/end"


def test_a_message_that_was_not_acknowledged_comes_again(bench: Bench, topic: str) -> None:
    name = door()
    there, here = bench.link(name, f"{topic}/#"), bench.link("agent")
    send(here, f"{topic}/a", b"1")
    send(here, f"{topic}/a", b"2")
    first = message(there, done=False)
    bench.cut(name)
    until(there, LinkDown)
    first.done()  # of a connection that is gone: nothing is acknowledged by it
    assert until(there, LinkUp) == LinkUp(session_resumed=True)
    again = messages(there, 2)
    assert [m.payload for m in again] == [b"1", b"2"]
    assert again[0].duplicate
    send(there, device(name, "telemetry"))  # answered after the acknowledgements before it
    bench.cut(name)
    until(there, LinkUp)
    assert quiet(there)


def test_acknowledgements_go_out_in_the_order_of_arrival(bench: Bench, topic: str) -> None:
    """A later message that is done first waits for the earlier one, so nothing is skipped by a restart between."""
    name = door()
    there, here = bench.link(name, f"{topic}/#"), bench.link("agent")
    for i in range(3):
        send(here, f"{topic}/a", b"%d" % i)
    held = [message(there, done=False) for _ in range(3)]
    held[2].done()
    held[1].done()
    bench.cut(name)
    until(there, LinkUp)
    assert [m.payload for m in messages(there, 3)] == [b"0", b"1", b"2"]


def test_messages_wait_in_the_session_while_the_client_is_away(bench: Bench, topic: str) -> None:
    name = door()
    bench.link(name, f"{topic}/#").close()
    here = bench.link("agent")
    for i in range(30):
        send(here, f"{topic}/a", b"%d" % i)
    there = bench.link(name, wait=False)
    assert until(there, LinkUp) == LinkUp(session_resumed=True)
    assert [m.payload for m in messages(there, 30)] == [b"%d" % i for i in range(30)]


def acknowledged(link: Link, name: str) -> None:
    """What was taken is the broker's own knowledge too: the acknowledgement left with the second of these at latest,
    and the broker has answered that."""
    for _ in range(2):
        send(link, device(name, "telemetry"))


def test_nothing_comes_twice_over_a_reconnect_with_its_session(bench: Bench, topic: str) -> None:
    name = door()
    here = bench.link("agent")
    send(here, f"{topic}/kept", b"1", retain=True)
    there = bench.link(name, f"{topic}/#", wait=False)
    assert message(there).payload == b"1"
    acknowledged(there, name)
    bench.cut(name)
    until(there, LinkDown)
    until(there, LinkUp)
    assert quiet(there)


def test_a_restarted_broker_goes_on_where_it_was(bench: Bench, topic: str) -> None:
    name = door()
    there, here = bench.link(name, f"{topic}/#"), bench.link("agent")
    send(here, f"{topic}/kept", b"1", retain=True)
    assert message(there).payload == b"1"
    acknowledged(there, name)
    bench.restart()
    assert until(there, LinkUp) == LinkUp(session_resumed=True)
    until(here, LinkUp)
    send(here, f"{topic}/a", b"2")
    assert message(there).payload == b"2"


def test_a_broker_that_lost_everything_is_told_apart_and_subscribed_to_again(bench: Bench, topic: str) -> None:
    name = door()
    presence = Presence(device(name, "status"), b"online", b"offline")
    there, here = bench.link(name, f"{topic}/#", presence=presence), bench.link("agent")
    bench.restart(lose_database=True)
    assert until(there, LinkUp) == LinkUp(session_resumed=False)
    until(here, LinkUp)
    if isinstance(bench, MosquittoBench):
        until(there, SubscriptionAnswered)
    send(here, f"{topic}/a", b"2")
    assert message(there).payload == b"2"
    watcher = bench.link("agent2" if isinstance(bench, MemoryBench) else "admin", device(name, "status"), wait=False)
    assert message(watcher).payload == b"online"


def test_the_status_topic_says_online_and_offline(bench: Bench) -> None:
    name = door()
    presence = Presence(device(name, "status"), b"online", b"offline")
    watcher = bench.link("admin", device(name, "status"))
    there = bench.link(name, presence=presence)
    assert message(watcher).payload == b"online"
    bench.cut(name)
    assert [m.payload for m in messages(watcher, 2)] == [b"offline", b"online"]
    there.close()
    assert message(watcher).payload == b"offline"
    later = bench.link("agent", device(name, "status"), wait=False)
    got = message(later)
    assert (got.payload, got.retained) == (b"offline", True)


def test_what_cannot_be_sent_is_refused_at_once(bench: Bench, topic: str) -> None:
    here = bench.link("agent")
    for bad in ("", "a/+/b", "a/#", "a\x00b", "x" * 2000):
        with pytest.raises(LinkError):
            here.publish(bad, b"x", message_id="1")
    for bad in ("", "a/#/b", "a/b#", "a+/b", "a\nb"):
        with pytest.raises(LinkError):
            here.subscribe(bad)
    with pytest.raises(LinkError, match="bytes"):
        here.publish(topic, bytes((1 << 20) + 1), message_id="1")


def test_without_a_connection_nothing_is_taken(bench: Bench, topic: str) -> None:
    """What must not be lost stays where it is durable: the link keeps no second outbox."""
    here = bench.link("agent")
    here.close()
    with pytest.raises(LinkUnavailable):
        here.publish(topic, b"x", message_id="1")
    here.close()
    assert not here.status().connected
