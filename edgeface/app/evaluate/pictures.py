"""What the evaluations share: folders, the one face of a picture, embedding many pictures, rates with bounds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.domain.errors import SourceError
from edgeface.domain.stats import clopper_pearson
from edgeface.domain.types import Face, Floats, Pixels
from edgeface.ports import Embedder, FaceDetector, SpoofModel

IMAGE_ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
CLIP_ENDINGS = frozenset((".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".mjpeg"))

ReadPicture = Callable[[Path], Pixels]
"""(h, w, 3) uint8 BGR; raises SourceError."""
Progress = Callable[[int, int], None]
"""Called with (done, all) after each picture or clip."""


@dataclass(frozen=True, slots=True)
class EvalModels:
    """What an evaluation runs; `spoof_id` is the manifest's id of the spoof model."""

    detector: FaceDetector
    embedder: Embedder
    spoof: SpoofModel
    spoof_id: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture or clip that could not be read: it counts as one without a face, and is named."""

    path: Path
    sentence: str


def files_of(folder: Path, endings: frozenset[str], deep: bool = False) -> list[Path]:
    """Files with these endings in `folder` (and below it), in order of their names; hidden ones left out."""
    found = _below(folder) if deep else folder.iterdir()
    return sorted(p for p in found if p.suffix.lower() in endings and not p.name.startswith(".") and p.is_file())


def _below(folder: Path) -> Iterator[Path]:
    """Every file below, through links to folders too (data sets are put together by them), each folder once."""
    entered: set[Path] = set()
    for at, folders, names in os.walk(folder, followlinks=True):
        here = Path(at)
        entered.add(here.resolve())
        folders[:] = [f for f in folders if not f.startswith(".") and (here / f).resolve() not in entered]
        yield from (here / name for name in names)


def identities_of(folder: Path) -> list[tuple[str, list[Path]]]:
    """(name, pictures) of each DIR/<identity>/ with at least one picture. Raises SourceError where there is none."""
    require_folder(folder)
    people = [
        (sub.name, files_of(sub, IMAGE_ENDINGS))
        for sub in sorted(folder.iterdir())
        if sub.is_dir() and not sub.name.startswith(".")
    ]
    people = [(name, pictures) for name, pictures in people if pictures]
    if not people:
        raise SourceError(
            f"{folder} holds no pictures of people.", "It needs a folder for each person, with that person's photos."
        )
    return people


def require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder.", "Check the path.")


def main_face(pixels: Pixels, faces: Sequence[Face]) -> Face | None:
    """The face nearest the picture's centre, weighted by size: the least distance from it in face widths. A tenth of
    the diagonal is added to every distance, so that a speck taken for a face at the very centre doesn't win."""
    height, width = pixels.shape[:2]
    slack = 0.1 * math.hypot(width, height)

    def remoteness(face: Face) -> float:
        x, y = face.box.centre
        return (math.hypot(x - width / 2, y - height / 2) + slack) / math.sqrt(max(1.0, face.box.area))

    return min(faces, key=remoteness, default=None)


@dataclass(frozen=True, slots=True)
class Embedded:
    """`vectors` is (n, 128) float32 of unit length, a row for each path that has a face; `row_of[i]` is the row of
    path i, -1 where none was detected or the file can't be read."""

    vectors: Floats
    row_of: tuple[int, ...]
    unreadable: tuple[Unreadable, ...]


def embed_all(
    models: EvalModels, paths: Sequence[Path], read: ReadPicture, progress: Callable[[], None] | None = None
) -> Embedded:
    """The whole path of each picture, detection to embedding, one at a time: memory holds one picture."""
    rows: list[Floats] = []
    row_of: list[int] = []
    unreadable: list[Unreadable] = []
    for path in paths:
        row = -1
        try:
            pixels = read(path)
        except SourceError as exc:
            unreadable.append(Unreadable(path, exc.message))
        else:
            face = main_face(pixels, models.detector.detect(pixels))
            if face is not None:
                row = len(rows)
                rows.append(models.embedder.embed(pixels, face).vector)
        row_of.append(row)
        if progress is not None:
            progress()
    vectors = np.stack(rows).astype(np.float32) if rows else np.zeros((0, 128), np.float32)
    return Embedded(vectors, tuple(row_of), tuple(unreadable))


def bounded_rate(errors: int, count: int) -> dict[str, float | None]:
    """A share with its 95 % Clopper-Pearson bounds; null, 0 and 1 where nothing was counted."""
    low, high = clopper_pearson(errors, count)
    return {"value": errors / count if count else None, "low": low, "high": high}


def counter(progress: Progress | None, total: int) -> Callable[[], None]:
    """A step function for a progress callback."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return step
