"""The broker configuration that ships, in a real Mosquitto: who gets in, and each refusal as one clear sentence."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.broker import PATIENCE_S, QUICK, Clients, eventually, running, until

from edgeface.adapters.link.broker import HOST, LocalBroker
from edgeface.adapters.link.certificates import Authority, new_key, serial
from edgeface.adapters.link.connection import Target
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
    public, key = new_key()
    files = TlsFiles(clients.broker.ca, tmp_path / "c.pem", tmp_path / "c.key")
    files.key.write_bytes(key)
    files.key.chmod(0o600)
    files.certificate.write_bytes(clients.broker.authority.certify(public, "door8", NOW))
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
