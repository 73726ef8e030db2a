"""Pictures with and without faces, from folders that the caller names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgeface.domain.types import Face, Pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def pictures(folder: Path) -> list[Path]:
    """Every picture below the folder, sorted: the order is the same on every machine."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def sample(folder: Path, count: int, salt: str = "") -> list[Path]:
    """`count` pictures chosen by the hash of their name: stable, and spread over the people."""
    chosen = sorted(pictures(folder), key=lambda p: hashlib.sha256(f"{salt}{p.name}".encode()).digest())
    return chosen[:count]


def read(paths: list[Path]) -> Iterator[tuple[Path, Pixels]]:
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is not None:
            yield path, np.asarray(image, np.uint8)


def nearest_middle(found: list[Face], pixels: Pixels) -> Face | None:
    """The face whose box holds the picture's centre: who an LFW picture is of."""
    h, w = pixels.shape[:2]
    for face in found:
        b = face.box
        if b.x1 < w / 2 < b.x2 and b.y1 < h / 2 < b.y2:
            return face
    return None
