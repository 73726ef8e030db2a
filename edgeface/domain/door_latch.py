"""The relay as the claims have it, and what there is to report when it follows them. Pure; time is an argument."""

from __future__ import annotations

from edgeface.domain.door_claims import Claims
from edgeface.domain.door_events import DoorModeChanged, FreeAccessEnded, FreeAccessStarted
from edgeface.domain.door_facts import Energise, Fact, Locked, Outcome, Unlocked


class Latch:
    """`energised`: unlocked. The one place that makes an `Energise`."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self.energised = False
        self.pulse_id: str | None = None  # of the last grant since the door was locked
        self.first_person = False  # the free access that begins waited for somebody
        self._mode, self._scheduled = claims.mode, False  # as reported

    def follow(self, now_s: float, cause: str, pulse_ms: int = 0, *, assert_level: bool = False) -> Outcome:
        """Moves where the claims changed. `cause`: why it locks, where it does."""
        held, before = self._claims.holding(), self.energised
        outcome = Outcome()
        if (held is not None) != before:
            outcome = self.move(held is not None, held or cause, pulse_ms)
        elif assert_level:
            outcome = Outcome((Energise(before),))
        return outcome.then(Outcome(facts=tuple(self._news(now_s))))

    def move(self, on: bool, cause: str, pulse_ms: int = 0) -> Outcome:
        self.energised = on
        if on:
            pulse_id = self.pulse_id if cause in ("grant", "toggled") else None
            return Outcome((Energise(True),), (Unlocked(pulse_id or "", pulse_ms if pulse_id else 0, cause),))
        pulse_id, self.pulse_id = self.pulse_id, None
        return Outcome((Energise(False),), (Locked(cause, pulse_id),))

    def _news(self, now_s: float) -> list[Fact]:
        facts: list[Fact] = []
        if self._claims.mode is not self._mode:
            self._mode = self._claims.mode
            facts.append(DoorModeChanged(now_s, self._mode.value))
        lease = self._claims.lease
        scheduled = lease is not None and lease.open
        if scheduled and not self._scheduled:
            facts.append(FreeAccessStarted(now_s, self.first_person))
        elif self._scheduled and not scheduled:
            facts.append(FreeAccessEnded(now_s))
        self._scheduled, self.first_person = scheduled, False
        return facts
