"""Pins against each other and against the board, before the first one is touched. Pure but for `this_board`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeface.adapters.door.driver import InputSpec, RelaySpec
from edgeface.adapters.door.fittings import Fittings
from edgeface.domain.errors import ConfigError

PI_HEADER = range(28)  # BCM numbers on the 40-pin header, from the Pi 1 B+ to the Pi 5
PI_EEPROM = {0: "ID_SD", 1: "ID_SC"}
PI_I2C = {2: "SDA", 3: "SCL"}  # with 1.8 kΩ to 3.3 V on the board
PI_UART = {14: "TXD", 15: "RXD"}
PI_PULLED_UP_AT_BOOT = range(9)  # GPIO 0 to 8; the others are pulled down (BCM2835 ARM Peripherals, table 6-31; RP1)


@dataclass(frozen=True, slots=True)
class Board:
    """`model` as the device tree has it, empty where there is none; `cmdline` the kernel's."""

    model: str = ""
    cmdline: str = ""

    @property
    def is_pi(self) -> bool:
        return "Raspberry Pi" in self.model

    @property
    def serial_console(self) -> bool:
        return any(f"console={port}" in self.cmdline for port in ("serial0", "ttyAMA0", "ttyS0"))


def this_board() -> Board:
    return Board(_read("/proc/device-tree/model").rstrip("\0"), _read("/proc/cmdline"))


def check(relay: RelaySpec, fittings: Fittings, board: Board) -> list[str]:
    """Warnings, each a sentence with what to do. Raises ConfigError where the door can't be right."""
    named = fittings.named_pins(relay)
    _refuse_shared(named)
    if relay.driver not in ("gpiozero", "gpiochip") or not (board.is_pi or relay.driver == "gpiozero"):
        return []
    if relay.chip.rpartition("gpiochip")[2] not in ("", "0", "4"):  # an expander: its lines are not the header's
        return []
    for what, pin in named.items():
        if pin not in PI_HEADER:
            raise ConfigError(
                f"GPIO {pin} for {what} is not on a Raspberry Pi's header.", "Use BCM numbers, 0 to 27; see `pinout`."
            )
    warnings = [w for what, pin in named.items() for w in _reserved(what, pin, board)]
    return warnings + _at_boot(relay) + [w for each in fittings.inputs for w in _pulls(each)]


def _refuse_shared(named: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for what, pin in named.items():
        if pin in seen:
            raise ConfigError(f"GPIO {pin} stands for {seen[pin]} and for {what}.", "Give each a pin of its own.")
        seen[pin] = what


def _reserved(what: str, pin: int, board: Board) -> list[str]:
    if pin in PI_EEPROM:
        return [f"GPIO {pin} for {what} is {PI_EEPROM[pin]}, which the firmware uses at boot: choose another pin."]
    if pin in PI_I2C:
        return [f"GPIO {pin} for {what} is I2C's {PI_I2C[pin]} and has 1.8 kΩ to 3.3 V: fine for a button to ground."]
    if pin in PI_UART:
        console = "the kernel's console writes to it: remove console=serial0 from cmdline.txt, or "
        why = console if board.serial_console else "a serial console would write to it: "
        return [f"GPIO {pin} for {what} is the UART's {PI_UART[pin]}; {why}choose another pin."]
    return []


def _at_boot(relay: RelaySpec) -> list[str]:
    """A Pi's pins are inputs with a pull from power-up until this process opens them."""
    pulled_up = relay.pin in PI_PULLED_UP_AT_BOOT
    if int(pulled_up) != relay.unlock_level:
        return []
    level, toward, range_ = ("up", "3.3 V", "9 to 27") if pulled_up else ("down", "ground", "0 to 8")
    resistor = "ground" if pulled_up else "3.3 V"
    warning = (
        f"At power-up GPIO {relay.pin} is pulled {level} (to {toward}), which is this relay's unlocked level: it may "
        f"open at every boot. Use a pin of {range_}, or fit 2.2 kΩ from the pin to {resistor}."
    )
    return [warning]


def _pulls(spec: InputSpec) -> list[str]:
    if spec.pin in PI_I2C and spec.pull != "up":
        return [f"GPIO {spec.pin} for the input {spec.name.value} is pulled up on the board: `{spec.pull}` can't work."]
    return []


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
