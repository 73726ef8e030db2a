"""The door loop: strangers, spoofs, poor pictures and liveness actions."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from support.doorway import Doorway, Seen, enrolled, person_id

ADA, EVE = Seen("ada"), Seen("eve")
PRINT = Seen("ada", spoof=0.97)
PERSONAL = ("access_granted", "access_denied", "spoof_refused", "lockout_started", "lockout_ended")

# -- strangers -------------------------------------------------------------------------------------------------------


def test_a_stranger_is_denied_five_times_then_locked_out_and_then_nothing_is_said():
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=12.0)
    assert doorway.kinds() == [*["access_denied"] * 5, "lockout_started", "access_denied"]
    assert doorway.reasons() == [*["unknown_person"] * 5, "track_locked_out"]
    (lockout,) = doorway.of("lockout_started")
    assert (lockout.scope, lockout.for_s) == ("track", 30.0)
    before = len(doorway.events)
    doorway.show(EVE, s=15.0)
    assert doorway.events[before:] == []
    assert doorway.moved == 0


def test_attempts_of_a_stranger_take_seconds_not_frames():
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=6.0)
    times = [e.t_s for e in doorway.of("access_denied", reason="unknown_person")]
    assert len(times) >= 4
    assert all(b - a >= 1.0 for a, b in pairwise(times))


def test_the_lockout_ends_and_doubles_with_the_next_failure():
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=45.0)
    assert [e.for_s for e in doorway.of("lockout_started")] == [30.0, 60.0]
    assert doorway.count("lockout_ended", scope="track") == 1


def test_a_stranger_who_steps_out_and_comes_back_is_still_locked_out():
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=12.0)
    first = doorway.of("lockout_started")[0].track
    doorway.wait(2.0)
    before = len(doorway.events)
    doorway.show(EVE, s=5.0)
    (denied,) = doorway.events[before:]
    assert (denied.reason, denied.track != first) == ("track_locked_out", True)


def test_somebody_enrolled_is_not_locked_out_by_a_stranger():
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=12.0)
    doorway.wait(1.0)
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 1


def test_a_first_bad_frame_that_resembles_a_stranger_does_not_lock_somebody_enrolled_out():
    """One frame of Ada looks more like Eve, who is locked out; a few seconds later Ada has shown who she is."""
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=12.0)
    doorway.wait(1.0)
    doorway.show(Seen("bad", like="eve", cosine=0.8), frames=1)
    doorway.show(ADA, s=4.0)
    assert [e.person for e in doorway.of("access_granted")] == [person_id("ada")]


def test_a_locked_out_stranger_learns_nothing_from_standing_there():
    """He isn't matched on every frame either; one now and then tells whether it is still he."""
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=12.0)
    before, events = doorway.vision.embedded, len(doorway.events)
    doorway.show(EVE, s=10.0)
    assert doorway.vision.embedded - before <= 12
    assert len(doorway.events) == events


# -- spoofs ----------------------------------------------------------------------------------------------------------


def test_a_print_of_somebody_enrolled_is_refused_and_nobody_is_named():
    doorway = Doorway(enrolled("ada"))
    doorway.show(PRINT, s=2.0)
    (refused,) = doorway.of("spoof_refused")
    assert refused.person is None
    assert refused.score > 0.9
    assert doorway.moved == 0
    assert not [what for what, _ in doorway.trace if what == "asked"]


def test_a_spoof_stays_one_though_its_scores_turn_kind():
    """A print that is turned until the model likes it: on the same track it is an attack for seconds more."""
    doorway = Doorway(enrolled("ada"))
    doorway.show(PRINT, frames=4)
    doorway.show(ADA, s=2.5)
    assert doorway.moved == 0
    assert doorway.count("spoof_refused") >= 1


def test_a_print_among_kind_frames_is_refused():
    """Three frames in a row that show it are enough, whatever stands around them."""
    doorway = Doorway(enrolled("ada"), decision={"agree_frames": 8, "window_frames": 12})
    doorway.show(ADA, frames=5)
    doorway.show(PRINT, frames=3)
    doorway.show(ADA, frames=8)
    assert doorway.moved == 0
    assert doorway.count("spoof_refused") == 1


def test_three_spoofs_lock_the_door_for_everybody_and_for_a_bounded_time():
    doorway = Doorway(enrolled("ada"), enrolled("ben"))
    while doorway.count("spoof_refused") < 3:
        doorway.show(PRINT, s=1.0)
        assert doorway.clock.monotonic_s() < 60
    lockout = doorway.of("lockout_started")[-1]
    assert (lockout.scope, lockout.track) == ("door", None)
    assert 0 < lockout.for_s <= 300
    doorway.wait(1.0)
    doorway.show(Seen("ben"), s=3.0)
    assert doorway.reasons()[-1] == "door_locked_out"
    assert doorway.moved == 0
    doorway.wait(lockout.for_s)
    assert doorway.count("lockout_ended", scope="door") == 1
    doorway.show(Seen("ben"), s=1.0)
    assert doorway.moved == 1


def test_spoofs_for_ever_never_lock_the_door_for_longer_than_five_minutes():
    doorway = Doorway(enrolled("ada"))
    for _ in range(6):
        started = doorway.count("lockout_started")
        while doorway.count("lockout_started") == started:
            doorway.show(PRINT, frames=1)
        doorway.show(PRINT, s=1.0)
        doorway.clock.advance(doorway.of("lockout_started")[-1].for_s)
    assert max(e.for_s for e in doorway.of("lockout_started")) == 300
    assert all(math.isfinite(e.score) for e in doorway.of("spoof_refused"))
    assert doorway.moved == 0


def test_a_doubtful_face_waits_and_is_then_told_so():
    doorway = Doorway(enrolled("ada"))
    doorway.show(replace(ADA, spoof=0.5), s=2.0)
    assert doorway.events == []
    doorway.show(replace(ADA, spoof=0.5), s=2.0)
    (denied,) = doorway.of("access_denied")
    assert (denied.reason, denied.detail) == ("liveness_not_shown", "passive")
    assert doorway.moved == 0


@pytest.mark.parametrize("spoof", [0.3, 0.5, 0.55])
def test_a_doubtful_picture_that_is_lowered_does_not_open_for_its_bearer(spoof):
    """The name of one face and the life of another, on one track, never add up."""
    doorway = Doorway(enrolled("ada"), liveness={"min_frames": 4})
    doorway.show(replace(ADA, spoof=spoof), frames=3)
    doorway.show(EVE, s=2.0)
    assert doorway.moved == 0
    assert set(doorway.reasons()) == {"unknown_person"}


def test_a_living_bearer_lends_no_life_to_the_picture_that_he_raises():
    doorway = Doorway(enrolled("ada"))
    doorway.show(EVE, s=1.0)
    for _ in range(4):
        doorway.show(EVE, frames=5)
        doorway.show(replace(ADA, spoof=0.75), frames=5)
    assert doorway.moved == 0
    assert "spoof" in doorway.reasons()


def test_one_odd_frame_costs_somebody_enrolled_a_moment_and_no_more():
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, frames=2)
    doorway.show(Seen("blur", like="ada", cosine=0.1), frames=1)
    doorway.show(ADA, frames=4)
    assert doorway.moved == 1


@pytest.mark.parametrize("score", [math.nan, 1.5, -0.1])
def test_a_spoof_model_that_answers_nonsense_opens_nothing(score):
    doorway = Doorway(enrolled("ada"))
    with pytest.raises(ValueError):
        doorway.show(replace(ADA, spoof=score), s=1.0)
    assert doorway.moved == 0


# -- the picture -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("face", "issue"),
    [
        (replace(ADA, eyes=18), "too_far"),
        (replace(ADA, x=10), "cut_off"),
        (replace(ADA, presence=0.1), "face_covered"),
        (replace(ADA, yaw=40), "look_at_camera"),
    ],
)
def test_a_poor_picture_gets_a_hint_at_once_and_a_denial_later(face, issue):
    doorway = Doorway(enrolled("ada"))
    doorway.show(face, s=1.0)
    assert doorway.loop.latest.hint == issue
    assert doorway.events == []
    doorway.show(face, s=3.0)
    (denied,) = doorway.of("access_denied")
    assert (denied.reason, denied.detail) == ("poor_quality", issue)
    assert doorway.vision.embedded == 0
    assert doorway.moved == 0


def test_who_follows_the_hint_is_let_in():
    doorway = Doorway(enrolled("ada"))
    doorway.show(replace(ADA, presence=0.1), s=1.0)
    doorway.show(ADA, s=0.5)
    assert doorway.moved == 1
    assert doorway.loop.latest.hint == "granted"


# -- actions ---------------------------------------------------------------------------------------------------------


def blinking(doorway: Doorway, face: Seen, s: float, every_s: float = 1.5) -> None:
    """Eyes shut for 0.2 s, now and then."""
    for i in range(round(s * doorway.fps)):
        t = i / doorway.fps
        doorway.show(replace(face, shut=t % every_s >= every_s - 0.2), frames=1)


def test_with_blink_nothing_opens_before_the_blink_and_it_opens_after_it():
    doorway = Doorway(enrolled("ada"), fps=30, liveness={"mode": ["passive", "blink"]})
    doorway.show(ADA, s=3.0)
    assert doorway.moved == 0
    assert doorway.loop.latest.hint == "Please blink."
    blinking(doorway, ADA, 2.0)
    assert doorway.moved == 1


def test_a_picture_that_never_blinks_is_told_so_and_stays_outside():
    doorway = Doorway(enrolled("ada"), fps=30, liveness={"mode": ["blink"]})
    doorway.show(ADA, s=8.0)
    assert doorway.reasons() == ["liveness_not_shown"]
    assert doorway.moved == 0


def test_a_blink_does_not_open_for_a_stranger_or_a_spoof():
    doorway = Doorway(enrolled("ada"), fps=30, liveness={"mode": ["passive", "blink"]})
    blinking(doorway, EVE, 5.0)
    doorway.wait(1.0)
    blinking(doorway, PRINT, 2.5)
    assert doorway.moved == 0
    assert {"unknown_person", "spoof"} <= set(doorway.reasons())


def test_at_ten_frames_a_second_the_blink_is_said_to_be_impossible():
    doorway = Doorway(enrolled("ada"), fps=10, liveness={"mode": ["blink"]})
    blinking(doorway, ADA, 5.0)
    assert doorway.count("liveness_unavailable") == 1
    assert "10.0 frames" in doorway.of("liveness_unavailable")[0].detail
    assert set(doorway.reasons()) == {"liveness_unavailable"}
    assert doorway.moved == 0


def test_a_gap_of_the_camera_does_not_make_it_seem_too_slow_to_see_a_blink():
    """After ten seconds without a picture (a lost camera, an enrolment) the first person is asked to blink as usual."""
    doorway = Doorway(enrolled("ada"), fps=30, liveness={"mode": ["blink"]})
    doorway.wait(1.0)
    doorway.clock.advance(10.0)
    blinking(doorway, ADA, 3.0)
    assert doorway.count("liveness_unavailable") == 0
    assert doorway.moved == 1


def turning(doorway: Doorway, face: Seen, side: int) -> None:
    """From the camera to one side and back, in about two seconds."""
    yaws = [0] * 10 + [*range(0, 36, 4)] + [*range(36, -1, -4)] + [0] * 10
    for yaw in yaws:
        doorway.show(replace(face, yaw=side * yaw), frames=1)


def side_of(hint: str) -> int:
    return 1 if "to your left" in hint else -1


def test_a_head_turn_to_the_asked_side_opens_and_nothing_does_before_it():
    doorway = Doorway(enrolled("ada"), fps=15, liveness={"mode": ["passive", "challenge"]}, seed=3)
    doorway.show(ADA, s=0.3)
    hint = doorway.loop.latest.hint
    assert "turn your head" in hint
    assert doorway.moved == 0
    turning(doorway, ADA, side_of(hint))
    assert doorway.moved == 1


def test_a_head_turn_to_the_other_side_opens_nothing():
    doorway = Doorway(enrolled("ada"), fps=15, liveness={"mode": ["challenge"]}, seed=3)
    doorway.show(ADA, s=0.3)
    turning(doorway, ADA, -side_of(doorway.loop.latest.hint))
    assert doorway.moved == 0


def test_an_action_counts_for_one_attempt_only():
    """After a grant the next one needs another blink."""
    doorway = Doorway(enrolled("ada"), fps=30, liveness={"mode": ["blink"]}, decision={"cooldown_s": 1.0})
    blinking(doorway, ADA, 2.0)
    assert doorway.moved == 1
    doorway.show(ADA, s=8.0)
    assert doorway.moved == 1
