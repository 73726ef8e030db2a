"""Which shards of the gallery are subscribed to: those that differ from the manifest, after a moment's patience, a few
at a time."""

from __future__ import annotations

from collections.abc import Iterable

from edgeface.domain.messages import SHARDS

PATIENCE_S = 0.5  # the log brings most changes by itself
AGAIN_S = 10.0  # a shard that stays incomplete is asked for again: the broker may have dropped some of it
_QUEUE = 500  # half of what Mosquitto queues for a client before it drops without a word
_MOST = 16


class ShardWatch:
    """Not thread-safe. `turn` says what to subscribe to and what to leave."""

    def __init__(self) -> None:
        self._wanted_since: dict[int, float] = {}
        self._subscribed: dict[int, float] = {}

    def turn(self, wanted: Iterable[int], people: int, now_s: float) -> tuple[list[int], list[int]]:
        """(to be subscribed to now, anew where they are already; to be left). `people`: how many the site has."""
        wanted = set(wanted)
        leave = [n for n in self._subscribed if n not in wanted]
        for n in leave:
            del self._subscribed[n]
        self._wanted_since = {n: self._wanted_since.get(n, now_s) for n in wanted}
        again = [n for n, since in self._subscribed.items() if now_s - since >= AGAIN_S]
        most = max(1, min(_MOST, _QUEUE // (people // SHARDS + 1)))
        due = sorted(n for n, s in self._wanted_since.items() if n not in self._subscribed and now_s - s >= PATIENCE_S)
        fresh = due[: max(0, most - len(self._subscribed))]
        for n in [*again, *fresh]:
            self._subscribed[n] = now_s
        return [*again, *fresh], leave

    def forget(self) -> list[int]:
        """The connection began anew; returns what was subscribed to: an earlier session may have it still."""
        before, self._subscribed = list(self._subscribed), {}
        return before

    @property
    def subscribed(self) -> list[int]:
        return list(self._subscribed)
