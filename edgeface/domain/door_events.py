"""Past-tense facts of the door as a door: its leaf, exits, fire, tamper, free access, the turnstile. See events.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeface.domain.events import Event


@dataclass(frozen=True, slots=True)
class DoorModeChanged(Event):
    """`mode`: normal, lockdown, free_access."""

    kind: ClassVar[str] = "door_mode_changed"
    mode: str


@dataclass(frozen=True, slots=True)
class DoorOpened(Event):
    """The contact says so, and it was justified; `grant_id` where a grant's pulse was running."""

    kind: ClassVar[str] = "door_opened"
    grant_id: str | None = None


@dataclass(frozen=True, slots=True)
class DoorClosed(Event):
    """Ends `door_forced_open` and `door_held_open` too."""

    kind: ClassVar[str] = "door_closed"
    open_s: float


@dataclass(frozen=True, slots=True)
class DoorHeldOpenSoon(Event):
    """The warning: the alarm follows in `in_s` unless the door is closed."""

    kind: ClassVar[str] = "door_held_open_soon"
    in_s: float


@dataclass(frozen=True, slots=True)
class DoorHeldOpen(Event):
    kind: ClassVar[str] = "door_held_open"
    after_s: float


@dataclass(frozen=True, slots=True)
class DoorForcedOpen(Event):
    """It opened while it was locked and nobody asked to exit."""

    kind: ClassVar[str] = "door_forced_open"


@dataclass(frozen=True, slots=True)
class ExitRequested(Event):
    """`unlocked`: whether the device unlocked for it; the button's own circuit does in any case."""

    kind: ClassVar[str] = "exit_requested"
    unlocked: bool


@dataclass(frozen=True, slots=True)
class ExitButtonStuck(Event):
    """Pressed for `after_s` without a release: a short circuit, or something leans on it."""

    kind: ClassVar[str] = "exit_button_stuck"
    after_s: float


@dataclass(frozen=True, slots=True)
class ExitButtonFreed(Event):
    kind: ClassVar[str] = "exit_button_freed"


@dataclass(frozen=True, slots=True)
class FireReleaseStarted(Event):
    """The fire input is active: the door is unlocked, whatever else holds."""

    kind: ClassVar[str] = "fire_release_started"


@dataclass(frozen=True, slots=True)
class FireReleaseEnded(Event):
    kind: ClassVar[str] = "fire_release_ended"


@dataclass(frozen=True, slots=True)
class TamperStarted(Event):
    kind: ClassVar[str] = "tamper_started"


@dataclass(frozen=True, slots=True)
class TamperEnded(Event):
    kind: ClassVar[str] = "tamper_ended"


@dataclass(frozen=True, slots=True)
class FreeAccessStarted(Event):
    """By schedule; `first_person`: it waited for the grant of the first one."""

    kind: ClassVar[str] = "free_access_started"
    first_person: bool


@dataclass(frozen=True, slots=True)
class FreeAccessEnded(Event):
    kind: ClassVar[str] = "free_access_ended"


@dataclass(frozen=True, slots=True)
class PassageSeen(Event):
    """Somebody went through the turnstile on this grant."""

    kind: ClassVar[str] = "passage_seen"
    grant_id: str


@dataclass(frozen=True, slots=True)
class PassageMissed(Event):
    """A grant's pulse ended and nobody went through, as far as contact or turnstile can tell."""

    kind: ClassVar[str] = "passage_missed"
    grant_id: str


@dataclass(frozen=True, slots=True)
class PassageUngranted(Event):
    """Somebody went through the turnstile, and nothing had let him."""

    kind: ClassVar[str] = "passage_ungranted"


@dataclass(frozen=True, slots=True)
class PassbackSeen(Event):
    """Let in again by a soft anti-passback, `early_s` sooner than a hard one would have."""

    kind: ClassVar[str] = "passback_seen"
    person: str
    early_s: float


SENTENCES: dict[str, str] = {
    DoorModeChanged.kind: "The door's mode was changed; it stays until it is changed again.",
    DoorOpened.kind: "The door was opened.",
    DoorClosed.kind: "The door was closed.",
    DoorHeldOpenSoon.kind: "The door stands open. Close it, or the alarm follows.",
    DoorHeldOpen.kind: "The door is held open. Close it; see whether something blocks it.",
    DoorForcedOpen.kind: "The door was opened while it was locked, and nobody asked to exit. Go and see.",
    ExitRequested.kind: "Somebody asked to exit.",
    ExitButtonStuck.kind: "The exit button stays pressed. Free it, or look for a short circuit.",
    ExitButtonFreed.kind: "The exit button is free again.",
    FireReleaseStarted.kind: "The fire input is active: the door is unlocked for everybody.",
    FireReleaseEnded.kind: "The fire input is at rest again; the mode that was set is in force.",
    TamperStarted.kind: "The device's case was opened. Go and see.",
    TamperEnded.kind: "The device's case is closed again.",
    FreeAccessStarted.kind: "Free access has begun, as scheduled.",
    FreeAccessEnded.kind: "Scheduled free access has ended.",
    PassageSeen.kind: "Somebody went through on a grant.",
    PassageMissed.kind: "A grant ended and nobody went through.",
    PassageUngranted.kind: "Somebody went through the turnstile without a grant. Go and see.",
    PassbackSeen.kind: "Somebody who went in came in again without being seen to leave.",
}
ALARMS = frozenset(
    kind.kind
    for kind in (
        DoorHeldOpen,
        DoorForcedOpen,
        ExitButtonStuck,
        FireReleaseStarted,
        TamperStarted,
        PassageUngranted,
        PassbackSeen,
    )
)
