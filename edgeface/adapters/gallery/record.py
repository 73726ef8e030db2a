"""A person as canonical JSON (docs/design.md, section 10.1) and back, with strict limits in both directions."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeface.domain.errors import GalleryError
from edgeface.domain.types import Floats, Person, Template

_ID = re.compile(r"[0-9a-f]{32}")
_DIMENSION = 128
MAX_TEMPLATES = 16
MAX_NAME = 128
MAX_NOTES = 16
_MAX_LIST = 256  # groups or doors of one person
_MAX_WORD = 128
_MAX_NOTE = 1024
_MAX_SEQ = 2**53 - 1  # what every JSON reader holds exactly
_UNIT_TOLERANCE = 1e-3

Turn = Callable[[Floats], Floats]


def is_id(text: object) -> bool:
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def clean_text(text: object, longest: int) -> bool:
    """Text without control, format-override or surrogate characters, 1 to `longest` characters long."""
    return (
        isinstance(text, str)
        and 1 <= len(text) <= longest
        and not any(
            unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in "\u202a\u202b\u202d\u202e" for c in text
        )
    )


def checked(person: Person) -> Person:
    """The person as it is stored: vectors as contiguous float32, lists as tuples. Raises GalleryError for whatever
    breaks the contract; nothing is mended silently."""
    _require(is_id(person.id), "its id is not 32 hexadecimal digits")
    _require(
        clean_text(person.name, MAX_NAME), f"its name must have 1 to {MAX_NAME} characters and no control character"
    )
    _require(_whole(person.seq) and 1 <= person.seq <= _MAX_SEQ, "its sequence number is not a positive integer")
    _require(1 <= len(person.templates) <= MAX_TEMPLATES, f"it must have 1 to {MAX_TEMPLATES} templates")
    for words, what in ((person.groups, "groups"), (person.doors, "doors")):
        ok = len(words) <= _MAX_LIST and all(clean_text(w, _MAX_WORD) for w in words)
        _require(ok, f"its {what} are not short names")
    _require(clean_text(person.schedule, _MAX_WORD), "its schedule is not a short name")
    for bound in (person.valid_from_s, person.valid_to_s):
        _require(bound is None or _finite(bound), "its validity is not in finite seconds")
    _require(_finite(person.enrolled_s), "its time of enrolment is not in finite seconds")
    _require(len(person.notes) <= MAX_NOTES, f"it has more than {MAX_NOTES} notes")
    for key, value in person.notes.items():
        _require(clean_text(key, _MAX_WORD), "a note's key is not a short name")
        lines = value.replace("\n", "").replace("\t", "")
        _require(
            len(value) <= _MAX_NOTE and (not lines or clean_text(lines, _MAX_NOTE)),
            f"a note is not text of at most {_MAX_NOTE} characters",
        )
    return dataclasses.replace(
        person,
        templates=tuple(_checked_template(t) for t in person.templates),
        groups=tuple(person.groups),
        doors=tuple(person.doors),
        notes=dict(person.notes),
    )


def encode(person: Person, turn: Turn) -> bytes:
    """Canonical JSON of a checked person; `turn` rotates its (n, 128) vectors."""
    turned = turn(np.stack([t.vector for t in person.templates]))
    fields = _plain(person)
    fields["templates"] = [
        {"vector": _to_base64(v), "model": t.model, "source": t.source, "quality": t.quality}
        for t, v in zip(person.templates, turned, strict=True)
    ]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode(data: bytes, turn: Turn) -> Person:
    """The inverse of `encode`; `turn` turns the vectors back. Raises GalleryError."""
    try:
        fields: dict[str, Any] = json.loads(data)
        raw = fields["templates"]
        vectors = turn(np.stack([np.frombuffer(base64.b64decode(t["vector"]), dtype="<f4") for t in raw]))
        templates = tuple(
            Template(vector=v, model=t["model"], source=t["source"], quality=t["quality"])
            for t, v in zip(raw, vectors, strict=True)
        )
        person = Person(
            **{**fields, "templates": templates, "groups": tuple(fields["groups"]), "doors": tuple(fields["doors"])}
        )
    except (ValueError, KeyError, TypeError) as e:
        raise GalleryError(f"The record has another form than this version reads ({type(e).__name__}).") from e
    for template in person.templates:
        template.vector.setflags(write=False)
    return person


def own_copy(person: Person) -> dict[str, object]:
    """Everything that is stored about a person, in plain JSON types and *unrotated*: for that person alone."""
    fields = _plain(person)
    fields["templates"] = [
        {"vector": [float(x) for x in t.vector], "model": t.model, "source": t.source, "quality": t.quality}
        for t in person.templates
    ]
    return fields


def _plain(person: Person) -> dict[str, object]:
    fields = {f.name: getattr(person, f.name) for f in dataclasses.fields(person) if f.name != "templates"}
    return {**fields, "groups": list(person.groups), "doors": list(person.doors), "notes": dict(person.notes)}


def _checked_template(template: Template) -> Template:
    vector = np.ascontiguousarray(template.vector, dtype=np.float32)
    _require(vector.shape == (_DIMENSION,), f"a template has shape {vector.shape}, not ({_DIMENSION},)")
    length = float(np.linalg.norm(vector.astype(np.float64)))
    _require(abs(length - 1.0) <= _UNIT_TOLERANCE, "a template is not of unit length")  # NaN fails this too
    _require(clean_text(template.model, _MAX_WORD), "a template doesn't name its model")
    _require(template.source == "" or clean_text(template.source, _MAX_WORD), "a template's source is not a short name")
    _require(_finite(template.quality), "a template's quality is not a finite number")
    vector = vector.copy()
    vector.setflags(write=False)
    return dataclasses.replace(template, vector=vector, quality=float(template.quality))


def _to_base64(vector: Floats) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise GalleryError(f"The record can't be stored: {what}.", "Nothing was changed.")
