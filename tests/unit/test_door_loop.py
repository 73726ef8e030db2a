"""The door loop: who is let in, in which order things happen, and what two people at one door mean."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from support.doorway import CURVE, Doorway, Seen, enrolled, person_id, vector

from edgeface.app.people import IdentityRule
from edgeface.domain.calibration import ErrorBudget
from edgeface.domain.types import Grant, Person, Template

ADA, BEN, EVE = Seen("ada"), Seen("ben"), Seen("eve")


def test_an_empty_doorway_says_and_does_nothing():
    doorway = Doorway(enrolled("ada"))
    assert doorway.show(s=5.0) == []
    assert doorway.events == []
    assert doorway.door.energised == []
    assert doorway.loop.latest is not None
    assert doorway.loop.latest.tracks == ()


def test_an_enrolled_living_person_opens_the_door_exactly_once():
    """One grant, one pulse of the length that was set, and its end is recorded."""
    doorway = Doorway(enrolled("ada"))
    decisions = doorway.show(ADA, s=6.0)
    assert doorway.kinds() == ["access_granted", "door_unlocked", "door_locked"]
    granted, unlocked, locked = doorway.events
    assert granted.person == person_id("ada")
    assert granted.grant_id == unlocked.grant_id == locked.grant_id
    assert locked.cause == "pulse_ended"
    (up, on), (down, off) = doorway.door.energised
    assert (on, off) == (True, False)
    assert down - up == doorway.settings.door.pulse_ms / 1000
    assert next(d for d in decisions if isinstance(d, Grant)).score > 0.99
    assert granted.evidence_ms <= 300


def test_the_audit_is_durable_before_the_door_is_asked():
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, s=1.0)
    kinds = [(what, getattr(thing, "kind", None)) for what, thing in doorway.trace[:3]]
    assert kinds == [("audit", "access_granted"), ("asked", None), ("moved", None)]
    assert doorway.trace[0][1].grant_id == doorway.trace[1][1]


def test_no_grant_before_enough_frames_agree():
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, frames=2)
    assert doorway.moved == 0
    doorway.show(ADA, frames=1)
    assert doorway.moved == 1


def test_who_leaves_before_the_decision_is_not_let_in():
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, frames=2)
    doorway.wait(2.0)
    assert doorway.moved == 0
    assert doorway.count("access_granted") == 0


def test_a_slow_audit_that_outlasts_the_face_opens_nothing():
    """The record is written, the person may have left meanwhile: the door stays locked, and that is recorded too."""
    doorway = Doorway(enrolled("ada"))
    doorway.audit.slow_s = 0.3
    while doorway.count("access_granted") == 0:
        doorway.show(ADA, frames=1)
    doorway.wait(2.0)
    assert doorway.kinds()[:2] == ["access_granted", "access_denied"]
    assert doorway.reasons() == ["left_view"]
    assert doorway.moved == 0
    assert not [what for what, _ in doorway.trace if what == "asked"]


def test_after_a_slow_audit_the_next_frame_opens_on_the_same_record():
    """A slow card must not turn away somebody who is still there, and the log must tell of one grant, not of two."""
    doorway = Doorway(enrolled("ada"))
    doorway.audit.slow_s = 0.3
    doorway.show(ADA, frames=6)
    assert doorway.count("access_granted") == 1
    assert doorway.count("access_denied") == 0
    assert doorway.moved == 1


def test_an_audit_that_is_slow_but_in_time_still_opens():
    doorway = Doorway(enrolled("ada"))
    doorway.audit.slow_s = 0.2
    doorway.show(ADA, frames=4)
    assert doorway.moved == 1


def test_the_nearest_of_two_people_is_decided():
    doorway = Doorway(enrolled("ada"))
    near, far = Seen("eve", x=80, eyes=44), Seen("ada", x=240, eyes=28)
    doorway.show(near, far, s=1.0)
    assert doorway.reasons() == ["unknown_person"]
    assert doorway.moved == 0
    other = Doorway(enrolled("ada"))
    other.show(Seen("ada", x=80, eyes=44), Seen("eve", x=240, eyes=28), s=1.0)
    assert other.moved == 1
    assert other.reasons() == []


def test_a_second_face_during_a_pulse_is_reported_as_tailgating_once():
    doorway = Doorway(enrolled("ada"))
    doorway.show(Seen("ada", x=100), Seen("eve", x=230, eyes=30), s=2.5)
    (seen,) = doorway.of("tailgating_seen")
    assert seen.granted_person == person_id("ada")
    assert seen.others == 1
    assert doorway.moved == 1


def test_a_small_face_far_behind_is_no_tailgater():
    doorway = Doorway(enrolled("ada"))
    doorway.show(Seen("ada", x=100, eyes=44), Seen("eve", x=250, eyes=12), s=2.5)
    assert doorway.moved == 1
    assert doorway.count("tailgating_seen") == 0


def test_a_face_that_flickers_for_a_frame_is_no_tailgater():
    doorway = Doorway(enrolled("ada"))
    doorway.show(Seen("ada", x=100), s=1.0)
    doorway.show(Seen("ada", x=100), Seen("eve", x=230, eyes=30), frames=2)
    doorway.show(Seen("ada", x=100), s=1.0)
    assert doorway.moved == 1
    assert doorway.count("tailgating_seen") == 0


def test_a_second_enrolled_person_during_a_pulse_is_let_in_after_it():
    """The door is open for the first; the second is neither lost nor denied, and gets a grant of his own."""
    doorway = Doorway(enrolled("ada"), enrolled("ben"))
    doorway.show(Seen("ada", x=80), s=1.0)
    doorway.show(Seen("ben", x=240), s=4.0)
    assert [e.person for e in doorway.of("access_granted")] == [person_id("ada"), person_id("ben")]
    assert doorway.reasons() == []
    first_end, second_start = doorway.door.energised[1][0], doorway.door.energised[2][0]
    assert 0 <= second_start - first_end <= 0.2


def test_the_same_person_is_granted_once_within_the_cooldown():
    """On a new track he is told so once, and let in again when it is over."""
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, s=0.5)
    doorway.wait(4.0)
    doorway.show(ADA, s=3.0)
    assert doorway.reasons() == ["cooldown"]
    assert doorway.moved == 1
    doorway.show(ADA, s=5.0)
    assert doorway.reasons() == ["cooldown"]
    assert doorway.moved == 2


def test_lockdown_refuses_everybody_without_naming_anybody():
    doorway = Doorway(enrolled("ada"))
    doorway.loop.mode = "lockdown"
    doorway.show(ADA, s=3.0)
    (denied,) = doorway.of("access_denied")
    assert (denied.reason, denied.person, denied.score) == ("lockdown", None, None)
    assert doorway.moved == 0


def test_a_mode_that_nobody_knows_opens_nothing():
    doorway = Doorway(enrolled("ada"))
    doorway.loop.mode = "party"
    doorway.show(ADA, s=3.0)
    assert doorway.moved == 0


SHIFT = [{"name": "shift", "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "17:00"}]}]
MONDAY = datetime(2026, 11, 2, 7, 59, 50, tzinfo=timezone.utc)


def test_a_schedule_is_kept_to_the_minute():
    doorway = Doorway(enrolled("ada", schedule="shift"), start=MONDAY, schedule=SHIFT)
    doorway.show(ADA, s=5.0)
    assert doorway.reasons() == ["outside_schedule"]
    assert doorway.of("access_denied")[0].person == person_id("ada")
    doorway.wait(6.0)
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 1


def test_an_unknown_schedule_denies():
    doorway = Doorway(enrolled("ada", schedule="gone"), start=MONDAY, schedule=SHIFT)
    doorway.show(ADA, s=1.0)
    assert doorway.reasons() == ["outside_schedule"]
    assert doorway.moved == 0


def test_a_clock_in_1970_stops_those_whose_rights_depend_on_it_and_nobody_else():
    start = datetime(1970, 1, 1, 9, 0, tzinfo=timezone.utc)
    people = enrolled("ada", schedule="shift"), enrolled("ben"), enrolled("cyd", valid_to_s=4e9)
    for name, reasons, moved in (("ada", ["clock_not_set"], 0), ("ben", [], 1), ("cyd", ["clock_not_set"], 0)):
        doorway = Doorway(*people, start=start, schedule=SHIFT)
        doorway.show(Seen(name), s=1.0)
        assert doorway.reasons() == reasons, name
        assert doorway.moved == moved, name


def test_validity_begins_and_ends():
    now = MONDAY.timestamp()
    for bounds, reason in (({"valid_from_s": now + 60}, "not_yet_valid"), ({"valid_to_s": now - 60}, "expired")):
        doorway = Doorway(enrolled("ada", **bounds), start=MONDAY)
        doorway.show(ADA, s=1.0)
        assert doorway.reasons() == [reason]
        assert doorway.moved == 0
    doorway = Doorway(enrolled("ada", valid_from_s=now - 60, valid_to_s=now + 60), start=MONDAY)
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 1


def test_a_person_of_another_door_is_not_let_in_here():
    doorway = Doorway(enrolled("ada", doors=("lab",)), door_name="front")
    doorway.show(ADA, s=1.0)
    assert doorway.reasons() == ["not_allowed_here"]
    assert doorway.moved == 0


def test_two_people_who_look_alike_are_ambiguous():
    twin = Person(person_id("eva"), "eva", (Template(vector("eva", "ada", 0.98), "scripted-embedder"),))
    doorway = Doorway(enrolled("ada"), twin)
    doorway.show(ADA, s=1.0)
    assert doorway.reasons() == ["ambiguous"]
    assert doorway.moved == 0


def test_who_is_revoked_while_evidence_is_gathered_is_not_let_in():
    doorway = Doorway(enrolled("ada"), enrolled("ben"))
    doorway.show(ADA, frames=2)
    doorway.store.remove(person_id("ada"))
    doorway.gallery.refresh()
    doorway.show(ADA, s=2.0)
    assert doorway.moved == 0
    assert set(doorway.reasons()) <= {"unknown_person", "undecided"}
    assert doorway.reasons()


def test_who_is_enrolled_while_he_stands_there_is_let_in_on_his_next_attempt():
    doorway = Doorway(enrolled("ben"))
    doorway.show(ADA, s=0.5)
    assert doorway.reasons() == ["unknown_person"]
    doorway.store.put(enrolled("ada"))
    doorway.gallery.refresh()
    doorway.show(ADA, s=2.0)
    assert doorway.moved == 1


def test_a_damaged_record_is_refused_and_the_others_work():
    doorway = Doorway(enrolled("ada"), enrolled("ben"))
    doorway.store.damage(person_id("ada"))
    doorway.store.put(enrolled("cyd"))  # a change, so that the gallery is read again
    refused = doorway.gallery.refresh()
    assert [(e.kind, e.person) for e in refused] == [("record_refused", person_id("ada"))]
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 0
    doorway.wait(1.0)
    doorway.show(BEN, s=1.0)
    assert [e.person for e in doorway.of("access_granted")] == [person_id("ben")]


def test_the_threshold_follows_the_size_of_the_gallery():
    """The same face, alike to 0.5: enough among few people, not among many."""
    rule = IdentityRule(CURVE, ErrorBudget(1.0, 20.0), None, 0.05, 3, 5)
    probe = Seen("probe", like="ada", cosine=0.5)
    small = Doorway(enrolled("ada"), rule=rule)
    small.show(probe, s=1.0)
    assert small.moved == 1
    crowd = [enrolled(f"person {i}") for i in range(40)]
    large = Doorway(enrolled("ada"), *crowd, rule=rule)
    large.show(probe, s=1.0)
    assert large.moved == 0
    assert large.reasons() == ["unknown_person"]
    assert large.gallery.now.choice.threshold > small.gallery.now.choice.threshold


def test_templates_of_another_model_never_match():
    old = Person(person_id("ada"), "ada", (Template(vector("ada"), "older-model"),))
    doorway = Doorway(old, enrolled("ben"))
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 0
    assert doorway.gallery.now.matrix.left_out == 1


def test_a_gap_of_the_camera_in_mid_evidence_begins_anew():
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, frames=2)
    doorway.clock.advance(5.0)
    doorway.show(ADA, frames=2)
    assert doorway.moved == 0
    doorway.show(ADA, frames=2)
    assert doorway.moved == 1


def test_camera_lost_forgets_evidence_even_where_the_track_would_go_on():
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, frames=2)
    doorway.loop.camera_lost()
    assert doorway.loop.latest is None
    doorway.show(ADA, frames=2)
    assert doorway.moved == 0
    doorway.show(ADA, frames=1)
    assert doorway.moved == 1


def test_frame_times_that_run_backwards_are_no_evidence_and_do_no_harm():
    doorway = Doorway(enrolled("ada"))
    doorway.wait(3.0)
    now = doorway.clock.monotonic_s()
    for back in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25):
        doorway.step([ADA], captured_s=now - back)
    assert doorway.moved == 0
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 1


def test_the_same_frame_again_and_again_is_no_evidence():
    doorway = Doorway(enrolled("ada"))
    doorway.wait(1.0)
    now = doorway.clock.monotonic_s()
    for _ in range(6):
        doorway.step([ADA], captured_s=now)
    assert doorway.moved == 0


def test_frames_that_are_too_old_never_open():
    """A vision that lags behind its camera by more than the freshness limit decides nothing."""
    doorway = Doorway(enrolled("ada"))
    for _ in range(30):
        doorway.step([ADA], captured_s=doorway.clock.monotonic_s() + 1 / 15 - 0.4)
    assert doorway.moved == 0


def test_an_idle_door_looks_seldom_and_wakes_when_something_moves():
    doorway = Doorway(enrolled("ada"), fps=30)
    doorway.wait(4.0)
    looks = []
    detect = doorway.vision.detect
    doorway.vision.detect = lambda pixels: looks.append(1) or detect(pixels)
    doorway.wait(2.0)
    assert 5 <= len(looks) <= 6  # three a second
    doorway.show(ADA, frames=3)
    assert doorway.moved == 1


def test_the_same_input_gives_the_same_events():
    def run():
        doorway = Doorway(enrolled("ada"), enrolled("ben"), seed=7, start=MONDAY + timedelta(hours=1))
        doorway.show(EVE, s=3.0)
        doorway.wait(1.0)
        doorway.show(ADA, s=5.0)
        return [e.to_dict() for e in doorway.events]

    first = run()
    assert len(first) >= 4
    assert first == run()
