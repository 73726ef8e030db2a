"""A door's worker on a broker in memory that plays a site's messages (FOLDER/said.json), in an order of its own, with
duplicates; says which message it acknowledged.

python forks.py site_door FOLDER"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from support.sitedoor import SiteDoor

from edgeface.adapters.link import codec as c
from edgeface.adapters.link.inbox import Message
from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker, Misbehaviour


def say(**fact: object) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


class Saying(MemoryLink):
    """Says each acknowledgement, before it goes out."""

    def receive(self, timeout_s: float) -> Any:
        item = super().receive(timeout_s)
        if not isinstance(item, Message):
            return item

        def done() -> None:
            say(op="acknowledged", topic=item.topic)
            item.done()

        return SimpleNamespace(topic=item.topic, payload=item.payload, retained=item.retained, done=done)


def main(folder: Path, rounds: int, unsynced: bool, seed: int) -> None:
    told = json.loads((folder / "said.json").read_text())
    site = SimpleNamespace(root=SimpleNamespace(public=bytes.fromhex(told["root"])), devices=[], link=None)
    keys = c.PartyKeys.from_secret(bytes.fromhex(told["door"]))
    site.devices.append(SimpleNamespace(id=keys.id))
    broker = MemoryBroker(misbehaviour=Misbehaviour(duplicate=0.2, reorder=0.4), seed=seed)
    for topic, payload, retain in told["said"]:
        broker.inject(topic, bytes.fromhex(payload), retain=retain)
    door = SiteDoor(folder / "door", site, lambda name: Saying(broker, name), keys=keys)  # type: ignore[arg-type]
    say(op="open")
    while True:
        if not door.turn():
            door.clock.advance_to(door.clock.monotonic_s() + 0.6)
            say(op="idle", in_step=door.in_step)
