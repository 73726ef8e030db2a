"""The relay on a line of the kernel's GPIO character device, by libgpiod v2: Jetson and other boards, also a Pi."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from edgeface.adapters.door.driver import RelaySpec, busy
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
            direction=gpiod.line.Direction.OUTPUT, output_value=self._off, active_low=spec.active_low
        )
        self._request: Any = None
        try:
            self._request = (request_lines or gpiod.request_lines)(
                self._chip, config={spec.pin: settings}, consumer=CONSUMER
            )
        except OSError as error:
            if error.errno == errno.EBUSY:
                name = (holder_of or _holder)(self._chip, spec.pin) or "another program"
                how = f"See who: `gpioinfo` names the consumer, `sudo fuser -v {self._chip}` the process."
                raise busy(RelaySpec(spec.driver, spec.pin, self._chip), name, how) from error
            raise self._unusable(error) from error
        except ValueError as error:  # libgpiod's own check of the offset
            raise self._unusable(error) from error

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

    def _unusable(self, error: Exception) -> DoorUnavailable:
        return DoorUnavailable(
            f"Line {self._pin} of {self._chip} can't be used: {error}.",
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


def _holder(chip: str, pin: int) -> str:
    try:
        with _gpiod().Chip(chip) as opened:
            return str(opened.get_line_info(pin).consumer)
    except (OSError, ValueError):
        return ""


def preload() -> None:
    _gpiod()


def open_relay(spec: RelaySpec) -> GpiochipRelay:
    return GpiochipRelay(spec)
