"""Recorded and drawn input as a camera: a video file, a folder of pictures, or a scene (docs/scenes.md).

`camera.source = "replay:PATH"`, with options after a question mark: `replay:clip.mp4?loop=1&fps=25`.

Two kinds of time. With `realtime`, frames come when the machine's clock says so, and a reader that is late gets the
newest one, as from a real camera. Without, they come as fast as they are read, none is left out, and `captured_s` is
the position in the recording. Either way the picture at a position is the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from edgeface.adapters.camera.recordings import Recording, open_recording
from edgeface.domain.errors import CameraStalled, CameraUnavailable, ConfigError, EndOfStream
from edgeface.domain.types import Frame, Pixels
from edgeface.ports import CameraInfo

if TYPE_CHECKING:
    from edgeface.adapters.camera.scene.portrait import FaceFinder

DEMO_SCENE = Path(__file__).with_name("scene") / "demo.toml"
_FLAGS = {"1": 1.0, "true": 1.0, "": 1.0, "0": 0.0, "false": 0.0}
_OPTIONS = {"loop": (0.0, 1.0), "fps": (0.1, 240.0), "seed": (0.0, 2.0**31), "hold_s": (0.0, 3600.0),
            "start_s": (-1e9, 1e9)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`fps` overrides the recording's own rate, `seed` a scene's; `hold_s` is how long a folder shows each picture.
    `start_s` is the monotonic time at which position 0 is due, None for the first read; until then position 0 is
    shown again and again (real time only)."""

    loop: bool = False
    fps: float | None = None
    seed: int | None = None
    hold_s: float = 0.0
    start_s: float | None = None


def split_options(source: str, given: ReplayOptions) -> tuple[Path, ReplayOptions]:
    """`PATH[?loop=1&fps=F&seed=N&hold_s=T&start_s=T]`: what stands there goes above `given`. Raises ConfigError."""
    path, mark, query = source.rpartition("?")
    if not mark:
        return Path(source), given
    values: dict[str, float] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise ConfigError(f"The recording {source!r} has the unknown option {key!r}.", f"There are: {known}.")
        low, high = _OPTIONS[key]
        try:
            value = _FLAGS[text.lower()] if key == "loop" else float(text)
        except (KeyError, ValueError):
            value = math.nan
        if not low <= value <= high:
            raise ConfigError(
                f"The recording {source!r} has {text!r} for the option {key!r}.",
                f"Give a number from {low:g} to {high:g}.",
            )
        values[key] = value
    return Path(path), ReplayOptions(
        loop=bool(values.get("loop", given.loop)),
        fps=values.get("fps", given.fps),
        seed=int(values["seed"]) if "seed" in values else given.seed,
        hold_s=values.get("hold_s", given.hold_s),
        start_s=values.get("start_s", given.start_s),
    )


class ReplayCamera:
    """A Camera (ports.py). `source` is a path with options (see `split_options`); `find_face` serves scenes with
    portraits of one's own; `on_break` hears of a file that breaks off while it is looped, once. `clock` and `sleep` are
    the machine's; tests give their own."""

    def __init__(
        self,
        source: str | Path,
        *,
        realtime: bool,
        loop: bool = False,
        fps: float | None = None,
        seed: int | None = None,
        find_face: FaceFinder | None = None,
        on_break: Callable[[EndOfStream], None] = lambda _end: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path, self._options = split_options(str(source), ReplayOptions(loop, fps, seed))
        self._realtime = realtime
        self._find_face = find_face
        self._on_break = on_break
        self._clock = clock
        self._sleep = sleep
        self._recording: Recording | None = None
        self._info: CameraInfo | None = None
        self._index = 0  # of the next frame to hand out
        self._position = 0  # its position in the recording; below 0 until `start_s`
        self._began_s = 0.0  # when the recording last began, from its first beginning
        self._told = False
        self._zero_s: float | None = None  # of the clock, in real time

    def prepare(self, progress: Callable[[float], None] | None = None) -> None:
        """Does what is slow about opening, a second or two for a scene; `progress` is told 0 to 1. `open` does it
        where nobody has. Raises SourceError."""
        if self._recording is None:
            o = self._options
            self._recording = open_recording(
                self._path, seed=o.seed, hold_s=o.hold_s, fps=o.fps, find_face=self._find_face, progress=progress
            )

    def open(self) -> CameraInfo:
        if self._info is not None:
            self.close()
        self.prepare()
        r = self._recording
        assert r is not None  # prepare's work
        self._index = self._position = 0
        self._began_s = 0.0
        self._zero_s = self._options.start_s if self._realtime else None
        name = f"replay:{self._path}"
        self._info = CameraInfo(name, r.width, r.height, r.fps, live=self._realtime, recorded=True)
        return self._info

    def read(self, timeout_s: float) -> Frame:
        if self._info is None:
            raise CameraUnavailable(f"The recording {self._path} is not open.", "Open it first.")
        if self._realtime:
            pixels, captured_s = self._live_picture(self._info.fps, timeout_s)
        else:
            pixels = self._picture()
            captured_s = self._began_s + self._time_s(self._position)
        frame = Frame(pixels, captured_s, self._index)
        self._position += 1
        self._index += 1
        return frame

    def _live_picture(self, fps: float, timeout_s: float) -> tuple[Pixels, float]:
        assert self._recording is not None  # as long as the camera is open
        now_s = self._clock()
        if self._zero_s is None:
            self._zero_s = now_s
        elapsed_s = now_s - self._zero_s - self._began_s
        if elapsed_s < 0 or self._position < 0:  # position 0 until the beginning, at negative positions
            newest = math.floor(elapsed_s * fps)
            self._position = newest if self._index == 0 else max(self._position, newest)
        if self._position >= 0:
            self._position = self._recording.due(self._position, elapsed_s)
        due_s = self._due_s()
        if due_s - now_s > timeout_s:
            self._sleep(timeout_s)
            raise CameraStalled(
                f"The recording {self._path} has {fps:g} frames a second; none was due within {timeout_s:g} s."
            )
        pixels = self._picture()  # before it is due: decoding or drawing takes time
        wait_s = due_s - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)
        return pixels, self._due_s()

    def _due_s(self) -> float:
        return (self._zero_s or 0.0) + self._began_s + self._time_s(self._position)

    def _time_s(self, position: int) -> float:
        assert self._recording is not None
        assert self._info is not None
        return self._recording.time_s(position) if position >= 0 else position / self._info.fps

    def _picture(self) -> Pixels:
        """At the position; a loop begins again behind the last one, in the very moment at which that would be due."""
        assert self._recording is not None
        try:
            return self._recording.at(max(0, self._position))
        except EndOfStream as end:
            if not self._options.loop or self._position <= 0:
                raise
            if end.advice and not self._told:  # once, not at every turn of the months that it may run
                self._told = True
                self._on_break(end)
        self._began_s += self._recording.time_s(self._position)
        if self._zero_s is not None:  # a reader who was away for several turns doesn't have to catch up with them
            self._began_s = max(self._began_s, self._clock() - self._zero_s)
        self._position = 0
        self._recording.rewind()
        return self._recording.at(0)

    def close(self) -> None:
        if self._recording is not None:
            self._recording.close()
        self._recording = self._info = None
