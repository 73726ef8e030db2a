"""The spoof model's pack: faces with their surroundings, who they are, an outline of the person, the teachers' view.
Identities that are kept for the test are not in it at all; NUAA's test subjects are, and training leaves them out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgeface.adapters.vision.blazeface import BlazeFace
from edgeface.adapters.vision.manifest import load_manifest
from edgeface.adapters.vision.runtime import Model
from edgeface.domain.types import Face
from scripts.train import split
from scripts.train.pack import PackWriter, Pixels
from scripts.train.teachers import MiniFasNets

LIVE, PRINT, BACKGROUND = 0, 1, 2
SIDE = 208  # of a stored crop; the model sees 128 pixels of three of its 4.4 face widths
FACES_WIDE = 4.4
MATTE = 64
_SMALLEST_FACE_PX = 56
_ABOVE = 0.25  # of BlazeFace's box, which ends at the eyebrows

Item = tuple[str, str, int, Pixels]  # source, person, label, picture


def pack_spoof(data: Path, reference: Path, models: Path, out: Path, portraits: int) -> None:
    """`portraits`: how many pictures of LFW at most."""
    finder = BlazeFace(Model(load_manifest(models).pick("detector")))
    teachers, writer = MiniFasNets(reference), PackWriter(88)
    for source, person, label, pixels in tqdm(_items(data, portraits), unit="picture", mininterval=5):
        if label == BACKGROUND:
            writer.add(_shrunk(pixels), **_values(source, person, label))
            continue
        faces = [f for f in finder.detect(pixels) if f.box.width >= _SMALLEST_FACE_PX]
        for face in faces if source == "groups" else faces[:1]:
            box = raised(face)
            live, features = teachers(pixels, box)
            crop, inside = surroundings(pixels, box)
            outline = np.packbits(matte(crop, inside)) if label == LIVE else np.zeros(MATTE * MATTE // 8, np.uint8)
            writer.add(crop, **_values(source, person, label, inside, live, features, outline))
    writer.save(out)


def _values(
    source: str,
    person: str,
    label: int,
    box: NDArray[np.float32] | None = None,
    live: float = 0.0,
    features: NDArray[np.float16] | None = None,
    outline: NDArray[np.uint8] | None = None,
) -> dict[str, object]:
    return {
        "source": source,
        "person": person,
        "label": label,
        "box": np.zeros(4, np.float32) if box is None else box,
        "teacher": np.float32(live),
        "features": np.zeros(256, np.float16) if features is None else features,
        "matte": np.zeros(MATTE * MATTE // 8, np.uint8) if outline is None else outline,
    }


def raised(face: Face) -> tuple[float, float, float, float]:
    b = face.box
    return b.x1, b.y1 - _ABOVE * b.height, b.x2, b.y2


def surroundings(pixels: Pixels, box: tuple[float, float, float, float]) -> tuple[Pixels, NDArray[np.float32]]:
    """The widest square about the face that the picture has, at most SIDE pixels; and the face's box in it."""
    h, w = pixels.shape[:2]
    x1, y1, x2, y2 = box
    side = int(min(FACES_WIDE * max(x2 - x1, y2 - y1), w, h))
    left = int(min(max((x1 + x2) / 2 - side / 2, 0), w - side))
    top = int(min(max((y1 + y2) / 2 - side / 2, 0), h - side))
    crop = np.asarray(pixels[top : top + side, left : left + side], np.uint8)
    scale = min(1.0, SIDE / side)
    inside = (np.array(box) - [left, top, left, top]) * scale
    return _shrunk(crop), inside.astype(np.float32)


def _shrunk(crop: Pixels) -> Pixels:
    side = min(crop.shape[:2])
    y, x = (crop.shape[0] - side) // 2, (crop.shape[1] - side) // 2
    crop = np.asarray(crop[y : y + side, x : x + side], np.uint8)
    if side <= SIDE:
        return crop
    return np.asarray(cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def matte(crop: Pixels, box: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(64, 64): the person's silhouette by GrabCut, seeded with an ellipse for the head and a trapezoid below it."""
    small = cv2.resize(crop, (MATTE, MATTE), interpolation=cv2.INTER_AREA)
    x1, y1, x2, y2 = box * (MATTE / crop.shape[0])
    cx, cy, fw, fh = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    mask = np.full((MATTE, MATTE), cv2.GC_BGD, np.uint8)

    def body(neck: float, shoulders: float, value: int) -> None:
        points = [(-neck, 0.3), (neck, 0.3), (neck, 0.6), (shoulders, 1.0), (shoulders * 1.1, 4)]
        points += [(-shoulders * 1.1, 4), (-shoulders, 1.0), (-neck, 0.6)]
        cv2.fillPoly(mask, [np.int32([(cx + a * fw, cy + b * fh) for a, b in points])], [value])

    def head(size: float, value: int) -> None:
        at = (int(cx), int(cy - 0.04 * fh))
        cv2.ellipse(mask, at, (int(0.55 * fw * size), int(0.62 * fh * size)), 0, 0, 360, [value], -1)

    body(0.8, 1.9, cv2.GC_PR_BGD)
    head(1.5, cv2.GC_PR_BGD)
    body(0.4, 1.3, cv2.GC_PR_FGD)
    head(1.1, cv2.GC_PR_FGD)
    body(0.25, 0.6, cv2.GC_FGD)
    head(0.8, cv2.GC_FGD)
    cv2.setRNGSeed(1)
    cv2.grabCut(small, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _items(data: Path, portraits: int) -> Iterator[Item]:
    for label, kind in ((LIVE, "live"), (PRINT, "print")):
        for path in sorted((data / "spoof/nuaa" / kind).glob("*.jpg")):
            yield "nuaa", path.name[:4], label, _read(path)
    clips = [(p, 12) for p in sorted((data / "motion").glob("*.mp4"))]
    for path, every in (*clips, (data / "blink/blinks.mp4", 6), (data / "blink/talking.mp4", 40)):
        for pixels in _frames(path, every):
            yield "clip", path.stem, LIVE, pixels
    for path in sorted((data / "groups").glob("*.jpg")):
        yield "groups", path.stem, LIVE, _read(path)
    for path in sorted((data / "negatives").iterdir()):
        yield "negatives", path.stem, BACKGROUND, _read(path)
    people = sorted(p for p in (data / "lfw").iterdir() if p.is_dir())
    ours = [p for p in people if split.part("lfw", p.name) != split.TEST]
    chosen = [(p, nth) for nth in range(5) for p in ours]
    for folder, nth in chosen[:portraits]:
        pictures = sorted(folder.glob("*.jpg"))
        if nth < len(pictures):
            yield "lfw", folder.name, LIVE, _read(pictures[nth])


def _read(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)


def _frames(path: Path, every: int) -> Iterator[Pixels]:
    clip = cv2.VideoCapture(str(path))
    number = 0
    while clip.grab():
        if number % every == 0:
            ok, frame = clip.retrieve()
            if ok:
                yield np.asarray(frame, np.uint8)
        number += 1
    clip.release()
