"""Messages that were refused: counted, and reported without flooding anybody."""

from __future__ import annotations

from collections import Counter

from edgeface.domain.events import Event, SiteMessageRefused
from edgeface.domain.refusal import Refusal
from edgeface.ports import Clock

REPORT_S = 60.0  # one event for each kind of refusal and topic in this time


class Refusals:
    """`counts` by refusal since start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.counts: Counter[str] = Counter()
        self._since_report: Counter[tuple[str, str]] = Counter()
        self._reported_s: dict[tuple[str, str], float] = {}

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def count(self, refusal: Refusal, topic: str) -> list[Event]:
        """The event that is due, where one is."""
        now = self._clock.monotonic_s()
        key = (refusal.value, kind_of(topic))
        self.counts[refusal.value] += 1
        self._since_report[key] += 1
        if now - self._reported_s.get(key, float("-inf")) < REPORT_S:
            return []
        self._reported_s[key] = now
        return [SiteMessageRefused(now, refusal.value, key[1], self._since_report.pop(key))]


def kind_of(topic: str) -> str:
    """The topic without anybody's id: what came from outside is not repeated in a log."""
    known = ("roster", "manifest", "mode", "gallery-log", "gallery", "removal", "grant", "beacon", "cmd")
    return next((part for part in topic.split("/") if part in known), "other")
