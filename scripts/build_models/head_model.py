"""Where BlazeFace's six key points lie on a head: prints KEYPOINT_HEAD and the resting pitch for domain/alignment.py.

python -m scripts.build_models.head_model FACES: every face gives a pose (FaceMesh) and six points in the picture; the
head is what explains all of them best, by least squares, under a scaled-orthographic camera."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgeface.adapters.vision.bundle import load_vision
from edgeface.domain import alignment
from edgeface.domain.alignment import head_axes, head_pose, pose_from_keypoints
from scripts.build_models import faces
from scripts.build_models.__main__ import MODELS
from scripts.build_models.faces import nearest_middle

PICTURES = 1500


def main(folder: Path) -> None:
    vision = load_vision(MODELS)
    found = []
    for _, pixels in faces.read(faces.sample(folder, PICTURES, "head")):
        face = nearest_middle(vision.detector.detect(pixels), pixels)
        if face is not None:
            mesh = vision.landmarks.landmarks(pixels, face)
            found.append((face, mesh))
    poses = np.array([[p.yaw_deg, p.pitch_deg, p.roll_deg] for p in (head_pose(m) for _, m in found)])
    print("median pose (pitch is what _REST_PITCH_DEG takes away)", np.median(poses, axis=0).round(2))
    head = fit([(f.keypoints, head_axes(m)) for f, m in found])
    print("KEYPOINT_HEAD", head.round(3).tolist())
    alignment._HEAD_PINV = np.linalg.pinv(head - head.mean(0))
    cheap = np.array([[p.yaw_deg, p.pitch_deg, p.roll_deg] for p in (pose_from_keypoints(f) for f, _ in found)])
    print("difference of the two poses, mean absolute", np.abs(cheap - poses).mean(0).round(2), "std", poses.std(0))
    print("correlation", [round(float(np.corrcoef(cheap[:, i], poses[:, i])[0, 1]), 3) for i in range(3)])


def fit(views: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(6, 3) points, in eye distances about the middle of the eyes, symmetric."""
    head = alignment.KEYPOINT_HEAD.astype(np.float64)
    for _ in range(15):
        rows, values = [], []
        for points, axes in views:
            seen = head @ axes[:2].T
            flat = seen - seen.mean(0)
            at = points - points.mean(0)
            scale = float((flat * at).sum() / (flat**2).sum())
            shift = (points - scale * seen).mean(0)
            rows.append(axes[:2])
            values.append((points - shift) / scale)
        a = np.concatenate(rows)
        head = np.stack([np.linalg.lstsq(a, np.concatenate([v[i] for v in values]), rcond=None)[0] for i in range(6)])
        mirror = head[[1, 0, 2, 3, 5, 4]] * [-1, 1, 1]
        head = (head + mirror) / 2
        head -= head[:2].mean(0)
        head /= np.linalg.norm(head[1] - head[0])
    return head


if __name__ == "__main__":
    main(Path(sys.argv[1]))
