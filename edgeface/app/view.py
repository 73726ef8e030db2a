"""What the door sees now."""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.domain.tracking import Track
from edgeface.domain.types import Decision, Frame


@dataclass(frozen=True, slots=True)
class View:
    """What the door sees now; for the control socket and the screen at the door."""

    frame: Frame
    tracks: tuple[Track, ...]
    subject: int | None
    decision: Decision | None
    hint: str | None
