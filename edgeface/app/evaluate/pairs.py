"""LFW's pairs: its line format, and verification accuracy by ten folds (Huang et al., 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeface.domain.errors import SourceError

FOLDS = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures by person and number; `same` where it is one person."""

    first: tuple[str, int]
    second: tuple[str, int]
    fold: int

    @property
    def same(self) -> bool:
        return self.first[0] == self.second[0]


@dataclass(frozen=True, slots=True)
class Accuracy:
    count: int
    accuracy: float
    std: float


def read_pairs(path: Path) -> list[Pair]:
    """Lines `name i j` and `name1 i name2 j`, separated by tabs (or spaces), after an optional header of one or two
    numbers (`folds  pairs of each kind in a fold`, or LFW's older `pairs`). Folds without a header are ten contiguous
    parts of nearly equal length. Raises SourceError with the line's number."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise SourceError(f"The pairs file {path} can't be read.", "Check the path.") from exc
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    per_fold = 0
    if rows and len(rows[0][1]) <= 2 and all(word.isdecimal() for word in rows[0][1]):
        _, header = rows.pop(0)
        per_fold = 2 * int(header[1]) if len(header) == 2 else 0
    pairs = []
    for i, (number, words) in enumerate(rows):
        fold = min(i // per_fold, FOLDS - 1) if per_fold else i * FOLDS // len(rows)
        if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
            pairs.append(Pair((words[0], int(words[1])), (words[0], int(words[2])), fold))
        elif len(words) == 4 and words[1].isdecimal() and words[3].isdecimal():
            pairs.append(Pair((words[0], int(words[1])), (words[2], int(words[3])), fold))
        else:
            raise SourceError(
                f"Line {number} of {path} is no pair.", "A line is `name 1 2` or `name 1 other_name 2`, as LFW has it."
            )
    if not pairs:
        raise SourceError(f"The pairs file {path} holds no pair.", "A line is `name 1 2` or `name 1 other_name 2`.")
    return pairs


def ten_fold_accuracy(scores: NDArray[np.float64], same: NDArray[np.bool_], fold: NDArray[np.int64]) -> Accuracy:
    """Each fold is judged at the threshold that is best on the others. A score that is not a number (a picture without
    a detected face) is an error at every threshold. `std` is that of the folds' accuracies (population)."""
    found = []
    for f in np.unique(fold):
        test = fold == f
        rest = ~test if (~test).any() else test  # a single fold has nothing else to learn from
        threshold = best_threshold(scores[rest], same[rest])
        with np.errstate(invalid="ignore"):
            right = np.where(same[test], scores[test] >= threshold, scores[test] < threshold)
        found.append(float(np.mean(right & ~np.isnan(scores[test]))))
    return Accuracy(len(scores), float(np.mean(found)), float(np.std(found)))


def best_threshold(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The threshold with most right answers; of equal ones the middle, between two neighbouring scores."""
    known = ~np.isnan(scores)
    order = np.argsort(scores[known], kind="stable")
    values, genuine = scores[known][order], same[known][order]
    if values.size == 0:
        return 0.0
    # right[k]: the k lowest are refused, the others accepted
    right = np.concatenate(([0], np.cumsum(~genuine))) + genuine.sum() - np.concatenate(([0], np.cumsum(genuine)))
    edges = np.concatenate(([values[0] - 1e-6], (values[1:] + values[:-1]) / 2, [values[-1] + 1e-6]))
    apart = np.concatenate(([True], values[1:] > values[:-1], [True]))  # no threshold lies between equal scores
    right = np.where(apart, right, -1)
    best = np.flatnonzero(right == right.max())
    return float(edges[best[len(best) // 2]])
