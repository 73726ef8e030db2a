"""What V4L2 devices the machine has, which of them is meant, and why one can't be used. Nothing here loads OpenCV.

The roots `/dev`, `/sys` and `/proc` are one argument (`Roots`), so that a test can lay out a machine of its own.
"""

from __future__ import annotations

import errno
import fcntl
import fnmatch
import grp
import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from edgeface.domain.errors import CameraUnavailable

# linux/videodev2.h: VIDIOC_QUERYCAP and VIDIOC_S_CTRL, and the bits of v4l2_capability.device_caps
_QUERYCAP, _QUERYCAP_BYTES = 0x80685600, 104
_S_CTRL = 0xC008561C
_CAP_VIDEO_CAPTURE = 0x00000001 | 0x00001000  # single-planar, multi-planar
EXPOSURE_DYNAMIC_FRAMERATE = 0x009A0903  # V4L2_CID_EXPOSURE_AUTO_PRIORITY: may the camera slow down in the dark?

# Nodes that a Pi or another board shows and that are no camera for OpenCV: codecs, image processors, raw CSI receivers.
_NOT_CAMERAS = (
    "bcm2835-codec*", "bcm2835-isp*", "bcm2835-image*", "pispbe*", "rpi-hevc*", "rpivid*", "rkvdec*", "hantro*",
    "unicam*", "rp1-cfe*", "mtk-*", "*-vpu*", "*codec*",
)  # fmt: skip
_CSI_RECEIVERS = ("unicam*", "rp1-cfe*")


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the kernel's views are mounted."""

    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    proc: Path = Path("/proc")


@dataclass(frozen=True, slots=True)
class CameraDevice:
    """`node` is /dev/videoN; `stable` its /dev/v4l/by-id name, which survives a reboot and another USB port, or
    None; `name` is what the driver calls it; `capture` is False for metadata nodes, codecs and raw receivers."""

    node: Path
    stable: Path | None
    name: str
    capture: bool

    @property
    def label(self) -> str:
        return f"{self.stable or self.node} ({self.name})"


def _number(node: str) -> int:
    found = re.search(r"(\d+)$", node)
    return int(found.group(1)) if found else 0


def _text(path: Path) -> str:
    try:
        # A USB name is the peripheral's own words: keep what is printable, and not much of it.
        return "".join(c for c in path.read_text(errors="replace").strip() if c.isprintable())[:80]
    except OSError:
        return ""


def list_cameras(roots: Roots | None = None) -> list[CameraDevice]:
    """Every video4linux node, by number, read from /sys and /dev/v4l/by-id; opens no device."""
    roots = roots or Roots()
    stable: dict[str, Path] = {}
    by_id = roots.dev / "v4l" / "by-id"
    for link in sorted(by_id.iterdir()) if by_id.is_dir() else ():
        stable.setdefault(link.resolve().name, link)
    found = []
    folder = roots.sys / "class" / "video4linux"
    entries = sorted((e.name for e in folder.iterdir()), key=_number) if folder.is_dir() else []
    for entry in entries:
        if not re.fullmatch(r"video\d+", entry):
            continue
        name = _text(folder / entry / "name") or "unnamed"
        # A UVC camera has a second node for metadata; the driver numbers its nodes in `index`, pictures first.
        first = _text(folder / entry / "index") in ("", "0")
        capture = first and not any(fnmatch.fnmatch(name, pattern) for pattern in _NOT_CAMERAS)
        found.append(CameraDevice(roots.dev / entry, stable.get(entry), name, capture))
    return found


def has_csi_receiver(roots: Roots | None = None) -> bool:
    """Whether the board shows a CSI receiver (Raspberry Pi: unicam or rp1-cfe), that is, may have a ribbon camera."""
    folder = (roots or Roots()).sys / "class" / "video4linux"
    names = [_text(e / "name") for e in folder.iterdir()] if folder.is_dir() else []
    return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in _CSI_RECEIVERS)


def resolve(device: str, roots: Roots | None = None) -> CameraDevice:
    """The camera that `device` means: `auto`, a number, /dev/videoN, a /dev/v4l path, a by-id name or a glob of it, or
    a part of a by-id name such as the serial number. Raises CameraUnavailable naming what is there."""
    roots = roots or Roots()
    cameras = list_cameras(roots)
    usable = [c for c in cameras if c.capture]
    wanted = device.strip()
    if wanted in ("", "auto"):
        # A USB camera (it has a by-id name) before whatever else the board calls a capture device.
        for camera in sorted(usable, key=lambda c: c.stable is None):
            return camera
        raise _nothing_like("No camera is connected.", cameras)
    if wanted.isdecimal():
        wanted = str(roots.dev / f"video{wanted}")
    path = Path(wanted)
    if path.is_absolute() and not any(ch in wanted for ch in "*?["):
        if not path.exists():
            raise _nothing_like(f"The camera {wanted} is not there.", cameras)
        node = path.resolve()
        for camera in cameras:
            if camera.node.resolve() == node:
                return camera
        return CameraDevice(node, path if path != node else None, node.name, True)
    name = path.name if path.is_absolute() else wanted
    pattern = name if any(ch in name for ch in "*?[") else f"*{name}*"
    matches = [c for c in usable if c.stable and fnmatch.fnmatch(c.stable.name, pattern)]
    matches = matches or [c for c in usable if fnmatch.fnmatch(c.node.name, pattern)]
    if len(matches) > 1:
        names = ", ".join(c.label for c in matches)
        raise CameraUnavailable(f"{device!r} means {len(matches)} cameras: {names}.", "Name one of them in full.")
    if not matches:
        raise _nothing_like(f"No camera's name under /dev/v4l/by-id matches {device!r}.", cameras)
    return matches[0]


def _nothing_like(message: str, cameras: list[CameraDevice]) -> CameraUnavailable:
    there = [c.label for c in cameras if c.capture]
    if there:
        return CameraUnavailable(f"{message} These are there: {', '.join(there)}.", "Set camera.source to one of them.")
    return CameraUnavailable(
        f"{message} This machine shows no video capture device.",
        "Check the USB plug, or for a ribbon camera that the contacts face the right way and that "
        "`rpicam-hello --list-cameras` shows it; a Pi camera is the source `picamera`.",
    )


def holders(node: Path, roots: Roots | None = None) -> list[str]:
    """Name and process number of every other process that has `node` open, as far as this user may see."""
    roots = roots or Roots()
    found = []
    for process in roots.proc.iterdir() if roots.proc.is_dir() else ():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            held = any(fd.readlink() == node for fd in (process / "fd").iterdir())
        except OSError:  # gone meanwhile, or another user's
            continue
        if held:
            found.append(f"{_text(process / 'comm') or 'a process'} ({process.name})")
    return sorted(found)


def check_usable(camera: CameraDevice, roots: Roots | None = None) -> None:
    """Opens the node for a moment and raises CameraUnavailable where it can't serve: no permission, gone, not a
    capture device. A camera in use passes: V4L2 lets several open it and one stream; see `why_busy`."""
    try:
        fd = os.open(camera.node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise _cannot_open(camera, exc, roots) from exc
    try:
        caps = bytearray(_QUERYCAP_BYTES)
        fcntl.ioctl(fd, _QUERYCAP, caps)
        (device_caps,) = struct.unpack_from("<I", caps, 88)
        if not device_caps & _CAP_VIDEO_CAPTURE:
            raise CameraUnavailable(
                f"{camera.label} gives no pictures: it is a metadata or codec node.",
                "Use the camera's -index0 name under /dev/v4l/by-id.",
            )
    except OSError as exc:
        raise CameraUnavailable(
            f"{camera.node} is not a video device ({exc.strerror}).", "Choose one that `ls /dev/v4l/by-id` lists."
        ) from exc
    finally:
        os.close(fd)


def _cannot_open(camera: CameraDevice, exc: OSError, roots: Roots | None) -> CameraUnavailable:
    if exc.errno in (errno.EACCES, errno.EPERM):
        group = _group_of(camera.node)
        return CameraUnavailable(
            f"This user may not open {camera.label}: it belongs to the group {group}.",
            f"Add the user to it (`sudo usermod -aG {group} <user>`) and log in again or restart the service.",
        )
    if exc.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return CameraUnavailable(
            f"{camera.label} is no longer there.", "Check its plug and cable, and the power supply of the board."
        )
    if exc.errno == errno.EBUSY:
        return why_busy(camera, roots)
    return CameraUnavailable(f"{camera.label} can't be opened: {exc.strerror}.", "Unplug it and plug it in again.")


def why_busy(camera: CameraDevice, roots: Roots | None = None) -> CameraUnavailable:
    """The error for a camera that opens but doesn't stream: who holds it, or that it refuses."""
    who = holders(camera.node, roots)
    if who:
        return CameraUnavailable(f"{camera.label} is in use by {', '.join(who)}.", "Stop that program.")
    return CameraUnavailable(
        f"{camera.label} is there but doesn't start.",
        "Another user's program may hold it (`sudo fuser -v " + str(camera.node) + "`), or the USB port lacks power "
        "or bandwidth: unplug it and plug it in again, away from hubs.",
    )


def _group_of(node: Path) -> str:
    try:
        gid = node.stat().st_gid
        return grp.getgrgid(gid).gr_name
    except (OSError, KeyError):
        return "video"


def is_present(node: Path) -> bool:
    """Whether the device node still exists; it goes when the camera is unplugged."""
    try:
        mode = node.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISREG(mode)


def set_control(node: Path, control: int, value: int) -> bool:
    """VIDIOC_S_CTRL for the controls that OpenCV has no name for; False where the camera doesn't know it."""
    try:
        fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.ioctl(fd, _S_CTRL, struct.pack("<Ii", control, value))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
