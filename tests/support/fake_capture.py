"""A stand-in for cv2.VideoCapture and for the machine's /dev, /sys and /proc: the edge that no test machine has."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from edgeface.adapters.camera.devices import Roots

POS_MSEC, WIDTH, HEIGHT, FPS, FOURCC, EXPOSURE, AUTO_EXPOSURE = 0, 3, 4, 5, 6, 15, 21


class FakeCapture:
    """Grabs at once, counting; `hang` makes grab block until set; `fail_after` grabs, every grab fails."""

    def __init__(self, *, width=640, height=480, fps=30.0, fourcc="MJPG", opened=True, fail_after=None, hang_after=None,
                 stamp=None, damaged=()):  # fmt: skip
        self.values = {
            WIDTH: width,
            HEIGHT: height,
            FPS: fps,
            FOURCC: sum(ord(c) << 8 * i for i, c in enumerate(fourcc)),
        }
        self.opened, self.fail_after, self.hang_after = opened, fail_after, hang_after
        self.stamp = stamp
        self.damaged = damaged
        self.sets: list[tuple[int, float]] = []
        self.grabs = self.retrieves = self.releases = 0
        self.release_thread = ""
        self.unhang = threading.Event()

    def isOpened(self):
        return self.opened

    def grab(self):
        self.grabs += 1
        if self.fail_after is not None and self.grabs > self.fail_after:
            return False
        if self.hang_after is not None and self.grabs > self.hang_after:
            self.unhang.wait(10)
            return False
        time.sleep(0.001)
        return True

    def retrieve(self):
        self.retrieves += 1
        if self.retrieves in self.damaged:
            return False, None
        pixels = np.zeros((int(self.values[HEIGHT]), int(self.values[WIDTH]), 3), np.uint8)
        pixels[0, 0] = self.grabs % 256
        return True, pixels

    def get(self, prop):
        if prop == POS_MSEC:
            return self.stamp() if self.stamp else 0.0
        return self.values.get(prop, 0.0)

    def set(self, prop, value):
        self.sets.append((prop, value))
        return True

    def release(self):
        self.releases += 1
        self.release_thread = threading.current_thread().name


def machine(root: Path, **nodes: str) -> Roots:
    """A machine with video nodes: machine(tmp, video0="HD Webcam|usb-Acme_HD_123-video-index0", video1="HD Webcam||1").
    Each is name|by-id|index."""
    roots = Roots(root / "dev", root / "sys", root / "proc")
    for folder in (roots.dev / "v4l" / "by-id", roots.sys / "class" / "video4linux", roots.proc):
        folder.mkdir(parents=True, exist_ok=True)
    for node, text in nodes.items():
        name, by_id, index = (*text.split("|"), "", "")[:3]
        (roots.dev / node).write_bytes(b"")
        entry = roots.sys / "class" / "video4linux" / node
        entry.mkdir()
        (entry / "name").write_text(name + "\n")
        (entry / "index").write_text((index or "0") + "\n")
        if by_id:
            (roots.dev / "v4l" / "by-id" / by_id).symlink_to(Path("..") / ".." / node)
    return roots
