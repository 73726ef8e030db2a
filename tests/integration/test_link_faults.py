"""The link through what networks, brokers and strangers do to it: with a real Mosquitto, over TLS, through a proxy."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from support.broker import PATIENCE_S, SITE, Clients, device, eventually, message, quiet, running, send, until
from support.proxy import Proxy

from edgeface.adapters.link.broker import LocalBroker
from edgeface.adapters.link.outbox import Entry, Kind, Outbox
from edgeface.adapters.link.pump import OutboxPump
from edgeface.adapters.link.upkeep import Limits
from edgeface.domain.errors import LinkBusy, LinkUnavailable
from edgeface.ports import LinkDown, LinkUp

LOG = f"{SITE}/gallery-log"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """Without its size limit: what the link does where a broker lets everything through."""
    yield from running(tmp_path_factory.mktemp("broker"), extra="max_packet_size 100000000")


@pytest.fixture
def clients(broker: LocalBroker) -> Iterator[Clients]:
    made = Clients(broker)
    yield made
    made.close()


@pytest.fixture
def proxy(broker: LocalBroker) -> Iterator[Proxy]:
    made = Proxy(broker.port)
    yield made
    made.close()


def test_a_half_open_connection_is_noticed_by_keepalive(clients: Clients, proxy: Proxy) -> None:
    """The other end is gone, and nothing says so: no reset, no end, only silence."""
    door = clients.link("half-open", LOG, port=proxy.port, keepalive_s=1)
    proxy.swallow = True
    began_s = time.monotonic()
    until(door, LinkDown)
    took_s = time.monotonic() - began_s
    assert door.status().fault_code in ("silent", "network")
    assert took_s >= 1  # not before its time; that it comes at all is what `until` says
    proxy.cut()
    proxy.swallow = False
    until(door, LinkUp)
    send(clients.link("agent"), LOG, b"after")
    assert message(door).payload == b"after"


def test_an_idle_connection_is_kept(clients: Clients) -> None:
    door = clients.link("idle", LOG, keepalive_s=1)
    time.sleep(3.5)
    assert door.status().connected
    assert door.status().connections == 1
    send(clients.link("agent"), LOG, b"still there")
    assert message(door).payload == b"still there"


def test_a_message_cut_in_the_middle_on_its_way_in_arrives_whole(clients: Clients, proxy: Proxy) -> None:
    door = clients.link("cut-in", LOG, port=proxy.port)
    proxy.cut_after_down = 20_000
    large = bytes(range(256)) * 800
    send(clients.link("agent"), LOG, large)
    until(door, LinkDown)
    eventually(lambda: proxy.connections >= 3, "two more attempts")
    proxy.cut_after_down = None
    assert message(door).payload == large
    send(door, device("cut-in", "telemetry"))
    assert quiet(door)


def test_a_message_cut_in_the_middle_on_its_way_out_is_sent_again(clients: Clients, proxy: Proxy) -> None:
    watch = clients.link("agent", device("cut-out", "#"))
    door = clients.link("cut-out", port=proxy.port)
    proxy.cut_after_up = 20_000
    large = bytes(range(256)) * 800
    delivery = door.publish(device("cut-out", "receipt"), large, message_id="1")
    until(door, LinkDown)
    assert not delivery.acknowledged
    proxy.cut_after_up = None
    assert delivery.wait(PATIENCE_S)
    assert message(watch).payload == large


def test_bytes_that_somebody_injects_end_the_connection_and_nothing_else(clients: Clients, proxy: Proxy) -> None:
    door = clients.link("injected", LOG, port=proxy.port)
    proxy.inject(b"\x32\x10\x00\x04evil" + bytes(10), upstream=False)
    until(door, LinkDown)
    assert door.status().fault_code in ("", "tls", "closed", "network")  # empty: it is back already
    assert until(door, LinkUp) == LinkUp(session_resumed=True)
    send(clients.link("agent"), LOG, b"after")
    assert message(door).payload == b"after"


def test_a_message_of_ten_megabytes_is_read_past_counted_and_never_comes_again(clients: Clients) -> None:
    door = clients.link("small", LOG, f"{SITE}/manifest", largest_in=65536)
    agent = clients.link("agent", limits=Limits(largest_out=20 << 20))
    send(agent, LOG, bytes(10 << 20))
    send(agent, f"{SITE}/manifest", bytes(10 << 20), retain=True)
    send(agent, LOG, b"next")
    assert message(door).payload == b"next"
    assert door.status().oversized_in == 2
    assert door.status().connections == 1
    door.close()
    again = clients.link("small", wait=False)
    assert until(again, LinkUp) == LinkUp(session_resumed=True)
    assert quiet(again)
    send(agent, f"{SITE}/manifest", b"", retain=True)


def test_the_shipped_configuration_throws_out_who_sends_ten_megabytes(tmp_path: Path) -> None:
    for broker in running(tmp_path / "b"):
        clients = Clients(broker)
        door = clients.link("door1", LOG)
        mallory = clients.link("agent", limits=Limits(largest_out=20 << 20))
        mallory.publish(LOG, bytes(10 << 20), message_id="big")
        until(mallory, LinkDown)
        send(clients.link("admin"), LOG, b"next")
        assert message(door).payload == b"next"
        clients.close()


def test_a_consumer_that_is_behind_loses_nothing(clients: Clients) -> None:
    """Beyond its bound the link lets go of the connection, unacknowledged, and the broker keeps the rest."""
    door = clients.link("slow", LOG, limits=Limits(waiting_in=10))
    agent = clients.link("agent")
    for i in range(100):
        send(agent, LOG, b"%d" % i)
    eventually(lambda: door.status().fault_code == "overflow" or door.status().dropped_in)
    assert door.status().waiting_in <= 10
    seen: list[bytes] = []
    while len(dict.fromkeys(seen)) < 100:
        seen.append(message(door).payload)
    assert list(dict.fromkeys(seen)) == [b"%d" % i for i in range(100)]


def test_a_flood_of_a_stranger_is_bounded_and_the_rest_gets_through(broker: LocalBroker, clients: Clients) -> None:
    """QoS 0 may be dropped; what the site sends at QoS 1 arrives all the same."""
    files = broker.client("admin")
    flood = paho.Client(CallbackAPIVersion.VERSION2, client_id="admin")
    flood.tls_set(str(files.ca), str(files.certificate), str(files.key))
    flood.connect("localhost", broker.port)
    flood.loop_start()
    door = clients.link("flooded", LOG, f"{SITE}/manifest", limits=Limits(waiting_in=50, waiting_in_bytes=1 << 20))
    for _ in range(3000):
        flood.publish(LOG, bytes(1000), qos=0)
    flood.publish(LOG, b"the last", qos=1).wait_for_publish(PATIENCE_S)
    send(clients.link("agent"), f"{SITE}/manifest", b"the manifest")
    assert door.status().waiting_in <= 50
    while message(door).topic != f"{SITE}/manifest":
        pass
    flood.disconnect()
    flood.loop_stop()


def test_a_broker_that_begins_later_is_found(tmp_path: Path) -> None:
    for broker in running(tmp_path / "b"):
        broker.stop()
        clients = Clients(broker)
        door = clients.link("door1", LOG, wait=False)
        eventually(lambda door=door: door.status().failures >= 3)
        assert "Nothing listens" in door.status().fault
        with pytest.raises(LinkUnavailable, match="Nothing listens"):
            door.publish(LOG, b"", message_id="1")
        broker.start()
        until(door, LinkUp)
        assert door.status().failures == 0
        clients.close()


def test_what_is_on_its_way_survives_a_broker_that_is_killed_and_forgets_everything(tmp_path: Path) -> None:
    """Each message was acknowledged, by the one broker or the other."""
    for broker in running(tmp_path / "b"):
        clients = Clients(broker)
        agent = clients.link("agent")
        deliveries = []
        for i in range(300):
            if i == 150:
                broker.kill()
                broker.forget()
                broker.start()
            try:
                deliveries.append(
                    agent.publish(f"{SITE}/gallery/00/{i:03}", b"x" * 500, message_id=str(i), retain=True, timeout_s=5)
                )
            except LinkUnavailable:
                until(agent, LinkUp)
        assert all(d.wait(PATIENCE_S) for d in deliveries)
        clients.close()


def test_the_window_is_bounded_while_the_broker_is_silent(clients: Clients, proxy: Proxy) -> None:
    door = clients.link("window", port=proxy.port, limits=Limits(unacknowledged_out=5))
    proxy.swallow = True
    for i in range(5):
        door.publish(device("window", "telemetry"), b"x", message_id=str(i))
    with pytest.raises(LinkBusy):
        door.publish(device("window", "telemetry"), b"x", message_id="6", timeout_s=0.05)
    assert door.status().unacknowledged_out == 5
    proxy.swallow = False
    proxy.cut()
    eventually(lambda: door.status().unacknowledged_out == 0)


def test_the_outbox_arrives_complete_and_in_order_over_a_network_that_breaks_again_and_again(
    clients: Clients, proxy: Proxy, tmp_path: Path
) -> None:
    watch = clients.link("agent", device("broken", "event", "#"))
    door = clients.link("broken", port=proxy.port)
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.put_all([Entry(f"{i}", Kind.ACCESS, device("broken", "event", "access"), b"%d" % i) for i in range(300)])
    stop = threading.Event()
    worker = threading.Thread(target=OutboxPump(outbox, door, window=10).work, args=(stop,))
    worker.start()
    seen: list[bytes] = []
    cuts = 0
    while len(dict.fromkeys(seen)) < 300:
        seen.append(message(watch).payload)
        if len(seen) % 40 == 0 and cuts < 8:
            proxy.cut()
            cuts += 1
    eventually(lambda: outbox.status().waiting == 0)
    stop.set()
    worker.join(10)
    assert list(dict.fromkeys(seen)) == [b"%d" % i for i in range(300)]
    assert cuts >= 5
    outbox.close()


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_bad_network_for_long(clients: Clients, proxy: Proxy) -> None:
    """Cuts, silences and delays at random: everything arrives, in order by first appearance."""
    rng = random.Random(1)
    door = clients.link("torture", LOG, port=proxy.port, keepalive_s=1)
    agent = clients.link("agent")
    until_s = time.monotonic() + float(os.environ.get("EDGEFACE_TORTURE_S", "60"))
    stop = threading.Event()

    def break_things() -> None:
        while not stop.is_set():
            what = rng.choice(("cut", "swallow", "delay", "nothing"))
            if what == "cut":
                proxy.cut()
            elif what == "swallow":
                proxy.swallow = True
                stop.wait(rng.uniform(0.1, 3))
                proxy.cut()
                proxy.swallow = False
            elif what == "delay":
                proxy.delay_s = rng.uniform(0, 0.3)
            stop.wait(rng.uniform(0.05, 1))

    breaker = threading.Thread(target=break_things)
    breaker.start()
    sent = 0
    seen: dict[bytes, None] = {}
    try:
        while time.monotonic() < until_s:
            for _ in range(100):
                send(agent, LOG, b"%d" % sent)
                sent += 1
            while len(seen) < sent:
                seen.setdefault(message(door).payload)
    finally:
        stop.set()
        breaker.join()
    assert list(seen) == [b"%d" % i for i in range(sent)]
    assert sent > 100
