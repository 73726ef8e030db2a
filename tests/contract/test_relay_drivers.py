"""One suite over every relay driver. Levels are the pin's own, so an active-low board counts backwards."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import gpiod
import pytest
from gpiozero.pins.mock import MockFactory
from support.simboard import Simboard

from edgeface.adapters.door.driver import PinBusy, Relay, RelaySpec, open_relay, open_relay_patiently
from edgeface.adapters.door.gpiochip import GpiochipRelay
from edgeface.adapters.door.relay import GpiozeroRelay
from edgeface.domain.errors import DoorUnavailable


class Rig(Protocol):
    """A pin to watch. `levels` is every level the pin had as an output, from the first one on."""

    def open(self, active_low: bool) -> Relay: ...

    def levels(self) -> list[int]: ...

    def lose(self) -> None:
        """The hardware vanishes."""
        ...


class GpiozeroRig:
    def __init__(self) -> None:
        self.factory = MockFactory()
        self.pin = self.factory.pin(17)
        self.seen: list[int] = []
        written, change = self.seen, self.pin._change_state
        pin = self.pin

        def watch(value: Any) -> Any:
            if pin.function == "output":
                written.append(int(value))
            return change(value)

        self.pin._change_state = watch

    def open(self, active_low: bool) -> Relay:
        return GpiozeroRelay(RelaySpec("gpiozero", 17, active_low=active_low), self.factory)

    def levels(self) -> list[int]:
        return self.seen

    def lose(self) -> None:
        def gone(value: Any) -> Any:
            raise OSError(errno.EIO, "Input/output error")

        self.pin._change_state = gone


class FakeKernelLine:
    """What libgpiod's request_lines does to one line, by the arguments that it got."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.owned = self.lost = False
        self._active_low = False

    def request_lines(self, path: str, config: dict[int, gpiod.LineSettings], consumer: str) -> FakeKernelLine:
        assert (path, consumer) == ("/dev/gpiochip0", "edgeface-doord")
        if self.owned:
            raise OSError(errno.EBUSY, "Device or resource busy")
        settings = config[17]
        assert settings.direction is gpiod.line.Direction.OUTPUT
        self.owned, self._active_low = True, settings.active_low
        self.set_value(17, settings.output_value)
        return self

    def set_value(self, line: int, value: gpiod.line.Value) -> None:
        assert line == 17
        if self.lost:
            raise OSError(errno.ENODEV, "No such device")
        self.seen.append(int((value is gpiod.line.Value.ACTIVE) != self._active_low))

    def release(self) -> None:
        self.owned = False


class GpiochipRig:
    def __init__(self) -> None:
        self.line = FakeKernelLine()

    def open(self, active_low: bool) -> Relay:
        spec = RelaySpec("gpiochip", 17, active_low=active_low)
        return GpiochipRelay(spec, self.line.request_lines, lambda chip, pin: "fan-control")

    def levels(self) -> list[int]:
        return self.line.seen

    def lose(self) -> None:
        self.line.lost = True


class SimboardRig:
    """The board's pins are at the wrong level before anybody owns them, so that opening has something to do."""

    def __init__(self, board: Simboard) -> None:
        self.board = board

    def open(self, active_low: bool) -> Relay:
        self.board.ask(op="drive", pin=17, level=0 if active_low else 1)
        self.before = len(self.board.edges())
        return open_relay(RelaySpec("simboard", 17, active_low=active_low, board_socket=str(self.board.socket)))

    def levels(self) -> list[int]:
        return [edge.level for edge in self.board.edges()[self.before :]]

    def lose(self) -> None:
        self.board.kill()


@pytest.fixture(params=["gpiozero", "gpiochip", "simboard"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "gpiozero":
        rig = GpiozeroRig()
        yield rig
        rig.factory.close()
    elif request.param == "gpiochip":
        yield GpiochipRig()
    else:
        with Simboard(tmp_path) as board:
            yield SimboardRig(board)


@pytest.mark.parametrize("active_low", [False, True])
def test_opening_locks_without_a_blip(rig: Rig, active_low: bool) -> None:
    """The first level that the pin has as an output is the locked one."""
    relay = rig.open(active_low)
    assert rig.levels()
    assert set(rig.levels()) == {int(active_low)}
    relay.close()


@pytest.mark.parametrize("active_low", [False, True])
def test_it_moves_and_locks_again(rig: Rig, active_low: bool) -> None:
    relay = rig.open(active_low)
    relay.energise()
    assert rig.levels()[-1] == int(not active_low)
    relay.lock()
    relay.lock()
    assert rig.levels()[-1] == int(active_low)
    relay.close()


@pytest.mark.parametrize("active_low", [False, True])
def test_closing_locks_and_gives_the_pin_back(rig: Rig, active_low: bool) -> None:
    relay = rig.open(active_low)
    relay.energise()
    relay.close()
    relay.close()
    assert rig.levels()[-1] == int(active_low)
    rig.open(active_low).close()


def test_a_pin_in_use_is_named_and_how_to_find_the_holder(rig: Rig) -> None:
    first = rig.open(False)
    with pytest.raises(PinBusy) as caught:
        rig.open(False)
    assert "17" in caught.value.message
    assert "in use" in caught.value.message
    assert "gpioinfo" in caught.value.advice or "ps -fp" in caught.value.advice
    assert caught.value.exit_code == 69
    first.close()


def test_hardware_that_vanishes_is_told(rig: Rig) -> None:
    relay = rig.open(False)
    rig.lose()
    with pytest.raises(DoorUnavailable, match="can't be driven"):
        relay.energise()
    with pytest.raises(DoorUnavailable):
        relay.lock()


def test_waiting_for_a_busy_pin_ends() -> None:
    """The pin of a process that died is retried, for a while; on a clock of the test's."""
    now_s, tries = [0.0], [0]

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    def busy_until(end_s: float) -> Relay:
        tries[0] += 1
        if now_s[0] < end_s:
            raise PinBusy("GPIO 17 is in use.")
        line = FakeKernelLine()
        return GpiochipRelay(spec, line.request_lines)

    spec = RelaySpec("gpiochip", 17)
    open_relay_patiently(spec, 0.8, lambda _: busy_until(0.3), lambda: now_s[0], sleep).lock()
    assert 0.3 <= now_s[0] < 0.4
    with pytest.raises(PinBusy):
        open_relay_patiently(spec, 0.8, lambda _: busy_until(9.0), lambda: now_s[0], sleep)
    assert now_s[0] < 1.3


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (RelaySpec("gpiochip", 17, "/dev/no-such-chip"), "no-such-chip"),
        (RelaySpec("simboard", 17, board_socket="no.sock"), "no.sock"),
        (RelaySpec("gpiozero", 17), "GPIO 17"),
        (RelaySpec("toaster", 17), "toaster"),
    ],
)
def test_absent_hardware_is_one_clear_sentence(
    spec: RelaySpec, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if spec.driver == "gpiozero" and Path("/dev/gpiomem").exists():
        pytest.skip("this machine has a Pi's header")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    with pytest.raises(DoorUnavailable, match=words) as caught:
        open_relay(spec)
    assert caught.value.advice


@pytest.mark.parametrize("package", ["gpiozero", "lgpio"])
def test_a_package_that_is_missing_is_named_with_what_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A technician who reads of four possible causes tries the wrong three first."""
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(package), *sys.meta_path])
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(DoorUnavailable) as caught:
        GpiozeroRelay(RelaySpec("gpiozero", 17))
    assert f"the Python package {package} is missing" in caught.value.message
    assert "python3-lgpio" in caught.value.advice
    assert "group" not in caught.value.advice


class Missing:
    """An import system without one package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
