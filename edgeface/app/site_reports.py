"""What a door says to its site under its own signature: receipts after every durable change, erasures, and answers.
Sent through the link alone: a receipt that is lost with the connection is made anew on the next one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from edgeface.app.known_time import known_utc_s
from edgeface.app.people import LiveGallery
from edgeface.app.site_book import SiteBook, SiteMessages, SiteStore
from edgeface.domain.errors import EdgefaceError, LinkBusy, LinkUnavailable
from edgeface.domain.messages_door import ErasureReceipt, Receipt
from edgeface.domain.site_steps import Standing
from edgeface.ports import Clock, Link

GATHER_S = 0.2  # changes that come together have one receipt
GATHER_LONGEST_S = 5.0  # for what is no change: refusals
ERASURES_S = 5.0  # between attempts to send an erasure's receipt


class Reports:
    """Belongs to the site's worker. `audit_head`: (sequence number, 32 bytes) of the audit log's newest entry."""

    def __init__(
        self,
        link: Link,
        messages: SiteMessages,
        store: SiteStore,
        gallery: LiveGallery,
        clock: Clock,
        audit_head: Callable[[], tuple[int, bytes]],
        model: str,
    ) -> None:
        self._link, self._messages, self._store, self._gallery = link, messages, store, gallery
        self._clock, self._audit_head, self._model = clock, audit_head, model
        self._receipt_at_s: float | None = None
        self._erasures_at_s: float | None = None
        self._erasures_asked = threading.Event()
        self._confirmed: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self._number = 0

    def receipt_due(self, now_s: float, *, soon: bool = True) -> None:
        at_s = now_s + (GATHER_S if soon else GATHER_LONGEST_S)
        self._receipt_at_s = at_s if self._receipt_at_s is None else min(self._receipt_at_s, at_s)

    def erasures_due(self) -> None:
        """From any thread."""
        self._erasures_asked.set()

    def say(self, value: object) -> bool:
        """Signs and sends; False where there is no connection, or no room."""
        return self._send(value)

    def turn(self, book: SiteBook, standing: Standing, refused: int, now_s: float) -> None:
        """Sends what is due."""
        if self._receipt_at_s is not None and now_s >= self._receipt_at_s:
            seq, head = self._audit_head()
            receipt = Receipt(
                manifest=standing.manifest,
                manifest_hash=book.site.manifest_hash or bytes(32),
                digest=book.site.shards.overall(),
                people=standing.people,
                templates=self._gallery.now.matrix.templates,
                roster=standing.roster,
                epoch=standing.epoch,
                mode=standing.mode,
                in_step=standing.in_step,
                shards_behind=standing.shards_behind,
                audit_seq=seq,
                audit_head=head,
                model=self._model,
                refused=refused,
                at_s=known_utc_s(self._clock),
            )
            if self._send(receipt):
                self._receipt_at_s = None
            else:
                self._receipt_at_s = now_s + GATHER_LONGEST_S
        self._erasures(standing, now_s)

    def _erasures(self, standing: Standing, now_s: float) -> None:
        try:
            while not self._confirmed.empty():
                self._store.receipted(*self._confirmed.get_nowait())
            if self._erasures_asked.is_set():
                self._erasures_asked.clear()  # before looking: what is asked for meanwhile is looked for again
                self._erasures_at_s = 0.0
            if self._erasures_at_s is None or now_s < self._erasures_at_s or not self._link.status().connected:
                return
            owed = self._store.owed()
        except EdgefaceError:  # the disk: tried again, the site waits for its receipt
            self._erasures_at_s = now_s + ERASURES_S
            return
        for one in owed:
            erasure = ErasureReceipt(one.record, one.destroyed_s, one.rotated, one.rotated_s, standing.manifest)
            self._send(erasure, self._confirming(one.record, one.rotated))
        self._erasures_at_s = now_s + 6 * ERASURES_S if owed else None

    def _confirming(self, record: str, rotated: bool) -> Callable[[str], None]:
        return lambda _message_id: self._confirmed.put((record, rotated))

    def _send(self, value: object, on_acknowledged: Callable[[str], None] | None = None) -> bool:
        topic, payload, retain = self._messages.sign(value)
        self._number += 1
        try:
            self._link.publish(
                topic, payload, message_id=f"site-{self._number}", retain=retain, on_acknowledged=on_acknowledged
            )
        except (LinkUnavailable, LinkBusy):
            return False
        return True
