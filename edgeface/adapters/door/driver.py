"""What every relay driver offers, and the one place that opens them by name. Stdlib alone until a driver is opened:
the door process, its guard and the lock command share it and must stay small."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol, TypeVar

from edgeface.domain.door_inputs import DEFAULT_DEBOUNCE_MS
from edgeface.domain.door_rules import Input
from edgeface.domain.errors import DoorUnavailable

T = TypeVar("T")

DRIVERS = ("gpiozero", "gpiochip", "simboard")
BUSY_RETRY_S = 0.8  # the kernel, or a board, may take a moment to free the pin of a process that died
_MODULES = {
    "gpiozero": "edgeface.adapters.door.relay",
    "gpiochip": "edgeface.adapters.door.gpiochip",
    "simboard": "edgeface.adapters.door.simrelay",
}


class Relay(Protocol):
    """One output pin. Opening it drives the locked level in the same call that makes it an output, without a blip.
    Not thread-safe. Every method raises DoorUnavailable where the pin can't be driven."""

    def energise(self) -> None: ...

    def lock(self) -> None: ...

    def close(self) -> None:
        """Locks, then gives the pin back. Idempotent. The platform decides whether the level outlives this."""
        ...


class Inputs(Protocol):
    """The pins that are listened to. Not thread-safe."""

    def levels(self) -> Mapping[Input, bool]:
        """Each input's level now; True: active. Raises DoorUnavailable where they can't be read."""
        ...

    def close(self) -> None: ...


MOST_EDGES = 256  # that are read at once: a door that has to lock doesn't wait for noise to end


class Edges(Protocol):
    """Falling edges of lines that rest high. `fileno` is readable while there are some. Not thread-safe."""

    def fileno(self) -> int: ...

    def read(self) -> list[tuple[int, float]]:
        """(index of the line, monotonic time) in the order that they happened, MOST_EDGES at most: the others come with
        the next call. Never blocks. Raises DoorUnavailable."""
        ...

    def close(self) -> None: ...


class PinBusy(DoorUnavailable):
    """Another process owns the pin; it may be about to let go."""


@dataclass(frozen=True, slots=True)
class RelaySpec:
    """`pin` is the GPIO (BCM) number for gpiozero and simboard, the line's offset for gpiochip. `chip` is a path or
    number, empty for the driver's default. `active_low`: the relay board pulls in on a low level. `fail_safe`: the
    relay is pulled in while the door is *locked*, so that the door is open without current."""

    driver: str
    pin: int
    chip: str = ""
    active_low: bool = False
    board_socket: str = ""
    fail_safe: bool = False

    @property
    def unlock_level(self) -> int:
        """The pin's electrical level, 0 or 1, while the door is unlocked."""
        return int(self.active_low == self.fail_safe)

    def to_args(self) -> list[str]:
        """As options of `python -m edgeface.doord`."""
        args = ["--driver", self.driver, "--pin", str(self.pin)]
        args += ["--chip", self.chip] if self.chip else []
        args += ["--active-low"] if self.active_low else []
        args += ["--fail-safe"] if self.fail_safe else []
        args += ["--board-socket", self.board_socket] if self.board_socket else []
        return args


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input, on the relay's chip. `pull`: up, down, or none where a resistor of its own is fitted."""

    name: Input
    pin: int
    active_low: bool = False
    pull: str = "up"
    debounce_ms: int = DEFAULT_DEBOUNCE_MS


def preload(spec: RelaySpec) -> None:
    """Imports the driver's libraries without touching the pin, so that a later lock takes milliseconds."""
    _module(spec).preload()


def open_relay(spec: RelaySpec) -> Relay:
    """Locked when this returns. Raises PinBusy, DoorUnavailable."""
    relay: Relay = _module(spec).open_relay(spec)
    return relay


def open_inputs(spec: RelaySpec, inputs: Sequence[InputSpec]) -> Inputs:
    """With the driver, the chip and the board of `spec`. Raises PinBusy, DoorUnavailable."""
    opened: Inputs = _module(spec).open_inputs(spec, inputs)
    return opened


def open_edges(spec: RelaySpec, pins: Sequence[int]) -> Edges:
    """With the driver, the chip and the board of `spec`; the lines are pulled up. Raises PinBusy, DoorUnavailable."""
    opened: Edges = _module(spec).open_edges(spec, pins)
    return opened


def open_relay_patiently(
    spec: RelaySpec,
    for_s: float = BUSY_RETRY_S,
    opener: Callable[[RelaySpec], Relay] = open_relay,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Relay:
    """Like `open_relay`, but tries again for `for_s` while the pin is busy."""
    return open_patiently(lambda: opener(spec), for_s, now, sleep)


def open_patiently(
    opener: Callable[[], T],
    for_s: float = BUSY_RETRY_S,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Whatever `opener` opens; tries again for `for_s` while a pin is busy."""
    give_up_s = now() + for_s
    while True:
        try:
            return opener()
        except PinBusy:
            if now() >= give_up_s:
                raise
            sleep(0.01)


def busy(spec: RelaySpec, holder: str, how_to_find: str) -> PinBusy:
    where = f"GPIO {spec.pin}" + (f" of {spec.chip}" if spec.chip else "")
    return PinBusy(f"{where} is in use by {holder}.", f"{how_to_find} Stop it, or choose another pin.")


def _module(spec: RelaySpec) -> ModuleType:
    """A driver's module offers open_relay(spec) and preload()."""
    if spec.driver not in _MODULES:
        raise DoorUnavailable(f"There is no relay driver named {spec.driver}.", f"Use one of {', '.join(DRIVERS)}.")
    return importlib.import_module(_MODULES[spec.driver])
