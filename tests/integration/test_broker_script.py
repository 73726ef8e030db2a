"""scripts/dev-broker: a broker with certificates that work, and one that goes away when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.broker import QUICK, SITE, device, message, send, until

from edgeface.adapters.link.broker import find_mosquitto
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.link.tls import TlsFiles
from edgeface.domain.errors import ConfigError
from edgeface.ports import LinkUp

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "dev-broker"


def test_the_script_starts_a_broker_that_can_be_used_at_once(tmp_path: Path) -> None:
    try:
        find_mosquitto()
    except ConfigError as e:
        pytest.skip(str(e))
    process = subprocess.Popen(
        [SCRIPT, tmp_path / "b", "door1", "--admin", "alice"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "EDGEFACE_PYTHON": sys.executable},
    )
    links = []
    try:
        assert process.stdout is not None
        said: dict[str, str] = {}
        for line in process.stdout:
            key, _, value = line.replace(": ", " = ", 1).partition(" = ")
            said[key.strip()] = value.strip()
            if "Ctrl-C" in line:
                break
        for name, topics in (("door1", [device("door1", "#")]), ("alice", [])):
            certificate, key = said[name].split()
            tls = TlsFiles(Path(said["ca"]), Path(certificate), Path(key))
            link = MqttLink(Target(said["host"], int(said["port"]), name, tls), backoff=QUICK)
            for topic in topics:
                link.subscribe(topic)
            link.start()
            until(link, LinkUp)
            links.append(link)
        door, alice = links
        send(alice, f"{SITE}/roster", b"not an admin's")
        send(alice, device("door1", "cmd", "run"), b"open")
        assert message(door).payload == b"open"
    finally:
        for link in links:
            link.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout is not None
        process.stdout.close()
