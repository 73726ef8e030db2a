"""kill -9 between receiving, committing and acknowledging, at any point: what was acknowledged is there, nobody removed
comes back, nothing is there by half, and the door gets in step all the same."""

from __future__ import annotations

import json
import random
from pathlib import Path

from support.killing import runs, victim
from support.sitedoor import SiteDoor
from support.siteowner import Site

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.site import SiteMemory
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.adapters.link import codec as c
from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker
from edgeface.domain.shards import Gone, Held


def retained(site: Site) -> list[tuple[str, str, bool]]:
    last = {topic: payload for topic, payload, retain in site.said if retain}
    return [(topic, payload.hex(), True) for topic, payload in last.items()]


def change(site: Site, rng: random.Random, ids: list[str], device: object) -> None:
    for _ in range(rng.randint(1, 6)):
        if ids and rng.random() < 0.3:
            site.remove(ids.pop(rng.randrange(len(ids))), erased=rng.random() < 0.5)
        else:
            ids.append(site.put(rng.randrange(10**9)))
    if rng.random() < 0.2:
        site.rotate()
        site.new_roster()
        site.grant(device)  # type: ignore[arg-type]
        for record, signed in site.people.items():
            site.say_record(record, site.record(signed))
    site.new_manifest()


def test_a_door_killed_at_any_point_loses_nothing_and_gets_in_step(tmp_path: Path) -> None:
    site, rng, ids = Site(), random.Random(4), [""]
    ids.clear()
    keys = c.PartyKeys.generate()
    (tmp_path / "door").mkdir()
    before = SiteDoor(tmp_path / "door", site, lambda name: MemoryLink(MemoryBroker(), name), keys=keys)
    site.say("roster", site.roster_raw)
    before.close()
    gone: set[str] = set()
    acknowledged = in_step = 0
    with victim("site_door", tmp_path) as workload:
        for seed in range(runs(40)):
            if seed % 3 == 0:
                change(site, rng, ids, before.device)
            told = {"root": site.root.public.hex(), "door": keys.secret().hex(), "said": retained(site)}
            (tmp_path / "said.json").write_text(json.dumps(told))
            acks = workload.run(seed)
            topics = {a["topic"].rpartition("/")[2] for a in acks if a["op"] == "acknowledged"}
            gone |= topics & site.removed
            acknowledged += len(topics)
            in_step += any(a.get("in_step") for a in acks)
            device_keys = DeviceKeys.load(tmp_path / "door" / "key", environ={})
            gallery = SqliteGallery(tmp_path / "door" / "gallery.db", device_keys)
            check, people = gallery.check(), {p.id: p.seq for p in gallery.people()}
            entries = dict(SiteMemory(gallery, device_keys).entries())
            gallery.close()
            assert check.sound, f"after kill {seed}: {check}"
            assert people == {i: e.seq for i, e in entries.items() if isinstance(e, Held)}, f"after kill {seed}"
            assert gone <= {i for i, e in entries.items() if isinstance(e, Gone)}, f"after kill {seed}"
            assert not gone & people.keys()
    assert acknowledged > runs(40)
    broker = MemoryBroker()
    for topic, payload, _ in retained(site):
        broker.inject(topic, bytes.fromhex(payload), retain=True)
    door = SiteDoor(tmp_path / "door", site, lambda name: MemoryLink(broker, name), keys=keys)
    for _ in range(400):
        if not door.turn():
            door.clock.advance_to(door.clock.monotonic_s() + 0.1)
    assert door.in_step
    assert door.ids() == set(site.people)
    assert door.sync._book.site.shards.overall() == site.shards.overall()
    door.close()
