"""From the outbox to the broker: sent in order, struck off only when the broker has acknowledged."""

from __future__ import annotations

import queue
import threading

from edgeface.adapters.link.outbox import Outbox
from edgeface.domain.errors import LinkBusy, LinkError, LinkUnavailable
from edgeface.ports import Link

_PAUSE_S = 0.25  # between looks at a link without a connection: an alarm is at most this late once it is back


class OutboxPump:
    """A worker for `app.supervise`: `work` runs until the event is set. One per outbox."""

    def __init__(self, outbox: Outbox, link: Link, *, window: int = 50) -> None:
        """`window`: how many are on their way at once."""
        self._outbox, self._link, self._window = outbox, link, window
        self._acknowledged: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._on_their_way: set[str] = set()
        self._to_strike_off: list[str] = []  # acknowledged; kept here while the disk refuses

    def work(self, stop: threading.Event) -> None:
        """Raises StorageError when the outbox fails; begun again, it goes on where it was."""
        while not stop.is_set():
            if self.turn():
                continue
            if self._on_their_way:
                self._settle(_PAUSE_S)
            else:
                self._outbox.wait(_PAUSE_S)

    def turn(self) -> bool:
        """Strikes off what was acknowledged and sends what there is room for; whether anything moved."""
        settled = self._settle(0.0)
        room = self._window - len(self._on_their_way)
        if room <= 0 or not self._link.status().connected:
            return settled
        sent = False
        for entry in self._outbox.pending(room, self._on_their_way):
            self._on_their_way.add(entry.message_id)
            try:
                self._link.publish(
                    entry.topic,
                    entry.payload,
                    message_id=entry.message_id,
                    retain=entry.retain,
                    on_acknowledged=self._acknowledged.put,
                )
            except (LinkUnavailable, LinkBusy):
                self._on_their_way.discard(entry.message_id)
                break
            except LinkError:
                # It can never be sent (too large, no topic); kept, it would stand before everything else for ever.
                self._on_their_way.discard(entry.message_id)
                self._outbox.sent([entry.message_id])
                raise
            sent = True
        return settled or sent

    def _settle(self, timeout_s: float) -> bool:
        """Waits for one acknowledgement at most so long, and takes all that are there."""
        ids = self._to_strike_off
        try:
            ids.append(self._acknowledged.get(timeout=timeout_s) if timeout_s else self._acknowledged.get_nowait())
            while True:
                ids.append(self._acknowledged.get_nowait())
        except queue.Empty:
            pass
        if not ids:
            return False
        self._outbox.sent(ids)
        self._on_their_way.difference_update(ids)
        self._to_strike_off = []
        return True
