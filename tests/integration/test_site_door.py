"""A door and its site over a real Mosquitto with TLS and the rights that ship."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.broker import QUICK, Clients, running
from support.people import person_id
from support.proxy import Proxy
from support.sitedoor import SiteDoor, until
from support.siteowner import NOBODY, Site

from edgeface.adapters.link import codec as c
from edgeface.adapters.link import topics
from edgeface.adapters.link.broker import HOST, LocalBroker
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.link.upkeep import Limits
from edgeface.adapters.system.clock import SystemClock
from edgeface.domain.messages import SiteMode
from edgeface.domain.messages_door import Command, CommandAsk, CommandOp


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    # room for ten megabytes, so that they reach the door at all
    yield from running(tmp_path / "broker", extra="max_packet_size 20971520\n")


@pytest.fixture
def clients(broker: LocalBroker) -> Iterator[Clients]:
    made = Clients(broker)
    yield made
    made.close()


class Together:
    """A site and a door in real time, both worked by the test."""

    def __init__(self, folder: Path, broker: LocalBroker, clients: Clients, port: int | None = None) -> None:
        self.broker = broker
        self.site = Site(clients.link("agent", limits=Limits(largest_out=16 << 20, unacknowledged_out_bytes=32 << 20)))
        self.site.begin()
        (folder / "door").mkdir()
        self.port = port
        self.door = SiteDoor(folder / "door", self.site, self._link, clock=SystemClock())

    def _link(self, name: str) -> MqttLink:
        target = Target(HOST, self.port or self.broker.port, name, self.broker.client(name), keepalive_s=15)
        return MqttLink(target, backoff=QUICK, seed=1)

    def until(self, condition: Callable[[], object], what: str = "it") -> float:
        began_s = time.monotonic()
        until(condition, self.site.turn, self.door.turn, what=what)
        return time.monotonic() - began_s

    def enrol(self, *numbers: int, seq: int = 1) -> list[str]:
        ids = [self.site.put(n, seq=seq) for n in numbers]
        self.site.new_manifest()
        self.in_step()
        return ids

    def in_step(self) -> None:
        def receipted() -> bool:
            last = self.site.receipts[-1:]
            return bool(last) and last[0].in_step and last[0].manifest == self.site.version

        self.until(receipted, "in step")
        assert self.site.receipts[-1].digest == self.site.shards.overall()


@pytest.fixture
def together(tmp_path: Path, broker: LocalBroker, clients: Clients) -> Iterator[Together]:
    made = Together(tmp_path, broker, clients)
    yield made
    made.door.close()


def test_a_new_door_becomes_right_from_shards_and_manifest(together: Together) -> None:
    """Everything was said before the door ever connected."""
    t = together
    t.door.close()
    ids = [t.site.put(n, log=False) for n in range(120)]
    t.site.say("roster", t.site.roster_raw)
    t.site.new_manifest()
    t.door.open()
    t.in_step()
    assert t.door.ids() == set(ids)
    assert t.door.gate.gallery() == "confirmed"
    t.until(lambda: not t.door.sync._shards.subscribed, "nothing more is subscribed to")


def test_a_revocation_is_in_force_in_two_seconds_online_and_after_being_away(together: Together) -> None:
    t = together
    one, two, three = t.enrol(1, 2, 3)
    t.site.remove(one)
    assert t.until(lambda: one not in t.door.known(), "refused online") < 2 * 10  # a busy machine; measured elsewhere
    t.site.new_manifest()
    t.in_step()
    t.door.close()
    t.site.remove(two)
    t.site.new_manifest()
    t.door.open()
    assert t.door.gate.gallery() == "waiting"  # nobody is let in before the site was asked
    t.until(lambda: t.door.gate.gallery() == "confirmed", "confirmed")
    assert t.door.known() == {three}


@pytest.mark.parametrize("database", [True, False])
def test_a_broker_killed_and_started_again(together: Together, database: bool) -> None:
    """With its database the door goes on; without it the agent publishes the site again."""
    t = together
    ids = t.enrol(1, 2, 3)
    if database:
        t.broker.save()
    t.broker.kill()
    t.until(lambda: not t.door.link.status().connected, "the door notices")
    if not database:
        t.broker.forget()
    t.broker.start()
    t.until(lambda: t.door.link.status().connected and t.site.link.status().connected, "both are back")
    if not database:
        t.site.republish()
    ids += t.enrol(4)
    assert t.door.ids() == set(ids)
    t.until(lambda: "link_restored" in t.door.kinds(), "it is written down")


def test_a_network_cut_in_the_middle_of_a_shard(tmp_path: Path, broker: LocalBroker, clients: Clients) -> None:
    proxy = Proxy(broker.port)
    t = Together(tmp_path, broker, clients, port=proxy.port)
    try:
        ids = [t.site.put(n) for n in range(60)]
        t.site.new_manifest()
        for _ in range(4):
            before = proxy.connections
            proxy.cut_after_down = 20_000
            t.until(lambda seen=before: proxy.connections > seen, "cut and back")
        proxy.cut_after_down = None
        proxy.cut()
        t.in_step()
        assert t.door.ids() == set(ids)
    finally:
        t.door.close()
        proxy.close()


def test_what_is_hostile_is_refused_and_counted(together: Together) -> None:
    """Replay, rollback, forgery, an unknown signer, a wrong epoch, another site, ten megabytes."""
    t = together
    old_manifest = t.site.manifest_raw
    (one,) = t.enrol(1)
    old_record = next(raw for topic, raw, _ in t.site.said if topic.endswith(one))
    t.enrol(1, seq=2)
    t.site.say("manifest", old_manifest)
    t.site.say("gallery-log", old_record, retain=False)
    forged = c.seal_record(t.site.people[one], t.site.epoch, t.site.id, NOBODY, 1)
    t.site.say("gallery-log", forged, retain=False)
    t.site.say("roster", Site().roster_raw)
    t.site.say("gallery-log", bytes(10 << 20), retain=False)
    altered = bytearray(t.site.mode(SiteMode.FREE_ACCESS, say=False))
    altered[-3] ^= 1
    t.site.say("mode", bytes(altered))
    wanted = {"rolled_back", "replayed", "unknown_signer", "wrong_site", "bad_signature"}
    t.until(lambda: wanted <= set(t.door.refusals()), "refused")
    t.until(lambda: t.door.link.status().oversized_in == 1, "ten megabytes are passed over")
    t.site.say("manifest", t.site.manifest_raw)
    t.until(lambda: t.site.receipts[-1].refused == sum(t.door.refusals().values()), "told")
    assert t.door.store.get(one).seq == 2
    assert t.door.gate.mode is SiteMode.NORMAL
    assert t.door.door.status().locked


def test_an_operators_command_over_the_real_rights(together: Together, clients: Clients) -> None:
    t = together
    t.site.say("roster", t.site.roster_raw)
    t.enrol(1)
    operator = clients.link("admin")
    me = t.door.keys.id

    def send(name: str, payload: bytes) -> None:
        operator.publish(topics.of_device(t.site.id, me, name), payload, message_id="x", timeout_s=5.0)

    send("cmd/ask", c.sign(c.COMMAND_ASK, CommandAsk("ab" * 16, me), t.site.id, t.site.admin))
    t.until(lambda: t.site.nonces, "a nonce")
    command = Command(me, t.site.nonces[-1].nonce, CommandOp.UNLOCK, 400)
    send("cmd/run", c.sign(c.COMMAND, command, t.site.id, t.site.admin))
    t.until(lambda: t.site.replies, "a reply")
    assert t.site.replies[-1].done
    assert "door_unlocked" in [e.kind for e in t.door.door.poll_events()]


def test_a_door_that_was_away_for_long_with_little_room_in_the_broker(together: Together) -> None:
    """Mosquitto queues 1,000 messages for a client and drops the rest without a word: the digests mend it."""
    t = together
    t.enrol(1)
    t.door.close()
    for n in range(1100):
        t.site.say("gallery-log", b"\x01 nobody reads this", retain=False)
        if n % 100 == 0:
            t.site.put(1000 + n)
    t.site.new_manifest()
    t.door.open()
    t.in_step()
    assert t.door.ids() == {person_id(1), *(person_id(1000 + n) for n in range(0, 1100, 100))}
