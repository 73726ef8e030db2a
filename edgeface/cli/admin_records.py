"""Options about people in their final form, and people as they are shown."""

from __future__ import annotations

from pathlib import Path

from edgeface.admin.desk import Desk
from edgeface.cli.output import say
from edgeface.cli.times import parse_time, show_time
from edgeface.domain.errors import EnrolmentError, SourceError
from edgeface.domain.types import Person

MAX_PHOTO = 40 * 1024 * 1024


def read_photos(photos: list[Path]) -> list[tuple[str, bytes]]:
    """Raises SourceError."""
    read = []
    for path in photos:
        try:
            if path.stat().st_size > MAX_PHOTO:
                raise SourceError(f"The photo {path} is too large.", "Export it smaller.")
            read.append((str(path), path.read_bytes()))
        except OSError as e:
            raise SourceError(f"The photo {path} can't be read ({e.strerror}).", "Check the path.") from None
    return read


def warn_of_doors(desk: Desk, doors: tuple[str, ...]) -> None:
    known = {d.name for d in desk.roster.devices}
    for door in doors:
        if door not in known:
            say(f"note: no door of the site is called {door!r}.")


def summary(person: Person) -> dict[str, object]:
    return {
        "id": person.id,
        "name": person.name,
        "templates": len(person.templates),
        "models": sorted({t.model for t in person.templates}),
        "seq": person.seq,
        "groups": list(person.groups),
        "doors": list(person.doors),
        "schedule": person.schedule,
        "valid_from": show_time(person.valid_from_s),
        "valid_to": show_time(person.valid_to_s),
        "enrolled": show_time(person.enrolled_s or None),
        "notes": dict(person.notes),
    }


def words(given: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(w.strip() for text in given or () for w in text.split(",") if w.strip()))


def bounds(valid_from: str | None, valid_to: str | None) -> tuple[float | None, float | None]:
    begin, end = bound(valid_from, "--valid-from"), bound(valid_to, "--valid-to")
    if begin is not None and end is not None and not begin < end:
        raise EnrolmentError("The validity ends before it begins.", "Swap the two dates.")
    return begin, end


def bound(text: str | None, option: str) -> float | None:
    return parse_time(text or None, option)
