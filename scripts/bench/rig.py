"""What the long measurements share: a device in a folder with two enrolled people, a simulated board, the real daemon,
and what /proc says about its processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.device import Device
from support.portraits import astronaut, grace_hopper
from support.visits import COLLINS, HOPPER

LIVE = """
[[actor]]
id = "live"
kind = "live"
portrait = "builtin:astronaut"
person = "Eileen Collins"
[[actor]]
id = "print"
kind = "print"
portrait = "builtin:grace_hopper"
person = "Grace Hopper"
"""
VISIT_S, LENGTH_S = 5.0, 12.0


def write_scene(path: Path, fps: float) -> None:
    """Eileen Collins comes in person; then somebody holds up a print of Grace Hopper; then nobody is there."""

    def act(actor: str, start_s: float) -> str:
        size, keys = (0.21 if actor == "print" else 0.25), []
        for t_s, x, yaw in ((0.0, 1.5, -10), (0.8, 0.52, -4), (2.0, 0.54, 3), (3.8, 0.52, -2), (4.6, 1.6, 20)):
            keys.append(f"    {{ at_s = {t_s:g}, x = {x:g}, y = 0.49, face = {size}, yaw = {yaw:g} }},\n")
        return (
            f'\n[[act]]\nname = "{actor}"\nstart_s = {start_s:g}\nend_s = {start_s + VISIT_S:g}\nexpect = "nothing"\n'
            f'person = ""\n  [[act.cast]]\n  actor = "{actor}"\n  keys = [\n{"".join(keys)}  ]\n'
        )

    head = f'title = "bench"\nsize = [640, 480]\nfps = {fps:g}\nseed = 3\nlength_s = {LENGTH_S:g}\n'
    path.write_text(head + LIVE + act("live", 0.0) + act("print", 5.5), encoding="utf-8")


def write_empty_scene(path: Path, fps: float) -> None:
    head = f'title = "empty"\nsize = [640, 480]\nfps = {fps:g}\nseed = 3\nlength_s = {LENGTH_S:g}\n'
    path.write_text(head + LIVE, encoding="utf-8")


def enrol_both(device: Device) -> dict[str, str]:
    """name -> record id. Only Eileen Collins is ever there in person."""
    import cv2

    found = {}
    for name, picture in ((COLLINS, astronaut()), (HOPPER, grace_hopper())):
        photo = device.folder / f"{name.split()[0]}.jpg"
        cv2.imwrite(str(photo), picture)
        said = device.edgeface("enroll", name, "--photo", photo, "--json")
        if said.code != 0:
            raise SystemExit(f"{name} can't be enrolled: {said.err}")
        found[name] = str(said.json["id"])
    return found


class Process:
    """`edgeface run`; `said` counts the bytes of its log, which goes nowhere."""

    def __init__(self, device: Device) -> None:
        self.said = 0
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "edgeface", "run", "--config", str(device.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.tail = b""
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.said += len(line)
            self.tail = (self.tail + line)[-4000:]


def family(pid: int) -> list[int]:
    """The process and all that it started."""
    found = [pid]
    for each in found:
        try:
            tasks = list(Path(f"/proc/{each}/task").iterdir())
            for task in tasks:
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def written_bytes(pid: int) -> int:
    """What the kernel counts as written to storage for the process (write_bytes, less what was cancelled)."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"])


def rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
