"""A door whose clock is in 1970, or in 2100, and its site over a real Mosquitto: what needs no wall clock works, what
TLS refuses is said with the time that the clock shows, and a clock that is set brings the door back at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.broker import Clients, eventually, running
from support.sitedoor import SiteDoor, until
from support.siteowner import Site

from edgeface.adapters.link.backoff import Backoff
from edgeface.adapters.link.broker import HOST, LocalBroker
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.system.clock import SystemClock
from edgeface.domain.errors import LinkUnavailable

NEVER = Backoff(first_s=3600, most_s=3600, jitter=0)  # whoever waits for it fails by the test's own deadline


class WrongClock(SystemClock):
    """The real monotonic time under a wall clock that the test sets."""

    def __init__(self, year: int) -> None:
        super().__init__()
        self.ahead = datetime(year, 1, 1, 0, 3, tzinfo=timezone.utc) - datetime.now(timezone.utc)

    def utc(self) -> datetime:
        return datetime.now(timezone.utc) + self.ahead


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    yield from running(tmp_path / "broker")


@pytest.fixture
def clients(broker: LocalBroker) -> Iterator[Clients]:
    made = Clients(broker)
    yield made
    made.close()


def served(broker: LocalBroker, begins: datetime, days: float = 365) -> None:
    """The broker with a certificate that is valid from then on: as a door sees a sound one whose own clock is off by
    as much. (A certificate begins an hour before it is issued.)"""
    issued = broker.authority.server(broker.names(), begins + timedelta(hours=1), days)
    broker.stop()
    broker.write(issued, broker.folder / "server.pem", broker.folder / "server.key")
    broker.start()


class Waiting:
    """A door's link, that would try again in an hour."""

    def __init__(self, broker: LocalBroker, clock: WrongClock) -> None:
        self.said: list[tuple[str, LinkUnavailable | None]] = []
        self.link = MqttLink(
            Target(HOST, broker.port, "door1", broker.client("door1")),
            backoff=NEVER,
            utc=clock.utc,
            report=lambda level, error: self.said.append((level, error)),
        )
        self.link.start()


@pytest.fixture
def waiting(broker: LocalBroker) -> Iterator[Callable[[WrongClock], Waiting]]:
    made: list[Waiting] = []

    def make(clock: WrongClock) -> Waiting:
        made.append(Waiting(broker, clock))
        return made[-1]

    yield make
    for one in made:
        one.link.close()


def test_in_1970_the_sentence_says_what_the_clock_says_and_setting_it_brings_the_door_back_at_once(
    broker: LocalBroker, waiting: Callable[[WrongClock], Waiting]
) -> None:
    clock = WrongClock(1970)
    valid_from = datetime.now(timezone.utc) + timedelta(seconds=4)
    served(broker, valid_from)
    one = waiting(clock)
    eventually(lambda: one.link.status().failures == 1)
    status = one.link.status()
    assert status.fault_code == "clock"
    assert "is not valid yet: this device's clock is behind. The clock says 1970-01-01 00:03 UTC." in status.fault
    assert "timedatectl" in status.fault
    assert status.retry_in_s is not None
    assert status.retry_in_s > 3000
    eventually(lambda: datetime.now(timezone.utc) > valid_from + timedelta(seconds=1))
    assert not one.link.status().connected
    clock.ahead = timedelta()  # the network sets the clock
    eventually(lambda: one.link.status().connected)
    assert [level for level, _ in one.said] == ["warning", "info"]


def test_in_2100_the_same(broker: LocalBroker, waiting: Callable[[WrongClock], Waiting]) -> None:
    clock = WrongClock(2100)
    served(broker, datetime.now(timezone.utc) - timedelta(days=30), 1)  # long over, for this door
    one = waiting(clock)
    eventually(lambda: one.link.status().failures == 1)
    status = one.link.status()
    assert status.fault_code == "broker_expired"
    assert "has expired, or this device's clock is ahead. The clock says 2100-01-01 00:03 UTC." in status.fault
    served(broker, datetime.now(timezone.utc) - timedelta(hours=1))  # what a right clock makes of it
    clock.ahead = timedelta()
    eventually(lambda: one.link.status().connected)


def test_a_clock_that_is_set_hurries_nothing_else(
    broker: LocalBroker, waiting: Callable[[WrongClock], Waiting]
) -> None:
    """All the doors of a site get the time from one server: they must not all reach for a broker that is down."""
    clock = WrongClock(2027)
    broker.stop()
    one = waiting(clock)
    eventually(lambda: one.link.status().failures == 1)
    assert "The clock says" not in one.link.status().fault
    clock.ahead = timedelta()
    time.sleep(2.5)
    assert one.link.status().failures == 1


@pytest.mark.parametrize("year", [1970, 2100])
def test_a_door_takes_part_in_its_site_whatever_its_clock_says(
    tmp_path: Path, broker: LocalBroker, clients: Clients, year: int
) -> None:
    """Certificates that hold, as ones without an end would: records, revocations, erasures, the site's confirmation and
    receipts need no wall clock; what a clock that can't be right says is not passed on."""
    clock = WrongClock(year)
    site = Site(clients.link("agent"))
    site.begin()
    (tmp_path / "door").mkdir()

    def link(name: str) -> MqttLink:
        return MqttLink(Target(HOST, broker.port, name, broker.client(name)), utc=clock.utc, seed=1)

    door = SiteDoor(tmp_path / "door", site, link, clock=clock, max_age_s=60.0, refuse=True)
    try:
        one, two, three = (site.put(n) for n in (1, 2, 3))
        site.new_manifest()

        def in_step() -> bool:
            last = site.receipts[-1:]
            return bool(last) and last[0].in_step and last[0].manifest == site.version

        until(in_step, site.turn, door.turn, what="in step")
        until(lambda: door.gate.gallery() == "confirmed", site.turn, door.turn, what="confirmed")
        site.remove(one)
        site.remove(two, erased=True)
        site.new_manifest()
        until(lambda: in_step() and site.erasures, site.turn, door.turn, what="removed and erased")
        assert door.known() == {three}
        told = clock.utc().year if clock.is_set() else 0
        years = {datetime.fromtimestamp(s, timezone.utc).year if s else 0 for s in (
            site.receipts[-1].at_s, site.erasures[0].destroyed_s)}  # fmt: skip
        assert years == {told}
        assert told == (0 if year == 1970 else 2100)

        clock.ahead = timedelta()  # it is set while all of this runs
        assert door.gate.gallery() == "confirmed"
        door.store.renew()
        door.parts.reports.erasures_due()
        site.put(4)
        site.new_manifest()
        until(lambda: in_step() and len(site.erasures) == 2, site.turn, door.turn, what="goes on")
        assert site.erasures[1].rotated
        assert abs(site.receipts[-1].at_s - time.time()) < 3600
        assert not door.refusals()
        assert "gallery_unconfirmed" not in door.kinds()
    finally:
        door.close()
