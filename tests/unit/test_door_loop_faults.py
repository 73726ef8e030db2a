"""The door loop when something around it fails: the audit log, the door process, a listener, a model."""

from __future__ import annotations

import pytest
from support.doorway import Doorway, Seen, enrolled, person_id

from edgeface.domain.errors import DoorUnavailable, GrantRefused

ADA = Seen("ada")


def test_an_audit_log_that_fails_opens_nothing_and_says_so():
    doorway = Doorway(enrolled("ada"))
    doorway.audit.fail_writes()
    doorway.show(ADA, s=2.0)
    assert doorway.moved == 0
    assert not [what for what, _ in doorway.trace if what == "asked"]
    assert doorway.kinds() == ["storage_fault", "access_denied"]
    assert doorway.reasons() == ["audit_fault"]


def test_when_the_audit_log_works_again_nothing_is_lost_and_the_door_opens():
    doorway = Doorway(enrolled("ada"))
    doorway.audit.fail_writes()
    doorway.show(ADA, s=2.0)
    doorway.audit.fail_writes(False)
    doorway.recorder.retry()
    doorway.show(ADA, s=6.0)
    assert doorway.moved == 1
    kinds = [line["event"] for line in doorway.audit.read()]
    assert kinds[:4] == ["storage_fault", "access_denied", "storage_recovered", "access_granted"]
    assert kinds == doorway.kinds()


def test_while_the_log_fails_no_grant_is_even_tried():
    """Nobody is told of a grant that could not be recorded."""
    doorway = Doorway(enrolled("ada"), enrolled("ben"))
    doorway.audit.fail_writes()
    doorway.show(ADA, s=1.0)
    doorway.wait(1.0)
    doorway.show(Seen("ben"), s=1.0)
    assert doorway.count("access_granted") == 0
    assert doorway.reasons() == ["audit_fault", "audit_fault"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DoorUnavailable("The door process is gone."), "door_fault"),
        (GrantRefused("fault", "The relay does not answer."), "door_fault"),
        (GrantRefused("cap_exceeded", "Too long."), "door_fault"),
        (GrantRefused("lockdown", "Locked down."), "lockdown"),
    ],
)
def test_a_door_that_refuses_is_recorded_and_opens_once_it_works_again(error, reason):
    doorway = Doorway(enrolled("ada"))
    doorway.door.refuse_with = error
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 0
    (denied,) = doorway.of("access_denied")
    assert (denied.reason, denied.person) == (reason, person_id("ada"))
    doorway.door.refuse_with = None
    doorway.show(ADA, s=10.5 if reason == "lockdown" else 3.0)
    assert doorway.moved == 1


def test_a_door_process_that_answers_late_is_not_asked_again_before_its_pulse_has_ended():
    """The pulse began later than the grant was asked for, and ends later: a second person waiting for its end must
    not run into a refusal that reads as a fault of the door."""
    doorway = Doorway(enrolled("ada"), enrolled("ben"), fps=30)
    doorway.door.slow_s = 0.2
    doorway.show(Seen("ada", x=80), s=0.5)
    doorway.door.slow_s = 0.0
    doorway.show(Seen("ben", x=240), s=4.5)
    assert doorway.reasons() == []
    assert doorway.moved == 2


def test_a_listener_that_fails_costs_neither_the_record_nor_the_others():
    """A log that can't be written is not the door's business."""
    doorway = Doorway(enrolled("ada"))
    heard = []

    def broken(event):
        raise RuntimeError("no terminal")

    doorway.recorder._listeners = (broken, heard.append)
    doorway.show(ADA, s=1.0)
    assert doorway.moved == 1
    assert [e.kind for e in heard] == ["access_granted", "door_unlocked"]


def test_a_detector_that_raises_opens_nothing_and_a_fresh_start_is_needed():
    doorway = Doorway(enrolled("ada"))
    doorway.show(ADA, frames=2)
    doorway.vision.fail = RuntimeError("out of memory")
    with pytest.raises(RuntimeError):
        doorway.show(ADA, frames=1)
    doorway.loop.camera_lost()  # as the daemon does
    doorway.vision.fail = None
    doorway.show(ADA, frames=2)
    assert doorway.moved == 0
    doorway.show(ADA, frames=1)
    assert doorway.moved == 1


def test_the_granted_person_is_no_tailgater_of_himself():
    """His track breaks while he walks in (a hand before the face); the next one is still he."""
    doorway = Doorway(enrolled("ada"), fps=15)
    doorway.show(ADA, s=0.5)
    assert doorway.moved == 1
    doorway.wait(0.5)
    doorway.show(ADA, s=1.5)
    assert doorway.count("tailgating_seen") == 0


def test_who_comes_right_after_the_granted_person_is_a_tailgater():
    doorway = Doorway(enrolled("ada"), fps=15)
    doorway.show(ADA, s=0.5)
    doorway.wait(0.5)
    doorway.show(Seen("eve"), s=1.5)
    assert doorway.count("tailgating_seen") == 1


@pytest.mark.parametrize("fps", [1.0, 1.8])
def test_a_camera_that_is_too_slow_to_agree_on_anybody_is_said_to_be_once(fps: float) -> None:
    """At such a rate nobody gets in; whoever looks after the door must hear of it, not guess."""
    doorway = Doorway(enrolled("ada"), fps=fps)
    doorway.show(ADA, s=20.0)
    assert doorway.count("frames_too_slow") == 1
    assert f"{fps:.1f} pictures a second" in doorway.of("frames_too_slow")[0].detail
    doorway.fps = 15.0
    doorway.show(ADA, s=10.0)
    assert doorway.count("frames_fast_again") == 1
    assert doorway.moved >= 1


def test_a_machine_that_judges_every_frame_too_late_says_so() -> None:
    doorway = Doorway(enrolled("ada"), fps=10.0)
    for _ in range(60):
        doorway.step([ADA], captured_s=doorway.clock.monotonic_s() - 0.2)
    assert doorway.count("frames_too_slow") == 1
    assert "too slow" in doorway.of("frames_too_slow")[0].detail
    assert doorway.moved == 0


def test_visits_and_refusals_at_an_ordinary_rate_are_not_called_slow() -> None:
    """Holds after a decision, an empty doorway and a lost camera are no slow camera."""
    doorway = Doorway(enrolled("ada"), fps=10.0)
    for seen in (ADA, Seen("stranger"), ADA):
        doorway.show(seen, s=6.0)
        doorway.wait(3.0)
        doorway.clock.advance(7.0)
    assert doorway.count("frames_too_slow") == 0
