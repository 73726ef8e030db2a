"""Tracks keep one person's evidence together and never mix two people's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.tracking import Tracker, TrackerRule, primary
from edgeface.domain.types import Box, Face


def face(x: float, y: float = 200.0, size: float = 100.0) -> Face:
    offsets = np.array([[-0.2, -0.2], [0.2, -0.2], [0, 0], [0, 0.2], [-0.45, -0.15], [0.45, -0.15]])
    keypoints = (np.array([x, y]) + size * offsets).astype(np.float32)
    return Face(0.9, Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2), keypoints)


def visible_ids(tracker: Tracker, faces: list[Face], t_s: float) -> list[int]:
    return [t.id for t in tracker.update(faces, t_s) if t.visible]


faces_in_a_frame = st.lists(st.builds(face, st.floats(0, 640), st.floats(0, 480), st.floats(20, 200)), max_size=5)


@given(st.lists(st.tuples(faces_in_a_frame, st.floats(0.01, 0.5)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_every_face_has_one_track_and_ids_are_never_reused(frames: list[tuple[list[Face], float]]) -> None:
    """Whatever comes: a visible track for each face, no two share one, ended ids stay ended, new ids rise."""
    tracker, t_s, seen, ended = Tracker(), 0.0, set[int](), set[int]()
    for faces, dt in frames:
        t_s += dt
        tracks = tracker.update(faces, t_s)
        visible = [t for t in tracks if t.visible]
        assert sorted(map(id, (t.face for t in visible))) == sorted(map(id, faces))
        ids = [t.id for t in tracks]
        assert len(set(ids)) == len(ids)
        assert not ended & set(ids)
        assert all(i > max(seen, default=0) for i in set(ids) - seen)
        seen |= set(ids)
        ended |= set(tracker.ended)


@given(st.lists(faces_in_a_frame, min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_the_same_input_gives_the_same_tracks(frames: list[list[Face]]) -> None:
    """Association is deterministic."""

    def run() -> list[list[int]]:
        tracker = Tracker()
        return [[t.id for t in tracker.update(f, k / 10)] for k, f in enumerate(frames)]

    assert run() == run()


@pytest.mark.parametrize("fps", [8, 15, 30])
def test_a_person_who_walks_up_stays_one_track(fps: int) -> None:
    """From 60 to 240 pixels in two seconds, drifting sideways."""
    tracker = Tracker()
    ids = {
        i
        for k in range(2 * fps)
        for i in visible_ids(tracker, [face(200 + 60 * k / fps, 200, 60 * 4 ** (k / (2 * fps)))], k / fps)
    }
    assert ids == {1}


def test_a_short_gap_is_bridged_and_a_long_one_ends_the_track() -> None:
    """A blinked-out detection keeps the id; after max_gap_s somebody at the same place is somebody new."""
    tracker = Tracker(TrackerRule(max_gap_s=0.3))
    tracker.update([face(300)], 0.0)
    gap = tracker.update([], 0.1)
    assert [(t.id, t.visible) for t in gap] == [(1, False)]
    assert visible_ids(tracker, [face(302)], 0.2) == [1]
    assert tracker.update([], 0.6) == []
    assert tracker.ended == (1,)
    assert visible_ids(tracker, [face(302)], 0.7) == [2]


def test_somebody_who_steps_in_within_the_gap_gets_a_new_track() -> None:
    """After a lost frame a face must be where it was expected, not merely near."""
    tracker = Tracker()
    tracker.update([face(300)], 0.0)
    tracker.update([], 0.1)
    assert visible_ids(tracker, [face(335)], 0.2) == [2]


@pytest.mark.parametrize("other", [face(300, 200, 160), face(300, 200, 60), face(390), face(300, 300)])
def test_a_jump_in_size_or_place_begins_a_new_track(other: Face) -> None:
    """A picture held in front of the face, or another head, is not the same face."""
    tracker = Tracker()
    for k in range(5):
        tracker.update([face(300)], k / 30)
    assert visible_ids(tracker, [other], 5 / 30) == [2]


def test_two_equally_good_continuations_end_the_track() -> None:
    """Two faces where one was: nobody inherits the evidence."""
    tracker = Tracker()
    tracker.update([face(300)], 0.0)
    assert visible_ids(tracker, [face(285), face(315)], 1 / 30) == [2, 3]
    assert tracker.ended == (1,)


@given(st.integers(1, 12), st.integers(6, 30), st.floats(0.85, 1.15))
@settings(max_examples=100, deadline=None)
def test_evidence_never_changes_owner_when_two_people_cross(step: int, fps: int, ratio: float) -> None:
    """Two heads pass before the camera, one hidden behind the other while they overlap: after it, no track that
    belonged to one of them belongs to the other."""
    tracker, owner = Tracker(), {}
    for k in range(int(400 / step) + 1):
        near, far = face(100 + step * k, 200), face(500 - step * k, 205, 100 * ratio)
        hidden = near.box.iou(far.box) > 0.3
        for track in tracker.update([near] if hidden else [near, far], k / fps):
            if track.visible:
                who = "near" if track.face is near else "far"
                assert owner.setdefault(track.id, who) == who


def test_time_that_does_not_advance_ends_every_track() -> None:
    """A camera that was reopened, or a stale frame, continues nothing."""
    tracker = Tracker()
    tracker.update([face(300)], 5.0)
    assert visible_ids(tracker, [face(300)], 5.0) == [2]
    assert visible_ids(tracker, [face(300)], 1.0) == [3]


def test_a_box_without_area_is_a_track_of_its_own() -> None:
    """Nonsense from a detector harms nobody else's track."""
    tracker = Tracker()
    tracker.update([face(300)], 0.0)
    assert visible_ids(tracker, [face(300), Face(0.9, Box(5, 5, 5, 5), face(5).keypoints)], 0.03) == [1, 2]


def test_the_nearest_person_is_primary_with_hysteresis() -> None:
    """The larger face is decided; a slightly larger newcomer does not take over; a gap of the nearest hands over to
    nobody."""
    tracker = Tracker()
    tracks = tracker.update([face(150, 200, 100), face(450, 200, 110)], 0.0)
    assert primary(tracks).id == 2  # type: ignore[union-attr]
    assert primary(tracks, current=1).id == 1  # type: ignore[union-attr]
    assert primary(tracks, current=1, advantage=1.05).id == 2  # type: ignore[union-attr]
    gap = tracker.update([face(450, 200, 110)], 0.1)
    assert primary(gap, current=1) is None
    assert primary(gap, current=99).id == 2  # type: ignore[union-attr]
    assert primary([]) is None
