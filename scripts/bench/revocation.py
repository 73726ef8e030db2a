"""How soon a whole site refuses somebody who was revoked:

    .venv/bin/python scripts/bench/revocation.py --doors 1000

One Mosquitto with the configuration that ships, and so many doors on this machine: each with a certificate, a session
and a subscription of its own, the signatures and the state machine of the product, and no camera. People are revoked in
turn; measured is the time from the publish to each door's refusal. Then some doors are away while people are
revoked; measured is the time from their reconnection."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import selectors
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
import paho.mqtt.client as paho
from support.broker import CONFIG, Clients
from support.siteowner import Site
from tqdm import tqdm

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.broker import LocalBroker
from edgeface.adapters.link.door_messages import DoorMessages
from edgeface.domain.messages import Removal
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import Roster
from edgeface.domain.site import DoorSite
from edgeface.domain.site_steps import Remove, SavedSite

PATIENCE_S = 120.0
PEOPLE_AROUND = 5  # who stay, beside those who are revoked


@dataclass(frozen=True)
class Place:
    """What a door needs to be at the site."""

    keys: bytes
    certificate: str
    key: str


class Door:
    """One simulated door: the product's messages and state, a connection of its own."""

    def __init__(self, place: Place, root: bytes, roster: Roster, roster_hash: bytes, ca: str, port: int) -> None:
        self.keys = codec.PartyKeys.from_secret(place.keys)
        self.messages = DoorMessages(root, self.keys)
        self.roster = roster
        self.state = DoorSite(self.keys.id, SavedSite(roster=roster, roster_hash=roster_hash))
        self.refused: dict[str, float] = {}
        self.ready = False
        self._port = port
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, self.keys.id, clean_session=False, protocol=paho.MQTTv311
        )
        self.client.tls_set(ca, place.certificate, place.key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.on_connect = self._connected
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._message

    def connect(self) -> None:
        self.client.connect("localhost", self._port, keepalive=300)

    def _connected(self, *_: Any) -> None:
        self.client.subscribe([(f, 1) for f in topics.door_filters(self.messages.site, self.keys.id)])

    def _subscribed(self, *_: Any) -> None:
        self.ready = True

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            opened = self.messages.open(message.topic, message.payload, message.retain, self.roster)
        except MessageRefused:
            return
        if opened is None or not isinstance(opened.value, Removal):
            return
        for effect in self.state.take_removal(opened.value).effects:
            if isinstance(effect, Remove):
                self.refused.setdefault(effect.id, time.monotonic())

    def serve(self) -> None:
        """What lies in the socket."""
        self.client.loop_read()
        sock = self.client.socket()
        while isinstance(sock, ssl.SSLSocket) and sock.pending():
            self.client.loop_read()
        if self.client.want_write():
            self.client.loop_write()


class Doors:
    """Many of them in one process, one thread."""

    def __init__(self, doors: list[Door]) -> None:
        self.doors = doors
        self._selector = selectors.DefaultSelector()

    def connect(self, doors: list[Door], told: Connection | None = None) -> None:
        for door in doors:
            door.ready = False
            door.connect()
            self._selector.register(door.client.socket(), selectors.EVENT_READ, door)
            self.work(0.0)
            if told is not None:
                told.send("one")
        by_s = time.monotonic() + PATIENCE_S
        while not all(d.ready for d in doors):
            self.work(0.05)
            if time.monotonic() > by_s:
                raise SystemExit("The doors do not come to the broker.")

    def leave(self, doors: list[Door]) -> None:
        for door in doors:
            self._selector.unregister(door.client.socket())
            door.client.socket().close()  # without a word, as when the network goes

    def work(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            key.data.serve()
        for door in self.doors:
            if door.client.want_write():
                door.client.loop_write()

    def until_refused(self, people: set[str], doors: list[Door]) -> None:
        by_s = time.monotonic() + PATIENCE_S
        while not all(people <= door.refused.keys() for door in doors):
            self.work(0.02)
            if time.monotonic() > by_s:
                raise SystemExit("A door never heard of a revocation.")


def run_doors(
    pipe: Connection, places: list[Place], root: bytes, roster: Roster, hash_: bytes, ca: str, port: int
) -> None:
    """A process of doors, told what to do through `pipe`."""
    doors = Doors([Door(p, root, roster, hash_, ca, port) for p in places])
    doors.connect(doors.doors, pipe)
    away: list[Door] = []
    while True:
        while not pipe.poll(0):
            doors.work(0.02)
        asked, value = pipe.recv()
        if asked == "refused":
            here = [d for d in doors.doors if d not in away]
            doors.until_refused({value}, here)
            pipe.send([d.refused[value] for d in here])
        elif asked == "leave":
            away = doors.doors[:value]
            doors.leave(away)
            pipe.send(None)
        elif asked == "return":
            latencies = []
            for door in away:  # one after the other: each one's time is its own
                began_s = time.monotonic()
                doors.connect([door])
                doors.until_refused(value, [door])
                latencies.append(max(door.refused[p] for p in value) - began_s)
            away = []
            pipe.send(latencies)
        else:
            return


def percentiles(values: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50_ms": round(p50 * 1000, 1), "p99_ms": round(p99 * 1000, 1), "max_ms": round(max(values) * 1000, 1)}


def places_of(folder: Path, broker: LocalBroker, site: Site, doors: int) -> list[Place]:
    made = []
    now = datetime.now(timezone.utc)
    (folder / "doors").mkdir()
    for number in tqdm(range(doors), unit="door", desc="certificates", disable=None):
        keys = codec.PartyKeys.generate()
        site.add_device(keys, f"door {number}")
        certificate, key = folder / "doors" / f"{number}.pem", folder / "doors" / f"{number}.key"
        broker.write(broker.authority.client(keys.id, now), certificate, key)
        made.append(Place(keys.secret(), str(certificate), str(key)))
    return made


def measure(folder: Path, doors: int, revocations: int, away: int) -> dict[str, Any]:
    broker = LocalBroker(folder, CONFIG)
    broker.start()
    clients = Clients(broker)
    workers: list[tuple[Any, Connection]] = []
    try:
        site = Site(clients.link("agent"))
        places = places_of(folder, broker, site, doors)
        site.new_roster()
        people = [site.put(number, log=False) for number in range(revocations * 2 + PEOPLE_AROUND)]
        site.new_manifest()
        share = (len(places) + cores() - 1) // cores()
        context = multiprocessing.get_context("spawn")
        for at in range(0, len(places), share):
            ours, theirs = context.Pipe()
            arguments = (
                theirs,
                places[at : at + share],
                site.root.public,
                site.roster,
                site.roster_hash,
                str(broker.ca),
            )
            process = context.Process(target=run_doors, args=(*arguments, broker.port), daemon=True)
            process.start()
            workers.append((process, ours))
        for _ in tqdm(range(len(places)), unit="door", desc="connecting", disable=None):
            until(workers)
        time.sleep(2.0)  # the roster's and the manifest's arrival is not what is measured

        def ask(asked: str, value: object) -> list[Any]:
            for _, pipe in workers:
                pipe.send((asked, value))
            answers = []
            for _, pipe in workers:
                while not pipe.poll(0.02):
                    site.turn(0.0)
                answers.append(pipe.recv())
            return answers

        online: list[float] = []
        for record in tqdm(people[:revocations], unit="revocation", desc="revoking", disable=None):
            began_s = time.monotonic()
            site.remove(record)
            online += [t - began_s for answer in ask("refused", record) for t in answer]
        ask("leave", max(1, away // len(workers)))
        gone = set(people[revocations : 2 * revocations])
        for record in gone:
            site.remove(record)
            ask("refused", record)  # those who are there: their work is not the others' delay
        back = [t for answer in ask("return", gone) for t in answer]
        for _, pipe in workers:
            pipe.send(("end", None))
    finally:
        for process, _ in workers:
            process.join(5)
            process.kill()
        clients.close()
        broker.stop()
    return {
        "doors": doors,
        "revocations": revocations,
        "online": percentiles(online),
        "after_reconnecting": {"doors": len(back), **percentiles(back)},
    }


def cores() -> int:
    return max(1, len(os.sched_getaffinity(0)))


def until(workers: list[tuple[Any, Connection]]) -> None:
    """One more door has connected, in any of the processes."""
    while True:
        for process, pipe in workers:
            if pipe.poll(0.02):
                pipe.recv()
                return
            if not process.is_alive():
                raise SystemExit("A process of doors ended by itself.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--doors", type=int, default=1000)
    parser.add_argument("--revocations", type=int, default=20)
    parser.add_argument("--away", type=int, default=50, help="how many doors are away in the second part")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgeface-revocation-") as folder:
        told = measure(Path(folder), options.doors, options.revocations, options.away)
    if options.json:
        print(json.dumps(told))
        return
    for name, sentence in (("online", "from the publish"), ("after_reconnecting", "from reconnecting")):
        one = told[name]
        print(f"refused {sentence}: p50 {one['p50_ms']} ms, p99 {one['p99_ms']} ms, at most {one['max_ms']} ms")


if __name__ == "__main__":
    main()
