"""The relay on a Raspberry Pi's header, by gpiozero and lgpio.

gpiozero tidies up when a process ends: it turns the pin into a floating input, which may let a relay without a pull
resistor move. So the owner leaves by os._exit after `lock()`: the kernel then frees the pin as it stands."""

from __future__ import annotations

import importlib
import os
from typing import Any

from edgeface.adapters.door.driver import RelaySpec, busy
from edgeface.domain.errors import DoorUnavailable

_HOW = "See who: `gpioinfo` names the consumer, `sudo fuser -v /dev/gpiochip*` the process."


class GpiozeroRelay:
    """`pin_factory` is gpiozero's; tests pass MockFactory. None: lgpio, or what GPIOZERO_PIN_FACTORY names. gpiozero's
    own search is not used, because it falls back to factories that share a pin with anybody."""

    def __init__(self, spec: RelaySpec, pin_factory: Any = None) -> None:
        self._spec = spec
        self._device: Any = None
        try:
            gpiozero = importlib.import_module("gpiozero")
            factory = pin_factory if pin_factory is not None else _factory(spec)
            # direction and level in one call (output_with_state): no blip
            self._device = gpiozero.DigitalOutputDevice(
                spec.pin, active_high=not spec.active_low, initial_value=False, pin_factory=factory
            )
        except ModuleNotFoundError as error:
            package = (error.name or "lgpio").partition(".")[0]
            raise DoorUnavailable(
                f"GPIO {spec.pin} can't be opened by gpiozero: the Python package {package} is missing.",
                "Install it: `sudo apt install python3-lgpio` for the system's Python, and in a virtual environment "
                "`pip install lgpio`, or one made with --system-site-packages.",
            ) from error
        except Exception as error:  # gpiozero's, lgpio's and import errors share no base class
            if "busy" in str(error).lower() or type(error).__name__ == "GPIOPinInUse":
                raise busy(spec, "another program", _HOW) from error
            raise DoorUnavailable(
                f"GPIO {spec.pin} can't be opened by gpiozero: {str(error) or type(error).__name__}.",
                "Put this user into the group gpio, and check door.pin and door.chip; lgpio also "
                "needs a working directory that it may write to (LG_WD).",
            ) from error

    def energise(self) -> None:
        self._write(True)

    def lock(self) -> None:
        self._write(False)

    def close(self) -> None:
        if self._device is not None:
            try:
                self._write(False)
            finally:
                self._device.close()
                self._device = None

    def _write(self, on: bool) -> None:
        try:
            self._device.value = on
        except Exception as error:
            raise DoorUnavailable(
                f"GPIO {self._spec.pin} can't be driven: {str(error) or type(error).__name__}.", "Check the wiring."
            ) from error


def _factory(spec: RelaySpec) -> Any:
    if os.environ.get("GPIOZERO_PIN_FACTORY"):
        return None  # gpiozero reads it itself
    lgpio = importlib.import_module("gpiozero.pins.lgpio")
    number = spec.chip.rpartition("gpiochip")[2]
    return lgpio.LGPIOFactory(chip=int(number) if number else None)


def preload() -> None:
    for name in ("gpiozero", "gpiozero.pins.lgpio"):
        try:
            importlib.import_module(name)
        except Exception:  # opening tells it with a sentence; here it would only come too early
            return


def open_relay(spec: RelaySpec) -> GpiozeroRelay:
    return GpiozeroRelay(spec)
