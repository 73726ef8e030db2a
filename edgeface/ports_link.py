"""The port to the site's broker, a half of ports.py: what a link is, and what comes in over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A connection began. Without `session_resumed` the broker knows nothing of this client any more: what was
    queued there is gone, and every subscription delivers its retained messages again."""

    session_resumed: bool


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The connection ended; `reason` is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionAnswered:
    """The broker's answer to one topic filter. `granted` True doesn't prove that it will deliver: Mosquitto's ACL
    file withholds messages without a word."""

    topic_filter: str
    granted: bool


class ReceivedMessage(Protocol):
    """One message from the broker, of QoS 1 delivered until `done`."""

    @property
    def topic(self) -> str: ...

    @property
    def payload(self) -> bytes: ...

    @property
    def retained(self) -> bool:
        """True for a stored message that came because of a subscription; False for one published just now."""
        ...

    @property
    def duplicate(self) -> bool:
        """The broker says that it sent this one before."""
        ...

    def done(self) -> None:
        """Acknowledges; call it once the effect is durable, for every message, from any thread. Acknowledgements go
        out in the order of arrival. After a reconnect it does nothing: the broker delivers the message again."""
        ...


Inbound = ReceivedMessage | LinkUp | LinkDown | SubscriptionAnswered


class Delivery(Protocol):
    """A message on its way out."""

    @property
    def message_id(self) -> str: ...

    @property
    def acknowledged(self) -> bool: ...

    def wait(self, timeout_s: float) -> bool:
        """Whether the broker has acknowledged it, waiting for that at most so long."""
        ...


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """`fault` is the sentence of the last failure and `fault_code` its kind, both empty while connected. `failures`
    counts the attempts in a row that failed. `certificate_days_left` is that of the client certificate or its CA,
    whichever ends first."""

    connected: bool = False
    session_resumed: bool = False
    connections: int = 0
    failures: int = 0
    fault: str = ""
    fault_code: str = ""
    retry_in_s: float | None = None
    refused_filters: tuple[str, ...] = ()
    unacknowledged_out: int = 0
    waiting_in: int = 0
    oversized_in: int = 0
    dropped_in: int = 0
    certificate_days_left: float | None = None


class Link(Protocol):
    """The way to the site's broker: MQTT 3.1.1, QoS 1, one persistent session. Thread-safe; what comes in is for one
    consumer."""

    def start(self) -> None:
        """Begins to connect, and goes on trying until `close`. Subscribe to what is for good before this: messages
        that wait in the broker's session come at once."""
        ...

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        message_id: str,
        retain: bool = False,
        timeout_s: float = 0.0,
        on_acknowledged: Callable[[str], None] | None = None,
    ) -> Delivery:
        """Hands one message over and returns; it is sent again after a reconnect until the broker acknowledges it, or
        this process ends. `message_id` is the sender's own. Waits `timeout_s` at most for room among what is not
        acknowledged yet. `on_acknowledged` is called from the network's thread and must be quick.

        Raises LinkUnavailable without a connection, LinkBusy without room, LinkError for a message too large or a
        topic that is none."""
        ...

    def subscribe(self, topic_filter: str) -> None:
        """From now on, over every reconnect; at run time too. Raises LinkError for a filter that is none."""
        ...

    def unsubscribe(self, topic_filter: str) -> None: ...

    def receive(self, timeout_s: float) -> Inbound | None:
        """The next thing that happened, in order; None if nothing did in that time. Messages of subscriptions that an
        earlier process left in the session come too."""
        ...

    def status(self) -> LinkStatus: ...

    def close(self) -> None:
        """Says goodbye (the status topic turns to offline) and ends. The broker keeps the session. Idempotent."""
        ...
