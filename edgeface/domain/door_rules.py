"""How one door behaves: the settings of the door process's state machine. Stdlib alone, because doord may load no
numpy. Times are in the unit of their name, of one monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SILENCE_MS = 700  # three missed pings of 200 ms, and some
LONGEST_PULSE_MS = 60_000  # no setting may ask for a longer unattended pulse than a minute
LONGEST_LEASE_MS = 60_000  # scheduled free access is renewed at least this often by whoever knows the time
LONGEST_TOGGLE_S = 24 * 3600


class Mode(str, Enum):
    NORMAL = "normal"
    LOCKDOWN = "lockdown"
    FREE_ACCESS = "free_access"


class Relock(str, Enum):
    """When a running pulse ends before its time."""

    TIMED = "timed"  # never
    ON_OPEN = "on_open"  # as soon as the door has opened: strikes
    ON_CLOSE = "on_close"  # as soon as it has closed again: magnets and motor bolts


class GrantAction(str, Enum):
    PULSE = "pulse"
    TOGGLE = "toggle"  # one grant unlocks, the next one locks


class Input(str, Enum):
    """What is wired to the door process. Active means: open, pressed, burning, opened by force, passing."""

    CONTACT = "contact"
    REX = "rex"  # request to exit
    FIRE = "fire"
    TAMPER = "tamper"
    PASSAGE = "passage"  # a turnstile's sensor


@dataclass(frozen=True, slots=True)
class DoorRule:
    """`latch_grace_ms`: after locking and closing a bolt needs a moment; an opening in that time is no break-in.
    `held_open_warning_s` is how long before the alarm the warning comes. `rex_unlocks` False: the door opens by hand
    from inside, a request only keeps its opening from being an alarm."""

    relock: Relock = Relock.TIMED
    grant_action: GrantAction = GrantAction.PULSE
    toggle_max_s: float = 8 * 3600.0
    turnstile: bool = False
    rex_pulse_ms: int = 5000
    rex_unlocks: bool = True
    rex_in_lockdown: bool = True
    rex_stuck_s: float = 60.0
    held_open_s: float = 30.0
    held_open_warning_s: float = 10.0
    latch_grace_ms: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.rex_pulse_ms <= LONGEST_PULSE_MS:
            raise ValueError(f"rex_pulse_ms must be 1 to {LONGEST_PULSE_MS}, not {self.rex_pulse_ms}")
        if not 0 < self.toggle_max_s <= LONGEST_TOGGLE_S:
            raise ValueError(f"toggle_max_s must be above 0 and at most {LONGEST_TOGGLE_S}, not {self.toggle_max_s}")
        if not 0 <= self.held_open_warning_s <= self.held_open_s:
            raise ValueError("held_open_warning_s must be between 0 and held_open_s")
        if not 0 <= self.latch_grace_ms <= 10_000 or not self.rex_stuck_s > 0:
            raise ValueError("latch_grace_ms must be 0 to 10000, rex_stuck_s above 0")
