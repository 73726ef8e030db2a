"""Relay and inputs on lines of the kernel's GPIO character device, by libgpiod v2: Jetson and others, also a Pi."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeface.adapters.door.driver import MOST_EDGES, InputSpec, PinBusy, RelaySpec, busy
from edgeface.domain.door_rules import Input
from edgeface.domain.errors import DoorUnavailable

DEFAULT_CHIP = "/dev/gpiochip0"
CONSUMER = "edgeface-doord"


class GpiochipRelay:
    """`request_lines` and `holder_of` are libgpiod's; tests without a GPIO chip pass their own. `active_low` is the
    kernel's business: ACTIVE always means energised here."""

    def __init__(
        self,
        spec: RelaySpec,
        request_lines: Callable[..., Any] | None = None,
        holder_of: Callable[[str, int], str] | None = None,
    ) -> None:
        gpiod = _gpiod()
        self._pin, self._chip = spec.pin, _path(spec.chip)
        self._on, self._off = gpiod.line.Value.ACTIVE, gpiod.line.Value.INACTIVE
        settings = gpiod.LineSettings(  # one request sets direction and level: no blip
            direction=gpiod.line.Direction.OUTPUT, output_value=self._off, active_low=not spec.unlock_level
        )
        self._request: Any = None
        try:
            self._request = (request_lines or gpiod.request_lines)(
                self._chip, config={spec.pin: settings}, consumer=CONSUMER
            )
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise _busy(spec, self._chip, (spec.pin,), holder_of or holder) from error
            raise _unusable(spec.pin, self._chip, error) from error
        except ValueError as error:  # libgpiod's own check of the offset
            raise _unusable(spec.pin, self._chip, error) from error

    def energise(self) -> None:
        self._write(self._on)

    def lock(self) -> None:
        self._write(self._off)

    def close(self) -> None:
        if self._request is not None:
            try:
                self._write(self._off)
            finally:
                self._request.release()
                self._request = None

    def _write(self, value: Any) -> None:
        try:
            self._request.set_value(self._pin, value)
        except Exception as error:  # OSError, or gpiod's own for a released request
            raise DoorUnavailable(
                f"Line {self._pin} of {self._chip} can't be driven: {error}.", "Check that the chip is still there."
            ) from error


class GpiochipInputs:
    """All inputs in one request, so that one reading shows one moment."""

    def __init__(
        self,
        spec: RelaySpec,
        inputs: Sequence[InputSpec],
        request_lines: Callable[..., Any] | None = None,
        holder_of: Callable[[str, int], str] | None = None,
    ) -> None:
        gpiod = _gpiod()
        self._chip, self._names = _path(spec.chip), {each.pin: each.name for each in inputs}
        self._active = gpiod.line.Value.ACTIVE
        bias = {"up": gpiod.line.Bias.PULL_UP, "down": gpiod.line.Bias.PULL_DOWN, "none": gpiod.line.Bias.DISABLED}
        config = {
            each.pin: gpiod.LineSettings(
                direction=gpiod.line.Direction.INPUT, bias=bias[each.pull], active_low=each.active_low
            )
            for each in inputs
        }
        self._request: Any = None
        try:
            self._request = (request_lines or gpiod.request_lines)(self._chip, config=config, consumer=CONSUMER)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.EBUSY:
                raise _busy(spec, self._chip, tuple(self._names), holder_of or holder) from error
            raise _unusable(" and ".join(map(str, self._names)), self._chip, error) from error

    def levels(self) -> Mapping[Input, bool]:
        try:
            values = self._request.get_values(list(self._names))
        except Exception as error:  # OSError, or gpiod's own for a released request
            raise DoorUnavailable(
                f"The inputs of {self._chip} can't be read: {error}.", "Check that the chip is still there."
            ) from error
        return {name: value is self._active for name, value in zip(self._names.values(), values, strict=True)}

    def close(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None


class GpiochipEdges:
    """The kernel notes each edge with its time (CLOCK_MONOTONIC) as it happens: how late this process reads them
    changes nothing."""

    def __init__(
        self,
        spec: RelaySpec,
        pins: Sequence[int],
        request_lines: Callable[..., Any] | None = None,
        holder_of: Callable[[str, int], str] | None = None,
    ) -> None:
        gpiod = _gpiod()
        self._chip, self._index = _path(spec.chip), {pin: i for i, pin in enumerate(pins)}
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.INPUT,
            bias=gpiod.line.Bias.PULL_UP,
            edge_detection=gpiod.line.Edge.FALLING,
            event_clock=gpiod.line.Clock.MONOTONIC,
        )
        self._request: Any = None
        try:
            self._request = (request_lines or gpiod.request_lines)(
                self._chip, config={tuple(pins): settings}, consumer=CONSUMER, event_buffer_size=MOST_EDGES
            )
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.EBUSY:
                raise _busy(spec, self._chip, tuple(pins), holder_of or holder) from error
            raise _unusable(" and ".join(map(str, pins)), self._chip, error) from error

    def fileno(self) -> int:
        return int(self._request.fd)

    def read(self) -> list[tuple[int, float]]:
        edges: list[tuple[int, float]] = []
        try:
            if self._request.wait_edge_events(0):
                events = self._request.read_edge_events()  # no loop: noise without end is no reason to stay
                edges += [(self._index[e.line_offset], e.timestamp_ns / 1e9) for e in events]
        except Exception as error:  # OSError, or gpiod's own for a released request
            raise DoorUnavailable(
                f"The reader's lines of {self._chip} can't be read: {error}.", "Check that the chip is still there."
            ) from error
        return edges

    def close(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None


def _busy(spec: RelaySpec, chip: str, pins: Sequence[int], holder_of: Callable[[str, int], str]) -> PinBusy:
    held = [(pin, name) for pin in pins if (name := holder_of(chip, pin))]
    pin, name = held[0] if held else (pins[0], "another program")
    how = f"See who: `gpioinfo` names the consumer, `sudo fuser -v {chip}` the process."
    return busy(RelaySpec(spec.driver, pin, chip), name, how)


def _unusable(pins: object, chip: str, error: Exception) -> DoorUnavailable:
    return DoorUnavailable(
        f"Line {pins} of {chip} can't be used: {error}.",
        "`gpiodetect` and `gpioinfo` list the chips and lines; this user needs the right to write to the chip "
        "(group gpio).",
    )


def _gpiod() -> Any:
    try:
        import gpiod
    except ImportError as error:
        raise DoorUnavailable("The Python package gpiod is missing.", "Install gpiod 2 or newer.") from error
    if not hasattr(gpiod, "LineSettings"):
        raise DoorUnavailable("This gpiod is of version 1.", "Install gpiod 2 or newer.")
    return gpiod


def _path(chip: str) -> str:
    return f"/dev/gpiochip{chip}" if chip.isdecimal() else chip or DEFAULT_CHIP


def holder(chip: str, pin: int) -> str:
    """Who owns the line, as the kernel and /proc tell: "gpio-fan (process 812, python3)"; empty where nobody does, or
    nobody may be asked."""
    try:
        with _gpiod().Chip(chip) as opened:
            info = opened.get_line_info(pin)
            consumer = str(info.consumer) if info.used else ""
    except (OSError, ValueError, DoorUnavailable):
        return ""
    if not consumer:
        return ""
    others = [pid for pid in processes_with(chip) if pid != os.getpid()]
    named = ", ".join(f"process {pid}, {_command(pid)}" for pid in others[:3])
    return f"{consumer} ({named})" if named else consumer


def processes_with(device: str) -> list[int]:
    """The processes that have `device` open, of those that this user may look into."""
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(link.readlink()) == device for link in folder.iterdir()):
                found.append(int(folder.parent.name))
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return sorted(found)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "gone"


def preload() -> None:
    _gpiod()


def open_relay(spec: RelaySpec) -> GpiochipRelay:
    return GpiochipRelay(spec)


def open_edges(spec: RelaySpec, pins: Sequence[int]) -> GpiochipEdges:
    return GpiochipEdges(spec, pins)


def open_inputs(spec: RelaySpec, inputs: Sequence[InputSpec]) -> GpiochipInputs:
    return GpiochipInputs(spec, inputs)
