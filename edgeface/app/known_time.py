"""The time, where it is known."""

from __future__ import annotations

from edgeface.ports import Clock


def known_utc_s(clock: Clock) -> int:
    """Unix seconds for what is kept or said to the site; 0, no time, where the clock can't be right."""
    return max(0, int(clock.utc().timestamp())) if clock.is_set() else 0
