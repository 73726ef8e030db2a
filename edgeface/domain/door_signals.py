"""What the people at the door see and hear: two lights and a buzzer, as pure functions of what the door is and of the
time. Nothing here moves the relay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Signal(str, Enum):
    """From the most to the least urgent: the first one that applies is shown."""

    FIRE = "fire"
    FORCED_OPEN = "forced_open"
    TAMPER = "tamper"
    HELD_OPEN = "held_open"
    HELD_OPEN_SOON = "held_open_soon"
    FAULT = "fault"
    GRANTED = "granted"
    LOCKDOWN = "lockdown"
    DENIED = "denied"
    UNLOCKED = "unlocked"  # an exit, free access, a toggled door
    LOOK = "look"
    IDLE = "idle"


ASKED = {Signal.DENIED: 1500, Signal.LOOK: 2000}  # what the daemon may ask for, and for how many ms it then shows


@dataclass(frozen=True, slots=True)
class Lights:
    green: bool = False
    red: bool = False
    buzzer: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """Steps of (ms, lights), again and again where `repeat`; else the last one stays."""

    steps: tuple[tuple[int, Lights], ...]
    repeat: bool = True

    @property
    def length_ms(self) -> int:
        return sum(ms for ms, _ in self.steps)


_OFF, _GREEN, _RED = Lights(), Lights(green=True), Lights(red=True)
_GREEN_BEEP, _RED_BEEP = Lights(green=True, buzzer=True), Lights(red=True, buzzer=True)
_STEADY_MS = 60_000

# Told apart without colours too: one long beep lets in, three short ones do not.
PATTERNS: dict[Signal, Pattern] = {
    Signal.FIRE: Pattern(((250, _GREEN_BEEP), (250, _RED))),
    Signal.FORCED_OPEN: Pattern(((200, _RED_BEEP), (200, _OFF))),
    Signal.TAMPER: Pattern(((200, _RED_BEEP), (800, _RED))),
    Signal.HELD_OPEN: Pattern(((500, _RED_BEEP), (500, _RED))),
    Signal.HELD_OPEN_SOON: Pattern(((100, _RED_BEEP), (1900, _OFF))),
    Signal.FAULT: Pattern(((100, _RED), (1900, _OFF))),
    Signal.GRANTED: Pattern(((400, _GREEN_BEEP), (_STEADY_MS, _GREEN)), repeat=False),
    Signal.LOCKDOWN: Pattern(((1000, _RED), (1000, _OFF))),
    Signal.DENIED: Pattern(((100, _RED_BEEP), (100, _OFF)) * 3 + ((_STEADY_MS, _RED),), repeat=False),
    Signal.UNLOCKED: Pattern(((_STEADY_MS, _GREEN),), repeat=False),
    Signal.LOOK: Pattern(((300, _GREEN), (300, _OFF))),
    Signal.IDLE: Pattern(((_STEADY_MS, _OFF),), repeat=False),
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds now; `held_by` is the claim that unlocks the door, `asked` what the daemon asked to show."""

    held_by: str | None = None
    forced: bool = False
    tampered: bool = False
    held_open: bool = False
    held_open_soon: bool = False
    faulty: bool = False
    lockdown: bool = False
    asked: Signal | None = None


def choose(now: Conditions) -> Signal:
    """The most urgent signal that applies."""
    applies = {
        Signal.FIRE: now.held_by == "fire",
        Signal.FORCED_OPEN: now.forced,
        Signal.TAMPER: now.tampered,
        Signal.HELD_OPEN: now.held_open,
        Signal.HELD_OPEN_SOON: now.held_open_soon,
        Signal.FAULT: now.faulty,
        Signal.GRANTED: now.held_by == "grant",
        Signal.LOCKDOWN: now.lockdown and now.held_by is None,
        Signal.DENIED: now.asked is Signal.DENIED,
        Signal.UNLOCKED: now.held_by is not None,
        Signal.LOOK: now.asked is Signal.LOOK,
    }
    return next((signal for signal, holds in applies.items() if holds), Signal.IDLE)


def lights(signal: Signal, elapsed_ms: float) -> Lights:
    """What shines `elapsed_ms` after the signal began."""
    return _step(signal, elapsed_ms)[0]


def next_change_ms(signal: Signal, elapsed_ms: float) -> float | None:
    """How long until the lights change by themselves; None: they stay."""
    return _step(signal, elapsed_ms)[1]


def _step(signal: Signal, elapsed_ms: float) -> tuple[Lights, float | None]:
    pattern = PATTERNS[signal]
    at_ms = max(0.0, elapsed_ms)  # a clock that ran backwards begins anew
    if pattern.repeat:
        at_ms %= pattern.length_ms
    for ms, shown in pattern.steps[:-1] if not pattern.repeat else pattern.steps:
        if at_ms < ms:
            return shown, ms - at_ms
        at_ms -= ms
    return pattern.steps[-1][1], None
