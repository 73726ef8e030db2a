"""Only what is newer is applied, a removal is final, and equal galleries have equal digests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.gallery import (
    AlreadyEnrolled,
    Applied,
    Gallery,
    Lookalike,
    Record,
    Refused,
    Tombstone,
    check_enrolment,
)
from edgeface.domain.matching import GalleryMatrix
from edgeface.domain.types import Floats, Person, Template

A, B = "a" * 32, "b" * 32
ONE, TWO = Record.of(A, 1, b"one"), Record.of(A, 2, b"two")


def why(result: Applied | Refused) -> str | None:
    return result.why if isinstance(result, Refused) else None


def test_a_higher_seq_replaces() -> None:
    """And says what it replaced."""
    gallery = Gallery()
    assert gallery.apply(ONE) == Applied(A, 1, None)
    assert gallery.apply(TWO) == Applied(A, 2, 1)
    assert (gallery.seq(A), gallery.seq(B), len(gallery)) == (2, None, 1)


def test_replay_and_rollback_are_refused() -> None:
    """The same again, another content under the same seq, an older one: nothing changes."""
    gallery = Gallery()
    gallery.apply(TWO)
    before = gallery.digest()
    assert why(gallery.apply(TWO)) == "replayed"
    assert why(gallery.apply(Record.of(A, 2, b"forged"))) == "replayed"
    assert why(gallery.apply(ONE)) == "older"
    assert gallery.digest() == before


def test_a_removal_is_final() -> None:
    """No later record brings the id back, whatever its seq; a removal wins over any standing seq."""
    gallery = Gallery()
    gallery.apply(Record.of(A, 9, b"x"))
    assert gallery.apply(Tombstone(A, 3)) == Applied(A, 3, 9)
    assert why(gallery.apply(Record.of(A, 10**9, b"x"))) == "removed"
    assert why(gallery.apply(Tombstone(A, 3))) == "replayed"
    assert gallery.removed(A)
    assert len(gallery) == 0


@pytest.mark.parametrize(
    "change",
    [
        Record.of("A" * 32, 1, b""),
        Record.of("a\n" * 16, 1, b""),
        Record.of(A, 0, b""),
        Record(A, 1, "x"),
        Tombstone(A, -1),
    ],
)
def test_malformed_changes_are_refused(change: Record | Tombstone) -> None:
    """An id is 32 hex digits, a seq counts from 1, a content is a SHA-256."""
    gallery = Gallery()
    assert why(gallery.apply(change)) == "malformed"
    assert gallery.digest() == Gallery().digest()


changes = st.one_of(
    st.builds(lambda i, s: Record.of(f"{i:032x}", s, f"{i} {s}".encode()), st.integers(0, 3), st.integers(1, 5)),
    st.builds(lambda i, s: Tombstone(f"{i:032x}", s), st.integers(0, 3), st.integers(1, 5)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(changes, max_size=20), st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order(found: list[Record | Tombstone], rng: object) -> None:
    """Two doors that got the same changes in any order, some twice, hold the same."""
    one, two = Gallery(), Gallery()
    for change in found:
        one.apply(change)
    again = found + found[:3]
    rng.shuffle(again)  # type: ignore[attr-defined]
    for change in again:
        two.apply(change)
    assert one.digest() == two.digest()
    assert len(one) == len(two)


def test_the_digest_tells_differences() -> None:
    """Another content, seq or removal is another digest."""
    digests = set()
    for change in ([], [ONE], [TWO], [Record.of(A, 1, b"other")], [Record.of(B, 1, b"one")], [Tombstone(A, 1)]):
        gallery = Gallery()
        for c in change:
            gallery.apply(c)
        digests.add(gallery.digest())
    assert len(digests) == 6


def face(seed: int) -> Floats:
    vector = np.random.default_rng(seed).standard_normal(128)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def near(of: Floats, seed: int, cosine: float) -> Template:
    side = face(seed)
    side = side - (side @ of) * of
    vector = cosine * of + np.sqrt(1 - cosine**2) * side / np.linalg.norm(side)
    return Template(vector.astype(np.float32), "m@1")


ANNA, BERT = face(1), face(2)
MATRIX = GalleryMatrix.build(
    [Person(A, "Anna", (Template(ANNA, "m@1"), near(ANNA, 7, 0.8))), Person(B, "Bert", (Template(BERT, "m@1"),))], "m@1"
)


def check(templates: list[Template], replacing: str | None = None) -> AlreadyEnrolled | Lookalike | None:
    return check_enrolment(templates, MATRIX, 0.5, 0.35, replacing)


def test_somebody_enrolled_already_is_found() -> None:
    """With the best score, though one template was poor; not where he is enrolled anew under his own id."""
    again = [near(ANNA, 11, 0.7), near(ANNA, 12, 0.65), near(ANNA, 13, 0.1)]
    found = check(again)
    assert isinstance(found, AlreadyEnrolled)
    assert found.person == A
    assert found.score == pytest.approx(0.7, abs=1e-4)
    assert check(again, replacing=A) is None


def test_a_lookalike_is_warned_of() -> None:
    """Near one template, or above the threshold once in many."""
    found = check([near(BERT, 21, 0.4)])
    assert isinstance(found, Lookalike)
    assert found.person == B
    assert found.score == pytest.approx(0.4, abs=1e-4)
    once = check([near(BERT, 22, 0.6), *(near(face(90 + i), 23, 0.9) for i in range(3))])
    assert isinstance(once, Lookalike)


def test_a_new_face_is_new() -> None:
    """A stranger, an empty gallery, templates of another model, nothing at all."""
    assert check([near(face(40), 41, 0.9)]) is None
    assert check([]) is None
    assert check([Template(ANNA, "other@1")]) is None
    assert check_enrolment([Template(ANNA, "m@1")], GalleryMatrix.build([], "m@1"), 0.5, 0.35) is None
