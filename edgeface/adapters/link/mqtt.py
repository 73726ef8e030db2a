"""The way to the broker.

Callers never touch paho: they leave what they want in tables and wake the thread that owns it (`upkeep.py`). So a
caller is never blocked by the network, and one thread alone uses paho (`connection.py` says why not paho's own)."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from datetime import datetime, timezone

from edgeface.adapters.link.backoff import Backoff
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.filters import check_filter, check_topic
from edgeface.adapters.link.outgoing import Outgoing
from edgeface.adapters.link.upkeep import Limits, Upkeep
from edgeface.domain.errors import ConfigError, LinkError, LinkUnavailable
from edgeface.ports import Inbound, LinkStatus


class MqttLink:
    """Implements ports.Link over TCP or TLS.

    `report(level, error)` hears each failure: "warning" for the first of a row, "debug" for its repeats, "info" (with
    None) when a connection stands. It is called from the network's thread."""

    def __init__(
        self,
        target: Target,
        *,
        limits: Limits | None = None,
        backoff: Backoff | None = None,
        allow_plain: bool = False,
        report: Callable[[str, LinkUnavailable | None], None] | None = None,
        utc: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        seed: int | None = None,
    ) -> None:
        """Raises ConfigError for a connection without TLS to another machine, unless `allow_plain`."""
        if target.tls is None and not allow_plain and not _is_loopback(target.host):
            raise ConfigError(
                f"The connection to the broker {target.host} would not be encrypted.",
                "Set ca, certificate and key; or allow it explicitly, on a network that nobody else can reach.",
            )
        self._limits = limits or Limits()
        self._upkeep = Upkeep(
            target,
            self._limits,
            backoff or Backoff(),
            report or (lambda _level, _error: None),
            utc,
            random.Random(seed),
        )

    def start(self) -> None:
        self._upkeep.start()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        message_id: str,
        retain: bool = False,
        timeout_s: float = 0.0,
        on_acknowledged: Callable[[str], None] | None = None,
    ) -> Outgoing:
        check_topic(topic)
        if len(payload) > self._limits.largest_out:
            raise LinkError(
                f"The message {message_id} has {len(payload)} bytes; {self._limits.largest_out} is the most.",
                "A larger one would be dropped by the broker.",
            )
        known = self._upkeep.known
        if not known.connected:
            raise LinkUnavailable(known.fault or "There is no connection to the broker yet.", "", known.fault_code)
        message = Outgoing(message_id, topic, payload, retain, on_acknowledged)
        self._upkeep.window.add(message, timeout_s)
        self._upkeep.request(lambda connection: self._upkeep.send(connection, message))
        return message

    def subscribe(self, topic_filter: str) -> None:
        check_filter(topic_filter)
        self._upkeep.subscriptions.want(topic_filter)
        self._upkeep.request(self._upkeep.subscriptions.ask)

    def unsubscribe(self, topic_filter: str) -> None:
        check_filter(topic_filter)
        self._upkeep.subscriptions.drop(topic_filter)
        self._upkeep.not_refused(topic_filter)
        self._upkeep.request(self._upkeep.subscriptions.ask)

    def receive(self, timeout_s: float) -> Inbound | None:
        return self._upkeep.inbox.get(timeout_s)

    def status(self) -> LinkStatus:
        return self._upkeep.status()

    def close(self) -> None:
        self._upkeep.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
