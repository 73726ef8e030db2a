"""What ReplayCamera plays: a video file, a folder of pictures, or a drawn scene. Positions count pictures from 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from edgeface.adapters.camera.photos import ENDINGS, read_photo
from edgeface.adapters.camera.video import VideoRecording
from edgeface.domain.errors import EndOfStream, SourceError
from edgeface.domain.types import Pixels

if TYPE_CHECKING:
    from edgeface.adapters.camera.scene.portrait import FaceFinder
    from edgeface.adapters.camera.scene.render import SceneRenderer

SCENE_ENDING = ".toml"
_FOLDER_FPS = 10.0


class Recording(Protocol):
    """`at` gives (height, width, 3) uint8 BGR, a new array each time. Positions may be left out, not gone back to
    except by `rewind`. Raises EndOfStream behind the last one, SourceError where a picture can't be read."""

    width: int
    height: int
    fps: float

    def at(self, position: int) -> Pixels: ...

    def time_s(self, position: int) -> float:
        """When the picture at this position is due, in seconds from the beginning."""
        ...

    def due(self, position: int, elapsed_s: float) -> int:
        """The newest position that is due after so long, `position` at least."""
        ...

    def rewind(self) -> None: ...

    def close(self) -> None: ...


def open_recording(
    path: Path,
    *,
    seed: int | None = None,
    hold_s: float = 0.0,
    fps: float | None = None,
    find_face: FaceFinder | None = None,
    progress: Callable[[float], None] | None = None,
) -> Recording:
    """Raises SourceError: not there, not readable, or nothing in it."""
    if path.is_dir():
        return FolderRecording(path, fps or _FOLDER_FPS, hold_s)
    if not path.is_file():  # also keeps OpenCV from taking the name for an address or a pattern
        raise SourceError(f"The recording {path} is not there.", "Check the path.")
    if path.suffix.lower() == SCENE_ENDING:
        # a door's daemon that plays a clip never draws
        from edgeface.adapters.camera.scene.parse import load_scene
        from edgeface.adapters.camera.scene.render import SceneRenderer

        renderer = SceneRenderer(load_scene(path), seed=seed, find_face=find_face, progress=progress)
        return SceneRecording(renderer, fps)
    if path.suffix.lower() in ENDINGS:
        raise SourceError(f"The recording {path} is a single picture.", "Give its folder, a video or a scene file.")
    return VideoRecording(path, fps)


class _Even:
    """Times of a recording with one rate throughout."""

    fps: float

    def time_s(self, position: int) -> float:
        return position / self.fps

    def due(self, position: int, elapsed_s: float) -> int:
        return max(position, math.floor(elapsed_s * self.fps))


class FolderRecording(_Even):
    """The pictures of a folder by name, each for `hold_s` (at least once). All come in the first one's size: others
    are scaled to fit and set on grey."""

    def __init__(self, path: Path, fps: float, hold_s: float) -> None:
        self._path = path
        try:
            self._files = sorted(f for f in path.iterdir() if f.suffix.lower() in ENDINGS and f.is_file())
        except OSError as e:
            raise SourceError(f"The folder {path} can't be read ({e.strerror}).", "Check its permissions.") from e
        if not self._files:
            raise SourceError(f"The folder {path} holds no pictures.", f"Known endings: {', '.join(ENDINGS)}.")
        self.height, self.width = read_photo(self._files[0]).shape[:2]
        self.fps = fps
        self._times = max(1, round(hold_s * fps))
        self._held: tuple[int, Pixels] | None = None

    def at(self, position: int) -> Pixels:
        n = position // self._times
        if n >= len(self._files):
            raise EndOfStream(f"The folder {self._path} has no more pictures.")
        if self._held is None or self._held[0] != n:
            self._held = n, self._fit(read_photo(self._files[n]))
        return np.array(self._held[1])

    def _fit(self, picture: Pixels) -> Pixels:
        h, w = picture.shape[:2]
        if (h, w) == (self.height, self.width):
            return picture
        k = min(self.width / w, self.height / h)
        nw, nh = max(1, round(w * k)), max(1, round(h * k))
        out = np.full((self.height, self.width, 3), 114, np.uint8)
        x, y = (self.width - nw) // 2, (self.height - nh) // 2
        how = cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR
        out[y : y + nh, x : x + nw] = cv2.resize(picture, (nw, nh), interpolation=how)
        return out

    def rewind(self) -> None:
        self._held = None

    def close(self) -> None:
        self._held = None


class SceneRecording(_Even):
    """A scene, drawn picture by picture when asked for."""

    def __init__(self, renderer: SceneRenderer, fps: float | None = None) -> None:
        self._renderer = renderer
        self.width, self.height = renderer.scene.width, renderer.scene.height
        self.fps = fps or renderer.scene.fps

    def at(self, position: int) -> Pixels:
        if position >= self._renderer.scene.frames:
            raise EndOfStream(f"The scene {self._renderer.scene.title!r} is over.")
        return self._renderer.frame(position)

    def rewind(self) -> None:
        """Nothing to do: every position can be drawn at any time."""

    def close(self) -> None:
        """Nothing is held open."""
