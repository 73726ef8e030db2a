"""Frames or photos to checked templates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.doorway import CURVE, MODEL, RULE, ScriptedVision, Seen, enrolled, paint, person_id, vector

from edgeface.adapters.gallery.memory import MemoryGallery
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.enrolment import ENOUGH_FRAMES, MAX_TEMPLATES, MIN_FRAMES, SPOOFED, Enroller
from edgeface.app.people import LiveGallery
from edgeface.app.view import Vision
from edgeface.domain.errors import EnrolmentError
from edgeface.domain.liveness import SpoofRule
from edgeface.domain.quality import SENTENCES, QualityLimits
from edgeface.domain.types import QualityIssue

ADA = Seen("ada")


def snapshot(*people):
    return LiveGallery(MemoryGallery(people), MODEL, RULE, VirtualClock()).now


class Booth:
    """Shows faces to an enroller, ten pictures a second."""

    def __init__(self, source="camera") -> None:
        self.vision = ScriptedVision()
        v = self.vision
        self.enroller = Enroller(Vision(v, v, v, v), QualityLimits(), SpoofRule(), source)
        self.n = 0

    def show(self, *faces, times=1):
        for _ in range(times):
            self.vision.faces = faces
            offered = self.enroller.offer(paint(faces), f"picture {self.n}", self.n / 10)
            self.n += 1
        return offered

    def finish(self, *people, replacing=None):
        return self.enroller.finish(snapshot(*people), replacing)

    def refused(self, *people, replacing=None) -> EnrolmentError:
        with pytest.raises(EnrolmentError) as caught:
            self.finish(*people, replacing=replacing)
        return caught.value


def views(who: str, count: int, cosine: float = 0.8) -> list[Seen]:
    """So many views of one person, each with its own deviation."""
    return [Seen(f"{who} {i}", like=who, cosine=cosine) for i in range(count)]


def test_a_person_before_the_camera_gets_templates_that_match_him():
    booth = Booth()
    for view in views("ada", 8):
        assert booth.show(view).accepted
    found = booth.finish()
    assert 1 < len(found.templates) <= MAX_TEMPLATES
    assert found.warnings == ()
    assert len(found.offered) == 8
    for template in found.templates:
        assert template.vector @ vector("ada") > 0.75
        assert (template.model, template.source) == (MODEL, "camera")
        assert 0.5 <= template.quality <= 1


def test_pictures_that_show_nothing_new_give_one_template():
    booth = Booth()
    booth.show(ADA, times=10)
    assert len(booth.finish().templates) == 1


def test_no_face_is_refused_and_said():
    booth = Booth()
    assert booth.show(times=6).reason == "There is no face in the picture."
    error = booth.refused()
    assert "0 of 6 pictures" in error.message
    assert "whole face" in error.advice
    assert len(error.reasons) == 6
    assert error.exit_code == 65


def test_no_picture_at_all_is_refused():
    assert "at least one picture" in Booth("photo").refused().advice


def test_three_faces_are_refused_but_somebody_far_behind_is_not():
    booth = Booth("photo")
    crowd = (Seen("ada", x=70, eyes=36), Seen("ben", x=160, eyes=30), Seen("eve", x=260, eyes=30))
    assert booth.show(*crowd).reason == "There are 3 faces in the picture; one person alone may be in it."
    assert booth.show(ADA, Seen("eve", x=290, eyes=12)).accepted


@pytest.mark.parametrize(
    ("face", "issue"),
    [
        (replace(ADA, eyes=14), QualityIssue.TOO_FAR),
        (replace(ADA, presence=0.1), QualityIssue.FACE_COVERED),
        (replace(ADA, yaw=45), QualityIssue.LOOK_AT_CAMERA),
    ],
)
def test_a_poor_picture_is_refused_with_what_to_do(face, issue):
    booth = Booth("photo")
    offered = booth.show(face)
    assert (offered.accepted, offered.reason) == (False, SENTENCES[issue])
    assert booth.refused().reasons == (("picture 0", SENTENCES[issue]),)
    assert booth.vision.embedded == 0


def test_one_good_photo_is_enough_but_a_camera_shows_several():
    photo = Booth("photo")
    photo.show(ADA)
    assert len(photo.finish().templates) == 1
    camera = Booth()
    camera.show(ADA, times=MIN_FRAMES - 1)
    assert f"{MIN_FRAMES} are needed" in camera.refused().message
    camera.show(ADA)
    assert camera.finish().templates


def test_the_advice_is_the_commonest_reason():
    booth = Booth()
    booth.show(times=2)
    booth.show(replace(ADA, eyes=14), times=3)
    assert booth.refused().advice == SENTENCES[QualityIssue.TOO_FAR]


def test_pictures_of_different_people_are_refused():
    booth = Booth("photo")
    for name in ("ada", "ben", "eve"):
        booth.show(Seen(name))
    assert "one and the same person" in booth.refused().message


def test_a_single_picture_of_somebody_else_is_left_out_and_named():
    booth = Booth()
    booth.show(ADA, times=7)
    booth.show(Seen("eve"))
    found = booth.finish()
    assert ["picture 7" in w for w in found.warnings] == [True]
    assert all(t.vector @ vector("eve") < 0.3 for t in found.templates)


def test_two_halves_of_two_people_are_nobody():
    booth = Booth()
    booth.show(ADA, times=6)
    booth.show(Seen("eve"), times=6)
    assert "one and the same person" in booth.refused().message


def test_somebody_enrolled_already_is_refused_and_named():
    booth = Booth()
    booth.show(ADA, times=6)
    error = booth.refused(enrolled("ada"), enrolled("ben"))
    assert person_id("ada") in error.message
    assert "--replace" in error.advice


def test_a_record_that_is_replaced_is_no_duplicate_of_itself_but_others_still_are():
    booth = Booth()
    booth.show(ADA, times=6)
    assert booth.finish(enrolled("ada"), replacing=person_id("ada")).templates
    assert person_id("ada") in booth.refused(enrolled("ada"), enrolled("ben"), replacing=person_id("ben")).message


def test_a_lookalike_is_a_warning():
    booth = Booth()
    booth.show(Seen("eva", like="ada", cosine=0.45), times=6)  # the threshold is 0.5
    (warning,) = booth.finish(enrolled("ada")).warnings
    assert person_id("ada") in warning
    other = Booth()
    other.show(Seen("eva", like="ada", cosine=0.3), times=6)
    assert other.finish(enrolled("ada")).warnings == ()


@pytest.mark.parametrize("source", ["camera", "clip"])
def test_a_picture_before_the_camera_is_refused(source):
    booth = Booth(source)
    booth.show(replace(ADA, spoof=0.95), times=20)
    error = booth.refused()
    assert "picture or a screen" in error.message
    assert booth.enroller.accepted == 0
    assert {reason for _, reason in error.reasons} == {SPOOFED}


def test_a_picture_shown_first_does_not_become_a_template_because_a_person_follows():
    """Five seconds of a print of Ada, then the man who held it: he is enrolled with his own face, or nobody is."""
    booth = Booth()
    booth.show(replace(ADA, spoof=0.95), times=50)
    booth.show(Seen("ben"), times=20)
    error = booth.refused()
    assert "picture or a screen" in error.message
    booth.show(Seen("ben"), times=40)
    found = booth.finish()
    assert all(t.vector @ vector("ben") > 0.99 for t in found.templates)
    assert sum(o.accepted for o in found.offered) == booth.enroller.accepted < 40


def test_kind_frames_before_an_attack_count_for_nothing():
    """Somebody shows his own face until enough is gathered, then the print: nothing of both is stored."""
    booth = Booth()
    booth.show(ADA, times=10)
    booth.show(replace(ADA, spoof=0.95), times=6)
    assert booth.enroller.accepted == 0
    assert "picture or a screen" in booth.refused().message


def test_doubt_about_liveness_enrols_nobody():
    booth = Booth()
    booth.show(replace(ADA, spoof=0.5), times=20)
    assert "living person" in booth.refused().message


def test_a_photo_is_not_checked_for_liveness():
    """An admin who sends a photo answers for it: every photo looks like a photo."""
    booth = Booth("photo")
    booth.show(replace(ADA, spoof=0.95))
    assert booth.finish().templates


def test_enough_is_said_in_time():
    booth = Booth()
    booth.show(ADA, times=ENOUGH_FRAMES - 1)
    assert not booth.enroller.enough
    booth.show(ADA)
    assert booth.enroller.enough


def test_a_face_that_fills_the_photo_is_found_once_there_is_room_around_it():
    booth = Booth("photo")
    booth.vision.faces = (ADA,)
    detect = booth.vision.detect
    booth.vision.detect = lambda pixels: detect(pixels) if pixels.shape[0] > 240 else []
    big = replace(ADA, x=320, y=240)
    booth.vision.faces = (big,)
    assert booth.enroller.offer(paint((ADA,)), "close.jpg").accepted
    camera = Booth("camera")
    camera.vision.detect = booth.vision.detect
    assert not camera.enroller.offer(np.array(paint((ADA,))), "frame 0").accepted


def test_the_curve_of_these_tests_puts_the_threshold_where_they_say():
    assert snapshot().choice.threshold == RULE.fixed_threshold == 0.5
    assert CURVE.threshold_at(1e-5) == 0.5
