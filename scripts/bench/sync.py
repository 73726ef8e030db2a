"""How long an empty door takes to hold a whole site's gallery, and what recognition feels of it:

    .venv/bin/python scripts/bench/sync.py --people 10000

A real Mosquitto on this machine holds everybody's record (three templates each). The real daemon, paired with the site,
looks at somebody who stands before it at 15 frames a second; first with an empty site, then once more, when the broker
has everybody. Measured: from the daemon's connection to the receipt that says so, and each frame's way through models
and matching (99th percentile) with and without."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
from rig import enrol_both
from support.broker import CONFIG, Clients
from support.device import Device, Running
from support.people import person
from support.simboard import Simboard
from support.siteowner import Site
from support.visits import Visit, write_scene
from tqdm import tqdm

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.adapters.link import topics
from edgeface.adapters.link.broker import HOST, LocalBroker

WARM_S, LOOK_S = 5.0, 20.0
PATIENCE_S = 600.0
TEMPLATES = 3
# The daemon as it is; each frame's time, and when it was, go to a file besides.
DAEMON = """
import sys, time
from edgeface.app.measures import Measures
out, frame = open(sys.argv.pop(1), "w", buffering=1), Measures.frame
def noted(self, timings, age=None):
    out.write(f"{time.monotonic()} {sum(timings.values())}\\n")
    frame(self, timings, age)
Measures.frame = noted
from edgeface.__main__ import main
main()
"""


@dataclass(frozen=True)
class Seen:
    synced_s: float
    p50_ms: float
    p99_ms: float
    frames: int


class Bench:
    def __init__(self, folder: Path, broker: LocalBroker, agent: Any) -> None:
        self.folder, self.broker = folder, broker
        self.site = Site(agent)
        self.site.begin()
        self.device = Device(folder)
        write_scene(folder / "scene.toml", Visit("collins", 0, 8), length_s=9, fps=15)
        self.device.write({"camera": {"source": "replay:scene.toml", "loop": True}})

    def pair(self) -> None:
        offer, answer = self.folder / "offer", self.folder / "answer"
        assert self.device.edgeface("pair", "--out", offer, "--json").code == 0
        now = datetime.now(timezone.utc)
        answer.write_bytes(self.site.answer(offer.read_bytes(), self.broker.authority, HOST, self.broker.port, now))
        said = self.device.edgeface("pair", "--answer", answer, "--json")
        assert said.code == 0, said.err
        self.site.new_manifest()

    def fill(self, people: int, model: str) -> int:
        """Bytes of the largest record."""
        largest = 0
        for number in tqdm(range(people), unit="person", desc="enrolling", disable=None):
            who = person(number, templates=TEMPLATES)
            who = replace(who, templates=tuple(replace(t, model=model) for t in who.templates), notes={})
            signed = self.site.sign_person(who)
            self.site.shards.set(who.id, c_held(who.seq, signed.hash))
            raw = self.site.record(signed)
            largest = max(largest, len(raw))
            self.site.publish(topics.record(self.site.id, who.id), raw, retain=True)
            self.site.said.clear()
        self.site.new_manifest()
        while self.site.link is not None and self.site.link.status().unacknowledged_out:
            self.site.turn(0.05)
        return largest

    def look(self, people: int) -> Seen:
        """The daemon from its start until it has everybody, and for a while at least."""
        log = self.folder / "frames"
        self.site.receipts.clear()
        with running(self.device, log) as daemon:
            began = daemon_up(self.site, daemon)
            done = None
            while done is None or time.monotonic() < began + WARM_S + LOOK_S:
                self.site.turn(0.02)
                if daemon.process.poll() is not None or time.monotonic() > began + PATIENCE_S:
                    raise SystemExit(f"The daemon ended, or was never in step: {daemon.said()[-2000:]}")
                last = self.site.receipts[-1] if self.site.receipts else None
                if done is None and last is not None and last.in_step and last.people == people:
                    done = time.monotonic()
            until = max(done, began + WARM_S + LOOK_S)
        rows = np.loadtxt(log, ndmin=2)
        rows = rows[(rows[:, 0] > began + (WARM_S if people == 0 else 0.0)) & (rows[:, 0] < until)]
        if people:  # while it comes in, and no longer
            rows = rows[rows[:, 0] < done]
        spent = rows[:, 1] * 1000
        return Seen(done - began, *np.percentile(spent, (50, 99)).tolist(), len(spent))


def c_held(seq: int, content: bytes) -> Any:
    from edgeface.domain.shards import Held

    return Held(seq, content)


@contextmanager
def running(device: Device, log: Path) -> Any:
    with device.run(program=["-c", DAEMON, str(log)]) as daemon:
        yield daemon


def daemon_up(site: Site, daemon: Running) -> float:
    """When the broker had it: its first message."""
    seen = len(site.heard)
    by_s = time.monotonic() + 60
    while len(site.heard) == seen:
        site.turn(0.02)
        if time.monotonic() > by_s or daemon.process.poll() is not None:
            raise SystemExit(f"The daemon didn't come to its broker: {daemon.said()[-2000:]}")
    return time.monotonic()


def model_of(folder: Path) -> str:
    """The embedding model's name, as enrolment writes it."""
    device = Device(folder)
    enrol_both(device)
    gallery = SqliteGallery(device.state / "gallery.db", DeviceKeys.load(device.state / "device.key", environ={}))
    with suppress(StopIteration):
        return next(gallery.people()).templates[0].model
    raise SystemExit("Nobody was enrolled.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgeface-sync-") as scratch:
        folder = Path(scratch)
        for name in ("model", "door", "broker"):
            (folder / name).mkdir()
        model = model_of(folder / "model")
        broker = LocalBroker(folder / "broker", CONFIG)
        broker.start()
        clients = Clients(broker)
        try:
            with Simboard(folder / "door"):
                bench = Bench(folder / "door", broker, clients.link("agent"))
                bench.pair()
                before = bench.look(0)
                largest = bench.fill(options.people, model)
                during = bench.look(options.people)
        finally:
            clients.close()
            broker.stop()
    told = {
        "people": options.people,
        "record_bytes": largest,
        "in_step_s": round(during.synced_s, 2),
        "frames_before": before.frames,
        "frames_during": during.frames,
        "p50_ms": {"before": round(before.p50_ms, 1), "during": round(during.p50_ms, 1)},
        "p99_ms": {"before": round(before.p99_ms, 1), "during": round(during.p99_ms, 1)},
        "p99_ratio": round(during.p99_ms / before.p99_ms, 2),
    }
    if options.json:
        print(json.dumps(told))
        return
    print(f"{options.people} people in step after {told['in_step_s']} s; a record has {largest} bytes at most.")
    print(f"A frame's p99: {told['p99_ms']['before']} ms alone, {told['p99_ms']['during']} ms meanwhile.")


if __name__ == "__main__":
    main()
