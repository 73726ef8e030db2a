"""Similarity transforms and the head's pose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.vision.recorded import Actor, RecordedVision, face_of
from edgeface.domain.alignment import (
    ARCFACE_KEYPOINTS,
    arcface_transform,
    head_pose,
    invert,
    pose_from_keypoints,
    scale_of,
    similarity,
    transform,
)
from edgeface.domain.types import Box, Face, Landmarks

angles = st.floats(-180, 180)
scales = st.floats(0.05, 20)
shifts = st.floats(-2000, 2000)
POINTS = np.array([[10, 20], [50, 22], [31, 44], [30, 60]], np.float64)


def turned(points, angle, scale, dx, dy):
    a = np.radians(angle)
    return scale * points @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + [dx, dy]


@settings(max_examples=150, deadline=None)
@given(angles, scales, shifts, shifts)
def test_a_similarity_is_found_again(angle, scale, dx, dy):
    """Points that were turned, scaled and moved are brought onto each other exactly, and the scale is told."""
    target = turned(POINTS, angle, scale, dx, dy)
    matrix = similarity(POINTS, target)
    np.testing.assert_allclose(transform(matrix, POINTS), target, atol=1e-6 * max(1, scale * 100))
    assert scale_of(matrix) == pytest.approx(scale, rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(angles, scales, shifts, shifts)
def test_the_inverse_undoes_it(angle, scale, dx, dy):
    """There and back again is where it began."""
    matrix = similarity(POINTS, turned(POINTS, angle, scale, dx, dy))
    np.testing.assert_allclose(transform(invert(matrix), transform(matrix, POINTS)), POINTS, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=8, max_size=8))
def test_no_answer_is_better_in_the_least_squares_sense(noise):
    """Any small change of the answer fits no better; a mirror image is never the answer."""
    target = POINTS + np.reshape(noise, (4, 2))
    if np.ptp(target, axis=0).max() < 1:
        return
    matrix = similarity(POINTS, target)
    assert np.linalg.det(matrix[:, :2]) >= -1e-9
    best = ((transform(matrix, POINTS) - target) ** 2).sum()
    for angle, scale, dx, dy in ((1, 1, 0, 0), (-1, 1, 0, 0), (0, 1.01, 0, 0), (0, 0.99, 0, 0), (0, 1, 0.3, -0.3)):
        moved = turned(transform(matrix, POINTS), angle, scale, dx, dy)
        assert ((moved - target) ** 2).sum() >= best - 1e-6


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.ones((4, 2)), POINTS),
        (np.full((4, 2), np.nan), POINTS),
        (POINTS, np.full((4, 2), np.inf)),
        (POINTS, POINTS[:3]),
        (POINTS[:, :1], POINTS[:, :1]),
    ],
)
def test_points_without_an_answer_are_refused(source, target):
    """Coinciding, non-finite or unmatched points raise ValueError instead of giving a nonsensical matrix."""
    with pytest.raises(ValueError, match="similarity needs"):
        similarity(source, target)


def test_a_flat_transform_has_no_inverse():
    """A matrix that flattens the plane is refused."""
    with pytest.raises(ValueError, match="undone"):
        invert(np.zeros((2, 3)))


def test_the_arcface_crop_puts_the_face_where_the_network_expects_it():
    """Key points that lie like the template, anywhere in a frame, land on the template; ears are not looked at."""
    keypoints = np.vstack([turned(ARCFACE_KEYPOINTS, 20, 2.5, 300, 100), np.full((2, 2), 9e9)]).astype(np.float32)
    np.testing.assert_allclose(transform(arcface_transform(keypoints), keypoints[:4]), ARCFACE_KEYPOINTS, atol=1e-2)


def surface(**pose):
    vision = RecordedVision([[Actor("anna", **pose)]])
    (face,) = vision.detector.detect(np.zeros((8, 8, 3), np.uint8))
    return face, vision.landmarks.landmarks(np.zeros((8, 8, 3), np.uint8), face)


@pytest.mark.parametrize("yaw", [-40, -15, 0, 15, 40])
@pytest.mark.parametrize("pitch", [-20, 0, 20])
@pytest.mark.parametrize("roll", [-25, 0, 25])
def test_both_poses_say_how_the_head_was_turned(yaw, pitch, roll):
    """A head turned by known angles is measured so, from the six key points and from the surface."""
    face, landmarks = surface(yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
    rest = head_pose(surface()[1])
    for pose, offset in ((pose_from_keypoints(face), 0.0), (head_pose(landmarks), rest.pitch_deg)):
        assert pose.yaw_deg == pytest.approx(yaw, abs=5)
        assert pose.pitch_deg - offset == pytest.approx(pitch, abs=5)
        assert pose.roll_deg == pytest.approx(roll, abs=8)


def test_the_signs_are_the_persons_own():
    """Turning to one's own left moves the nose to the right of the picture; chin up moves it up; tilting to one's own
    left shoulder lowers the left eye, which is on the right of the picture."""
    straight = face_of(Actor("anna")).keypoints
    assert face_of(Actor("anna", yaw_deg=20)).keypoints[2, 0] > straight[2, 0]
    assert face_of(Actor("anna", pitch_deg=20)).keypoints[2, 1] < straight[2, 1]
    assert face_of(Actor("anna", roll_deg=20)).keypoints[1, 1] > straight[1, 1]


@settings(max_examples=100, deadline=None)
@given(st.floats(0.1, 30), shifts, shifts)
def test_pose_does_not_depend_on_place_or_size(scale, dx, dy):
    """The same head, near or far, anywhere in the frame, has the same pose."""
    face = face_of(Actor("anna", yaw_deg=20, pitch_deg=-10, roll_deg=5))
    moved = (face.keypoints.astype(np.float64) * scale + [dx, dy]).astype(np.float64)
    a, b = pose_from_keypoints(face), pose_from_keypoints(Face(0.9, face.box, moved))
    assert (a.yaw_deg, a.pitch_deg, a.roll_deg) == pytest.approx((b.yaw_deg, b.pitch_deg, b.roll_deg), abs=0.1)


def test_off_axis_counts_both_turns_and_not_the_tilt():
    """The angle to the camera's axis grows with yaw and pitch; roll leaves it alone."""
    assert pose_from_keypoints(face_of(Actor("anna", roll_deg=30))).off_axis_deg < 3
    assert pose_from_keypoints(face_of(Actor("anna", yaw_deg=30))).off_axis_deg == pytest.approx(30, abs=4)


def test_a_pose_of_nothing_is_refused():
    """Coinciding or non-finite points raise ValueError."""
    for bad in (np.zeros((6, 2)), np.full((6, 2), np.nan), np.zeros((5, 2))):
        with pytest.raises(ValueError, match="six key points"):
            pose_from_keypoints(Face(0.9, Box(0, 0, 1, 1), bad.astype(np.float32)))
    line = np.stack([np.arange(6), np.zeros(6)], 1).astype(np.float32)
    with pytest.raises(ValueError, match="span a plane"):
        pose_from_keypoints(Face(0.9, Box(0, 0, 1, 1), line))
    for bad in (np.zeros((468, 3)), np.full((468, 3), np.nan)):
        with pytest.raises(ValueError, match="pose needs"):
            head_pose(Landmarks(bad.astype(np.float32), 1.0))
