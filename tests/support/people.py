"""Made-up people: random unit vectors as templates."""

from __future__ import annotations

import hashlib

import numpy as np

from edgeface.domain.types import Person, Template


def person_id(number: int) -> str:
    return hashlib.sha256(f"person {number}".encode()).hexdigest()[:32]


def person(number: int, *, seq: int = 1, templates: int = 2, name: str | None = None) -> Person:
    """Always the same person for the same arguments."""
    rng = np.random.default_rng([number, seq, templates])
    vectors = rng.normal(size=(templates, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Person(
        id=person_id(number),
        name=name if name is not None else f"Person {number} at {seq}",
        templates=tuple(Template(vector=v, model="test-1", source="photo", quality=0.5) for v in vectors),
        seq=seq,
        groups=("staff",),
        enrolled_s=1_790_000_000.0,
        notes={"badge": str(number)},
    )


def same(a: Person, b: Person) -> bool:
    """Equal, with vectors equal to what float32 rounding through the rotation leaves."""
    plain = [
        (p.id, p.name, p.seq, p.groups, p.doors, p.schedule, p.valid_from_s, p.valid_to_s, p.enrolled_s, p.notes)
        for p in (a, b)
    ]
    views = [[(t.model, t.source, t.quality) for t in p.templates] for p in (a, b)]
    return (
        plain[0] == plain[1]
        and views[0] == views[1]
        and all(np.allclose(x.vector, y.vector, atol=1e-6) for x, y in zip(a.templates, b.templates, strict=True))
    )
