"""A checked enrolment becomes a gallery record: durable, then audited."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from edgeface.app.enrolment import Enrolled
from edgeface.app.recorder import Recorder
from edgeface.domain.errors import EnrolmentError, PersonUnknown, TracesRemain
from edgeface.domain.events import PersonEnrolled, PersonRemoved
from edgeface.domain.schedule import ALWAYS
from edgeface.domain.types import Factors, Person
from edgeface.ports import Clock, GalleryStore

FIELDS = ("name", "groups", "doors", "schedule", "valid_from_s", "valid_to_s", "replaces")


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What a record says beside its templates. `replaces`: the id of the record that this one takes the place of; what
    is at its default here then stays as it stands there: new pictures never widen anybody's rights."""

    name: str
    groups: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    schedule: str = ALWAYS
    valid_from_s: float | None = None
    valid_to_s: float | None = None
    replaces: str | None = None

    def __post_init__(self) -> None:
        name = self.name.strip()
        if not 1 <= len(name) <= 128 or not all(_shown(c) for c in name):
            raise EnrolmentError(
                "A name has 1 to 128 characters and no control characters.", "Give the person another name."
            )
        if self.valid_from_s is not None and self.valid_to_s is not None and not self.valid_from_s < self.valid_to_s:
            raise EnrolmentError("The validity ends before it begins.", "Swap the two dates.")

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> tuple[NewPerson, float]:
        """(the person, seconds) of a control message. Raises EnrolmentError."""
        unknown = sorted(set(message) - {*FIELDS, "seconds"})
        if unknown:
            raise EnrolmentError(f"The field {unknown[0][:40]!r} is unknown.", f"Known: {', '.join(FIELDS)}.")
        seconds = message.get("seconds", 10)
        texts = {k: message[k] for k in ("name", "schedule", "replaces") if message.get(k) is not None}
        lists = {k: message[k] for k in ("groups", "doors") if message.get(k) is not None}
        times = {k: message[k] for k in ("valid_from_s", "valid_to_s") if message.get(k) is not None}
        if (
            not all(isinstance(v, str) for v in texts.values())
            or not all(isinstance(v, list) and all(isinstance(i, str) for i in v) for v in lists.values())
            or not all(_number(v) for v in [seconds, *times.values()])
            or "name" not in texts
        ):
            raise EnrolmentError("A field of the enrolment is missing or mistyped.", "See docs/design.md, 10.1.")
        values: dict[str, Any] = {**texts, **{k: tuple(v) for k, v in lists.items()}, **times}
        return cls(**values), float(seconds)


@dataclass(frozen=True, slots=True)
class Registered:
    id: str
    name: str
    templates: int
    accepted: int
    refused: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "templates": self.templates,
            "accepted": self.accepted,
            "refused": [{"source": source, "reason": reason} for source, reason in self.refused],
            "warnings": list(self.warnings),
        }


def register(new: NewPerson, enrolled: Enrolled, store: GalleryStore, clock: Clock, recorder: Recorder) -> Registered:
    """Raises GalleryError, EnrolmentError, StorageError; then nobody was enrolled."""
    old = None if new.replaces is None else store.get(new.replaces)
    new = new if old is None else _inherited(new, old)
    person = Person(
        id=secrets.token_hex(16) if old is None else old.id,
        name=new.name.strip(),
        templates=enrolled.templates,
        seq=1 if old is None else old.seq + 1,
        groups=new.groups,
        doors=new.doors,
        schedule=new.schedule,
        valid_from_s=new.valid_from_s,
        valid_to_s=new.valid_to_s,
        notes={} if old is None else old.notes,
        factors=Factors() if old is None else old.factors,
        enrolled_s=(clock.utc() - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds(),
    )
    store.put(person)
    source = enrolled.templates[0].source
    recorder.record([PersonEnrolled(clock.monotonic_s(), person.id, len(person.templates), source)])
    return Registered(
        id=person.id,
        name=person.name,
        templates=len(person.templates),
        accepted=sum(o.accepted for o in enrolled.offered),
        refused=tuple((o.source, o.reason) for o in enrolled.offered if not o.accepted),
        warnings=enrolled.warnings,
    )


def unregister(person_id: str, store: GalleryStore, clock: Clock, recorder: Recorder) -> None:
    """Crypto-erase. Raises PersonUnknown, StorageError; TracesRemain where it is in force and recorded all the same.
    Asked for again it is recorded again: a power cut in between must leave no removal unrecorded."""
    try:
        store.remove(person_id)
    except TracesRemain:
        recorder.record([PersonRemoved(clock.monotonic_s(), person_id)])
        raise
    except PersonUnknown:
        if not store.removed(person_id):
            raise
    recorder.record([PersonRemoved(clock.monotonic_s(), person_id)])


def _inherited(new: NewPerson, old: Person) -> NewPerson:
    return replace(
        new,
        groups=new.groups or old.groups,
        doors=new.doors or old.doors,
        schedule=old.schedule if new.schedule == ALWAYS else new.schedule,
        valid_from_s=old.valid_from_s if new.valid_from_s is None else new.valid_from_s,
        valid_to_s=old.valid_to_s if new.valid_to_s is None else new.valid_to_s,
    )


def _shown(character: str) -> bool:
    """No control character, and none that turns or hides text; the joiners of Persian, Hindi and emoji are letters."""
    category = unicodedata.category(character)
    return character in "\u200c\u200d" or not (category.startswith("C") or category in ("Zl", "Zp"))


def _number(value: object) -> bool:
    """Finite, and no whole number beyond what a float holds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
