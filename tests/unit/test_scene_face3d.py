"""A head in depth: turned about the neck, with the outline at rest; eyelids that close over the eye alone."""

from __future__ import annotations

import numpy as np
import pytest
from support.scenes import drawn_portrait

from edgeface.adapters.camera.scene.face3d import Head, HeadPose
from edgeface.adapters.camera.scene.layers import premultiply
from edgeface.adapters.camera.scene.live import LivePerson
from edgeface.adapters.camera.scene.parse import Key

NOSE, RIGHT_EYE_LIDS, EYE_CORNER = 1, (159, 145), 33


@pytest.fixture(scope="module")
def portrait():
    return drawn_portrait()


@pytest.fixture(scope="module")
def head(portrait):
    return Head(premultiply(portrait.pixels, portrait.matte), portrait.points)


def seen_at(head, point, pose):
    """Where a texture point appears: the grid point whose source is nearest to it."""
    x, y = np.meshgrid(np.arange(60.0, 460.0, 2), np.arange(60.0, 460.0, 2))
    grid = np.dstack([x, y]).astype(np.float32)
    source = head.source_map(grid, pose)
    i = np.argmin(np.linalg.norm(source - point, axis=2))
    return grid.reshape(-1, 2)[i]


def test_a_head_at_rest_is_the_still(head):
    grid = np.dstack(np.meshgrid(np.arange(0.0, 500, 7), np.arange(0.0, 600, 7))).astype(np.float32)
    assert np.array_equal(head.source_map(grid, HeadPose()), grid)


@pytest.mark.parametrize("yaw", [-25.0, 25.0])
def test_a_turn_moves_the_nose_more_than_the_eyes_and_never_the_shoulders(head, portrait, yaw):
    """Parallax: what is nearer to the camera moves more."""
    nose, eye = portrait.points[NOSE, :2], portrait.points[EYE_CORNER, :2]
    nose_shift = seen_at(head, nose, HeadPose(yaw=yaw))[0] - nose[0]
    eye_shift = seen_at(head, eye, HeadPose(yaw=yaw))[0] - eye[0]
    assert np.sign(nose_shift) == np.sign(eye_shift) == np.sign(yaw)
    assert abs(nose_shift) > 1.2 * abs(eye_shift)
    shoulder = np.array([[[120.0, 560.0], [400.0, 560.0]]], np.float32)
    assert np.allclose(head.source_map(shoulder, HeadPose(yaw=yaw)), shoulder, atol=0.5)


def test_the_outline_stays_when_the_head_turns(head, portrait):
    """The limb of something round doesn't move when that turns about its own axis."""
    row = int(portrait.points[NOSE, 1])
    edge = float(np.flatnonzero(portrait.matte[row] > 127)[-1])
    at = np.array([[[edge + 12, row]]], np.float32)
    assert np.linalg.norm(head.source_map(at, HeadPose(yaw=20)) - at) < 0.06 * head.face_width


@pytest.mark.parametrize("pose", [HeadPose(yaw=40), HeadPose(yaw=-40), HeadPose(pitch=18), HeadPose(roll=15, yaw=20)])
def test_a_turned_face_is_nowhere_torn(head, pose):
    """Neighbours in the picture come from near places of the texture."""
    x0, y0, x1, y1 = head.turning
    grid = np.dstack(np.meshgrid(np.arange(x0, x1, 4), np.arange(y0, y1, 4))).astype(np.float32)
    source = head.source_map(grid, pose)
    assert np.isfinite(source).all()
    assert np.linalg.norm(np.diff(source, axis=1), axis=2).max() < 40


def test_a_blink_covers_the_eye_and_leaves_the_rest(head, portrait):
    still = np.array(head.texture(0.0))
    shut = np.array(head.texture(1.0))
    eye = portrait.points[list(RIGHT_EYE_LIDS), :2].mean(0).astype(int)
    assert not np.array_equal(still[eye[1], eye[0]], shut[eye[1], eye[0]])
    assert np.array_equal(still[: int(portrait.points[:, 1].min()) - 5], shut[: int(portrait.points[:, 1].min()) - 5])
    mouth = int(portrait.points[13, 1])
    assert np.array_equal(still[mouth:], shut[mouth:])
    assert np.array_equal(head.texture(0.0), still)


def test_a_person_stands_on_the_lower_border_and_may_be_out_of_view(portrait):
    """Nothing hangs in the air, whatever the size; nothing is drawn where nobody is."""
    person = LivePerson(portrait, 90, 19, 240)
    for face in (0.06, 0.15, 0.28):
        frame = np.zeros((240, 320, 3), np.uint8)
        person.draw(frame, Key(0, 0.5, 0.4, face), 0, 0, 0)
        assert frame[-1].any()
    frame = np.zeros((240, 320, 3), np.uint8)
    person.draw(frame, Key(0, 3.5, 0.4, 0.1), 0, 0, 0)
    assert not frame.any()


def test_a_face_is_drawn_where_and_as_large_as_asked(portrait):
    """The silhouette's width follows `face`; its head is centred on x."""
    person = LivePerson(portrait, 80, 80, 480)
    widths = []
    for face in (0.1, 0.2):
        frame = np.zeros((480, 320, 3), np.uint8)
        person.draw(frame, Key(0, 0.5, 0.5, face), 0, 0, 0)
        row = np.flatnonzero(frame[240].max(1) > 30)
        widths.append(row[-1] - row[0])
        assert abs((row[0] + row[-1]) / 2 - 160) < 0.2 * face * 320
    assert widths[1] / widths[0] == pytest.approx(2, rel=0.1)
