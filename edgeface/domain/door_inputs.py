"""The door's inputs as facts: contacts bounce, so a level counts once it has stood still. Pure; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_DEBOUNCE_MS = 50
LONGEST_DEBOUNCE_MS = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """`since_s`: when the level was first seen, which is when it happened; debouncing only made sure."""

    active: bool
    since_s: float
    first: bool  # the first level after the start: a state, not something that happened


class Debounce:
    """One input. Its first level is taken as it is, and what follows is a change; where `at_rest`, the start is a
    rest, and to be active at the first reading is news already."""

    def __init__(self, debounce_ms: int, at_rest: bool = False) -> None:
        if not 0 <= debounce_ms <= LONGEST_DEBOUNCE_MS:
            raise ValueError(f"debounce_ms must be 0 to {LONGEST_DEBOUNCE_MS}, not {debounce_ms}")
        self._for_s = debounce_ms / 1000
        self._candidate: bool | None = None
        self._since_s = 0.0
        self.stable: bool | None = False if at_rest else None

    def sample(self, active: bool, now_s: float) -> Change | None:
        """One reading of the raw level; the change, once it counts."""
        if self.stable is None:
            self.stable = active
            return Change(active, now_s, True)
        if active == self.stable:
            self._candidate = None
            return None
        if active != self._candidate or now_s < self._since_s:  # a clock that ran backwards: watch it anew
            self._candidate, self._since_s = active, now_s
        if now_s < self._since_s + self._for_s:
            return None
        self.stable, self._candidate = active, None
        return Change(active, self._since_s, False)
