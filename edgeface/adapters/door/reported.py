"""Events of the door process as they come over the socket: strict, because they go into the audit log."""

from __future__ import annotations

import math
from dataclasses import fields

from edgeface.adapters.door.link import clean
from edgeface.domain import door_events as d
from edgeface.domain.events import DoorLocked, DoorUnlocked, Event

KINDS: dict[str, type[Event]] = {
    kind.kind: kind
    for kind in (
        DoorUnlocked,
        DoorLocked,
        d.DoorModeChanged,
        d.DoorOpened,
        d.DoorClosed,
        d.DoorHeldOpenSoon,
        d.DoorHeldOpen,
        d.DoorForcedOpen,
        d.ExitRequested,
        d.ExitButtonStuck,
        d.ExitButtonFreed,
        d.FireReleaseStarted,
        d.FireReleaseEnded,
        d.TamperStarted,
        d.TamperEnded,
        d.FreeAccessStarted,
        d.FreeAccessEnded,
        d.PassageSeen,
        d.PassageMissed,
        d.PassageUngranted,
    )
}


def event_of(message: dict[str, object]) -> Event | None:
    """None where it is not one of ours, or not of its form."""
    kind = KINDS.get(str(message.get("event")))
    if kind is None:
        return None
    values: dict[str, object] = {}
    for f in fields(kind):
        if f.name in message:
            value = message[f.name]
            if not _fits(value, str(f.type)):
                return None
            values[f.name] = clean(value) if isinstance(value, str) else value
    try:
        return kind(**values)  # type: ignore[arg-type]
    except TypeError:  # a field without a default is missing
        return None


def _fits(value: object, annotation: str) -> bool:
    if value is None:
        return annotation.endswith("| None")
    wanted = annotation.removesuffix(" | None")
    if wanted == "float":
        return type(value) in (int, float) and math.isfinite(float(value))  # type: ignore[arg-type]
    return type(value).__name__ == wanted
