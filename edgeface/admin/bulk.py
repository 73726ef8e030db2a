"""Many people from a table. Each row is one person, whole or not at all; a row's record id follows from the admin's
key and the row's own key, so that the same table again goes on where it stopped."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeface.adapters.link.codec import PartyKeys
from edgeface.adapters.link.secret_file import derived
from edgeface.admin.answers import RequestRefused
from edgeface.admin.people import People
from edgeface.admin.requests import Made
from edgeface.domain.errors import EdgefaceError, SourceError
from edgeface.domain.text import clean_text
from edgeface.domain.types import Person

COLUMNS = ("name", "photos", "doors", "groups", "schedule", "valid_from", "valid_to", "key")
MAX_ROWS = 100_000
MAX_PHOTO = 40 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """`key` makes the row one and the same person in every run: its column, else name and photos."""

    line: int
    name: str
    photos: tuple[Path, ...]
    doors: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    schedule: str = "always"
    valid_from_s: float | None = None
    valid_to_s: float | None = None
    key: str = ""


@dataclass(frozen=True)
class Outcome:
    """`result`: enrolled, already (it was before), refused. `reason` is a sentence, empty where all is well."""

    line: int
    name: str
    result: str
    id: str
    reason: str = ""
    notes: tuple[str, ...] = field(default=())


def read_table(path: Path, photos: Path, time_of: Callable[[str], float | None]) -> list[Row]:
    """The whole table is looked at before anybody is enrolled. Raises SourceError with every fault's line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            found = list(csv.DictReader(f))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise SourceError(f"The table {path} can't be read: {e}.", "Save it as CSV in UTF-8.") from e
    if not found:
        raise SourceError(f"The table {path} has no rows.", f"Its first line names the columns: {', '.join(COLUMNS)}.")
    unknown = [c for c in found[0] if c not in COLUMNS]
    if unknown or "name" not in found[0] or "photos" not in found[0]:
        said = f"has an unknown column {unknown[0]!r}" if unknown else "lacks the column name or photos"
        raise SourceError(f"The table {path} {said}.", f"Columns: {', '.join(COLUMNS)}.")
    if len(found) > MAX_ROWS:
        raise SourceError(f"The table {path} has {len(found)} rows; {MAX_ROWS} is the most.", "Split it.")
    rows, faults, keys = [], [], set()
    for line, values in enumerate(found, 2):
        try:
            row = _row(line, values, photos, time_of)
        except ValueError as e:
            faults.append(f"line {line}: {e}")
            continue
        if row.key in keys:
            faults.append(f"line {line}: the same person stands in the table twice; tell them apart in the column key")
        keys.add(row.key)
        rows.append(row)
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise SourceError(f"The table {path} can't be taken: {'; '.join(faults[:5])}{more}.", "Nobody was enrolled.")
    return rows


def record_id(keys: PartyKeys, row: Row) -> str:
    """Pseudonymous: nobody without the admin's key can tell it from a random one."""
    return derived(keys.secret(), b"edgeface/v1/import\0" + row.key.encode())[:16].hex()


def enrol_all(
    rows: Sequence[Row],
    people: People,
    keys: PartyKeys,
    templates: Callable[[list[tuple[str, bytes]], Sequence[Person], str | None], Made],
    now_s: Callable[[], int],
) -> Iterator[Outcome]:
    """One outcome a row, in order. What can't be reached (broker, agent, disk) raises: start again then."""
    known = {listed.person.id: listed.person for listed in people.all()}
    for row in rows:
        record = record_id(keys, row)
        if record in known:
            yield Outcome(row.line, row.name, "already", record)
            continue
        try:
            pictures = [(p.name, _photo(p)) for p in row.photos]
            made = templates(pictures, list(known.values()), None)
            person = Person(
                id=record,
                name=row.name,
                templates=made.templates,
                groups=row.groups,
                doors=row.doors,
                schedule=row.schedule,
                valid_from_s=row.valid_from_s,
                valid_to_s=row.valid_to_s,
                enrolled_s=float(now_s()),
            )
            known[record] = people.add(person)
        except RequestRefused as e:
            if e.code != "removed":
                raise
            yield Outcome(row.line, row.name, "refused", record, "This person was removed; give the row another key.")
            continue
        except EdgefaceError as e:
            if e.exit_code not in (65, 66):  # this person's pictures; anything else is everybody's
                raise
            reasons = getattr(e, "reasons", ())
            yield Outcome(row.line, row.name, "refused", record, reasons[0][1] if reasons else e.message)
            continue
        notes = (*made.warnings, *(f"{n}: {s}" for n, s in made.reasons))
        yield Outcome(row.line, row.name, "enrolled", record, notes=notes)


def _row(line: int, values: dict[Any, Any], folder: Path, time_of: Callable[[str], float | None]) -> Row:
    if None in values:
        raise ValueError("it has more cells than columns")
    given = {k: (v or "").strip() for k, v in values.items()}
    name = given["name"]
    if not clean_text(name, 128):
        raise ValueError("a name has 1 to 128 characters and no control characters")
    photos = tuple(folder / p for p in _words(given["photos"]))
    if not photos:
        raise ValueError("it names no photo")
    for photo in photos:
        if not photo.is_file() or folder.resolve() not in photo.resolve().parents:
            raise ValueError(f"there is no photo {photo.name} in {folder}")
    begin, end = time_of(given.get("valid_from", "")), time_of(given.get("valid_to", ""))
    if begin is not None and end is not None and not begin < end:
        raise ValueError("the validity ends before it begins")
    return Row(
        line,
        name,
        photos,
        _words(given.get("doors", "")),
        _words(given.get("groups", "")),
        given.get("schedule") or "always",
        begin,
        end,
        given.get("key") or "\0".join([name, *(p.name for p in photos)]),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(w.strip() for w in text.replace(";", ",").split(",") if w.strip()))


def _photo(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_PHOTO:
            raise SourceError(f"The photo {path} is too large.", "Export it smaller.")
        return path.read_bytes()
    except OSError as e:
        raise SourceError(f"The photo {path} can't be read ({e.strerror}).", "Check the path.") from None
