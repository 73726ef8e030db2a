"""A person as an admin signs it. A template's vector is 128 float16, little-endian, unrotated: 256 bytes, and the
cosine changes by less than 1e-3. Each model's name is there once. Times are milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.adapters.link.schema import Entry, Kind, Struct, blob, hex_id, malformed, pair, several, sint, text, uint
from edgeface.domain.messages import PersonContent
from edgeface.domain.types import Factors, Floats, Person, Template

DIMENSION = 128
SALT_BYTES = 16
MAX_TEMPLATES = 16
MAX_WORD = 128
MAX_WORDS = 256  # groups or doors of one person
MAX_NOTES = 16
MAX_NOTE = 1024
_UNIT_TOLERANCE = 2e-3  # rounding to float16 changes a unit vector's length by less than 5e-4
_SOURCES = ("", "camera", "photo", "clip")  # these are a number on the wire; others are text
_QUALITY_STEPS = 1000


@dataclass(frozen=True)
class _Row:
    vector: bytes
    model: int
    source: int | str
    quality: int


@dataclass(frozen=True)
class _Wire:
    id: str
    seq: int
    salt: bytes
    name: str
    models: tuple[str, ...]
    templates: tuple[_Row, ...]
    groups: tuple[str, ...]
    doors: tuple[str, ...]
    schedule: str
    valid_from_ms: int | None
    valid_to_ms: int | None
    enrolled_ms: int
    notes: tuple[tuple[str, str], ...]


def _source() -> Kind:
    other = text(MAX_WORD)

    def check(value: Any) -> Any:
        if type(value) is int:
            return uint(0, len(_SOURCES) - 1).from_wire(value)
        if value in _SOURCES:
            raise malformed("a source that has a number")
        return other.from_wire(value)

    numbers = ", ".join(f"{i} {s or 'not said'}" for i, s in enumerate(_SOURCES))
    return Kind(f"{numbers}; or text 1..{MAX_WORD}", check, check)


words = several(text(MAX_WORD), MAX_WORDS)
notes = several(pair(text(MAX_WORD), text(MAX_NOTE, empty=True, lines=True)), MAX_NOTES, rising=True)

TEMPLATE: Struct[_Row] = Struct(
    _Row,
    "template",
    Entry(1, "vector", blob(2 * DIMENSION)),
    Entry(2, "model", uint(0, MAX_TEMPLATES - 1), 0),
    Entry(3, "source", _source(), 0),
    Entry(4, "quality", uint(0, _QUALITY_STEPS), _QUALITY_STEPS),
)
WIRE: Struct[_Wire] = Struct(
    _Wire,
    "person",
    Entry(1, "id", hex_id()),
    Entry(2, "seq", uint(1)),
    Entry(3, "salt", blob(SALT_BYTES)),
    Entry(4, "name", text(128)),
    Entry(5, "models", several(text(MAX_WORD), MAX_TEMPLATES, 1)),
    Entry(6, "templates", several(TEMPLATE.kind(), MAX_TEMPLATES, 1)),
    Entry(7, "groups", words, ()),
    Entry(8, "doors", words, ()),
    Entry(9, "schedule", text(MAX_WORD), "always"),
    Entry(10, "valid_from_ms", sint(), None),
    Entry(11, "valid_to_ms", sint(), None),
    Entry(12, "enrolled_ms", sint(), 0),
    Entry(13, "notes", notes, ()),
)


class PersonStruct(Struct[PersonContent]):
    def __init__(self) -> None:
        super().__init__(PersonContent, "person", *WIRE.entries)

    def to_wire(self, value: PersonContent) -> dict[int, object]:
        p = value.person
        if p.factors != Factors():  # left out in silence, a second factor would be gone
            raise malformed("a person with a PIN or cards, which version 1 does not carry")
        models = tuple(dict.fromkeys(t.model for t in p.templates))
        rows = tuple(
            _Row(_halved(t.vector), models.index(t.model), _number(t.source), _steps(t.quality)) for t in p.templates
        )
        return WIRE.to_wire(
            _Wire(
                id=p.id,
                seq=p.seq,
                salt=value.salt,
                name=p.name,
                models=models,
                templates=rows,
                groups=tuple(p.groups),
                doors=tuple(p.doors),
                schedule=p.schedule,
                valid_from_ms=_ms(p.valid_from_s),
                valid_to_ms=_ms(p.valid_to_s),
                enrolled_ms=_ms(p.enrolled_s) or 0,
                notes=tuple(sorted(p.notes.items(), key=lambda kv: kv[0])),
            )
        )

    def from_wire(self, raw: object) -> PersonContent:
        w = WIRE.from_wire(raw)
        used = dict.fromkeys(row.model for row in w.templates)
        if list(used) != list(range(len(w.models))) or len(set(w.models)) != len(w.models):
            raise malformed("models that aren't the templates' own, in their order")
        notes_of = dict(w.notes)
        if len(notes_of) != len(w.notes):
            raise malformed("two notes of one name")
        templates = tuple(
            Template(
                vector=_whole(row.vector),
                model=w.models[row.model],
                source=_SOURCES[row.source] if isinstance(row.source, int) else row.source,
                quality=row.quality / _QUALITY_STEPS,
            )
            for row in w.templates
        )
        person = Person(
            id=w.id,
            name=w.name,
            templates=templates,
            seq=w.seq,
            groups=w.groups,
            doors=w.doors,
            schedule=w.schedule,
            valid_from_s=None if w.valid_from_ms is None else w.valid_from_ms / 1000,
            valid_to_s=None if w.valid_to_ms is None else w.valid_to_ms / 1000,
            enrolled_s=w.enrolled_ms / 1000,
            notes=notes_of,
        )
        return PersonContent(person, w.salt)


PERSON_STRUCT = PersonStruct()


def _halved(vector: Floats) -> bytes:
    wide = np.asarray(vector, dtype=np.float64)
    _length(wide)
    return wide.astype("<f2").tobytes()


def _whole(data: bytes) -> Floats:
    """(128,) float32 of unit length, read-only. Raises MessageRefused."""
    vector = np.frombuffer(data, dtype="<f2").astype(np.float64)
    length = _length(vector)
    unit = (vector / length).astype(np.float32)
    unit.setflags(write=False)
    return unit


def _length(vector: NDArray[np.float64]) -> float:
    if vector.shape != (DIMENSION,):
        raise malformed("a template of another dimension")
    length = float(np.sqrt(vector @ vector)) if bool(np.isfinite(vector).all()) else 0.0
    if abs(length - 1.0) > _UNIT_TOLERANCE:
        raise malformed("a template that is not of unit length")
    return length


def _number(source: str) -> int | str:
    return _SOURCES.index(source) if source in _SOURCES else source


def _steps(quality: float) -> int:
    if not 0.0 <= quality <= 1.0:
        raise malformed("a quality that is not within 0 and 1")
    return round(quality * _QUALITY_STEPS)


def _ms(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not abs(seconds) < 2**43:
        raise malformed("a time that is not within the calendar")
    return round(seconds * 1000)
