"""Geometry of a face: similarity transforms, the ArcFace template, and the head's pose.

Angles are in degrees, named from the person: yaw > 0 turns the head to the person's own left (the nose moves to the
right of the picture), pitch > 0 lifts the chin, roll > 0 tilts the head to the person's own left shoulder (clockwise
in the picture). A face that looks straight into the camera has 0, 0, 0.
Roll is the slope of the line of the eyes; yaw and pitch are those of the face once the eyes are level.
"""

from __future__ import annotations

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
    if not (np.isfinite(src).all() and np.isfinite(dst).all()):
        raise ValueError("similarity needs finite points")
    mean_src, mean_dst = src.mean(0), dst.mean(0)
    s, d = src - mean_src, dst - mean_dst
    variance = float((s**2).sum() / len(s))
    if variance <= 1e-12:
        raise ValueError("similarity needs two points that differ")
    u, singular, vt = np.linalg.svd(d.T @ s / len(s))
    sign = np.array([1.0, 1.0 if np.linalg.det(u) * np.linalg.det(vt) >= 0 else -1.0])
    rotation = (u * sign) @ vt
    scale = float((singular * sign).sum()) / variance
    return np.column_stack([scale * rotation, mean_dst - scale * rotation @ mean_src])


def arcface_transform(keypoints: Floats) -> Doubles:
    """(2, 3) matrix from frame pixels to the 112x112 ArcFace crop, from BlazeFace's (6, 2) key points; the ears are
    left out: hair hides them. Raises ValueError as `similarity`."""
    return similarity(keypoints[:4], ARCFACE_KEYPOINTS)


def transform(matrix: Doubles, points: ArrayLike) -> Doubles:
    """(n, 2) points through a (2, 3) matrix."""
    return np.asarray(np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2], np.float64)


def invert(matrix: Doubles) -> Doubles:
    """The (2, 3) matrix that undoes a (2, 3) matrix. Raises ValueError where it flattens the plane."""
    linear = matrix[:, :2]
    if abs(float(np.linalg.det(linear))) < 1e-12:
        raise ValueError("this transform can't be undone")
    back = np.linalg.inv(linear)
    return np.column_stack([back, -back @ matrix[:, 2]])


def scale_of(matrix: Doubles) -> float:
    """Target pixels per source pixel of a similarity."""
    return float(np.sqrt(abs(float(np.linalg.det(matrix[:, :2])))))


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
    points = np.asarray(landmarks.points, np.float64)
    if points.shape != (468, 3) or not np.isfinite(points).all():
        raise ValueError("pose needs 468 finite points")
    across = (points[list(_MESH_LEFT)] - points[list(_MESH_RIGHT)]).mean(0)
    down = points[list(_MESH_BOTTOM)].mean(0) - points[list(_MESH_TOP)].mean(0)
    return _axes(across, down) @ _REST


def _axes(across: Doubles, down: Doubles) -> Doubles:
    """Columns: the head's x (to its left), y (down) and z (out of the back of the head) in the camera's frame."""
    if np.linalg.norm(across) <= 1e-6 or np.linalg.norm(np.cross(across, down)) <= 1e-9:
        raise ValueError("pose needs points that span a plane")
    x = across / np.linalg.norm(across)
    y = down - (down @ x) * x
    y /= np.linalg.norm(y)
    return np.column_stack([x, y, np.cross(x, y)])


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
    roll = float(np.arctan2(axes[1, 0], axes[0, 0]))
    gaze = -axes[:, 2]  # out of the face
    across = np.cos(roll) * gaze[0] + np.sin(roll) * gaze[1]
    down = np.cos(roll) * gaze[1] - np.sin(roll) * gaze[0]
    yaw = np.degrees(np.arctan2(across, -gaze[2]))
    pitch = np.degrees(np.arcsin(np.clip(-down, -1.0, 1.0)))
    return Pose(float(yaw), float(pitch), float(np.degrees(roll)))


def _head_pinv() -> Doubles:
    head = KEYPOINT_HEAD.astype(np.float64)
    return np.asarray(np.linalg.pinv(head - head.mean(0)), np.float64)


def _rest() -> Doubles:
    a = np.radians(_REST_PITCH_DEG)
    return np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])


_HEAD_PINV = _head_pinv()
_REST = _rest()
