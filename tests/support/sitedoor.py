"""A door's side of a site for tests: the real worker, gallery file, gate and door, on any Link, without camera and
models; every step of the worker under the test's control."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.doorway import MODEL, RULE
from support.siteowner import Site

from edgeface.adapters.door.recording import RecordingDoor
from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.site import SiteMemory
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.adapters.link import codec as c
from edgeface.adapters.link.ahead import AheadLink, AheadMessages
from edgeface.adapters.link.door_messages import DoorMessages
from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker
from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.people import LiveGallery
from edgeface.app.recorder import Recorder
from edgeface.app.site_force import SiteParts
from edgeface.app.site_gate import SiteGate
from edgeface.app.site_reports import Reports
from edgeface.app.sync import SiteSync
from edgeface.domain.freshness import Freshness
from edgeface.domain.site_change import SiteChange
from edgeface.ports import Link

PATIENCE_S = 30.0


class SiteDoor:
    """Paired from the start: what pairing brings is in its store. `again` makes the door anew from its disk."""

    def __init__(
        self,
        folder: Path,
        site: Site,
        link: Callable[[str], Link],
        *,
        clock: Any = None,
        wait_s: float = 5.0,
        max_age_s: float | None = None,
        refuse: bool = False,
        keys: c.PartyKeys | None = None,
        opener: Callable[[], Any] | None = None,
    ) -> None:
        """`opener`: records are looked at ahead by what this makes."""
        self.folder, self.site, self._make_link, self._opener = folder, site, link, opener
        self.keys = keys or c.PartyKeys.generate()
        self.device_keys = DeviceKeys.load_or_create(folder / "key", environ={})
        self.clock = clock or VirtualClock()
        self._options = (wait_s, max_age_s, refuse)
        self.events: list[Any] = []
        self.name = ""
        self.device = next((d for d in site.devices if d.id == self.keys.id), None) or site.add_device(self.keys)
        if not (folder / "gallery.db").exists():
            self._pair()
        self.open()

    def _pair(self) -> None:
        self.site.new_roster(say=self.site.link is not None)
        store = SqliteGallery(self.folder / "gallery.db", self.device_keys)
        packed = DoorMessages.pack_epochs({self.site.epoch.epoch: self.site.epoch})
        values = {"roster": self.site.roster_raw, "epochs": packed, "rotation": self.site.epoch.rotation_seed}
        values |= {
            "epoch": str(self.site.epoch.epoch).encode(),
            "roster-floor": str(self.site.roster_version).encode(),
            "manifest-floor": b"0",
        }
        change = SiteChange(values=values, rotation_seed=self.site.epoch.rotation_seed)
        SiteMemory(store, self.device_keys).commit(change)
        store.close()

    def open(self) -> None:
        wait_s, max_age_s, refuse = self._options
        self.store = SqliteGallery(self.folder / "gallery.db", self.device_keys)
        self.memory = SiteMemory(self.store, self.device_keys)
        self.audit = MemoryAudit(clock=self.clock, boot_id="test")
        self.recorder = Recorder(self.audit, self.clock, [self.events.append])
        self.gallery = LiveGallery(self.store, MODEL, RULE, self.clock)
        self.door = RecordingDoor(self.clock)
        self.messages = self._messages()
        freshness = Freshness(self.keys.id, wait_s)
        self.gate = SiteGate(freshness, self.clock, max_age_s, refuse)
        self.link = self._make_link(self.keys.id)
        if isinstance(self.messages, AheadMessages):
            self.link = AheadLink(self.link, self.messages, self.clock.monotonic_s)
        reports = Reports(
            self.link, self.messages, self.memory, self.gallery, self.clock, lambda: (7, bytes(32)), "test-1"
        )
        self.parts = SiteParts(
            self.link, self.messages, self.memory, self.gallery, self.gate, freshness, self.door, self.recorder,
            self.clock, reports, 3000, max_age_s, self._named,
        )  # fmt: skip
        self.sync = SiteSync(self.parts)
        self.sync.begin()
        self.link.start()

    def _messages(self) -> DoorMessages:
        root = self.site.root.public
        return DoorMessages(root, self.keys) if self._opener is None else AheadMessages(root, self.keys, self._opener)

    def _named(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        self.link.close()
        self.store.close()

    def again(self) -> None:
        """A restart, from what is on the disk; a broker keeps the session."""
        self.close()
        self.open()

    # -- running -----------------------------------------------------------------------------------------

    def turn(self, timeout_s: float = 0.0) -> bool:
        came = self.sync.turn(timeout_s)
        self.gallery.refresh()
        return came

    def ids(self) -> set[str]:
        return {p.id for p in self.store.people()}

    def known(self) -> set[str]:
        """Whom the door loop would let in."""
        return set(self.gallery.now.people)

    def kinds(self) -> list[str]:
        return [e.kind for e in self.events]

    def refusals(self) -> dict[str, int]:
        found = self.sync.status()["refusals"]
        assert isinstance(found, dict)
        return found

    @property
    def in_step(self) -> bool:
        return bool(self.sync.status()["in_step"])


class Scene:
    """A site and its door on a broker in memory and a virtual clock."""

    def __init__(self, folder: Path, broker: MemoryBroker | None = None, **options: Any) -> None:
        self.broker = broker or MemoryBroker()
        self.clock = VirtualClock()
        self.site = Site(MemoryLink(self.broker, "agent"))
        self.site.begin()
        assert self.site.link is not None
        self.site.link.start()
        self.door = SiteDoor(folder, self.site, lambda name: MemoryLink(self.broker, name), clock=self.clock, **options)

    def settle(self, for_s: float = 3.0) -> None:
        """Both work until nothing moves, and so much time has passed."""
        until = self.clock.monotonic_s() + for_s
        while True:
            moved = self.site.turn()
            moved = self.door.turn() or moved
            if not moved:
                if self.clock.monotonic_s() >= until:
                    return
                self.clock.advance_to(self.clock.monotonic_s() + 0.1)


def until(condition: Callable[[], object], *workers: Callable[[float], object], what: str = "it") -> None:
    """Works in real time until it holds."""
    by_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < by_s, f"{what} did not come about"
        for work in workers:
            work(0.005)


__all__ = ["Scene", "SiteDoor", "replace", "until"]
