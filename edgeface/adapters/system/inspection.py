"""What the machine tells somebody who looks at it once: board, clock, disk, units. Nothing raises; what isn't known is
None or empty. The daemon's own readings are host.py's."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from edgeface.adapters.system.host import Host

TOOL_S = 10.0
_EXPOSURE = re.compile(r"Overall exposure level for [^:]+: (\d+(?:\.\d+)?)")


class Inspection(Host):
    """`root` is the file system's root, another one in tests; `run` gives a tool's output, None where it fails."""

    def board(self) -> str:
        """As the firmware names it."""
        for path in ("proc/device-tree/model", "sys/devices/virtual/dmi/id/product_name"):
            text = self._text(path)
            if text:
                return text.strip("\0 ")
        return ""

    def system(self) -> str:
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', self._text("etc/os-release") or "", re.MULTILINE)
        name = found[1] if found else platform.system()
        return f"{name}, Linux {platform.release()}, {platform.machine()}, Python {platform.python_version()}"

    def memory_mb(self) -> int | None:
        found = re.search(r"^MemTotal:\s+(\d+) kB", self._text("proc/meminfo") or "", re.MULTILINE)
        return int(found[1]) // 1024 if found else None

    def utc_s(self) -> float:
        return time.time()

    def time_status(self) -> dict[str, str]:
        """NTP, NTPSynchronized, Timezone, as timedatectl says them."""
        return _pairs(self.run("timedatectl", "show"))

    def has_rtc(self) -> bool:
        return (self._root / "sys/class/rtc/rtc0").exists()

    def disk(self, path: str) -> dict[str, Any] | None:
        """free and total bytes, read_only, type and device of the file system that `path` is on."""
        found = Path(path)
        while not found.exists() and found != found.parent:
            found = found.parent
        try:
            info = os.statvfs(found)
        except OSError:
            return None
        device, kind = self._mount(str(found.resolve()))
        return {
            "free": info.f_bavail * info.f_frsize, "total": info.f_blocks * info.f_frsize,
            "read_only": bool(info.f_flag & os.ST_RDONLY), "device": device, "type": kind,
        }  # fmt: skip

    def wear(self, device: str) -> str | None:
        """A sentence of an eMMC's or SD card's own estimate; None where it gives none."""
        block = re.sub(r"p\d+$", "", Path(device).name)
        text = self._text(f"sys/block/{block}/device/life_time")
        values = [int(v, 16) for v in (text or "").split() if re.fullmatch(r"0x[0-9a-fA-F]+", v)]
        worst = max(values, default=0)
        if not 1 <= worst <= 11:
            return None
        return "its lifetime is used up" if worst == 11 else f"{(worst - 1) * 10} to {worst * 10} % of its life is used"

    def unit(self, name: str) -> dict[str, str]:
        """LoadState, ActiveState, UnitFileState, NRestarts, Result; empty without systemd."""
        asked = "LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result"
        return _pairs(self.run("systemctl", "show", name, f"--property={asked}"))

    def exposure(self, unit: str) -> float | None:
        """How open the unit's sandbox is, 0 to 10."""
        found = _EXPOSURE.search(self.run("systemd-analyze", "--no-pager", "security", unit) or "")
        return float(found[1]) if found else None

    def watchdog(self) -> str | None:
        """The time after which systemd lets the board's own watchdog reset it; None where there is none."""
        if not (self._root / "dev/watchdog0").exists():
            return None
        return _pairs(self.run("systemctl", "show", "--property=RuntimeWatchdogUSec")).get("RuntimeWatchdogUSec", "")

    def run(self, *command: str) -> str | None:
        tool = shutil.which(command[0])
        if tool is None:
            return None
        try:
            done = subprocess.run(
                [tool, *command[1:]], capture_output=True, text=True, timeout=TOOL_S, check=True,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout

    def _mount(self, path: str) -> tuple[str, str]:
        """(device, type) of the mount that holds the path."""
        best, found = "", ("", "")
        for line in (self._text("proc/mounts") or "").splitlines():
            fields = line.split()
            if len(fields) < 3:
                continue
            point = fields[1].encode().decode("unicode_escape")
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, found = point, (fields[0], fields[2])
        return found

    def _text(self, path: str) -> str | None:
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None


def _pairs(text: str | None) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (text or "").splitlines() if "=" in line)
