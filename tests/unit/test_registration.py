"""A checked enrolment becomes a record: fields checked, durable, then audited; a removal likewise."""

from __future__ import annotations

import json

import pytest
from support.doorway import MODEL, enrolled, person_id, vector

from edgeface.adapters.gallery.memory import MemoryGallery
from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.enrolment import Enrolled, Offered
from edgeface.app.recorder import Recorder
from edgeface.app.registration import NewPerson, register, unregister
from edgeface.domain.errors import EnrolmentError, GalleryError, PersonUnknown, StorageError
from edgeface.domain.types import Template

CHECKED = Enrolled(
    (Template(vector("ada"), MODEL, "camera", 0.9),),
    (Offered("frame 0", True), Offered("frame 1", False, "Please come closer."), Offered("frame 2", True)),
    ("Somebody looks alike.",),
)


class Office:
    def __init__(self, *people) -> None:
        self.clock = VirtualClock()
        self.store = MemoryGallery(people)
        self.audit = MemoryAudit(clock=self.clock, boot_id="test")
        self.recorder = Recorder(self.audit, self.clock, [])

    def register(self, new: NewPerson):
        return register(new, CHECKED, self.store, self.clock, self.recorder)

    def audited(self) -> list:
        return [(line["event"], line["person"]) for line in self.audit.read()]


def test_a_new_person_is_stored_and_audited():
    office = Office()
    told = office.register(NewPerson("  Ada Lovelace ", groups=("staff",), doors=("lab",), schedule="shift"))
    stored = office.store.get(told.id)
    assert (stored.name, stored.groups, stored.doors, stored.schedule) == (
        "Ada Lovelace",
        ("staff",),
        ("lab",),
        "shift",
    )
    assert (stored.seq, len(told.id)) == (1, 32)
    assert stored.enrolled_s == office.clock.utc().timestamp()
    assert office.audited() == [("person_enrolled", told.id)]
    assert told.to_dict() == {
        "id": told.id,
        "name": "Ada Lovelace",
        "templates": 1,
        "accepted": 2,
        "refused": [{"source": "frame 1", "reason": "Please come closer."}],
        "warnings": ["Somebody looks alike."],
    }


def test_ids_are_random():
    office = Office()
    assert len({office.register(NewPerson("Ada")).id for _ in range(10)}) == 10


def test_the_name_is_not_in_the_audit_log():
    office = Office()
    office.register(NewPerson("Ada Lovelace"))
    assert "Ada" not in json.dumps(list(office.audit.read()))


def test_a_replacement_keeps_the_id_and_raises_the_sequence():
    office = Office(enrolled("ada"))
    told = office.register(NewPerson("Ada King", replaces=person_id("ada")))
    stored = office.store.get(person_id("ada"))
    assert (told.id, stored.seq, stored.name) == (person_id("ada"), 2, "Ada King")


def test_new_pictures_never_widen_anybodys_rights():
    old = enrolled(
        "ada",
        doors=("lab",),
        groups=("staff",),
        schedule="shift",
        valid_from_s=1.0,
        valid_to_s=2e9,
        notes={"badge": "7"},
    )
    office = Office(old)
    office.register(NewPerson("Ada", replaces=old.id))
    stored = office.store.get(old.id)
    assert (stored.doors, stored.groups, stored.schedule) == (("lab",), ("staff",), "shift")
    assert (stored.valid_from_s, stored.valid_to_s, stored.notes) == (1.0, 2e9, {"badge": "7"})
    office.register(NewPerson("Ada", doors=("front",), valid_to_s=1e9, replaces=old.id))
    stored = office.store.get(old.id)
    assert (stored.doors, stored.valid_to_s, stored.schedule) == (("front",), 1e9, "shift")


def test_a_replacement_that_would_end_before_it_begins_is_refused():
    office = Office(enrolled("ada", valid_from_s=2e9))
    with pytest.raises(EnrolmentError):
        office.register(NewPerson("Ada", valid_to_s=1e9, replaces=person_id("ada")))
    assert office.store.get(person_id("ada")).seq == 1


def test_replacing_nobody_is_refused_and_nothing_is_stored():
    office = Office()
    with pytest.raises(PersonUnknown):
        office.register(NewPerson("Ada", replaces="0" * 32))
    assert list(office.store.people()) == []
    assert office.audited() == []


def test_a_full_disk_enrols_nobody_and_says_so():
    office = Office()
    office.store.fail_writes()
    with pytest.raises(StorageError):
        office.register(NewPerson("Ada"))
    assert office.audited() == []


def test_an_enrolment_stands_also_where_the_audit_log_catches_up_later():
    office = Office()
    office.audit.fail_writes()
    told = office.register(NewPerson("Ada"))
    assert office.store.get(told.id)
    office.audit.fail_writes(False)
    office.recorder.retry()
    assert next(line["event"] for line in office.audit.read()) == "person_enrolled"


def test_a_removal_is_final_and_audited():
    office = Office(enrolled("ada"))
    unregister(person_id("ada"), office.store, office.clock, office.recorder)
    assert office.audited() == [("person_removed", person_id("ada"))]
    assert list(office.store.people()) == []


def test_removing_somebody_again_is_recorded_again_and_nobody_never():
    """The first one may have been cut off between the gallery and the audit log."""
    office = Office(enrolled("ada"))
    for _ in range(2):
        unregister(person_id("ada"), office.store, office.clock, office.recorder)
    assert office.audited() == [("person_removed", person_id("ada"))] * 2
    with pytest.raises(PersonUnknown):
        unregister("0" * 32, office.store, office.clock, office.recorder)
    assert len(office.audited()) == 2


@pytest.mark.parametrize("name", ["", "   ", "a" * 129, "Ada\nLovelace", "Ada\x1b[31m", "Ada\u202e", "A\ud800"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(EnrolmentError):
        NewPerson(name)


def test_a_validity_that_ends_before_it_begins_is_refused():
    with pytest.raises(EnrolmentError):
        NewPerson("Ada", valid_from_s=10.0, valid_to_s=10.0)
    NewPerson("Ada", valid_from_s=10.0, valid_to_s=11.0)


def test_a_message_becomes_a_person():
    person, seconds = NewPerson.from_message(
        {"name": "Ada", "groups": ["a", "b"], "doors": None, "valid_to_s": 5, "seconds": 3}
    )
    assert person == NewPerson("Ada", groups=("a", "b"), valid_to_s=5)
    assert seconds == 3.0
    assert NewPerson.from_message({"name": "Ada"})[1] == 10.0


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"name": None},
        {"name": 7},
        {"name": "Ada", "groups": "staff"},
        {"name": "Ada", "doors": [1]},
        {"name": "Ada", "schedule": ["x"]},
        {"name": "Ada", "valid_from_s": "now"},
        {"name": "Ada", "valid_from_s": True},
        {"name": "Ada", "valid_to_s": float("nan")},
        {"name": "Ada", "valid_to_s": float("inf")},
        {"name": "Ada", "seconds": None},
        {"name": "Ada", "seconds": 10**400},
        {"name": "Ada", "admin": True},
        {"name": "Ada", "id": "0" * 32, "seq": 9},
    ],
)
def test_a_message_of_another_form_is_refused_with_a_sentence(message):
    with pytest.raises(EnrolmentError) as caught:
        NewPerson.from_message(message)
    assert caught.value.message.endswith(".")


def test_a_field_that_the_store_refuses_enrols_nobody():
    office = Office()
    with pytest.raises(GalleryError):
        office.register(NewPerson("Ada", groups=("x" * 1000,)))
    assert list(office.store.people()) == []
    assert office.audited() == []
