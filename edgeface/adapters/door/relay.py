"""Relay and inputs on a Raspberry Pi's header, by gpiozero and lgpio.

gpiozero tidies up when a process ends: it turns the pin into a floating input, which may let a relay without a pull
resistor move. So the owner leaves by os._exit after `lock()`: the kernel then frees the pin as it stands."""

from __future__ import annotations

import contextlib
import importlib
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeface.adapters.door.driver import MOST_EDGES, InputSpec, RelaySpec, busy
from edgeface.adapters.door.gpiochip import holder
from edgeface.domain.door_rules import Input
from edgeface.domain.errors import DoorUnavailable

_EDGE = struct.Struct("=Bd")  # line, time; far below what a pipe writes as one
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
                spec.pin, active_high=bool(spec.unlock_level), initial_value=False, pin_factory=factory
            )
        except Exception as error:  # gpiozero's, lgpio's and import errors share no base class
            raise _refused(spec, spec.pin, error) from error

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


class GpiozeroInputs:
    """`pin_factory` as for the relay. The pins' own levels are read; which of them means active is ours to know."""

    def __init__(self, spec: RelaySpec, inputs: Sequence[InputSpec], pin_factory: Any = None) -> None:
        self._devices: list[tuple[InputSpec, Any]] = []
        pin = inputs[0].pin if inputs else spec.pin
        try:
            gpiozero = importlib.import_module("gpiozero")
            factory = pin_factory if pin_factory is not None else _factory(spec)
            for each in inputs:
                pin = each.pin
                pull = {"up": True, "down": False, "none": None}[each.pull]
                device = gpiozero.DigitalInputDevice(
                    pin, pull_up=pull, active_state=True if pull is None else None, pin_factory=factory
                )
                self._devices.append((each, device))
        except Exception as error:
            self.close()
            raise _refused(spec, pin, error) from error

    def levels(self) -> Mapping[Input, bool]:
        try:
            return {each.name: bool(device.pin.state) != each.active_low for each, device in self._devices}
        except Exception as error:
            raise DoorUnavailable(
                f"The inputs can't be read: {str(error) or type(error).__name__}.", "Check the wiring."
            ) from error

    def close(self) -> None:
        for _, device in self._devices:
            device.close()
        self._devices = []


class GpiozeroEdges:
    """gpiozero calls back from a thread of its own for each edge that the kernel noted; a pipe carries them over."""

    def __init__(self, spec: RelaySpec, pins: Sequence[int], pin_factory: Any = None) -> None:
        self._devices: list[Any] = []
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        pin = pins[0]
        try:
            gpiozero = importlib.import_module("gpiozero")
            factory = pin_factory if pin_factory is not None else _factory(spec)
            for index, pin in enumerate(pins):
                device = gpiozero.DigitalInputDevice(pin, pull_up=True, pin_factory=factory)
                self._devices.append(device)
                device.when_activated = self._noting(index)
        except Exception as error:
            self.close()
            raise _refused(spec, pin, error) from error

    def _noting(self, index: int) -> Callable[[], None]:
        def fell() -> None:
            with contextlib.suppress(OSError):  # a full pipe: noise without end, and the parity will not fit
                os.write(self._write_fd, _EDGE.pack(index, time.monotonic()))

        return fell

    def fileno(self) -> int:
        return self._read_fd

    def read(self) -> list[tuple[int, float]]:
        try:
            return list(_EDGE.iter_unpack(os.read(self._read_fd, MOST_EDGES * _EDGE.size)))
        except BlockingIOError:
            return []
        except OSError as error:
            raise DoorUnavailable(f"The reader's lines can't be read: {error.strerror}.") from error

    def close(self) -> None:
        for device in self._devices:
            device.close()
        self._devices = []
        for fd in (self._read_fd, self._write_fd):
            with contextlib.suppress(OSError):
                os.close(fd)


def _refused(spec: RelaySpec, pin: int, error: Exception) -> DoorUnavailable:
    if "busy" in str(error).lower() or type(error).__name__ == "GPIOPinInUse":
        return busy(RelaySpec(spec.driver, pin, spec.chip), _holder(spec, pin) or "another program", _HOW)
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "lgpio").partition(".")[0]
        return DoorUnavailable(
            f"GPIO {pin} can't be opened by gpiozero: the Python package {package} is missing.",
            "Install it: `sudo apt install python3-lgpio` for the system's Python, and in a virtual environment "
            "`pip install lgpio`, or one made with --system-site-packages.",
        )
    return DoorUnavailable(
        f"GPIO {pin} can't be opened by gpiozero: {str(error) or type(error).__name__}.",
        "Put this user into the group gpio, and check the pin's number and door.chip; lgpio also needs a working "
        "directory that it may write to (LG_WD).",
    )


def _holder(spec: RelaySpec, pin: int) -> str:
    """libgpiod, where it is installed too, knows who owns a line."""
    number = spec.chip.rpartition("gpiochip")[2]
    return holder(f"/dev/gpiochip{number or 0}", pin)


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


def open_edges(spec: RelaySpec, pins: Sequence[int]) -> GpiozeroEdges:
    return GpiozeroEdges(spec, pins)


def open_inputs(spec: RelaySpec, inputs: Sequence[InputSpec]) -> GpiozeroInputs:
    return GpiozeroInputs(spec, inputs)
