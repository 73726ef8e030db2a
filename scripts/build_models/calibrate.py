"""The embedder's rate of false matches against the threshold, over all pairs of a folder of people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeface.adapters.vision.blazeface import BlazeFace
from edgeface.adapters.vision.manifest import load_manifest
from edgeface.adapters.vision.mobilefacenet import MobileFaceNet
from edgeface.adapters.vision.runtime import Model
from scripts.build_models import faces, writer
from scripts.build_models.faces import nearest_middle

# A rate that fewer pairs than this stand above is a guess, not a measurement (relative error about 1 / sqrt(30)).
FEWEST_PAIRS = 30
RATES = tuple(round(m * 10.0**-e, 12) for e in range(1, 9) for m in (1.0, 0.3))
BINS = 20_000  # over cosines -1 to 1: thresholds are exact to 1e-4, and rounded up
BLOCK = 1024


def calibrate(models: Path, folder: Path, source: str) -> None:
    cv2.setNumThreads(1)
    manifest = load_manifest(models)
    spec = manifest.pick("embedder")
    embedder, detector = MobileFaceNet(Model(spec)), BlazeFace(Model(manifest.pick("detector")))
    vectors, people, pictures = embeddings(detector, [embedder], folder)
    curve, accuracy = measure(vectors[0], people)
    curve = {"source": f"{source}, {manifest.pick('detector').id}", **curve}
    writer.update(models, spec.id, calibration=curve, accuracy={"pictures": pictures, **accuracy})
    print(curve, accuracy)


def embeddings(detector: BlazeFace, embedders: list[MobileFaceNet], folder: Path) -> tuple[Any, list[str], int]:
    """(embedders, n, 128) float32, the person of each, and how many pictures there were."""
    vectors: list[list[Any]] = [[] for _ in embedders]
    people: list[str] = []
    paths = faces.pictures(folder)
    for path, pixels in faces.read(paths):
        face = nearest_middle(detector.detect(pixels), pixels)
        if face is None:
            continue
        people.append(path.parent.name)
        for embedder, out in zip(embedders, vectors, strict=True):
            out.append(embedder.embed(pixels, face).vector)
    return np.array(vectors, np.float32), people, len(paths)


def measure(vectors: np.ndarray, people: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The curve of false matches, and the rates of true ones at its thresholds."""
    names, who = np.unique(people, return_inverse=True)
    genuine, impostor = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        scores = vectors[rows] @ vectors.T
        bins = np.clip(((scores + 1) / 2 * BINS).astype(np.int64), 0, BINS - 1)
        upper = np.arange(len(vectors))[None, :] > np.arange(start, start + len(scores))[:, None]
        same = who[rows][:, None] == who[None, :]
        genuine += np.bincount(bins[upper & same], minlength=BINS)
        impostor += np.bincount(bins[upper & ~same], minlength=BINS)
    above = np.cumsum(impostor[::-1])[::-1]  # pairs in this bin or higher
    genuine_above = np.cumsum(genuine[::-1])[::-1]
    pairs, same_pairs = int(impostor.sum()), int(genuine.sum())
    rates, thresholds, true = [], [], {}
    for rate in RATES:
        allowed = rate * pairs
        if allowed < FEWEST_PAIRS:
            break
        first = int(np.argmax(above <= allowed))  # the lowest threshold that keeps the rate
        rates.append(rate)
        thresholds.append(round(first / BINS * 2 - 1, 4))
        if np.isclose(np.log10(rate) % 1, [0, 1]).any():
            true[f"tar_at_1e{round(np.log10(rate))}"] = round(float(genuine_above[first] / same_pairs), 4)
    crossing = int(np.argmin(np.abs(above / pairs - (1 - genuine_above / same_pairs))))
    equal = float((above[crossing] / pairs + 1 - genuine_above[crossing] / same_pairs) / 2)
    curve = {
        "pairs": pairs,
        "people": len(names),
        "measured_to": rates[-1],
        "fmr": rates,
        "threshold": thresholds,
    }
    return curve, {"detected": len(vectors), "genuine_pairs": same_pairs, "eer": round(equal, 5), **true}
