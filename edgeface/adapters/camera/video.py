"""A video file as a recording: pictures by position, each with the time that its container gives it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeface.domain.errors import EndOfStream, SourceError
from edgeface.domain.types import Pixels

_USUAL_FPS = 30.0  # where a file doesn't say, or says nonsense
_LONGEST_GAP_S = 10.0  # between two pictures of a phone's or a browser's video; a longer one is a damaged time stamp
_CUT_S = 0.25  # containers miscount by a picture or two, and by the end of their sound


class VideoRecording:
    """Any file that OpenCV decodes. A file that is cut off plays up to where it ends. Phones and browsers record at a
    varying rate: `time_s` is the container's time stamp of each picture; where those stand still, run back or jump, the
    announced rate goes on instead. With `fps` that rate counts alone."""

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self._path = path
        self._even = fps is not None
        self._capture = cv2.VideoCapture()
        self._start()
        said = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._announced_fps = said if 0.1 <= said <= 240 else _USUAL_FPS  # False for NaN too
        self.fps = fps or self._announced_fps
        picture = self.at(0)
        self.height, self.width = picture.shape[:2]
        self._start()

    def _start(self) -> None:
        self._grabbed = -1  # the position that was grabbed last
        self._picture: Pixels | None = None  # its picture, once somebody asked
        self._raw_s = self._stamp_s = 0.0  # the container's time stamp, and what became of it
        self._over = False
        if not self._capture.open(str(self._path)):
            raise SourceError(
                f"The recording {self._path} can't be opened as a video.",
                "It is damaged, or of a format that this OpenCV doesn't know: convert it to MP4 (H.264).",
            )

    def at(self, position: int) -> Pixels:
        if not self._grab_to(position):
            raise self._end()
        if self._picture is None:
            ok, picture = self._capture.retrieve()
            if not ok or picture is None:
                self._over = True
                self._grabbed -= 1
                raise self._end()
            self._picture = np.ascontiguousarray(picture, np.uint8)
        return np.array(self._picture)  # also where a position is shown again

    def time_s(self, position: int) -> float:
        """Of a position behind the end: when it would have come."""
        if self._even:
            return position / self.fps
        self._grab_to(position)
        return self._stamp_s + (position - self._grabbed) / self.fps

    def due(self, position: int, elapsed_s: float) -> int:
        if self._even:
            return max(position, int(elapsed_s * self.fps))
        while not self._over and self.time_s(position) + 1 / self.fps <= elapsed_s:
            position += 1
        return position

    def _grab_to(self, position: int) -> bool:
        while self._grabbed < position:
            if self._over or not self._capture.grab():
                self._over = True
                return False
            self._grabbed += 1
            self._picture = None
            raw_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            if self._grabbed > 0:
                step_s = raw_s - self._raw_s
                self._stamp_s += step_s if 0 < step_s <= _LONGEST_GAP_S else 1 / self._announced_fps
            self._raw_s = raw_s
        return True

    def _end(self) -> EndOfStream | SourceError:
        count = self._grabbed + 1
        if count == 0:
            return SourceError(f"The recording {self._path} holds no readable picture.", "Record or copy it again.")
        announced = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))  # often only the duration times the rate
        seconds = announced / self._announced_fps
        end_s = self._stamp_s + 1 / self._announced_fps
        if count < announced - 2 and seconds - end_s > max(_CUT_S, 2.5 / self._announced_fps):
            even = abs(end_s - count / self._announced_fps) < 2.5 / self._announced_fps
            at = f"{count} of {announced} pictures" if even else f"{end_s:.1f} of {seconds:.1f} s"
            return EndOfStream(f"The recording {self._path} breaks off after {at}.", "Copy it again.")
        return EndOfStream(f"The recording {self._path} is over.")

    def rewind(self) -> None:
        self._start()

    def close(self) -> None:
        self._capture.release()
