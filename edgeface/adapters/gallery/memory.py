"""A gallery that lives in memory alone: for replay, the demo and tests. Keeps the same contract, save durability."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from edgeface.adapters.gallery import record
from edgeface.domain.errors import PersonUnknown, RecordConflict, RecordDamaged, StorageError
from edgeface.domain.types import Person


class MemoryGallery:
    """Implements ports.GalleryStore. `damage` and `fail_writes` play the faults that a disk has."""

    def __init__(self, people: Iterable[Person] = ()) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, Person] = {}
        self._removed: set[str] = set()
        self._damaged: dict[str, str] = {}
        self._version = 0
        self._failing = False
        for person in people:
            self.put(person)

    def put(self, person: Person) -> None:
        person = record.checked(person)
        with self._lock:
            self._refuse_failing()
            old = self._people.get(person.id)
            if person.id in self._removed:
                raise RecordConflict(f"The record {person.id} was removed for good and can't come back.")
            if old is not None and person.seq <= old.seq:
                raise RecordConflict(f"The record {person.id} is at number {old.seq} already.")
            self._people[person.id] = person
            self._damaged.pop(person.id, None)
            self._version += 1

    def remove(self, person_id: str) -> None:
        with self._lock:
            self._refuse_failing()
            if self._people.pop(person_id, None) is None:
                raise PersonUnknown(f"Nobody in the gallery has the id {person_id[:40]!a}.")
            self._damaged.pop(person_id, None)
            self._removed.add(person_id)
            self._version += 1

    def removed(self, person_id: str) -> bool:
        with self._lock:
            return person_id in self._removed

    def get(self, person_id: str) -> Person:
        with self._lock:
            if person_id in self._damaged:
                raise RecordDamaged(self._damaged[person_id])
            if person_id not in self._people:
                raise PersonUnknown(f"Nobody in the gallery has the id {person_id[:40]!a}.")
            return self._people[person_id]

    def people(self) -> Iterator[Person]:
        with self._lock:
            sound = sorted(self._people.keys() - self._damaged.keys())
            snapshot = [self._people[i] for i in sound]
        yield from snapshot

    def damaged(self) -> dict[str, str]:
        with self._lock:
            return dict(self._damaged)

    def marks(self) -> dict[str, bytes]:
        with self._lock:
            return {i: b"%d %d" % (p.seq, i in self._damaged) for i, p in sorted(self._people.items())}

    def version(self) -> int:
        with self._lock:
            return self._version

    def close(self) -> None:
        pass

    def export(self, person_id: str) -> dict[str, object]:
        """The person's own copy, as the durable store gives it."""
        return record.own_copy(self.get(person_id))

    def damage(self, person_id: str) -> None:
        """Makes a record one that doesn't authenticate."""
        with self._lock:
            if person_id in self._people:
                self._damaged[person_id] = f"The record {person_id} is damaged and can't be trusted."

    def fail_writes(self, failing: bool = True) -> None:
        """Makes every change raise StorageError, as a full disk does."""
        with self._lock:
            self._failing = failing

    def _refuse_failing(self) -> None:
        if self._failing:
            raise StorageError("The gallery can't be written: the disk is full.", "Free space and try again.")
