"""A Wiegand reader on two of the door process's lines. What it reads goes to the daemon and nowhere else: it is not
logged, and not kept for a daemon that is away, since a card that was shown then is nobody's wish now."""

from __future__ import annotations

import math
import selectors
from collections.abc import Iterator

from edgeface.adapters.door.driver import MOST_EDGES, Edges
from edgeface.domain.errors import DoorUnavailable
from edgeface.domain.wiegand import Collector, Garbled, WiegandCard, decode

FLOOD = 2_000  # edges in a second: a reader's quickest bits are half as many
MUTE_S = 10.0


class CardLines:
    """`due_s` and `now_s` are monotonic, as the edges' times are."""

    def __init__(self, edges: Edges) -> None:
        self._edges: Edges | None = edges
        self._collector = Collector()
        self._fd, self._followed = edges.fileno(), False
        self._second_s, self._in_second = -math.inf, 0
        self._muted_until_s = -math.inf

    def follow(self, selector: selectors.BaseSelector, now_s: float) -> None:
        """Woken by the lines while there is sense in it: not where they have failed, nor while a flood is waited out.
        The reader hangs outside; whoever has its wires must not keep the door process from locking."""
        wanted = self._edges is not None and now_s >= self._muted_until_s
        if wanted and not self._followed:
            selector.register(self._fd, selectors.EVENT_READ, lambda: None)
        elif self._followed and not wanted:
            selector.unregister(self._fd)
        self._followed = wanted

    @property
    def due_s(self) -> float | None:
        return self._collector.due_s

    def messages(self, now_s: float) -> Iterator[dict[str, object]]:
        """What was read, as the door socket carries it (docs/design.md, 10.4). Lines that fail are told once and then
        left alone: the door goes on without its reader."""
        if self._edges is None or now_s < self._muted_until_s:
            return
        try:
            edges = self._edges.read()
        except DoorUnavailable as error:
            self._edges = None
            yield {"event": "read_garbled", "t_s": now_s, "detail": error.message}
            return
        if self._floods(len(edges), now_s):
            self._collector, self._muted_until_s = Collector(), now_s + MUTE_S
            detail = f"noise without end: its lines are left alone for {MUTE_S:.0f} s"
            yield {"event": "read_garbled", "t_s": now_s, "detail": detail}
            return
        for value, t_s in edges:
            if t_s >= self._muted_until_s:
                yield from self._told(self._collector.bit(value, t_s), t_s)
        if len(edges) < MOST_EDGES:  # else there are more, and they may belong to the same number
            yield from self._told(self._collector.flush(now_s), now_s)

    def _floods(self, edges: int, now_s: float) -> bool:
        if now_s - self._second_s >= 1.0:
            self._second_s, self._in_second = now_s, 0
        self._in_second += edges
        return self._in_second > FLOOD

    @property
    def broken(self) -> bool:
        return self._edges is None

    @staticmethod
    def _told(bits: tuple[int, ...] | None, t_s: float) -> Iterator[dict[str, object]]:
        if bits is None:
            return
        try:
            found = decode(bits)
        except Garbled as garbled:
            yield {"event": "read_garbled", "t_s": t_s, "detail": str(garbled)}
            return
        if isinstance(found, WiegandCard):
            yield {"event": "card_read", "t_s": t_s, "card": found.id}
        else:
            yield {"event": "key_read", "t_s": t_s, "key": found}
