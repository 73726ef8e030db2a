"""A Wiegand reader on two of the door process's lines. What it reads goes to the daemon and nowhere else: it is not
logged, and not kept for a daemon that is away, since a card that was shown then is nobody's wish now."""

from __future__ import annotations

from collections.abc import Iterator

from edgeface.adapters.door.driver import Edges
from edgeface.domain.errors import DoorUnavailable
from edgeface.domain.wiegand import Collector, Garbled, WiegandCard, decode


class CardLines:
    """`due_s` and `now_s` are monotonic, as the edges' times are."""

    def __init__(self, edges: Edges) -> None:
        self._edges: Edges | None = edges
        self._collector = Collector()

    def fileno(self) -> int:
        return -1 if self._edges is None else self._edges.fileno()

    @property
    def due_s(self) -> float | None:
        return self._collector.due_s

    def messages(self, now_s: float) -> Iterator[dict[str, object]]:
        """What was read, as the door socket carries it (docs/design.md, 10.4). Lines that fail are told once and then
        left alone: the door goes on without its reader."""
        if self._edges is None:
            return
        try:
            edges = self._edges.read()
        except DoorUnavailable as error:
            self._edges = None
            yield {"event": "read_garbled", "t_s": now_s, "detail": error.message}
            return
        for value, t_s in edges:
            yield from self._told(self._collector.bit(value, t_s), t_s)
        yield from self._told(self._collector.flush(now_s), now_s)

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
