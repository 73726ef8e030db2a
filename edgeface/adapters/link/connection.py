"""One connection to the broker: one paho client from CONNECT to the end of its socket, then thrown away.

paho's own reconnecting is not used: it keeps one TLS context for ever (a renewed certificate would wait for a
restart), has no jitter, and swallows the reasons of failures. And one thread owns the client: paho's external event
loop interface needs no locks then, and epoll instead of select has no limit of 1,024 descriptors."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edgeface.adapters.link import faults
from edgeface.adapters.link.framing import PacketFilter
from edgeface.adapters.link.tls import TlsFiles
from edgeface.domain.errors import LinkUnavailable

_TURN = 200  # packets taken in before what goes out gets its turn


@dataclass(frozen=True, slots=True)
class Presence:
    """The client's retained status topic: `online` is published at every connection, `offline` is the last will and
    what a clean end leaves."""

    topic: str
    online: bytes
    offline: bytes


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int
    client_id: str
    tls: TlsFiles | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    presence: Presence | None = None
    keepalive_s: int = 15
    connect_timeout_s: float = 10.0
    clean_session: bool = False
    largest_in: int = 1 << 20

    @property
    def at(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Handlers:
    """Called by `Connection.step`, in its thread. `message` gets (packet id, QoS, topic, payload, retained, duplicate,
    size of a payload that was left out or None)."""

    up: Callable[[bool], None]
    message: Callable[[int, int, str, bytes, bool, bool, int | None], None]
    published: Callable[[int], None]
    subscribed: Callable[[int, list[bool]], None]
    unsubscribed: Callable[[int], None]


class _Client(paho.Client):
    """paho with a look at the bytes before it collects them, and at the error that ended the connection. The methods
    below are the edge between paho's protocol and its socket; tests/integration would show if they were renamed."""

    def __init__(self, *args: Any, target: Target, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._target = target
        self.tls: ssl.SSLContext | None = None
        self.incoming = PacketFilter(target.largest_in)
        self.last_error: OSError | None = None

    def _create_socket(self) -> socket.socket:
        """paho's own leaves the descriptor of a failed handshake open."""
        t = self._target
        raw = socket.create_connection((t.host, t.port), t.connect_timeout_s)
        if self.tls is None:
            return raw
        try:
            return self.tls.wrap_socket(raw, server_hostname=t.host)
        except BaseException:
            raw.close()
            raise

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return self.incoming.receive(bufsize, super()._sock_recv)
        except BlockingIOError:
            raise
        except OSError as e:
            self.last_error = e
            raise

    def _sock_send(self, buf: bytes | bytearray) -> int:
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as e:
            self.last_error = self._alert() or e
            raise

    def _alert(self) -> OSError | None:
        """In TLS 1.3 a broker refuses a certificate after we began to send: its reason waits to be read."""
        try:
            super()._sock_recv(1)
        except ssl.SSLError as e:
            return e if "ALERT" in (e.reason or "") else None
        except (OSError, AttributeError):
            pass
        return None


class Connection:
    """Not thread-safe."""

    def __init__(self, target: Target, handlers: Handlers, wake: socket.socket) -> None:
        """`wake`: `step` returns when it becomes readable."""
        self._target, self._handlers, self._wake = target, handlers, wake
        self._selector = selectors.DefaultSelector()
        self._selector.register(wake, selectors.EVENT_READ)
        self._socket: Any = None
        self._events = 0
        self._client = self._make_client()
        self._refusal: LinkUnavailable | None = None
        self.up = False
        self._answer_by_s = 0.0

    def open(self) -> None:
        """Blocks for name, TCP and TLS, `connect_timeout_s` at most for each. Raises LinkUnavailable."""
        t = self._target
        try:
            if t.tls is not None:
                self._client.tls = t.tls.context()
            self._client.connect(t.host, t.port, keepalive=t.keepalive_s)
        except (OSError, ValueError, LinkUnavailable) as e:
            raise faults.explain(e, t.host, t.port) from e
        self._answer_by_s = time.monotonic() + t.connect_timeout_s

    def step(self, timeout_s: float) -> bool:
        """Waits for something to do and does it; whether `wake` became readable. Raises LinkUnavailable when the
        connection is over."""
        self._register()
        woken = False
        for key, events in self._selector.select(0 if self._client.incoming.ready else timeout_s):
            if key.fileobj is self._wake:
                woken = True
            elif events & selectors.EVENT_WRITE:
                self._check(self._client.loop_write())
        self._read()
        self._check(self._client.loop_misc(), silent=True)
        if not self.up and time.monotonic() > self._answer_by_s:
            raise faults.silent(self._target.at, self._target.connect_timeout_s)
        return woken

    def publish(self, topic: str, payload: bytes, retain: bool) -> int:
        """The packet id that `published` will name."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def subscribe(self, filters: list[str]) -> int:
        return int(self._client.subscribe([(f, 1) for f in filters])[1] or 0)

    def unsubscribe(self, filters: list[str]) -> int:
        return int(self._client.unsubscribe(filters)[1] or 0)

    def acknowledge(self, packet_id: int) -> None:
        self._client.ack(packet_id, 1)

    def goodbye(self) -> None:
        """DISCONNECT, as far as it can be written now: without it the broker publishes the last will."""
        self._client.disconnect()
        with contextlib.suppress(OSError):
            self._client.loop_write()

    def close(self) -> None:
        self._selector.close()
        sock = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()

    # -- paho -----------------------------------------------------------------------------------------------------

    def _make_client(self) -> _Client:
        t = self._target
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=t.client_id,
            clean_session=t.clean_session,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
            target=t,
        )
        client.max_inflight_messages_set(0)  # the window is the caller's
        client.suppress_exceptions = False
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_publish = lambda _client, _data, mid, _reason, _properties: self._handlers.published(mid)
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = lambda _client, _data, mid, _reasons, _properties: self._handlers.unsubscribed(mid)
        client.on_socket_open = self._on_socket_open
        # Set, so that paho leaves writing to `step`.
        client.on_socket_register_write = lambda _client, _data, _socket: None
        if t.username is not None:
            client.username_pw_set(t.username, t.password)
        if t.presence is not None:
            client.will_set(t.presence.topic, t.presence.offline, qos=1, retain=True)
        return client

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.value != 0:
            # paho gives the return codes of 3.1.1 the reason codes of MQTT 5
            code = {132: 1, 133: 2, 136: 3, 134: 4, 135: 5}.get(reason.value, 5)
            self._refusal = faults.refused(code, self._target.at, self._target.client_id)
            return
        self.up = True
        self._handlers.up(bool(flags.session_present))

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        left_out = self._client.incoming.take_oversized()
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._handlers.message(
            message.mid, message.qos, topic, bytes(message.payload), message.retain, message.dup, left_out
        )

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
        self._handlers.subscribed(mid, [not r.is_failure for r in reasons])

    def _on_socket_open(self, _client: Any, _data: Any, sock: Any) -> None:
        self._socket = sock
        with contextlib.suppress(OSError, AttributeError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Bytes that nobody acknowledges: the kernel's own patience is a quarter of an hour.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._target.keepalive_s * 2000)

    # -- within ---------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
        if events == self._events:
            return
        if self._events:
            self._selector.modify(self._socket, events)
        else:
            self._selector.register(self._socket, events)
        self._events = events

    def _read(self) -> None:
        """Takes in what is there: bytes that TLS or the filter hold already don't make a socket readable."""
        for _ in range(_TURN):
            self._check(self._client.loop_read())
            pending = getattr(self._socket, "pending", None)
            if not self._client.incoming.ready and not (pending is not None and pending()):
                return

    def _check(self, result: int, *, silent: bool = False) -> None:
        if self._refusal is not None:
            raise self._refusal
        if result == paho.MQTT_ERR_SUCCESS and self._client.socket() is not None:
            return
        t = self._target
        if self._client.last_error is not None:
            raise faults.explain(self._client.last_error, t.host, t.port)
        if silent:
            raise faults.silent(t.at, t.keepalive_s)
        if result == paho.MQTT_ERR_PROTOCOL:
            raise LinkUnavailable(f"What answers at {t.at} is no MQTT broker.", "See host and port.", "protocol")
        raise faults.closed(t.at)
