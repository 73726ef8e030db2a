"""The embedder's pack: aligned faces with a margin for jitter, and who they are. Identities kept for the test are not
in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from edgeface.adapters.vision.blazeface import BlazeFace
from edgeface.adapters.vision.manifest import load_manifest
from edgeface.adapters.vision.runtime import Model
from edgeface.adapters.vision.warp import warp
from edgeface.app.evaluate.pictures import main_face
from edgeface.domain.alignment import arcface_transform
from scripts.train import split
from scripts.train.mobilefacenet import read_onnx, save_layers
from scripts.train.pack import PackWriter, Pixels

MARGIN = 12  # pixels around the 112 of the template
_PAD = 0.5  # tight crops of faces are set into a frame before the detector looks


def pack_embedding(data: Path, reference: Path, models: Path, out: Path, portraits: int) -> None:
    """Beside `out` goes teacher.npz, the teacher's layers."""
    cv2.setNumThreads(1)
    finder, writer = BlazeFace(Model(load_manifest(models).pick("detector"))), PackWriter(91)
    for source, person, pixels in tqdm(_items(data, portraits), unit="picture", mininterval=10):
        face = main_face(pixels, finder.detect(pixels))
        if face is None:
            continue
        matrix = arcface_transform(face.keypoints).copy()
        matrix[:, 2] += MARGIN
        writer.add(np.asarray(warp(pixels, matrix, 112 + 2 * MARGIN), np.uint8), source=source, person=person)
    writer.save(out)
    save_layers(read_onnx(reference / "mobilefacenet.onnx"), out.with_name("teacher.npz"))


def _items(data: Path, portraits: int) -> Iterator[tuple[str, str, Pixels]]:
    for folder in ("live", "print"):
        for path in sorted((data / "spoof/nuaa" / folder).glob("*.jpg"))[::4]:
            if split.part("nuaa", path.name[:4]) != split.TEST:
                yield "nuaa", path.name[:4], _read(path)
    for path in sorted((data / "eyes/closed").iterdir()):
        picture = _read(path)
        edge = int(_PAD * picture.shape[0])
        padded = cv2.copyMakeBorder(picture, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
        yield "closed", path.stem, np.asarray(padded, np.uint8)
    people = [p for p in sorted((data / "lfw").iterdir()) if p.is_dir()]
    pictures = [sorted(p.glob("*.jpg")) for p in people if split.part("lfw", p.name) != split.TEST]
    chosen = [(p[n].parent.name, p[n]) for n in range(max(map(len, pictures))) for p in pictures if n < len(p)]
    for person, path in chosen[:portraits]:
        yield "lfw", person, _read(path)


def _read(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
