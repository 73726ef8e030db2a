"""What the machine says about itself: temperature, throttling, disk, memory, boot. Every reader gives None where the
machine doesn't tell; none raises."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Raspberry Pi firmware, `vcgencmd get_throttled`: bits of what is the case now (16 higher: since boot)
_THROTTLE_BITS = {0: "undervoltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """`throttled` has a word for each limit in force now; None where the machine has no such report."""

    temperature_c: float | None
    throttled: tuple[str, ...] | None
    disk_free_bytes: int | None
    rss_bytes: int | None
    boot_id: str


class Host:
    """`root` is the file system's root (another one in tests); `vcgencmd` the Pi's tool, None to not call any."""

    def __init__(self, root: Path = Path("/"), vcgencmd: str | None = "vcgencmd") -> None:
        self._root = root
        self._vcgencmd = vcgencmd

    def temperature_c(self) -> float | None:
        """The hottest thermal zone, in degrees Celsius."""
        readings = []
        for zone in sorted((self._root / "sys/class/thermal").glob("thermal_zone*/temp")):
            text = _text(zone)
            if text is not None and text.lstrip("-").isdigit():
                readings.append(int(text) / 1000)
        return max(readings, default=None)

    def throttled(self) -> tuple[str, ...] | None:
        text = _text(self._root / _FIRMWARE) or self._ask_firmware()
        if text is None:
            return None
        try:
            bits = int(text.rpartition("=")[2], 16)
        except ValueError:
            return None
        return tuple(word for bit, word in _THROTTLE_BITS.items() if bits >> bit & 1)

    def disk_free_bytes(self, path: Path) -> int | None:
        """What an unprivileged user may still write on the disk of `path`."""
        try:
            info = os.statvfs(path)
        except OSError:
            return None
        return info.f_bavail * info.f_frsize

    def rss_bytes(self) -> int | None:
        """This process's resident memory."""
        text = _text(self._root / "proc/self/statm")
        fields = text.split() if text else []
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 and fields[1].isdigit() else None

    def boot_id(self) -> str:
        """Tells two boots apart; "unknown" where the kernel doesn't say."""
        return _text(self._root / "proc/sys/kernel/random/boot_id") or "unknown"

    def status(self, disk: Path) -> HostStatus:
        return HostStatus(
            temperature_c=self.temperature_c(),
            throttled=self.throttled(),
            disk_free_bytes=self.disk_free_bytes(disk),
            rss_bytes=self.rss_bytes(),
            boot_id=self.boot_id(),
        )

    def _ask_firmware(self) -> str | None:
        tool = shutil.which(self._vcgencmd) if self._vcgencmd else None
        if tool is None:
            return None
        try:
            done = subprocess.run([tool, "get_throttled"], capture_output=True, text=True, timeout=2.0, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
