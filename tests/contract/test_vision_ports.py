"""What every detector, landmark model, spoof model and embedder does, the real ones and the fakes."""

from __future__ import annotations

import numpy as np
import pytest
from support.portraits import MODELS, astronaut

from edgeface.adapters.vision.bundle import load_vision
from edgeface.adapters.vision.recorded import Actor, RecordedVision
from edgeface.domain.types import Box, Face

BACKENDS = ["blazeface-short-1", "blazeface-full-1", "recorded"]


@pytest.fixture(scope="module", params=BACKENDS)
def vision(request):
    if request.param == "recorded":
        return RecordedVision([[Actor("eileen", x=225, y=105, eyes_px=44), Actor(None, x=400, y=300, score=0.6)]])
    return load_vision(MODELS, detector=request.param)


@pytest.fixture(scope="module")
def face(vision):
    return vision.detector.detect(astronaut())[0]


def test_faces_come_best_first_in_frame_pixels(vision):
    """A detector gives scores from 0 to 1, best first, boxes and six finite key points in pixels of the frame."""
    faces = vision.detector.detect(astronaut())
    assert faces
    assert [f.score for f in faces] == sorted((f.score for f in faces), reverse=True)
    for f in faces:
        assert 0 <= f.score <= 1
        assert isinstance(f.score, float)
        assert f.keypoints.shape == (6, 2)
        assert f.keypoints.dtype == np.float32
        assert np.isfinite(f.keypoints).all()
        assert f.box.area > 0
        assert f.eye_distance_px >= 1
    best = faces[0]
    assert best.box.x1 < 225 < best.box.x2
    assert best.box.y1 < 125 < best.box.y2
    right_eye, left_eye, nose, mouth = best.keypoints[:4]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


def test_landmarks_lie_on_the_face(vision, face):
    """468 finite points in frame pixels around the box, a presence from 0 to 1, the nose nearest to the camera."""
    found = vision.landmarks.landmarks(astronaut(), face)
    assert found.points.shape == (468, 3)
    assert found.points.dtype == np.float32
    assert np.isfinite(found.points).all()
    assert 0.5 < found.presence <= 1
    assert isinstance(found.presence, float)
    centre = found.points[:, :2].mean(0)
    assert face.box.x1 < centre[0] < face.box.x2
    assert found.points[1, 2] < found.points[[234, 454], 2].min()
    assert np.hypot(*(found.points[1, :2] - face.keypoints[2])) < face.eye_distance_px / 2


def test_a_spoof_score_is_a_probability(vision, face):
    """A plain float from 0 to 1; a live portrait is below one half."""
    score = vision.spoof.score(astronaut(), face)
    assert isinstance(score, float)
    assert 0 <= score < 0.5


def test_embeddings_are_of_unit_length_and_name_their_model(vision, face):
    """128 float32 of unit length, tagged with the model's id."""
    found = vision.embedder.embed(astronaut(), face)
    assert found.vector.shape == (128,)
    assert found.vector.dtype == np.float32
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-5)
    assert found.model == vision.embedder.model != ""


def test_the_same_picture_gives_the_same_answer_and_stays_untouched(vision, face):
    """No state is carried from call to call, what was returned is not changed later, and the frame is only read."""
    pixels = astronaut().copy()
    pixels.setflags(write=False)
    first = vision.embedder.embed(pixels, face)
    kept = first.vector.copy()
    mesh = vision.landmarks.landmarks(pixels, face)
    mesh_kept = mesh.points.copy()
    again = vision.detector.detect(pixels)[0]
    other = Face(0.9, Box(10, 10, 90, 90), again.keypoints * 0.5)
    vision.embedder.embed(pixels, other)
    vision.landmarks.landmarks(pixels, other)
    vision.spoof.score(pixels, other)
    np.testing.assert_array_equal(first.vector, kept)
    np.testing.assert_array_equal(mesh.points, mesh_kept)
    np.testing.assert_array_equal(vision.embedder.embed(pixels, again).vector, kept)
    np.testing.assert_array_equal(pixels, astronaut())


@pytest.mark.parametrize("box", [Box(-60, -80, 90, 70), Box(450, 460, 560, 570), Box(-900, -900, -700, -700)])
def test_a_face_that_reaches_out_of_the_frame_is_no_accident(vision, box):
    """At the edge, or wholly outside, every model still answers with finite numbers."""
    (x, y), s = box.centre, box.width / 4
    points = [[x - s, y - s], [x + s, y - s], [x, y], [x, y + s], [x - 2 * s, y], [x + 2 * s, y]]
    face = Face(0.8, box, np.array(points, np.float32))
    assert np.isfinite(vision.landmarks.landmarks(astronaut(), face).points).all()
    assert 0 <= vision.spoof.score(astronaut(), face) <= 1
    assert np.isfinite(vision.embedder.embed(astronaut(), face).vector).all()


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (1080, 1920), (64, 64), (37, 411), (1, 1)])
def test_any_size_of_frame_is_taken(vision, shape):
    """Large, small, tall, wide or tiny: the detector answers with a list."""
    pixels = np.full((*shape, 3), 120, np.uint8)
    assert isinstance(vision.detector.detect(pixels), list)
