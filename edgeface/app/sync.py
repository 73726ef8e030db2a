"""START HERE for a door's site: the worker that takes in what comes over the link. Verify, make durable, let it count,
acknowledge, say so in a receipt. A message is acknowledged when its effect is durable, or when it was refused and
counted; a crash at any point makes the broker deliver it again, and that changes nothing."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from edgeface.app.known_time import known_utc_s
from edgeface.app.site_book import News, SiteBook
from edgeface.app.site_commands import Commands
from edgeface.app.site_force import InForce, SiteParts
from edgeface.app.site_refusals import Refusals
from edgeface.app.site_shards import ShardWatch
from edgeface.domain.errors import EdgefaceError, GalleryError, StorageError
from edgeface.domain.events import (
    Event,
    LinkLost,
    LinkRestored,
    PersonEnrolled,
    PersonRemoved,
    StorageFault,
    StorageRecovered,
)
from edgeface.domain.freshness import Known, Sync
from edgeface.domain.messages import SHARDS, Manifest, ModeState, Removal
from edgeface.domain.messages_door import Beacon, BeaconRequest, Command, CommandAsk
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.site_change import Opened
from edgeface.domain.site_steps import Standing
from edgeface.ports import Inbound, LinkDown, LinkUp, ReceivedMessage, SubscriptionAnswered

TURN_S = 0.1
RETRY_S = 1.0  # how often what the disk refused is tried again
ACKNOWLEDGE = 10  # at once: half of what a broker has on its way to a client
ASK_SOON_S, ASK_S = 1.0, 20.0  # for a beacon: until the site has confirmed what is here, and after that


class SiteSync:
    """`work` is the worker; `status` may be asked by others."""

    def __init__(self, parts: SiteParts) -> None:
        """Raises StorageError, GalleryError."""
        self._p = parts
        self._book = SiteBook(parts.messages, parts.store)
        self._force = InForce(parts, self._book)
        self._commands = Commands(
            parts.messages.device, parts.door, parts.recorder, parts.clock, parts.pulse_ms, self._force.lock_down
        )
        self._refusals = Refusals(parts.clock)
        self._shards = ShardWatch()
        now = parts.clock.monotonic_s()
        self._known_since_s = now
        self._next_ask_s = now
        self._changed = True  # since the standing was looked at
        self._standing: Standing = self._book.site.standing()
        self._finished: list[ReceivedMessage] = []  # their effect is durable, or they were refused
        self._deferred: list[ReceivedMessage] = []  # what the disk refused: not acknowledged
        self._retry_at_s = 0.0
        self._link_down_told = False
        self.beside: Callable[[Inbound | None], bool] = lambda _: False  # takes what comes and is not the site's
        parts.freshness.begin(now)
        self._force.update()

    # -- for others -------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        s, link = self._standing, self._p.link.status()
        age = self._p.gate.age_s()
        return {
            "connected": link.connected,
            "fault": link.fault,
            "retry_in_s": None if link.retry_in_s is None else round(link.retry_in_s, 1),
            "certificate_days_left": link.certificate_days_left,
            "gallery": self._p.gate.gallery(),
            "confirmed_s_ago": None if age is None else round(age, 1),
            "in_step": s.in_step,
            "member": s.member,
            "manifest": s.manifest,
            "roster": s.roster,
            "epoch": s.epoch,
            "people": s.people,
            "shards_behind": s.shards_behind,
            "waiting": s.waiting + s.held_aside,
            "mode": self._p.gate.mode.value,
            "refused": self._refusals.total,
            "refusals": dict(self._refusals.counts),
            "not_stored": len(self._deferred),
        }

    # -- the worker ---------------------------------------------------------------------------------------------------

    def work(self, stop: threading.Event) -> None:
        """Until `stop`. Begun again after a fault of its own it starts from what is durable; the link goes on."""
        self._book.reload()
        self._changed = True
        while not stop.is_set():
            self.turn(TURN_S)
        self._acknowledge()

    def begin(self) -> None:
        """Before the link is started: what is subscribed to for good, and no shard of an earlier process."""
        for topic_filter in self._p.messages.filters():
            self._p.link.subscribe(topic_filter)
        for number in range(SHARDS):
            self._p.link.unsubscribe(self._p.messages.shard_filter(number))

    def turn(self, timeout_s: float) -> bool:
        """One thing that came in, waiting for it at most so long, and what is due; whether anything came."""
        if self._finished and not self._p.link.status().waiting_in:
            self._acknowledge()
        item = self._p.link.receive(timeout_s)
        if self.beside(item):
            return True
        if isinstance(item, LinkUp):
            self._came_up(item)
        elif isinstance(item, LinkDown):
            self._went_down(item)
        elif item is not None and not isinstance(item, SubscriptionAnswered):
            self._p.give_way()
            self._receive(item)
        self._look_around(item is None)
        return item is not None

    def _came_up(self, up: LinkUp) -> None:
        now = self._p.clock.monotonic_s()
        self._deferred.clear()  # the broker delivers again what was not acknowledged
        self._p.freshness.begin(now)
        self._next_ask_s = now
        self._p.reports.receipt_due(now)
        self._p.reports.erasures_due()
        if not up.session_resumed:
            self._shards.forget()
        if self._link_down_told:
            self._link_down_told = False
            self._p.recorder.record([LinkRestored(now)])

    def _went_down(self, down: LinkDown) -> None:
        self._deferred.clear()
        if not self._link_down_told:
            self._link_down_told = True
            self._p.recorder.record([LinkLost(self._p.clock.monotonic_s(), down.reason)])

    # -- one message --------------------------------------------------------------------------------------------------

    def _receive(self, message: ReceivedMessage) -> None:
        if self._deferred:  # in order; but nobody who was removed gets in for want of disk
            self._drop_removed(message)
            self._deferred.append(message)
            return
        try:
            self._handle(message)
        except (StorageError, GalleryError) as e:
            self._drop_removed(message)
            self._deferred.append(message)
            self._retry_at_s = self._p.clock.monotonic_s() + RETRY_S
            self._p.recorder.record([StorageFault(self._p.clock.monotonic_s(), detail=e.message)])
        except BaseException:
            self._deferred.append(message)  # tried again when this worker is begun again
            raise
        else:
            self._finished.append(message)
            if len(self._finished) >= ACKNOWLEDGE:
                self._acknowledge()

    def _acknowledge(self) -> None:
        """The last first: acknowledgements go out in the order of arrival, so the link is woken once for all."""
        while self._finished:
            self._finished.pop().done()

    def _handle(self, message: ReceivedMessage) -> None:
        """Raises StorageError, GalleryError: then it had no effect."""
        p = self._p
        try:
            opened = p.messages.open(message.topic, message.payload, message.retained, self._book.site.roster)
            if opened is not None:
                self._act(opened)
        except MessageRefused as e:
            p.recorder.record(self._refusals.count(e.refusal, message.topic))
            p.reports.receipt_due(p.clock.monotonic_s(), soon=False)
        except EdgefaceError:
            raise
        except Exception:  # a message that trips this software must not stop the next one
            p.recorder.record(self._refusals.count(Refusal.MALFORMED, message.topic))

    def _act(self, opened: Opened) -> None:
        p, value = self._p, opened.value
        if isinstance(value, Beacon):
            refusal = p.freshness.take(value, self._known(), p.clock.monotonic_s())
            if refusal is not None:
                raise MessageRefused(refusal)
        elif isinstance(value, CommandAsk):
            p.reports.say(self._commands.ask(opened, value))
        elif isinstance(value, Command):
            p.reports.say(self._commands.run(opened, value))
        else:
            if isinstance(value, Removal):
                p.gallery.drop([value.id])  # at once: the disk may be slow
            elif isinstance(value, Manifest):
                p.gallery.drop(value.revoked)
            before = self._versions()
            self._took(self._book.take(opened, known_utc_s(p.clock)))
            self._changed = True
            if self._versions() != before:
                self._known_since_s = p.clock.monotonic_s()

    def _took(self, news: News) -> None:
        p, now = self._p, self._p.clock.monotonic_s()
        if news.ask_again:
            again = [*p.messages.retained_filters(), *map(p.messages.shard_filter, self._shards.subscribed)]
            for topic_filter in again:
                p.link.unsubscribe(topic_filter)
                p.link.subscribe(topic_filter)
        if not news.changed:
            return
        events: list[Event] = [PersonRemoved(now, record) for record in news.removed]
        events += [PersonEnrolled(now, record, templates, "site") for record, templates in news.stored]
        p.recorder.record(events)
        self._force.update()
        if news.mode is not None:
            self._force.mode_came(news.mode)
            self._next_ask_s = now
        p.reports.receipt_due(now)
        if news.owes_erasures:
            p.reports.erasures_due()

    def _drop_removed(self, message: ReceivedMessage) -> None:
        """A removal, or a stricter site mode, counts in memory also while it can't be stored."""
        try:
            opened = self._p.messages.open(message.topic, message.payload, message.retained, self._book.site.roster)
        except MessageRefused:
            return
        if opened is not None and isinstance(opened.value, Removal):
            self._p.gallery.drop([opened.value.id])
        elif opened is not None and isinstance(opened.value, ModeState):
            self._force.tighten(opened.value.mode)

    # -- what is due -------------------------------------------------------------------------------------------------

    def _versions(self) -> tuple[int, int]:
        site = self._book.site
        return site.manifest.version if site.manifest else 0, site.roster.version if site.roster else 0

    def _known(self) -> Known:
        site, s = self._book.site, self._look()
        hashes = site.manifest_hash or bytes(32), site.roster_hash or bytes(32)
        return Known(s.manifest, hashes[0], s.roster, hashes[1], s.in_step, self._known_since_s, s.mode)

    def _look(self) -> Standing:
        if self._changed:
            self._changed = False
            self._standing = self._book.site.standing()
        return self._standing

    def _look_around(self, idle: bool) -> None:
        p, now = self._p, self._p.clock.monotonic_s()
        if now >= self._retry_at_s:
            self._retry(now)
        waiting = p.freshness.sync(now) is not Sync.CONFIRMED or self._force.mode_waits
        if now >= self._next_ask_s and p.link.status().connected:
            nonce = secrets.token_bytes(16)
            p.freshness.asked(nonce, now)
            p.reports.say(BeaconRequest(nonce))
            self._next_ask_s = now + (ASK_SOON_S if waiting else self._ask_s())
        if not idle and p.link.status().waiting_in:
            return  # first what has come in
        standing = self._look()
        p.freshness.caught_up(self._known())
        self._force.tell(standing, now)
        wanted = self._book.site.wanted_shards() if standing.shards_behind else frozenset()
        manifest = self._book.site.manifest
        more, less = self._shards.turn(wanted, manifest.count if manifest else 0, now)
        for number in [*less, *more]:
            p.link.unsubscribe(p.messages.shard_filter(number))
        for number in more:
            p.link.subscribe(p.messages.shard_filter(number))
        p.reports.turn(self._book, standing, self._refusals.total, now)

    def _ask_s(self) -> float:
        return ASK_S if self._p.max_age_s is None else min(ASK_S, self._p.max_age_s / 4)

    def _retry(self, now: float) -> None:
        """What the disk refused, and a mode that waits."""
        try:
            self._force.consider_mode()
        except (StorageError, GalleryError):
            self._retry_at_s = now + RETRY_S
        if not self._deferred:
            return
        while self._deferred:
            try:
                self._handle(self._deferred[0])
            except (StorageError, GalleryError):
                self._retry_at_s = now + RETRY_S
                return
            self._deferred.pop(0).done()
        self._p.recorder.record([StorageRecovered(now)])
