"""One suite over every driver's inputs. Levels are the pin's own; which of them is active is the wiring's."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import gpiod
import pytest
from gpiozero.pins.mock import MockFactory
from support.simboard import Simboard

from edgeface.adapters.door.driver import Inputs, InputSpec, PinBusy, RelaySpec, open_inputs
from edgeface.adapters.door.gpiochip import GpiochipInputs, processes_with
from edgeface.adapters.door.relay import GpiozeroInputs
from edgeface.domain.door_rules import Input
from edgeface.domain.errors import DoorUnavailable

TWO = (InputSpec(Input.CONTACT, 27, False, "up"), InputSpec(Input.REX, 22, True, "none"))


class Rig(Protocol):
    def open(self, inputs: Sequence[InputSpec]) -> Inputs: ...

    def drive(self, pin: int, level: int) -> None: ...

    def lose(self) -> None:
        """The hardware vanishes."""
        ...


class GpiozeroRig:
    def __init__(self) -> None:
        self.factory = MockFactory()

    def open(self, inputs: Sequence[InputSpec]) -> Inputs:
        return GpiozeroInputs(RelaySpec("gpiozero", 17), inputs, self.factory)

    def drive(self, pin: int, level: int) -> None:
        mock = self.factory.pin(pin)
        mock.drive_high() if level else mock.drive_low()

    def lose(self) -> None:
        def gone() -> int:
            raise OSError(errno.EIO, "Input/output error")

        for pin in (22, 27):
            self.factory.pin(pin)._get_state = gone


class FakeKernelLines:
    """What libgpiod's request_lines does to inputs, by the arguments that it got."""

    def __init__(self) -> None:
        self.levels = {27: 1, 22: 1}
        self.settings: dict[int, gpiod.LineSettings] = {}
        self.lost = False

    def request_lines(self, path: str, config: dict[int, gpiod.LineSettings], consumer: str) -> FakeKernelLines:
        assert (path, consumer) == ("/dev/gpiochip0", "edgeface-doord")
        if self.settings:
            raise OSError(errno.EBUSY, "Device or resource busy")
        assert all(s.direction is gpiod.line.Direction.INPUT for s in config.values())
        self.settings = config
        return self

    def get_values(self, lines: list[int]) -> list[gpiod.line.Value]:
        if self.lost:
            raise OSError(errno.ENODEV, "No such device")
        return [gpiod.line.Value(self.levels[n] ^ self.settings[n].active_low) for n in lines]

    def release(self) -> None:
        self.settings = {}


class GpiochipRig:
    def __init__(self) -> None:
        self.lines = FakeKernelLines()

    def open(self, inputs: Sequence[InputSpec]) -> Inputs:
        spec = RelaySpec("gpiochip", 17)
        return GpiochipInputs(spec, inputs, self.lines.request_lines, lambda chip, pin: "fan" if pin == 22 else "")

    def drive(self, pin: int, level: int) -> None:
        self.lines.levels[pin] = level

    def lose(self) -> None:
        self.lines.lost = True


class SimboardRig:
    def __init__(self, board: Simboard) -> None:
        self.board = board

    def open(self, inputs: Sequence[InputSpec]) -> Inputs:
        return open_inputs(RelaySpec("simboard", 17, board_socket=str(self.board.socket)), inputs)

    def drive(self, pin: int, level: int) -> None:
        assert self.board.ask(op="drive", pin=pin, level=level)["ok"] is True

    def lose(self) -> None:
        self.board.kill()


@pytest.fixture(params=["gpiozero", "gpiochip", "simboard"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "gpiozero":
        made = GpiozeroRig()
        yield made
        made.factory.close()
    elif request.param == "gpiochip":
        yield GpiochipRig()
    else:
        with Simboard(tmp_path, "17,22:1,27:1") as board:
            yield SimboardRig(board)


def test_levels_are_read_as_the_wiring_means_them(rig: Rig) -> None:
    inputs = rig.open(TWO)
    seen = []
    for contact, rex in ((0, 1), (1, 1), (1, 0), (0, 0)):
        rig.drive(27, contact)
        rig.drive(22, rex)
        levels = inputs.levels()
        seen.append((levels[Input.CONTACT], levels[Input.REX]))
    assert seen == [(False, False), (True, False), (True, True), (False, True)]
    inputs.close()
    inputs.close()
    rig.open(TWO).close()


def test_a_pin_in_use_is_named(rig: Rig) -> None:
    first = rig.open(TWO)
    with pytest.raises(PinBusy, match=r"(22|27).* in use by") as caught:
        rig.open(TWO)
    assert caught.value.advice
    first.close()


def test_inputs_that_vanish_are_told(rig: Rig) -> None:
    inputs = rig.open(TWO)
    rig.lose()
    with pytest.raises(DoorUnavailable):
        inputs.levels()


@pytest.mark.parametrize(
    ("pull", "bias"), [("up", gpiod.line.Bias.PULL_UP), ("down", gpiod.line.Bias.PULL_DOWN),
                       ("none", gpiod.line.Bias.DISABLED)],
)  # fmt: skip
def test_the_pull_reaches_the_kernel(pull: str, bias: gpiod.line.Bias) -> None:
    rig = GpiochipRig()
    rig.open([InputSpec(Input.FIRE, 27, False, pull)])
    assert rig.lines.settings[27].bias is bias


@pytest.mark.parametrize(("pull", "state"), [("up", "up"), ("down", "down"), ("none", "floating")])
def test_the_pull_reaches_gpiozero(pull: str, state: str) -> None:
    rig = GpiozeroRig()
    inputs = rig.open([InputSpec(Input.FIRE, 27, False, pull)])
    assert rig.factory.pin(27).pull == state
    inputs.close()
    rig.factory.close()


def test_the_processes_that_hold_a_device_are_found(tmp_path: Path) -> None:
    opened: Callable[[], list[int]] = lambda: processes_with(str(tmp_path / "chip"))  # noqa: E731
    assert opened() == []
    with (tmp_path / "chip").open("w"):
        assert len(opened()) == 1
