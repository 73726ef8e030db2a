"""Looking on: what doors report, live, with a certificate of its own beside every other command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgeface.adapters.link import codec, topics
from edgeface.admin import status
from edgeface.admin.desk import Connect, connect
from edgeface.admin.home import Home
from edgeface.admin.status import DoorStatus, Standing
from edgeface.domain.messages_door import Receipt
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import Roster
from edgeface.ports import Link, LinkDown, LinkUp, SubscriptionAnswered

ALARMS_KEPT = 3
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that a door told. It is not signed: the door's signed audit head vouches for its log."""

    door: str
    kind: str  # access, door, alarm
    event: dict[str, Any]


class Viewer:
    """Not thread-safe."""

    def __init__(self, home: Home, link: Link) -> None:
        self._home, self._link = home, link
        self.roster: Roster | None = None
        self._waiting: dict[str, bytes] = {}  # what came before the roster
        self._standing = Standing()
        self._receipts: dict[str, Receipt] = {}
        self._presence: dict[str, bool | None] = {}
        self._alarms: dict[str, list[str]] = {}
        self._answered: set[str] = set()
        site = home.site
        names = ("status", "receipt", "event/access", "event/door", "event/alarm")
        self._filters = [topics.of_site(site, n) for n in ("roster", "manifest")]
        self._filters += [topics.of_device(site, "+", n) for n in names]

    def start(self) -> None:
        for topic_filter in self._filters:
            self._link.subscribe(topic_filter)
        self._link.start()

    @property
    def ready(self) -> bool:
        return self._answered >= set(self._filters)

    @property
    def fault(self) -> str:
        return self._link.status().fault

    def look(self, timeout_s: float) -> Iterator[Seen]:
        """What comes next, and what lies behind it already."""
        item = self._link.receive(timeout_s)
        while item is not None:
            if isinstance(item, SubscriptionAnswered):
                self._answered.add(item.topic_filter)
            elif not isinstance(item, (LinkUp, LinkDown)):
                try:
                    seen = self._take(item.topic, item.payload)
                except MessageRefused:
                    seen = None  # forged or not ours; doors and agent count such
                item.done()
                if seen is not None:
                    yield seen
            item = self._link.receive(0.0)

    def doors(self) -> list[DoorStatus]:
        if self.roster is None:
            return []
        return status.rows(self.roster, self._receipts, self._presence, self._standing)

    def alarms(self, door: str) -> list[str]:
        """The last of them, oldest first."""
        return self._alarms.get(door, [])

    def _take(self, where: str, payload: bytes) -> Seen | None:
        topic = topics.parse(where)
        if not payload or len(payload) > codec.ROSTER.limit:
            return None
        if topic.name == "roster":
            roster = codec.open_roster(payload, self._home.root_public).value
            if self.roster is None or roster.version >= self.roster.version:
                self.roster = roster
            waiting, self._waiting = self._waiting, {}
            for name, raw in waiting.items():
                self._take(name, raw)
            return None
        if self.roster is None:
            if not topic.name.startswith("event/"):
                self._waiting[where] = payload
            return None
        trust = codec.Trust(self._home.root_public, self.roster)
        if topic.name == "manifest":
            signed = codec.open_signed(codec.MANIFEST, payload, trust)
            if signed.value.version >= self._standing.manifest:
                self._standing = Standing(signed.value.version, signed.hash, epoch=signed.value.epoch)
        elif topic.device is not None and topic.name == "receipt":
            self._receipts[topic.device] = status.read_receipt(payload, topic.device, trust)
        elif topic.device is not None and topic.name == "status":
            self._presence[topic.device] = status.read_presence(payload)
        elif topic.device is not None and topic.name.startswith("event/"):
            return self._event(topic.device, topic.name.partition("/")[2], payload)
        return None

    def _event(self, device: str, kind: str, payload: bytes) -> Seen | None:
        try:
            event = json.loads(payload) if len(payload) <= _LONGEST else None
        except ValueError:
            event = None
        known = self.roster.device(device) if self.roster else None
        if not isinstance(event, dict) or known is None:
            return None
        if kind == "alarm":
            told = self._alarms.setdefault(known.name, [])
            told.append(str(event.get("event", "alarm"))[:64])
            del told[:-ALARMS_KEPT]
        return Seen(known.name, kind, event)


@contextmanager
def open_viewer(home: Home, connect: Connect = connect) -> Iterator[Viewer]:
    """Raises LinkBusy where too many look on already."""
    with home.viewer() as name:
        link = connect(home, name, False)
        viewer = Viewer(home, link)
        viewer.start()
        try:
            yield viewer
        finally:
            link.close()
