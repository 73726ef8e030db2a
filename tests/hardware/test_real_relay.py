"""The relay drivers on lines that exist: the kernel's gpio-sim, which needs root and the module, and a real pin that
EDGEFACE_TEST_RELAY names, for example `gpiochip:/dev/gpiochip0:17` or `gpiozero::17`. It will move: nothing may hang
on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.simboard import wait_for

from edgeface.adapters.door.driver import DRIVERS, PinBusy, RelaySpec, open_relay, open_relay_patiently

pytestmark = pytest.mark.hardware
CONFIGFS = Path("/sys/kernel/config/gpio-sim")


@dataclass
class SimulatedLine:
    chip: str
    value: Path

    @property
    def level(self) -> int:
        return int(self.value.read_text())


@pytest.fixture
def gpio_sim() -> Iterator[SimulatedLine]:
    """One chip of eight lines, by configfs (the kernel's Documentation/admin-guide/gpio/gpio-sim.rst)."""
    if not CONFIGFS.is_dir() or os.geteuid() != 0:
        pytest.skip("no gpio-sim here: it needs root, `modprobe gpio-sim` and configfs mounted")
    device = CONFIGFS / f"edgeface-{os.getpid()}"
    bank = device / "bank0"
    bank.mkdir(parents=True)
    try:
        (bank / "num_lines").write_text("8")
        (device / "live").write_text("1")
        chip = (bank / "chip_name").read_text().strip()
        name = (device / "dev_name").read_text().strip()
        yield SimulatedLine(f"/dev/{chip}", Path("/sys/devices/platform") / name / chip / "sim_gpio3" / "value")
    finally:
        (device / "live").write_text("0")
        bank.rmdir()
        device.rmdir()


@pytest.mark.parametrize("active_low", [False, True])
def test_libgpiod_moves_a_line_of_the_kernels_own_simulator(gpio_sim: SimulatedLine, active_low: bool) -> None:
    relay = open_relay(RelaySpec("gpiochip", 3, gpio_sim.chip, active_low))
    assert gpio_sim.level == int(active_low)
    relay.energise()
    assert gpio_sim.level == int(not active_low)
    with pytest.raises(PinBusy, match="edgeface-doord"):
        open_relay(RelaySpec("gpiochip", 3, gpio_sim.chip))
    relay.close()


@pytest.fixture
def real() -> RelaySpec:
    wanted = os.environ.get("EDGEFACE_TEST_RELAY", "")
    driver, _, rest = wanted.partition(":")
    chip, _, pin = rest.rpartition(":")
    if driver not in DRIVERS or not pin.isdecimal():
        pytest.skip("no relay here: set EDGEFACE_TEST_RELAY=driver:chip:pin to a pin that may move")
    return RelaySpec(driver, int(pin), chip)


def test_a_real_relay_moves_and_locks(real: RelaySpec) -> None:
    relay = open_relay_patiently(real)
    relay.energise()
    relay.lock()
    relay.close()


def test_a_real_pin_is_the_door_processs_alone(real: RelaySpec, tmp_path: Path) -> None:
    """While doord has it nobody else gets it; killed, the lock command does."""
    socket = tmp_path / "door.sock"
    command = [sys.executable, "-m", "edgeface.doord", "--socket", str(socket), *real.to_args()]
    with subprocess.Popen(command) as doord:
        wait_for(socket.exists, "the door process serves")
        with pytest.raises(PinBusy):
            open_relay(real)
        doord.kill()
    done = subprocess.run([sys.executable, "-m", "edgeface.doord.lock", *real.to_args()], check=False)
    assert done.returncode == 0
