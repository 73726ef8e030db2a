"""The scripted fakes of the vision models."""

from __future__ import annotations

import numpy as np

from edgeface.adapters.vision.recorded import Actor, RecordedVision, vector_of

PIXELS = np.zeros((480, 640, 3), np.uint8)


def test_the_script_goes_on_frame_by_frame_and_its_last_frame_lasts():
    """Each call of the detector is one frame."""
    vision = RecordedVision([[Actor("anna")], [], [Actor("ben"), Actor(None, x=100)]])
    assert [len(vision.detector.detect(PIXELS)) for _ in range(5)] == [1, 0, 2, 2, 2]
    assert RecordedVision([]).detector.detect(PIXELS) == []


def test_people_are_told_apart_and_noise_keeps_them_recognisable():
    """Two names are nearly orthogonal; a noisy view of one is near to it; a stranger is near to nobody."""
    vision = RecordedVision([[Actor("anna", x=100), Actor("anna", x=300, noise=0.5), Actor(None, x=500)]])
    anna, noisy, stranger = (vision.embedder.embed(PIXELS, f).vector for f in vision.detector.detect(PIXELS))
    assert float(anna @ vector_of("anna")) > 0.999
    assert 0.75 < float(anna @ noisy) < 0.99
    assert abs(float(anna @ stranger)) < 0.35


def test_each_face_gets_its_own_actors_answers():
    """Spoof score, presence and eyelids come from the actor under the face that is asked about."""
    vision = RecordedVision([[Actor("anna", x=150, closed=1.0), Actor("ben", x=450, spoof=0.97, presence=0.3)]])
    anna, ben = vision.detector.detect(PIXELS)
    assert vision.spoof.score(PIXELS, anna) < 0.1 < 0.9 < vision.spoof.score(PIXELS, ben)
    shut, open_ = vision.landmarks.landmarks(PIXELS, anna), vision.landmarks.landmarks(PIXELS, ben)
    assert open_.presence == 0.3
    assert shut.points[145, 1] - shut.points[159, 1] < 1 < open_.points[145, 1] - open_.points[159, 1]


def test_a_face_that_nobody_plays_is_a_stranger():
    """A face of an earlier frame, where nobody is now, belongs to nobody."""
    vision = RecordedVision([[Actor("anna", x=100)], [Actor("anna", x=500)]])
    (old,) = vision.detector.detect(PIXELS)
    vision.detector.detect(PIXELS)
    assert float(vision.embedder.embed(PIXELS, old).vector @ vector_of("anna")) < 0.5
    assert vision.landmarks.landmarks(PIXELS, old).presence == 0.0
