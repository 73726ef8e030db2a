"""`edgeface eval recognition`: how well the whole path, detection to embedding, tells people apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeface.app.evaluate.pairs import Pair, read_pairs, ten_fold_accuracy
from edgeface.app.evaluate.pictures import (
    Embedded,
    EvalModels,
    Progress,
    ReadPicture,
    Unreadable,
    counter,
    embed_all,
    identities_of,
)
from edgeface.domain.errors import SourceError
from edgeface.domain.stats import LEAST_IMPOSTORS
from edgeface.domain.types import Floats

RATES = {"1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5, "1e-6": 1e-6}
# Scores of all pairs are counted in bins of this width: two arrays hold any number of pairs, and a threshold is at most
# one bin above the least possible one. Both kinds are counted in the same bins, so the rates at it are exact.
_BIN = 1e-5
_BINS = round(2 / _BIN) + 2  # cosines from -1 to 1, and what rounding puts above 1
_BLOCK = 1_000_000  # scores at a time: 4 MB of them, and 8 MB of bin numbers


@dataclass(frozen=True, slots=True)
class AllPairs:
    """Histograms of the cosines of all pairs, (bins,) int64; bin k is [-1 + k*1e-5, -1 + (k+1)*1e-5)."""

    genuine: NDArray[np.int64]
    impostor: NDArray[np.int64]

    def to_dict(self) -> dict[str, object]:
        genuine, impostor = int(self.genuine.sum()), int(self.impostor.sum())
        # accepted[k]: pairs at and above the lower edge of bin k
        true_accepts = np.append(np.cumsum(self.genuine[::-1])[::-1], 0)
        false_accepts = np.append(np.cumsum(self.impostor[::-1])[::-1], 0)
        tar: dict[str, float | None] = {}
        threshold: dict[str, float | None] = {}
        for name, rate in RATES.items():
            tar[name] = threshold[name] = None
            if impostor * rate >= LEAST_IMPOSTORS - 1e-9:
                k = int(np.argmax(false_accepts <= np.floor(impostor * rate + 1e-9)))
                threshold[name] = round(-1 + k * _BIN, 5)
                tar[name] = float(true_accepts[k] / genuine) if genuine else None
        eer = None
        if genuine and impostor:
            fmr, fnmr = false_accepts / impostor, 1 - true_accepts / genuine
            k = int(np.argmin(np.abs(fmr - fnmr)))
            eer = float((fmr[k] + fnmr[k]) / 2)
        return {"genuine": genuine, "impostor": impostor, "eer": eer, "tar": tar, "threshold": threshold}


@dataclass(frozen=True, slots=True)
class RecognitionReport:
    images: int
    identities: int
    detected: int
    model: str
    pairs: dict[str, float] | None
    all_pairs: AllPairs
    unreadable: tuple[Unreadable, ...]

    def to_dict(self) -> dict[str, object]:
        """The JSON of the command. Rates are from 0 to 1; null where fewer than three impostor pairs carry a rate."""
        return {
            "images": self.images,
            "identities": self.identities,
            "detected": self.detected,
            "model": self.model,
            "pairs": self.pairs,
            "all_pairs": self.all_pairs.to_dict(),
        }


def evaluate_recognition(
    models: EvalModels,
    images: Path,
    *,
    read: ReadPicture,
    pairs: Path | None = None,
    progress: Progress | None = None,
) -> RecognitionReport:
    """`images` is DIR/<identity>/*; `pairs` a file in LFW's format, naming DIR/<name>/<name>_<number, four digits>. A
    picture without a detected face, or unreadable, counts among the images and in no comparison of `all_pairs`; a pair
    with one is an error. Raises SourceError."""
    people = identities_of(images)
    wanted = read_pairs(pairs) if pairs is not None else None
    paths = [path for _, pictures in people for path in pictures]
    if wanted is not None:
        _require_all(wanted, paths, images)
    embedded = embed_all(models, paths, read, counter(progress, len(paths)))
    owner = np.repeat(np.arange(len(people)), [len(pictures) for _, pictures in people])
    seen = np.array(embedded.row_of) >= 0
    return RecognitionReport(
        images=len(paths),
        identities=len(people),
        detected=int(seen.sum()),
        model=models.embedder.model,
        pairs=None if wanted is None else _verify(wanted, paths, embedded),
        all_pairs=compare_all(embedded.vectors, owner[seen]),
        unreadable=embedded.unreadable,
    )


def compare_all(vectors: Floats, owner: NDArray[np.int64]) -> AllPairs:
    """Cosines of each unordered pair of `vectors` (n, d), unit length; `owner` (n,) says whose each is. Block by block:
    memory doesn't grow with the number of pairs."""
    genuine, impostor = np.zeros(_BINS, np.int64), np.zeros(_BINS, np.int64)
    count = len(vectors)
    start = 0
    while start < count:
        stop = min(count, start + max(1, _BLOCK // (count - start)))
        scores = vectors[start:stop] @ vectors[start:].T
        bins = np.clip(np.floor((scores.astype(np.float64) + 1) / _BIN), 0, _BINS - 1).astype(np.int64)
        # each pair once: of row r only the columns beyond r
        once = np.arange(count - start)[None, :] > np.arange(stop - start)[:, None]
        same = owner[start:stop, None] == owner[None, start:]
        genuine += np.bincount(bins[once & same], minlength=_BINS)
        impostor += np.bincount(bins[once & ~same], minlength=_BINS)
        start = stop
    return AllPairs(genuine, impostor)


def _key(path: Path) -> tuple[str, str]:
    return path.parent.name, path.stem


def _names(pair: Pair) -> list[tuple[str, str]]:
    return [(name, f"{name}_{number:04d}") for name, number in (pair.first, pair.second)]


def _require_all(pairs: list[Pair], paths: list[Path], images: Path) -> None:
    there = {_key(path) for path in paths}
    missing = sorted({stem for pair in pairs for name, stem in _names(pair) if (name, stem) not in there})
    if missing:
        raise SourceError(
            f"The pairs name {len(missing)} pictures that are not under {images}: {', '.join(missing[:3])}…",
            "Give the pairs file that belongs to these images; a picture is <name>/<name>_<number, four digits>.",
        )


def _verify(pairs: list[Pair], paths: list[Path], embedded: Embedded) -> dict[str, float]:
    row_of = {_key(path): row for path, row in zip(paths, embedded.row_of, strict=True)}
    rows = np.array([[row_of[name] for name in _names(pair)] for pair in pairs])
    scores = np.full(len(pairs), np.nan)
    known = (rows >= 0).all(axis=1)
    left, right = embedded.vectors[rows[known, 0]], embedded.vectors[rows[known, 1]]
    scores[known] = np.einsum("ij,ij->i", left, right)
    same, fold = np.array([p.same for p in pairs]), np.array([p.fold for p in pairs])
    found = ten_fold_accuracy(scores, same, fold)
    return {"count": found.count, "accuracy": found.accuracy, "std": found.std}
