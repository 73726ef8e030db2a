"""The real daemon at a door of a site: paired by the commands, enrolled and revoked over a real Mosquitto."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.broker import Clients, running
from support.device import Device
from support.device import Running as Daemon
from support.simboard import Simboard
from support.siteowner import Site
from support.visits import COLLINS, Visit, write_scene

from edgeface.adapters.link.broker import HOST, LocalBroker
from edgeface.domain.types import Person

pytestmark = pytest.mark.e2e


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    yield from running(tmp_path / "broker")


@pytest.fixture
def clients(broker: LocalBroker) -> Iterator[Clients]:
    made = Clients(broker)
    yield made
    made.close()


def paired(device: Device, site: Site, broker: LocalBroker) -> None:
    offer = device.folder / "offer"
    assert device.edgeface("pair", "--out", offer, "--json").code == 0
    answer = device.folder / "answer"
    answer.write_bytes(site.answer(offer.read_bytes(), broker.authority, HOST, broker.port, datetime.now(timezone.utc)))
    said = device.edgeface("pair", "--answer", answer, "--json")
    assert said.code == 0, said.err
    assert said.json["site"] == site.id


def until(site: Site, daemon: Daemon, condition: Callable[[], object], what: str) -> None:
    by_s = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < by_s, f"{what}: {daemon.said()[-3000:]}"
        assert daemon.process.poll() is None, f"{what}: the daemon ended. {daemon.said()[-2000:]}"
        site.turn(0.02)


def test_paired_enrolled_let_in_revoked_refused(
    device: Device, board: Simboard, broker: LocalBroker, clients: Clients, collins: Person
) -> None:
    site = Site(clients.link("agent"))
    site.begin()
    paired(device, site, broker)
    site.new_manifest()
    write_scene(device.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
    device.write(
        {
            "camera": {"source": "replay:scene.toml", "loop": True},
            "decision": {"cooldown_s": 0.5, "freshness_ms": 2000},
            "mqtt": {"telemetry_s": 5},
        }
    )
    with device.run() as daemon:
        until(site, daemon, lambda: site.receipts and site.receipts[-1].in_step, "in step with nobody")
        status = daemon.ask("status")["site"]
        assert status["connected"]
        assert status["name"] == "HQ"
        refused = device.edgeface("enroll", "Ada", "--photo", "x.jpg")
        assert refused.code == 65
        assert "belongs to a site" in refused.err
        record = site.put(collins)
        site.new_manifest()
        until(site, daemon, lambda: site.receipts[-1].people == 1 and site.receipts[-1].in_step, "a receipt")
        granted: list[dict[str, object]] = []

        def heard(kind: str, after: int = 0) -> bool:
            found = [json.loads(p) for t, p in site.heard[after:] if "/event/" in t]
            granted[:] = [e for e in found if e["event"] == kind]
            return bool(granted)

        until(site, daemon, lambda: heard("access_granted"), "she is let in, and the site hears of it")
        assert granted[0]["person"] == record
        assert granted[0]["id"]
        assert not {"score", "margin", "name"} & set(granted[0])
        assert COLLINS not in json.dumps(granted)
        shown = device.edgeface("door", "status")
        assert "in step" in shown.out
        site.remove(record)
        site.new_manifest()
        until(site, daemon, lambda: site.receipts[-1].people == 0 and site.receipts[-1].in_step, "revoked")
        after = len(site.heard)
        until(site, daemon, lambda: heard("access_denied", after), "she is refused")
        assert not [e for e in granted if e["person"]]
        assert [t for t, p in site.heard if t.endswith("telemetry")]
    assert [p for t, p in site.heard if t.endswith("status") and b"online" in p]
