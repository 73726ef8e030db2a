"""Geometry of a face: similarity transforms, the ArcFace template, and the head's pose.

Angles are in degrees, named from the person: yaw > 0 turns the head to the person's own left (the nose moves to the
right of the picture), pitch > 0 lifts the chin, roll > 0 tilts the head to the person's own left shoulder (clockwise
in the picture). A face that looks straight into the camera has 0, 0, 0.
Roll is the slope of the line of the eyes; yaw and pitch are those of the face once the eyes are level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeface.domain.types import Face, Floats, Landmarks

Doubles = NDArray[np.float64]

ARCFACE_SIZE = 112
# Where right eye, left eye, nose tip, right and left corner of the mouth lie in a 112x112 crop (Deng et al., ArcFace).
ARCFACE: Floats = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
# BlazeFace knows the middle of the mouth, not its corners.
ARCFACE_KEYPOINTS: Floats = np.array([*ARCFACE[:3], (ARCFACE[3] + ARCFACE[4]) / 2], np.float32)

# BlazeFace's six key points on a mean head, in eye distances, origin between the eyes, axes as in the picture
# (x to the person's left, y down, z away from the camera). Measured: see scripts/build_models/head_model.py.
KEYPOINT_HEAD: Floats = np.array(
    [
        [-0.500, 0.000, 0.000],
        [0.500, 0.000, 0.000],
        [0.000, 0.561, -0.703],
        [0.000, 1.082, -0.353],
        [-1.050, 0.259, 1.018],
        [1.050, 0.259, 1.018],
    ],
    np.float32,
)

# FaceMesh vertices, (person's right, person's left), that hardly move with the expression: temples, cheekbones,
# outer and inner corners of the eyes.
_MESH_RIGHT = (234, 127, 33, 133)
_MESH_LEFT = (454, 356, 263, 362)
# The same for up and down: forehead and hairline against chin and jaw, all on the middle line.
_MESH_TOP, _MESH_BOTTOM = (10, 151), (152, 175)
_MESH = np.array([*_MESH_LEFT, *_MESH_RIGHT, *_MESH_TOP, *_MESH_BOTTOM])
# The line from forehead to chin leans by this much when the face looks straight ahead: median of press portraits.
_REST_PITCH_DEG = -5.2


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees; the signs are those of this module's docstring."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    @property
    def off_axis_deg(self) -> float:
        """Angle between the line of sight of the face and the camera's axis, 0 to 180; roll does not count."""
        yaw, pitch = np.radians(self.yaw_deg), np.radians(self.pitch_deg)
        return float(np.degrees(np.arccos(np.clip(np.cos(yaw) * np.cos(pitch), -1.0, 1.0))))


def similarity(source: ArrayLike, target: ArrayLike) -> Doubles:
    """Least-squares similarity (rotation, uniform scale, shift; no mirror) from (n, 2) to (n, 2) points as a (2, 3)
    float64 matrix. Umeyama, "Least-squares estimation of transformation parameters", PAMI 1991.

    Raises ValueError where fewer than two points differ, or one is not finite: there is no answer then."""
    src, dst = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if src.shape != dst.shape or src.ndim != 2 or src.shape[1] != 2:
        raise ValueError(f"similarity needs two (n, 2) arrays of the same length, not {src.shape} and {dst.shape}")
    # Plain numbers: numpy takes ten times as long for a handful of points. In the plane the rotation needs no singular
    # values: with the points as complex numbers it is the phase of sum(conj(s) * d).
    (sx, sy), (dx, dy) = src.T.tolist(), dst.T.tolist()
    if not all(map(math.isfinite, (*sx, *sy, *dx, *dy))):
        raise ValueError("similarity needs finite points")
    n = max(1, len(sx))
    msx, msy, mdx, mdy = sum(sx) / n, sum(sy) / n, sum(dx) / n, sum(dy) / n
    cos = sin = variance = 0.0
    for x, y, u, v in zip(sx, sy, dx, dy, strict=True):
        x, y, u, v = x - msx, y - msy, u - mdx, v - mdy
        cos += x * u + y * v
        sin += x * v - y * u
        variance += x * x + y * y
    if variance <= n * 1e-12:
        raise ValueError("similarity needs two points that differ")
    a, b = cos / variance, sin / variance
    return np.array([[a, -b, mdx - a * msx + b * msy], [b, a, mdy - b * msx - a * msy]])


def arcface_transform(keypoints: Floats) -> Doubles:
    """(2, 3) matrix from frame pixels to the 112x112 ArcFace crop, from BlazeFace's (6, 2) key points; the ears are
    left out: hair hides them. Raises ValueError as `similarity`."""
    return similarity(keypoints[:4], ARCFACE_KEYPOINTS)


def transform(matrix: Doubles, points: ArrayLike) -> Doubles:
    """(n, 2) points through a (2, 3) matrix."""
    return np.asarray(np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2], np.float64)


def invert(matrix: Doubles) -> Doubles:
    """The (2, 3) matrix that undoes a (2, 3) matrix. Raises ValueError where it flattens the plane."""
    (a, b, x), (c, d, y) = matrix.tolist()
    det = a * d - b * c
    if not abs(det) >= 1e-12:
        raise ValueError("this transform can't be undone")
    return np.array([[d / det, -b / det, (b * y - d * x) / det], [-c / det, a / det, (c * x - a * y) / det]])


def scale_of(matrix: Doubles) -> float:
    """Target pixels per source pixel of a similarity."""
    (a, b, _), (c, d, _) = matrix.tolist()
    return math.sqrt(abs(a * d - b * c))


def pose_from_keypoints(face: Face) -> Pose:
    """Pose from BlazeFace's six key points: the scaled-orthographic camera that maps the mean head to them best
    (DeMenthon and Davis, "Model-based object pose in 25 lines of code", first iteration). Cheap; within 3 degrees of
    `head_pose` on press portraits (mean absolute), worse towards profile. Raises
    ValueError where the key points coincide or are not finite."""
    points = np.asarray(face.keypoints, np.float64)
    if points.shape != (6, 2) or not np.isfinite(points).all() or np.ptp(points, axis=0).max() <= 1e-6:
        raise ValueError("pose needs six key points that are finite and differ")
    camera = (points - points.mean(0)).T @ _HEAD_PINV.T  # (2, 3): the first two rows of scale x rotation
    return _pose_of_axes(_orthonormal(camera[0], camera[1]))


def head_pose(landmarks: Landmarks) -> Pose:
    """Pose from the FaceMesh surface's own depth. Raises ValueError where the points are not finite or coincide."""
    return _pose_of_axes(head_axes(landmarks))


def head_axes(landmarks: Landmarks) -> Doubles:
    """(3, 3) rotation of the head: columns are its x (to its own left), y (down) and z (out of its back) in the
    picture's axes. Raises ValueError as `head_pose`."""
    if landmarks.points.shape != (468, 3) or not np.isfinite(landmarks.points).all():
        raise ValueError("pose needs 468 finite points")
    # (12, 3): four on either side, two above, two below; plain numbers, as in `similarity`
    x, y, z = landmarks.points[_MESH].T.tolist()
    across = (sum(x[:4]) - sum(x[4:8]), sum(y[:4]) - sum(y[4:8]), sum(z[:4]) - sum(z[4:8]))
    down = (x[10] + x[11] - x[8] - x[9], y[10] + y[11] - y[8] - y[9], z[10] + z[11] - z[8] - z[9])
    return _axes(across, down) @ _REST


def _axes(across: tuple[float, float, float], down: tuple[float, float, float]) -> Doubles:
    """Columns: the head's x (to its left), y (down) and z (out of the back of the head) in the camera's frame."""
    length = math.hypot(*across)
    if length <= 4e-6 or math.hypot(*_cross(across, down)) <= 8e-9:
        raise ValueError("pose needs points that span a plane")
    x1, x2, x3 = across[0] / length, across[1] / length, across[2] / length
    along = down[0] * x1 + down[1] * x2 + down[2] * x3
    y1, y2, y3 = down[0] - along * x1, down[1] - along * x2, down[2] - along * x3
    height = math.hypot(y1, y2, y3)
    if height <= 0:  # lost in rounding
        raise ValueError("pose needs points that span a plane")
    y1, y2, y3 = y1 / height, y2 / height, y3 / height
    z1, z2, z3 = _cross((x1, x2, x3), (y1, y2, y3))
    return np.array([[x1, y1, z1], [x2, y2, z2], [x3, y3, z3]])


def _cross(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _orthonormal(first: Doubles, second: Doubles) -> Doubles:
    """The rotation nearest to a matrix whose first two rows are known up to a common scale."""
    a, b = np.linalg.norm(first), np.linalg.norm(second)
    if min(a, b) <= 1e-9:
        raise ValueError("pose needs points that span a plane")
    rows = np.vstack([first / a, second / b, np.cross(first / a, second / b)])
    u, _, vt = np.linalg.svd(rows)
    return np.asarray(u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt, np.float64)


def _pose_of_axes(axes: Doubles) -> Pose:
    """Roll is taken out first (the picture turned until the eyes are level), then yaw, then pitch."""
    (a, _, gx), (b, _, gy), (_, _, gz) = axes.tolist()
    gx, gy, gz = -gx, -gy, -gz  # out of the face
    roll = math.atan2(b, a)
    cos, sin = math.cos(roll), math.sin(roll)
    yaw = math.atan2(cos * gx + sin * gy, -gz)
    pitch = math.asin(min(max(sin * gx - cos * gy, -1.0), 1.0))
    return Pose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


def _head_pinv() -> Doubles:
    head = KEYPOINT_HEAD.astype(np.float64)
    return np.asarray(np.linalg.pinv(head - head.mean(0)), np.float64)


def _rest() -> Doubles:
    a = np.radians(_REST_PITCH_DEG)
    return np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])


_HEAD_PINV = _head_pinv()
_REST = _rest()
