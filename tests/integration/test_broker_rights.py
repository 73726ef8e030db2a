"""The broker configuration that ships, in a real Mosquitto: who gets in, who may say and hear what; and each refusal as
one clear sentence."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.broker import PATIENCE_S, QUICK, SITE, Clients, device, eventually, message, quiet, running, send, until

from edgeface.adapters.link.broker import HOST, LocalBroker
from edgeface.adapters.link.certificates import Authority, request, serial
from edgeface.adapters.link.connection import Presence, Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.link.tls import TlsFiles
from edgeface.domain.errors import ConfigError
from edgeface.ports import LinkStatus, LinkUp

NOW = datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    yield from running(tmp_path_factory.mktemp("broker"))


@pytest.fixture
def clients(broker: LocalBroker) -> Iterator[Clients]:
    made = Clients(broker, clean=True)  # what an earlier test subscribed to is of no interest
    yield made
    made.close()


def _failure(target: Target) -> LinkStatus:
    """How a link that can't get in says why."""
    told: list[str] = []
    link = MqttLink(target, backoff=QUICK, report=lambda level, _error: told.append(level))
    link.start()
    try:
        eventually(lambda: link.status().failures >= 2, "two failures")
        assert not link.status().connected
        assert told[:2] == ["warning", "debug"]
        return link.status()
    finally:
        link.close()


def _other_ca(tmp_path: Path, name: str = "door1", days: float = 1) -> TlsFiles:
    authority = Authority.create("other", NOW)
    files = TlsFiles(tmp_path / "ca.pem", tmp_path / "c.pem", tmp_path / "c.key")
    LocalBroker.write(authority.client(name, NOW, days), files.certificate, files.key)
    files.ca.write_bytes(authority.certificate)
    return files


# -- rights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topic",
    [
        device("door2", "status"), device("door2", "receipt"), device("door2", "event", "access"),
        device("door2", "telemetry"), device("door2", "nonce"), f"{SITE}/request/door2",
        f"{SITE}/roster", f"{SITE}/manifest", f"{SITE}/mode", f"{SITE}/gallery/00/aa", f"{SITE}/gallery-log",
        f"{SITE}/revoked/aa", device("door1", "cmd", "open"), device("door2", "cmd", "open"), device("door1", "grant"),
        device("door1", "beacon"), f"{SITE}/answer/door1", "homeassistant/device/door1/config", "anything", "$SYS/x",
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
    for last in ("status", "receipt", "event/access", "telemetry", "nonce"):
        send(door, device("door1", last), last.encode())
        assert message(watch).payload == last.encode()
    send(door, f"{SITE}/request/door1", b"?")
    assert message(agent).payload == b"?"


def test_a_device_hears_the_site_and_its_own_topics_alone(clients: Clients) -> None:
    door = clients.link("door1", f"{SITE}/#")
    agent = clients.link("agent")
    send(agent, device("door2", "cmd", "open"), b"not yours")
    send(agent, f"{SITE}/answer/door2", b"not yours")
    send(clients.link("door2"), device("door2", "event", "access"), b"not yours")
    send(agent, f"{SITE}/manifest", b"1")
    send(agent, device("door1", "cmd", "open"), b"2")
    assert [message(door).payload for _ in range(2)] == [b"1", b"2"]
    assert quiet(door)


def test_a_client_id_belongs_to_its_certificate(clients: Clients) -> None:
    """Another device under this one's id would throw it out and empty its queue."""
    door = clients.link("door1", device("door1", "#"))
    thief = MqttLink(Target(HOST, clients.broker.port, "door1", clients.broker.client("door2")), backoff=QUICK)
    thief.subscribe(device("door1", "#"))
    thief.start()
    until(thief, LinkUp)
    send(clients.link("agent"), device("door1", "cmd", "open"), b"1")
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
    send(clients.link("mallory"), device("door1", "cmd", "open"), b"no")
    alice = clients.link("alice")
    eventually(lambda: (send(alice, device("door1", "cmd", "open"), b"yes"), not quiet(watch, 0.2))[1])
    clients.broker.write_acl()
    clients.broker.reload()


# -- getting in ---------------------------------------------------------------------------------------------------


def test_a_broker_of_another_site_is_refused(broker: LocalBroker, tmp_path: Path) -> None:
    status = _failure(Target(HOST, broker.port, "door1", _other_ca(tmp_path)))
    assert status.fault_code == "broker_unknown"
    assert "not this site's" in status.fault


def test_a_certificate_of_another_site_is_refused(broker: LocalBroker, tmp_path: Path) -> None:
    other = _other_ca(tmp_path)
    status = _failure(Target(HOST, broker.port, "door1", TlsFiles(broker.ca, other.certificate, other.key)))
    assert status.fault_code == "client_refused"
    assert "refuses this client's certificate" in status.fault


def test_the_brokers_name_must_be_the_one_in_its_certificate(broker: LocalBroker) -> None:
    status = _failure(Target("127.0.0.2", broker.port, "door1", broker.client("door1")))
    assert status.fault_code in ("network", "broker_name")  # Mosquitto listens on 127.0.0.1 alone
    server = TlsServer(broker)
    try:
        status = _failure(Target("localhost", server.port, "door1", broker.client("door1")))
        assert status.fault_code == "broker_name"
        assert "another name" in status.fault
    finally:
        server.close()


class TlsServer:
    """A TLS server with a certificate of the site's CA for a given name and time; speaks no MQTT."""

    def __init__(self, broker: LocalBroker, host: str = "elsewhere", now: datetime = NOW, days: float = 1) -> None:
        folder = broker.folder / f"server-{host}-{now.year}"
        folder.mkdir(exist_ok=True)
        broker.write(broker.authority.server([host], now, days), folder / "s.pem", folder / "s.key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "s.pem", folder / "s.key")
        self._context = context
        self._server = socket.create_server((HOST, 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                client.settimeout(5)
                self._context.wrap_socket(client, server_side=True).close()
            except OSError:
                client.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)


def test_a_brokers_expired_certificate_is_named(broker: LocalBroker) -> None:
    server = TlsServer(broker, "localhost", NOW - timedelta(days=30), 1)
    try:
        status = _failure(Target("localhost", server.port, "door1", broker.client("door1")))
        assert status.fault_code == "broker_expired"
    finally:
        server.close()


def test_a_clock_that_is_behind_is_named(broker: LocalBroker) -> None:
    server = TlsServer(broker, "localhost", NOW + timedelta(days=300), 1)
    try:
        status = _failure(Target("localhost", server.port, "door1", broker.client("door1")))
        assert status.fault_code == "clock"
        assert "clock is behind" in status.fault
    finally:
        server.close()


def test_an_expired_client_certificate_is_named(broker: LocalBroker) -> None:
    files = broker.client("door9")
    broker.write(broker.authority.client("door9", NOW - timedelta(days=3), 1), files.certificate, files.key)
    status = _failure(Target(HOST, broker.port, "door9", files))
    assert status.fault_code == "client_expired"
    assert status.certificate_days_left is not None
    assert -2.5 < status.certificate_days_left < -1.5


def test_the_days_that_a_certificate_has_left_are_told(broker: LocalBroker) -> None:
    link = MqttLink(Target(HOST, broker.port, "door9", broker.client("door9", days=20)), backoff=QUICK)
    link.start()
    until(link, LinkUp)
    days = link.status().certificate_days_left
    assert days is not None
    assert 19.9 < days <= 20
    link.close()


def test_without_a_certificate_nobody_gets_in(broker: LocalBroker) -> None:
    context = ssl.create_default_context(cafile=str(broker.ca))

    def knock() -> bytes:
        with (
            socket.create_connection((HOST, broker.port), PATIENCE_S) as raw,
            context.wrap_socket(raw, server_hostname=HOST) as tls,
        ):
            tls.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0f\x00\x05door1")
            return tls.recv(10)

    with pytest.raises(OSError):
        knock()


def test_a_plain_port_is_told_from_tls(broker: LocalBroker) -> None:
    server = socket.create_server((HOST, 0))

    def babble() -> None:
        while True:
            try:
                client, _ = server.accept()
                client.sendall(b"220 mail.example ESMTP\r\n")
                client.close()
            except OSError:
                return

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    try:
        status = _failure(Target(HOST, server.getsockname()[1], "door1", broker.client("door1")))
        assert status.fault_code in ("tls", "closed", "network")
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def test_names_ports_and_files_that_are_not_there_are_named(broker: LocalBroker, tmp_path: Path) -> None:
    files = broker.client("door1")
    assert _failure(Target("no-such-broker.invalid", 8883, "door1", files)).fault_code == "name"
    free = socket.create_server((HOST, 0))
    port = free.getsockname()[1]
    free.close()
    assert "Nothing listens" in _failure(Target(HOST, port, "door1", files)).fault
    missing = TlsFiles(broker.ca, tmp_path / "gone.pem", files.key)
    assert "can't be read" in _failure(Target(HOST, broker.port, "door1", missing)).fault
    other = broker.client("door2")
    mixed = TlsFiles(broker.ca, files.certificate, other.key)
    assert "do not belong together" in _failure(Target(HOST, broker.port, "door1", mixed)).fault
    other.key.chmod(0o644)
    lax = _failure(Target(HOST, broker.port, "door2", other))
    assert lax.fault_code == "files"
    assert "chmod 600" in lax.fault


def test_a_renewed_certificate_is_used_without_a_restart(clients: Clients) -> None:
    files = clients.broker.client("door7")
    good = clients.broker.authority.client("door7", NOW)
    clients.broker.write(
        clients.broker.authority.client("door7", NOW - timedelta(days=3), 1), files.certificate, files.key
    )
    link = clients.link("door7", tls=files, wait=False)
    eventually(lambda: link.status().fault_code == "client_expired")
    clients.broker.write(good, files.certificate, files.key)
    until(link, LinkUp)


def test_a_key_that_never_left_its_device_gets_in(clients: Clients, tmp_path: Path) -> None:
    wanted, key = request("door8")
    files = TlsFiles(clients.broker.ca, tmp_path / "c.pem", tmp_path / "c.key")
    files.key.write_bytes(key)
    files.key.chmod(0o600)
    files.certificate.write_bytes(clients.broker.authority.sign(wanted, "door8", NOW))
    assert clients.link("door8", tls=files).status().connected


def test_a_revoked_certificate_is_refused_once_the_broker_has_the_list(tmp_path: Path) -> None:
    for broker in running(tmp_path / "b"):
        files = broker.client("door1")
        clients = Clients(broker)
        clients.link("door1", tls=files).close()
        broker.revoke(serial(files.certificate.read_bytes()))
        broker.stop()
        broker.start()
        status = _failure(Target(HOST, broker.port, "door1", files))
        assert status.fault_code == "client_revoked"
        assert clients.link("door2").status().connected
        clients.close()


def test_without_tls_only_this_machine_is_reached() -> None:
    with pytest.raises(ConfigError, match="not be encrypted"):
        MqttLink(Target("broker.example", 1883, "door1"))
    MqttLink(Target("localhost", 1883, "door1")).close()
    MqttLink(Target("10.0.0.7", 1883, "door1"), allow_plain=True).close()


@pytest.mark.parametrize("name", ["", "a/b", "a+b", "#", "x" * 65, "a b", "ä"])
def test_a_name_that_would_reach_into_the_acl_gets_no_certificate(name: str) -> None:
    authority = Authority.create("site", NOW)
    with pytest.raises(ConfigError):
        authority.client(name, NOW)


def test_certificates_stand_openssls_strict_check(tmp_path: Path, broker: LocalBroker) -> None:
    context = ssl.create_default_context(cafile=str(broker.ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    files = broker.client("door1")
    context.load_cert_chain(files.certificate, files.key)
    with (
        socket.create_connection((HOST, broker.port), PATIENCE_S) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        assert tls.version() == "TLSv1.3"
