"""A real Mosquitto for tests, with the configuration that ships, and links to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeface.adapters.link.backoff import Backoff
from edgeface.adapters.link.broker import HOST, LocalBroker, find_mosquitto
from edgeface.adapters.link.connection import Presence, Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.link.tls import TlsFiles
from edgeface.adapters.link.upkeep import Limits
from edgeface.domain.errors import ConfigError
from edgeface.ports import Inbound, Link, LinkDown, LinkUp, ReceivedMessage, SubscriptionAnswered

CONFIG = Path(__file__).resolve().parents[2] / "config" / "mosquitto"
QUICK = Backoff(first_s=0.02, most_s=0.2)
SITE = "edgeface/v1/site"
PATIENCE_S = 30.0  # a deadline, not an expectation: the machine may be busy


def running(folder: Path, **options: object) -> Iterator[LocalBroker]:
    """For fixtures. Skips where Mosquitto isn't installed."""
    try:
        find_mosquitto()
    except ConfigError as e:
        pytest.skip(str(e))
    broker = LocalBroker(folder, CONFIG, **options)  # type: ignore[arg-type]
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def device(name: str, *topics: str) -> str:
    return "/".join([SITE, "device", name, *topics])


class Clients:
    """Links to a broker, closed together."""

    def __init__(self, broker: LocalBroker, *, clean: bool = False) -> None:
        self.broker, self._clean = broker, clean
        self._links: list[MqttLink] = []

    def link(
        self,
        name: str,
        *filters: str,
        presence: Presence | None = None,
        port: int | None = None,
        host: str = HOST,
        tls: TlsFiles | None = None,
        limits: Limits | None = None,
        keepalive_s: int = 15,
        largest_in: int = 1 << 20,
        wait: bool = True,
    ) -> MqttLink:
        target = Target(
            host,
            port or self.broker.port,
            name,
            tls or self.broker.client(name),
            presence=presence,
            keepalive_s=keepalive_s,
            largest_in=largest_in,
            clean_session=self._clean,
            connect_timeout_s=5.0,
        )
        link = MqttLink(target, limits=limits, backoff=QUICK, seed=1)
        self._links.append(link)
        for topic_filter in filters:
            link.subscribe(topic_filter)
        link.start()
        if wait:
            until(link, LinkUp)
            for _ in filters:
                until(link, SubscriptionAnswered)
        return link

    def close(self) -> None:
        for link in self._links:
            link.close()


def until(link: Link, kind: type, seen: list[Inbound] | None = None) -> Inbound:
    """The next thing of that kind; what comes before it goes to `seen`."""
    by_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < by_s:
        item = link.receive(0.5)
        if isinstance(item, kind):
            return item
        if item is not None and seen is not None:
            seen.append(item)
    raise AssertionError(f"no {kind.__name__} came; {link.status()}")


def message(link: Link, *, done: bool = True) -> ReceivedMessage:
    """The next message, acknowledged."""
    by_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < by_s:
        item = link.receive(0.5)
        if item is not None and not isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
            if done:
                item.done()
            return item
    raise AssertionError(f"no message came; {link.status()}")


def messages(link: Link, count: int) -> list[ReceivedMessage]:
    return [message(link) for _ in range(count)]


def quiet(link: Link, for_s: float = 0.3) -> bool:
    """That no message comes for so long."""
    by_s = time.monotonic() + for_s
    while time.monotonic() < by_s:
        item = link.receive(0.05)
        if item is not None and not isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
            return False
    return True


def eventually(condition: Callable[[], object], what: str = "it") -> None:
    by_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < by_s, f"{what} did not come about"
        time.sleep(0.01)


def send(link: Link, topic: str, payload: bytes = b"x", *, retain: bool = False) -> None:
    """Published and acknowledged."""
    delivery = link.publish(topic, payload, message_id=payload[:32].hex(), retain=retain, timeout_s=PATIENCE_S)
    assert delivery.wait(PATIENCE_S), link.status()
