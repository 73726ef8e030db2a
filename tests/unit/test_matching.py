"""The best person, the margin to everybody else, and what never matches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.matching import NO_OTHER, GalleryMatrix, MatchRule, unit
from edgeface.domain.types import Embedding, Floats, Match, Person, Template

MODEL = "m@1"


def vectors(seed: int, count: int) -> Floats:
    found = np.random.default_rng(seed).standard_normal((count, 128)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_matrix_that_follows_changes_is_the_one_built_anew(data: st.DataObject) -> None:
    """Whatever came, went and changed, in whatever steps: recognition can't tell."""

    def some(number: int, version: int) -> Person:
        count = data.draw(st.integers(0, 3))
        model = data.draw(st.sampled_from([MODEL, MODEL, "other"]))
        views = vectors(1000 * number + version, count) * np.float32(data.draw(st.sampled_from([1, 1, 3])))
        return person(number, views, model)

    standing: dict[str, Person] = {}
    matrix = GalleryMatrix.build([], MODEL)
    for step in range(data.draw(st.integers(1, 4))):
        for number in data.draw(st.sets(st.integers(0, 7))):
            standing.pop(f"{number:032x}", None)
        changed = {p.id: p for p in (some(n, step) for n in data.draw(st.sets(st.integers(0, 7))))}
        standing |= changed
        order = data.draw(st.permutations(sorted(standing)))
        matrix = matrix.updated(order, changed)
        anew = GalleryMatrix.build((standing[i] for i in order), MODEL)
        assert (matrix.people, matrix.starts, matrix.unsound) == (anew.people, anew.starts, anew.unsound)
        assert np.array_equal(matrix.columns, anew.columns)
        assert np.array_equal(matrix.owners, anew.owners)


def person(number: int, views: Floats, model: str = MODEL) -> Person:
    return Person(f"{number:032x}", f"P{number}", tuple(Template(v, model) for v in views))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 5), min_size=1, max_size=12), st.floats(0, 1.2))
def test_the_match_is_what_a_plain_search_finds(seed: int, counts: list[int], noise: float) -> None:
    """Score, person and margin equal a loop over all people and templates."""
    rng = np.random.default_rng(seed)
    pool = vectors(seed, sum(counts))
    parts = np.split(pool, np.cumsum(counts)[:-1])
    people = [person(i, part) for i, part in enumerate(parts)]
    probe = pool[0] + noise * vectors(seed + 1, 1)[0]
    probe = (probe / np.linalg.norm(probe)).astype(np.float32)
    threshold = float(rng.uniform(-0.2, 0.9))
    found = GalleryMatrix.build(people, MODEL).match(Embedding(probe, MODEL), threshold)
    tops = sorted(((float((part @ probe).max()), p.id) for p, part in zip(people, parts, strict=True)), reverse=True)
    assert found.best == tops[0][1]
    assert found.score == pytest.approx(tops[0][0], abs=1e-5)
    assert found.margin == pytest.approx(tops[0][0] - tops[1][0] if len(tops) > 1 else NO_OTHER, abs=1e-5)
    assert found.person == (found.best if found.score >= threshold else None)
    assert found.threshold == threshold


def test_the_margin_ignores_the_same_persons_other_templates() -> None:
    """Two nearly equal templates of one person leave the margin to the others wide."""
    one = vectors(1, 1)[0]
    views = np.stack([one, one])
    matrix = GalleryMatrix.build([person(1, vectors(2, 1)), person(2, views), person(3, vectors(3, 2))], MODEL)
    found = matrix.match(Embedding(one, MODEL), 0.4)
    assert found.person == f"{2:032x}"
    assert found.score == pytest.approx(1.0)
    assert found.margin > 0.5
    alone = GalleryMatrix.build([person(2, views)], MODEL).match(Embedding(one, MODEL), 0.4)
    assert alone.margin == NO_OTHER


@pytest.mark.parametrize("kind", ["nan", "inf", "long", "zero", "short", "model"])
def test_a_probe_that_is_not_sound_never_matches(kind: str) -> None:
    """One that isn't finite, of unit length, of 128 dimensions and of this model names nobody, at any threshold."""
    one = vectors(1, 1)[0]
    bad = {
        "nan": np.where(np.arange(128) == 5, np.float32(np.nan), one),
        "inf": np.where(np.arange(128) == 5, np.float32(np.inf), one),
        "long": one * 10,
        "zero": one * 0,
        "short": one[:64] / np.linalg.norm(one[:64]),
        "model": one,
    }[kind]
    matrix = GalleryMatrix.build([person(1, vectors(1, 1))], MODEL)
    found = matrix.match(Embedding(bad.astype(np.float32), "other@1" if kind == "model" else MODEL), -1.0)
    assert found.person is None
    assert found.best is None
    assert np.isfinite([found.score, found.margin]).all()


def test_templates_that_can_not_be_compared_are_left_out_and_counted() -> None:
    """Other models, wrong shapes, wrong lengths, NaN: none of them is in the matrix."""
    one, two = vectors(4, 2)
    bad = (Template(two * 9, MODEL), Template(two * np.nan, MODEL), Template(two[:5], MODEL), Template(two, "old@0"))
    mixed = Person("a" * 32, "A", (Template(one, MODEL), *bad))
    none = Person("b" * 32, "B", bad)
    matrix = GalleryMatrix.build([none, mixed], MODEL)
    assert (matrix.templates, matrix.left_out, matrix.people) == (1, 8, ("a" * 32,))
    assert matrix.match(Embedding(one, MODEL), 0.9).person == "a" * 32
    assert matrix.match(Embedding(two, MODEL), 0.9).person is None


def test_an_empty_gallery_and_a_threshold_that_is_no_number_name_nobody() -> None:
    """Locked when in doubt."""
    one = vectors(1, 1)
    empty = GalleryMatrix.build([], MODEL)
    assert empty.templates == 0
    assert empty.match(Embedding(one[0], MODEL), -1.0).person is None
    full = GalleryMatrix.build([person(1, one)], MODEL)
    assert full.match(Embedding(one[0], MODEL), float("nan")).person is None


def test_the_snapshot_can_not_be_changed_and_a_double_id_is_refused() -> None:
    """Nobody alters the gallery behind the decision's back."""
    matrix = GalleryMatrix.build([person(1, vectors(1, 2))], MODEL)
    with pytest.raises(ValueError):
        matrix.columns[0, 0] = 1
    with pytest.raises(ValueError):
        matrix.vectors[0, 0] = 1
    assert matrix.vectors.shape == (2, 128)
    with pytest.raises(ValueError):
        GalleryMatrix.build([person(1, vectors(1, 1)), person(1, vectors(2, 1))], MODEL)


def test_it_holds_100000_templates() -> None:
    """Owners stay right in a large gallery, at both ends and in the middle."""
    pool = vectors(5, 100_000)
    people = [person(i, pool[4 * i : 4 * i + 4]) for i in range(25_000)]
    matrix = GalleryMatrix.build(people, MODEL)
    assert matrix.templates == 100_000
    for row in (0, 3, 50_001, 99_996, 99_999):
        found = matrix.match(Embedding(pool[row], MODEL), 0.9)
        assert found.person == people[row // 4].id
        assert 0.1 < found.margin < 1


@pytest.mark.parametrize(
    ("score", "margin", "standing"),
    [(0.5, 0.2, "accepted"), (0.4, 0.1, "accepted"), (0.5, 0.05, "ambiguous"), (0.39, 1.0, "unknown")],
)
def test_a_frame_is_accepted_ambiguous_or_unknown(score: float, margin: float, standing: str) -> None:
    """Above the threshold without the margin is ambiguous, limits included."""
    rule = MatchRule(0.4, 0.1)
    named = "a" * 32 if score >= 0.4 else None
    assert rule.standing(Match(named, "a" * 32, score, margin, 0.4)) == standing
    assert rule.standing(Match(None, "a" * 32, score, margin, 0.9)) == "unknown"


def test_unit_mends_rounding_alone() -> None:
    """A length off by rounding is put right; anything else is refused."""
    one = vectors(1, 1)[0]
    mended = unit(one * np.float32(1.005))
    assert mended is not None
    assert np.linalg.norm(mended) == pytest.approx(1, abs=1e-6)
    assert unit(one * np.float32(1.02)) is None
