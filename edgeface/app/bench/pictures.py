"""The benchmark's input: pictures in memory for the door loop, and in a folder for a daemon to play."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeface.app.settings import Settings
from edgeface.app.wiring import open_camera
from edgeface.domain.errors import EndOfStream, SourceError
from edgeface.domain.types import Pixels

VISITOR, EMPTY = (Path(__file__).with_name(name) for name in ("visitor.toml", "empty.toml"))
MOST = 150  # pictures held in memory: 130 MB of them at 640x480
LIVE_S = 5.0  # how long a live camera is watched, at most MOST pictures
_READ_TIMEOUT_S = 5.0


def visitor(settings: Settings, source: str | None) -> list[Pixels]:
    """A person before the door, (h, w, 3) uint8 BGR each. `source` is a camera source, None: the built-in portrait.
    Raises ConfigError, CameraError, SourceError."""
    if source is not None:
        return _read(settings, source)
    try:
        return _read(settings, f"replay:{VISITOR}")
    except SourceError as e:
        raise SourceError(
            e.message,
            "Install the extra (pip install 'edgeface[demo]'), or name a recording of a person with --source.",
        ) from e


def empty(settings: Settings) -> list[Pixels]:
    """An empty doorway with a sensor's noise."""
    return _read(settings, f"replay:{EMPTY}")


def _read(settings: Settings, source: str) -> list[Pixels]:
    camera = open_camera(
        settings.model_copy(update={"camera": settings.camera.model_copy(update={"source": source, "loop": False})}),
        realtime=False,
    )
    pictures: list[Pixels] = []
    info = camera.open()
    try:
        last_s = None
        while len(pictures) < MOST:
            frame = camera.read(_READ_TIMEOUT_S)
            if info.live and last_s is None:
                last_s = frame.captured_s + LIVE_S
            if last_s is not None and frame.captured_s > last_s:
                break
            pictures.append(np.array(frame.pixels))  # a camera may use its buffer again
    except EndOfStream:
        pass
    finally:
        camera.close()
    if not pictures:
        raise SourceError(f"The source {source!r} gave no picture.", "Name another one with --source.")
    return pictures


def write_folder(pictures: Sequence[Pixels], folder: Path) -> None:
    """To and fro, so that a player may begin again at the end and nothing jumps. As bitmaps: a Pi's camera delivers
    its pictures uncompressed too, and decoding would be measured otherwise."""
    folder.mkdir(parents=True)
    for i, pixels in enumerate(pictures):
        (folder / f"{i:04d}.bmp").write_bytes(bitmap(pixels))
    for i, back in enumerate(range(len(pictures) - 2, 0, -1), start=len(pictures)):
        (folder / f"{i:04d}.bmp").symlink_to(f"{back:04d}.bmp")


def bitmap(pixels: Pixels) -> bytes:
    """(h, w, 3) uint8 BGR as a Windows bitmap of 24 bits: rows from the bottom, each a multiple of four bytes long."""
    h, w = pixels.shape[:2]
    rows = np.zeros((h, -(-w * 3 // 4) * 4), np.uint8)
    rows[:, : w * 3] = pixels[::-1].reshape(h, w * 3)
    size = 54 + rows.size
    head = struct.pack("<2sIHHI", b"BM", size, 0, 0, 54)
    info = struct.pack("<IiiHHIIiiII", 40, w, h, 1, 24, 0, rows.size, 2835, 2835, 0, 0)
    return head + info + rows.tobytes()
