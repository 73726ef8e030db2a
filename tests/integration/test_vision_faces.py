"""The real models on real faces."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.portraits import MODELS, astronaut, grace_hopper

from edgeface.adapters.vision.blazeface import BlazeFace
from edgeface.adapters.vision.bundle import load_vision
from edgeface.adapters.vision.manifest import load_manifest
from edgeface.adapters.vision.runtime import Model
from edgeface.domain.alignment import head_pose, pose_from_keypoints
from edgeface.domain.types import Box, Face

DATA = os.environ.get("EDGEFACE_TEST_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="EDGEFACE_TEST_DATA names no folder of test pictures")


@pytest.fixture(scope="module")
def vision():
    return load_vision(MODELS)


@pytest.fixture(scope="module")
def far():
    return load_vision(MODELS, detector="blazeface-full-1").detector


def scene(picture, side, x, y, size=(480, 640)):
    frame = np.full((*size, 3), 190, np.uint8)
    scale = side / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame[y : y + small.shape[0], x : x + small.shape[1]] = small
    return frame


@pytest.mark.parametrize("picture", [astronaut, grace_hopper])
def test_both_portraits_are_found_and_look_into_the_camera(vision, picture):
    """One face each, eyes level within 12 degrees, both poses nearly straight, surely present."""
    (face,) = vision.detector.detect(picture())
    mesh = vision.landmarks.landmarks(picture(), face)
    assert face.score > 0.8
    assert mesh.presence > 0.9
    for pose in (head_pose(mesh), pose_from_keypoints(face)):
        assert abs(pose.yaw_deg) < 15
        assert abs(pose.pitch_deg) < 15
        assert abs(pose.roll_deg) < 12


def test_the_two_people_are_told_apart_and_one_is_known_again(vision):
    """Another size, place and light: the same person is far nearer than the other one."""
    known = vision.embedder.embed(astronaut(), vision.detector.detect(astronaut())[0]).vector
    dim = (scene(astronaut(), 420, 150, 40) * 0.7).astype(np.uint8)
    again = vision.embedder.embed(dim, vision.detector.detect(dim)[0]).vector
    other = vision.embedder.embed(grace_hopper(), vision.detector.detect(grace_hopper())[0]).vector
    assert float(known @ again) > 0.75
    assert float(known @ other) < 0.35


@pytest.mark.parametrize("angle", [-30, -15, 15, 30])
def test_a_tilted_head_is_known_all_the_same(vision, angle):
    """The crop is turned by the key points, so a tilt changes little; roll says by how much (positive: clockwise)."""
    frame = scene(astronaut(), 420, 110, 30)
    turn = cv2.getRotationMatrix2D((320, 240), -angle, 1)
    tilted = cv2.warpAffine(frame, turn, (640, 480), borderMode=cv2.BORDER_REPLICATE)
    straight, face = vision.detector.detect(frame)[0], vision.detector.detect(tilted)[0]
    a, b = vision.embedder.embed(frame, straight).vector, vision.embedder.embed(tilted, face).vector
    assert float(a @ b) > 0.7
    rolls = [head_pose(vision.landmarks.landmarks(p, f)).roll_deg for p, f in ((frame, straight), (tilted, face))]
    assert rolls[1] - rolls[0] == pytest.approx(angle, abs=6)


def test_a_mirrored_face_turns_the_other_way(vision):
    """Yaw and roll change their sign, pitch does not."""
    mirrored = np.ascontiguousarray(astronaut()[:, ::-1])
    poses = [head_pose(vision.landmarks.landmarks(p, vision.detector.detect(p)[0])) for p in (astronaut(), mirrored)]
    assert poses[0].yaw_deg == pytest.approx(-poses[1].yaw_deg, abs=6)
    assert poses[0].roll_deg == pytest.approx(-poses[1].roll_deg, abs=6)
    assert poses[0].pitch_deg == pytest.approx(poses[1].pitch_deg, abs=6)


def test_a_near_face_is_measured_as_well_as_a_far_one(vision):
    """Enlarged five times in a large frame (the crop shrinks it again), landmarks and vector stay the same."""
    large = cv2.resize(astronaut(), None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    face = vision.detector.detect(astronaut())[0]
    b = face.box
    near = Face(face.score, Box(b.x1 * 5, b.y1 * 5, b.x2 * 5, b.y2 * 5), face.keypoints * 5)
    small_mesh, large_mesh = vision.landmarks.landmarks(astronaut(), face), vision.landmarks.landmarks(large, near)
    apart = np.hypot(*(large_mesh.points[:, :2] / 5 - small_mesh.points[:, :2]).T).mean()
    assert apart < 0.03 * face.eye_distance_px
    assert float(vision.embedder.embed(astronaut(), face).vector @ vision.embedder.embed(large, near).vector) > 0.95


def test_several_people_are_all_found(vision):
    """Two portraits side by side are two faces, each where it is."""
    frame = scene(astronaut()[:320, 65:385], 300, 10, 20)
    frame[20:320, 330:586] = cv2.resize(grace_hopper(), (256, 300), interpolation=cv2.INTER_AREA)
    xs = sorted(f.box.centre[0] for f in vision.detector.detect(frame))
    assert len(xs) == 2
    assert xs[0] < 320 < xs[1]


def test_the_full_range_model_sees_farther(vision, far):
    """A face of 45 pixels in a frame of 640: full range finds it, short range does not."""
    frame = scene(astronaut(), 230, 205, 125)
    assert not vision.detector.detect(frame)
    (face,) = far.detect(frame)
    assert 35 < face.box.width < 55


@pytest.mark.parametrize("value", [0, 127, 255])
def test_an_empty_frame_has_no_face(vision, far, value):
    """Black, grey, white, noise: nobody."""
    noise = np.random.default_rng(value).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for pixels in (np.full((480, 640, 3), value, np.uint8), noise):
        assert vision.detector.detect(pixels) == []
        assert far.detect(pixels) == []


@needs_data
def test_people_of_lfw_are_found(vision, far):
    """On 150 press photos both detectors find the person in the middle of at least 147."""
    paths = sorted(Path(DATA, "lfw").glob("*/*.jpg"))[::55][:150]
    for detector in (vision.detector, far):
        hits = 0
        for path in paths:
            faces = detector.detect(cv2.imread(str(path)))
            hits += any(f.box.x1 < 125 < f.box.x2 and f.box.y1 < 125 < f.box.y2 for f in faces)
        assert hits >= 147


@needs_data
def test_groups_are_counted_by_the_full_range_model(far):
    """The photos with several people yield at least 60 faces (the float original finds 69)."""
    paths = sorted(Path(DATA, "groups").iterdir())
    assert sum(len(far.detect(cv2.imread(str(p)))) for p in paths) >= 60


@needs_data
def test_pictures_without_people_seldom_have_faces(vision):
    """Of 77 pictures of animals and things few have a face (dogs and monkeys do), no more than the original finds."""
    paths = sorted(Path(DATA, "negatives").iterdir())
    assert sum(bool(vision.detector.detect(cv2.imread(str(p)))) for p in paths) <= 21


@needs_data
def test_same_people_are_nearer_than_others_on_lfw(vision):
    """Of 60 pairs of the standard list the cosine tells all but a few right at one fixed threshold."""
    genuine, impostor = [], []
    for line in Path(DATA, "lfw-pairs.txt").read_text().splitlines()[::75]:
        words = line.split("\t")
        pairs = [(words[0], words[1]), (words[0] if len(words) == 3 else words[2], words[-1])]
        vectors = []
        for name, number in pairs:
            pixels = cv2.imread(str(Path(DATA, "lfw", name, f"{name}_{int(number):04d}.jpg")))
            face = max(vision.detector.detect(pixels), key=lambda f: -abs(f.box.centre[0] - 125))
            vectors.append(vision.embedder.embed(pixels, face).vector)
        (genuine if len(words) == 3 else impostor).append(float(vectors[0] @ vectors[1]))
    right = sum(g > 0.3 for g in genuine) + sum(i < 0.3 for i in impostor)
    assert right >= 0.95 * (len(genuine) + len(impostor))
    assert len(genuine) > 10
    assert len(impostor) > 10


@pytest.mark.parametrize("side", [420, 480])
def test_a_small_face_gets_a_second_look(vision, side):
    """Of a face 70 to 90 pixels wide in a frame of 640 the first look gives coarse key points; the second look makes
    them fine enough that the person is known again."""
    once = BlazeFace(Model(load_manifest(MODELS).pick("detector")), second_looks=0)
    known = vision.embedder.embed(astronaut(), vision.detector.detect(astronaut())[0]).vector
    frame = scene(astronaut(), side, 90, 0)
    coarse, sharp = once.detect(frame)[0], vision.detector.detect(frame)[0]
    assert 60 < coarse.box.width < 100
    assert coarse.box.iou(sharp.box) > 0.3
    cosines = [float(known @ vision.embedder.embed(frame, f).vector) for f in (coarse, sharp)]
    assert cosines[1] > max(0.8, cosines[0])
