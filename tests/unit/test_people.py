"""The live gallery: the snapshot that the door loop reads, and how it follows the store."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from support.doorway import CURVE, MODEL, RULE, enrolled, person_id, vector

from edgeface.adapters.gallery.memory import MemoryGallery
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.people import IdentityRule, LiveGallery
from edgeface.domain.calibration import ErrorBudget
from edgeface.domain.errors import StorageError
from edgeface.domain.types import Embedding, Person, Template


def live(store: MemoryGallery, rule: IdentityRule = RULE) -> LiveGallery:
    return LiveGallery(store, MODEL, rule, VirtualClock())


def test_a_snapshot_knows_people_without_their_templates():
    gallery = live(MemoryGallery([enrolled("ada"), enrolled("ben")]))
    assert set(gallery.now.people) == {person_id("ada"), person_id("ben")}
    assert all(p.templates == () for p in gallery.now.people.values())
    assert gallery.now.matrix.templates == 2


def test_refresh_takes_over_what_changed_and_nothing_where_nothing_did():
    store = MemoryGallery([enrolled("ada")])
    gallery = live(store)
    before = gallery.now
    assert gallery.refresh() == []
    assert gallery.now is before
    store.put(enrolled("ben"))
    assert gallery.refresh() == []
    assert gallery.now is not before
    assert person_id("ben") in gallery.now.people
    assert person_id("ben") not in before.people  # what a frame holds on to does not change under it


def test_a_removed_person_is_gone_from_the_matrix_too():
    store = MemoryGallery([enrolled("ada"), enrolled("ben")])
    gallery = live(store)
    store.remove(person_id("ada"))
    gallery.refresh()
    assert gallery.now.matrix.match(Embedding(vector("ada"), MODEL), 0.5).person is None
    assert person_id("ada") not in gallery.now.people


def test_damage_is_reported_once_and_at_the_start():
    store = MemoryGallery([enrolled("ada"), enrolled("ben")])
    store.damage(person_id("ada"))
    gallery = live(store)
    assert [e.person for e in gallery.refused_records()] == [person_id("ada")]
    store.damage(person_id("ben"))
    store.put(enrolled("cyd"))
    assert [e.person for e in gallery.refresh()] == [person_id("ben")]
    store.put(enrolled("dan"))
    assert gallery.refresh() == []


class Counted(MemoryGallery):
    """Says which records were read."""

    def __init__(self, people) -> None:
        self.read: list[str] = []
        super().__init__(people)

    def get(self, person_id: str) -> Person:
        self.read.append(person_id)
        return super().get(person_id)


def test_what_did_not_change_is_not_read_again():
    """A gallery that fills up would otherwise be decrypted whole, again and again, on the core that recognises."""
    store = Counted([enrolled("ada"), enrolled("ben"), enrolled("cyd")])
    gallery = live(store)
    store.damage(person_id("cyd"))
    store.read.clear()
    store.put(enrolled("dan"))
    store.put(replace(enrolled("ben"), seq=2, templates=enrolled("eve").templates))
    gallery.refresh()
    assert sorted(store.read) == sorted(map(person_id, ("ben", "cyd", "dan")))
    assert set(gallery.now.people) == set(map(person_id, ("ada", "ben", "dan")))
    found = [gallery.now.matrix.match(Embedding(vector(n), MODEL), 0.5).person for n in ("ada", "ben", "cyd", "eve")]
    assert found == [person_id("ada"), None, None, person_id("ben")]
    store.read.clear()
    store.remove(person_id("ada"))
    gallery.refresh()
    assert store.read == []
    assert set(gallery.now.people) == {person_id("ben"), person_id("dan")}


def test_who_was_dropped_stays_so_when_others_change():
    store = MemoryGallery([enrolled("ada"), enrolled("ben")])
    gallery = live(store)
    gallery.drop([person_id("ada")])
    store.put(enrolled("cyd"))
    gallery.refresh()
    assert set(gallery.now.people) == {person_id("ben"), person_id("cyd")}


class Unreadable(MemoryGallery):
    broken = False

    def marks(self):
        if self.broken:
            raise StorageError("The gallery can't be read.")
        return super().marks()


def test_a_gallery_that_cannot_be_read_leaves_the_one_in_force_and_is_tried_again():
    store = Unreadable([enrolled("ada")])
    gallery = live(store)
    store.put(enrolled("ben"))
    store.broken = True
    with pytest.raises(StorageError):
        gallery.refresh()
    assert set(gallery.now.people) == {person_id("ada")}
    store.broken = False
    gallery.refresh()
    assert set(gallery.now.people) == {person_id("ada"), person_id("ben")}


class ChangesMeanwhile(MemoryGallery):
    """Somebody is removed by another process while the gallery is being read."""

    def marks(self):
        found = super().marks()
        if person_id("ada") in found:
            self.remove(person_id("ada"))
        return found


def test_a_change_during_the_reading_is_seen_by_the_next_refresh():
    store = ChangesMeanwhile([enrolled("ada"), enrolled("ben")])
    gallery = live(store)
    gallery.refresh()
    assert set(gallery.now.people) == {person_id("ben")}


class Gated(MemoryGallery):
    """The first reading after `hold` waits until `go`."""

    hold = False

    def __init__(self, people) -> None:
        super().__init__(people)
        self.reading, self.go = threading.Event(), threading.Event()

    def marks(self):
        found = super().marks()
        if self.hold:
            self.hold = False
            self.reading.set()
            assert self.go.wait(10)
        return found


def test_two_refreshes_at_once_never_put_the_older_one_last():
    """Else somebody revoked would be known again for a moment."""
    store = Gated([enrolled("ada"), enrolled("ben")])
    gallery = live(store)
    store.put(enrolled("cyd"))
    store.hold = True
    slow = threading.Thread(target=gallery.refresh)
    slow.start()
    assert store.reading.wait(10)
    store.remove(person_id("ada"))
    quick = threading.Thread(target=gallery.refresh)
    quick.start()
    quick.join(0.2)  # it waits for the slow one, or has finished already
    store.go.set()
    slow.join()
    quick.join()
    assert person_id("ada") not in gallery.now.people


def test_the_threshold_rises_with_templates_and_a_fixed_one_does_not():
    derived = IdentityRule(CURVE, ErrorBudget(1.0, 20.0), None, 0.05, 3, 5)
    store = MemoryGallery([enrolled("ada")])
    gallery, fixed = live(store, derived), live(store)
    few, fixed_few = gallery.now.match_rule.threshold, fixed.now.match_rule.threshold
    for i in range(30):
        store.put(enrolled(f"person {i}"))
    gallery.refresh()
    fixed.refresh()
    assert gallery.now.match_rule.threshold > few
    assert fixed.now.match_rule.threshold == fixed_few == 0.5
    assert fixed.now.choice.warning


def test_an_empty_gallery_names_nobody():
    gallery = live(MemoryGallery())
    assert gallery.now.matrix.match(Embedding(vector("ada"), MODEL), 0.5).person is None
    assert "Nobody is enrolled" in live(MemoryGallery(), IdentityRule(
        CURVE, ErrorBudget(1.0, 20.0), None, 0.05, 3, 5)).now.choice.sentence  # fmt: skip


def test_templates_of_another_model_are_left_out_and_counted():
    old = Person(person_id("ada"), "ada", (Template(vector("ada"), "older"), Template(vector("ada"), MODEL)))
    gallery = live(MemoryGallery([old]))
    assert (gallery.now.matrix.templates, gallery.now.matrix.left_out) == (1, 1)
