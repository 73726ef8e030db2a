"""A still of a person, and what the renderer must know of it: the FaceMesh surface and the person's outline.

The two built-in stills are in the public domain (NASA, US Navy) and come from scikit-image and Matplotlib; their
surface and outline lie beside this module, found once with FaceMesh and GrabCut and corrected by hand. For any other
still the surface comes from `find_face` and the outline from GrabCut (Rother, Kolmogorov and Blake, 2004).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeface.adapters.camera.photos import read_photo
from edgeface.domain.errors import SourceError
from edgeface.domain.types import Floats, Pixels

FaceFinder = Callable[[Pixels], Floats]
"""Picture (h, w, 3) uint8 BGR -> (468, 3) float32 FaceMesh points in its pixels. Raises SourceError without a face."""

BUILTIN = "builtin:"
_EDGE_SIGMA_PX = 1.2  # softness of a cut-out's edge, of the order of a lens's
_GRABCUT_SIDE_PX = 320  # GrabCut's time grows with the area; the outline needs no more


@dataclass(frozen=True, slots=True)
class Portrait:
    """`pixels` (h, w, 3) uint8 BGR; `matte` (h, w) uint8, 255 where the person is; `points` (468, 3) float32."""

    pixels: Pixels
    matte: Pixels
    points: Floats

    @property
    def face_width(self) -> float:
        return float(np.ptp(self.points[:, 0]))

    @property
    def face_centre(self) -> tuple[float, float]:
        lo, hi = self.points[:, :2].min(0), self.points[:, :2].max(0)
        return float(lo[0] + hi[0]) / 2, float(lo[1] + hi[1]) / 2


def load_portrait(name: str, folder: Path, find_face: FaceFinder | None) -> Portrait:
    """`name` is `builtin:astronaut`, `builtin:grace_hopper` or a picture file, relative to `folder`.
    Raises SourceError."""
    if name.startswith(BUILTIN):
        return _builtin(name.removeprefix(BUILTIN))
    path = folder / name
    still = read_photo(path)
    if find_face is None:
        raise SourceError(
            f"The portrait {path} needs the face models, and none were given.", "Use a built-in portrait instead."
        )
    points = find_face(still)
    return Portrait(still, _soft(_grabcut(still, points)), points)


def save_still(name: str, folder: Path, into: Path) -> Path:
    """The picture of a portrait as a file, to be enrolled from: its own where it is one, else a PNG in `into`. Raises
    SourceError."""
    if not name.startswith(BUILTIN):
        return folder / name
    path = into / f"{name.removeprefix(BUILTIN)}.png"
    cv2.imwrite(str(path), load_still(name.removeprefix(BUILTIN)))
    return path


def load_still(name: str) -> Pixels:
    """The picture alone of a built-in portrait, (h, w, 3) uint8 BGR. Raises SourceError where its package is absent."""
    try:
        if name == "astronaut":
            from skimage import data

            rgb = np.asarray(data.astronaut())  # type: ignore[no-untyped-call]
        elif name == "grace_hopper":
            from matplotlib import cbook

            path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
            rgb = _read(Path(str(path)))[..., ::-1]
        else:
            known = ", ".join(BUILTIN + n for n in ("astronaut", "grace_hopper"))
            raise SourceError(f"There is no built-in portrait {name!r}.", f"There are: {known}.")
    except ImportError as e:
        raise SourceError(
            f"The built-in portrait {name!r} comes with a package that is not installed ({e.name}).",
            "Install the extra: pip install 'edgeface[demo]'.",
        ) from e
    return np.ascontiguousarray(rgb[..., ::-1], np.uint8)


def _read(path: Path) -> Pixels:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SourceError(f"The picture {path} can't be read.", "Install the package that ships it again.")
    return np.asarray(pixels, np.uint8)


@cache
def _builtin_data() -> Any:
    text = resources.files("edgeface.adapters.camera.scene").joinpath("builtin.json").read_text(encoding="utf-8")
    return json.loads(text)


def builtin_geometry(name: str) -> tuple[Floats, Pixels]:
    """FaceMesh points (468, 3) float32 and matte (h, w) uint8 of a built-in portrait, without its pixels."""
    data = _builtin_data()[name]
    width, height = data["size"]
    matte = np.zeros((height, width), np.uint8)
    cv2.fillPoly(matte, [np.array(data["outline"], np.int32)], [255])
    return np.array(data["landmarks"], np.float32), _soft(matte)


def _builtin(name: str) -> Portrait:
    pixels = load_still(name)
    points, matte = builtin_geometry(name)
    height, width = matte.shape
    if pixels.shape[:2] != (height, width):  # another edition of the package: same picture, other size
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Portrait(pixels, matte, points)


def _soft(matte: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(matte, (0, 0), _EDGE_SIGMA_PX), np.uint8)


def _grabcut(pixels: Pixels, points: Floats) -> Pixels:
    """(h, w) uint8: the person's silhouette, seeded with the face and where hair and shoulders usually are."""
    h, w = pixels.shape[:2]
    k = min(1.0, _GRABCUT_SIDE_PX / max(h, w))
    small = cv2.resize(pixels, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
    sh, sw = small.shape[:2]
    xy = points[:, :2] * k
    (x0, y0), (x1, y1) = xy.min(0), xy.max(0)
    fw, fh, cx, cy = x1 - x0, y1 - y0, (x0 + x1) / 2, (y0 + y1) / 2

    def outline(*half_width_at: tuple[float, float]) -> Any:
        """A symmetrical polygon: half widths (in faces) at heights below the chin (in faces), down to the border."""
        right = [(cx + a * fw, y1 + b * fh) for a, b in half_width_at] + [(cx + half_width_at[-1][0] * fw, sh)]
        left = [(2 * cx - x, y) for x, y in reversed(right)]
        return np.array(right + left, np.int32)

    def head(mask: Any, scale: float, value: int) -> None:
        size = (int(scale * 0.85 * fw), int(scale * 0.95 * fh))
        cv2.ellipse(mask, (int(cx), int(cy - 0.12 * fh)), size, 0, 0, 360, [value], -1)

    near = np.zeros((sh, sw), np.uint8)
    head(near, 1.4, 1)
    cv2.fillPoly(near, [outline((0.8, -0.2), (1.9, 0.35), (2.7, 1.3), (3.2, 2.5))], [1])
    mask = np.where(near > 0, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    head(mask, 1.0, cv2.GC_PR_FGD)
    cv2.fillPoly(mask, [outline((0.4, -0.1), (1.1, 0.6), (1.7, 1.2), (1.9, 2.0))], [cv2.GC_PR_FGD])
    cv2.fillPoly(mask, [outline((0.25, -0.1), (0.7, 1.2), (0.9, 2.0))], [cv2.GC_FGD])
    cv2.fillConvexPoly(mask, cv2.convexHull(xy.astype(np.int32)), [cv2.GC_FGD])
    cv2.setRNGSeed(1)  # GrabCut's colour clusters start at random
    cv2.grabCut(small, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    person = np.asarray(cv2.morphologyEx(person, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    _, label, stats, _ = cv2.connectedComponentsWithStats(person)
    person = (label == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    big = cv2.resize(person * 255, (w, h), interpolation=cv2.INTER_CUBIC)
    return np.where(big > 127, 255, 0).astype(np.uint8)
