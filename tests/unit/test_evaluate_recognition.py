from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import fake_vision
from support.fake_vision import picture, read, write

from edgeface.app.evaluate import recognition
from edgeface.app.evaluate.pairs import best_threshold, read_pairs, ten_fold_accuracy
from edgeface.app.evaluate.pictures import main_face
from edgeface.app.evaluate.recognition import compare_all, evaluate_recognition
from edgeface.domain.errors import SourceError
from edgeface.domain.stats import clopper_pearson, tar_at_fmr
from edgeface.domain.types import Box, Face


def people(folder, count=4, each=3):
    for person in range(count):
        for i in range(each):
            write(folder / f"P{person}" / f"P{person}_{i + 1:04d}.jpg", picture(person, i))


def scores_of(vectors, owner):
    i, j = np.triu_indices(len(vectors), 1)
    scores = np.einsum("ij,ij->i", vectors[i], vectors[j])
    return scores[owner[i] == owner[j]], scores[owner[i] != owner[j]]


def test_the_report_has_the_commands_keys_and_counts(tmp_path):
    people(tmp_path)
    write(tmp_path / "P0" / "P0_0004.jpg", picture(faces=0))
    (tmp_path / "P1" / "P1_0004.jpg").write_bytes(b"cut")
    (tmp_path / "P1" / "notes.txt").write_text("no picture")
    seen = []
    report = evaluate_recognition(fake_vision.models(), tmp_path, read=read, progress=lambda d, n: seen.append((d, n)))
    out = json.loads(json.dumps(report.to_dict()))
    assert list(out) == ["images", "identities", "detected", "model", "pairs", "all_pairs"]
    assert (out["images"], out["identities"], out["detected"]) == (14, 4, 12)
    assert out["model"] == fake_vision.MODEL
    assert out["pairs"] is None
    assert list(out["all_pairs"]) == ["genuine", "impostor", "eer", "tar", "threshold"]
    assert (out["all_pairs"]["genuine"], out["all_pairs"]["impostor"]) == (4 * 3, 6 * 9)
    assert out["all_pairs"]["tar"] == {"1e-3": None, "1e-4": None, "1e-5": None, "1e-6": None}
    assert [u.path.name for u in report.unreadable] == ["P1_0004.jpg"]
    assert seen[-1] == (14, 14)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 500))
def test_the_blocks_count_what_all_pairs_at_once_would(seed, block):
    """Whatever the size of a block, each unordered pair is counted once, on its side."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owner = rng.integers(0, 12, 60)
    before = recognition._BLOCK
    recognition._BLOCK = block
    try:
        found = compare_all(vectors, owner)
    finally:
        recognition._BLOCK = before
    genuine, impostor = scores_of(vectors, owner)
    edges = -1 + 1e-5 * np.arange(len(found.genuine) + 1)
    assert found.genuine.sum() == len(genuine)
    assert np.abs(np.cumsum(found.impostor) - np.searchsorted(np.sort(impostor), edges[1:])).max() <= 2
    assert np.abs(np.cumsum(found.genuine) - np.searchsorted(np.sort(genuine), edges[1:])).max() <= 2


def test_rates_agree_with_those_of_the_single_scores():
    owner = np.repeat(np.arange(70), 4)
    vectors = np.stack([fake_vision.vector(int(o), i, noise=1.6) for i, o in enumerate(owner)])
    found = compare_all(vectors, owner).to_dict()
    genuine, impostor = scores_of(vectors, owner)
    for name in ("1e-3", "1e-4"):
        expected = tar_at_fmr(genuine, impostor, float(name))
        assert found["tar"][name] == pytest.approx(expected[0], abs=0.01)
        assert found["threshold"][name] == pytest.approx(expected[1], abs=2e-5)
        assert np.mean(impostor >= found["threshold"][name]) <= float(name)
    assert found["tar"]["1e-5"] is None, "38,640 impostor pairs don't carry a rate of 1e-5"
    assert 0 < found["eer"] < 0.2


def test_a_set_of_strangers_alone_has_no_true_accepts():
    vectors = np.stack([fake_vision.vector(i) for i in range(100)])
    found = compare_all(vectors, np.arange(100)).to_dict()
    assert found["genuine"] == 0
    assert found["eer"] is None
    assert found["tar"]["1e-3"] is None
    assert found["threshold"]["1e-3"] is not None


def test_no_face_anywhere_gives_nulls(tmp_path):
    write(tmp_path / "A" / "A_0001.jpg", picture(faces=0))
    out = evaluate_recognition(fake_vision.models(), tmp_path, read=read).to_dict()
    assert out["detected"] == 0
    assert out["all_pairs"]["eer"] is None


def test_pairs_are_verified_and_one_without_a_face_is_an_error(tmp_path):
    folder = tmp_path / "lfw"
    people(folder, count=10, each=2)
    write(folder / "P0" / "P0_0002.jpg", picture(faces=0))
    lines = [f"P{i}\t1\t2" for i in range(10)] + [f"P{i}\t1\tP{(i + 1) % 10}\t2" for i in range(10)]
    file = tmp_path / "pairs.txt"
    file.write_text("\n".join(lines) + "\n")
    pairs = evaluate_recognition(fake_vision.models(), folder, read=read, pairs=file).to_dict()["pairs"]
    assert pairs["count"] == 20
    assert pairs["accuracy"] == pytest.approx(18 / 20)
    assert pairs["std"] > 0


def test_folds_of_a_header_and_without_one(tmp_path):
    file = tmp_path / "pairs.txt"
    file.write_text("2\t2\n" + "A\t1\t2\n" * 4 + "B\t1\tC\t2\n" * 4)
    assert [p.fold for p in read_pairs(file)] == [0, 0, 0, 0, 1, 1, 1, 1]
    file.write_text("A\t1\t2\n" * 25)
    folds = [p.fold for p in read_pairs(file)]
    assert folds == sorted(folds)
    assert set(folds) == set(range(10))
    assert max(folds.count(f) for f in range(10)) - min(folds.count(f) for f in range(10)) <= 1


@pytest.mark.parametrize("line", ["A\t1", "A\tx\t2", "A\t1\tB\tx", "A 1 B 2 C", "\x00"])
def test_a_line_that_is_no_pair_is_refused_with_its_number(tmp_path, line):
    file = tmp_path / "pairs.txt"
    file.write_text(f"A\t1\t2\n{line}\n")
    with pytest.raises(SourceError, match="Line 2"):
        read_pairs(file)


def test_pairs_of_other_pictures_are_refused(tmp_path):
    folder = tmp_path / "lfw"
    people(folder, 1)
    file = tmp_path / "pairs.txt"
    file.write_text("Nobody\t1\t2\n")
    with pytest.raises(SourceError, match="Nobody_0001"):
        evaluate_recognition(fake_vision.models(), folder, read=read, pairs=file)


def test_the_threshold_of_a_fold_comes_from_the_others():
    """The last fold's own scores would ask for another threshold; it is judged by the first nine's."""
    scores = np.array([0.9, 0.1] * 9 + [0.4, 0.3])
    same = np.array([True, False] * 10)
    fold = np.repeat(np.arange(10), 2)
    assert ten_fold_accuracy(scores, same, fold).accuracy == pytest.approx(0.95)


@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_answers_more_pairs_right_than_the_chosen_one(rows):
    scores, same = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])

    def right(t):
        return int(np.sum((scores >= t) == same))

    chosen = right(best_threshold(scores, same))
    assert all(right(t) <= chosen for t in (*scores, *(np.nextafter(scores, 2)), -2.0, 2.0) if _clear(t, scores))


def _clear(t, scores):
    """A float between two scores that are one rounding apart can't be a midpoint."""
    gaps = np.diff(np.unique(scores))
    return not len(gaps) or gaps.min() > 1e-6


def test_of_several_faces_the_central_one_of_size_is_taken():
    def face(x, y, size):
        return Face(0.9, Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2), np.zeros((6, 2), np.float32))

    pixels = np.zeros((250, 250, 3), np.uint8)
    central, neighbour, speck = face(130, 128, 100), face(225, 125, 90), face(125, 125, 8)
    assert main_face(pixels, [neighbour, speck, central]) is central
    assert main_face(pixels, []) is None


def test_an_empty_folder_says_what_it_needs(tmp_path):
    with pytest.raises(SourceError, match="a folder for each person"):
        evaluate_recognition(fake_vision.models(), tmp_path, read=read)
    with pytest.raises(SourceError, match="not a folder"):
        evaluate_recognition(fake_vision.models(), tmp_path / "nowhere", read=read)


def test_bounds_are_clopper_pearsons():
    assert clopper_pearson(0, 100)[1] == pytest.approx(0.0362, abs=1e-4)
