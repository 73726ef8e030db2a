"""Identity of a probe: the best person's best template, and its margin to everybody else. Open-set: below the
threshold nobody is named. A probe or template that is not sound (not finite, not of unit length, of another model)
never matches: a vector of length 10 would match everybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeface.domain.types import Embedding, Floats, Match, Person

DIMENSIONS = 128
NO_OTHER = 2.0  # the margin where nobody else is enrolled: the widest that two cosines can be apart
NO_SCORE = -1.0
_LENGTH_SLACK = 1e-2  # of a unit vector after float32, int8 dequantisation and the store's rotation and back

Standing = Literal["accepted", "ambiguous", "unknown"]


@dataclass(frozen=True, slots=True)
class MatchRule:
    """`threshold`: cosine from which a person is named; `min_margin`: least distance to the best other person."""

    threshold: float
    min_margin: float

    def standing(self, match: Match) -> Standing:
        """What one frame says: accepted; ambiguous (above the threshold, somebody else too near); unknown."""
        if match.person is None or not match.score >= self.threshold:
            return "unknown"
        return "accepted" if match.margin >= self.min_margin else "ambiguous"


@dataclass(frozen=True, slots=True, eq=False)
class GalleryMatrix:
    """An immutable snapshot of the templates in force. `columns` is (128, n) float32, C-contiguous: a template is a
    column, because BLAS sums rows faster than it takes 100,000 dot products. The templates of one person stand side
    by side: those of `people[i]` are columns `starts[i]` to `starts[i + 1]`; `owners` is (n,) int32, an index into
    `people`. `unsound` counts, by person, templates of another model or such as match nobody."""

    model: str
    columns: Floats
    owners: NDArray[np.int32]
    people: tuple[str, ...]
    starts: tuple[int, ...]
    unsound: Mapping[str, int]

    @classmethod
    def build(cls, people: Iterable[Person], model: str) -> GalleryMatrix:
        """Templates of `model` alone; somebody who has none of them is not in `people`. Order of the input is kept."""
        found: dict[str, Person] = {}
        for person in people:
            if person.id in found:
                raise ValueError(f"the gallery holds {person.id} twice")
            found[person.id] = person
        empty: Floats = np.empty((DIMENSIONS, 0), np.float32)
        return cls(model, empty, np.empty(0, np.int32), (), (0,), {}).updated(found, found)

    def updated(self, ids: Iterable[str], changed: Mapping[str, Person]) -> GalleryMatrix:
        """Those in `ids`, in that order: who is in `changed` is taken from there, the others from here. Its cost grows
        with `changed`; what stays is copied, outside Python."""
        before = {person: i for i, person in enumerate(self.people)}
        fresh: list[Floats] = []
        unsound: dict[str, int] = {}
        people: list[str] = []
        first: list[int] = []
        counts: list[int] = []
        for person in ids:
            if person in changed:
                own, left_out = _sound(changed[person], self.model)
                at = self.templates + len(fresh)
                fresh += own
                count = len(own)
            else:
                left_out = self.unsound.get(person, 0)
                i = before.get(person, -1)
                at, count = (self.starts[i], self.starts[i + 1] - self.starts[i]) if i >= 0 else (0, 0)
            if left_out:
                unsound[person] = left_out
            if count:
                people.append(person)
                first.append(at)
                counts.append(count)
        starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        index = np.arange(starts[-1]) + np.repeat(np.array(first, np.int64) - starts[:-1], counts)
        every = np.concatenate([self.columns, np.array(fresh, np.float32).reshape(-1, DIMENSIONS).T], axis=1)
        columns: Floats = np.take(every, index, axis=1)
        owners: NDArray[np.int32] = np.repeat(np.arange(len(people), dtype=np.int32), counts)
        columns.flags.writeable = False
        owners.flags.writeable = False
        return GalleryMatrix(self.model, columns, owners, tuple(people), tuple(starts.tolist()), unsound)

    @property
    def left_out(self) -> int:
        """Templates of another model, or unsound ones."""
        return sum(self.unsound.values())

    @property
    def templates(self) -> int:
        """How many templates are compared with; the size that the threshold is derived for."""
        return int(self.columns.shape[1])

    @property
    def vectors(self) -> Floats:
        """(n, 128) float32 view, a template a row."""
        view: Floats = self.columns.T
        return view

    def scores(self, embedding: Embedding) -> Floats | None:
        """(n,) float32 cosines with every template; None where the probe can't be compared."""
        probe = unit(embedding.vector) if embedding.model == self.model else None
        if probe is None:
            return None
        found: Floats = probe @ self.columns
        return found

    def match(self, embedding: Embedding, threshold: float) -> Match:
        """The best person and the margin to the best template of any other person; 3 to 4 ms of one x86
        core for 100,000 templates. `threshold` not a number: nobody is named."""
        scores = self.scores(embedding) if self.templates else None
        if scores is None:
            return Match(None, None, NO_SCORE, 0.0, threshold)
        at = int(scores.argmax())
        owner = int(self.owners[at])
        start, stop = self.starts[owner], self.starts[owner + 1]
        score = min(1.0, float(scores[at]))
        best = self.people[owner]
        margin, also = NO_OTHER, None
        if len(self.people) > 1:
            before = float(scores[:start].max(initial=NO_SCORE))
            after = float(scores[stop:].max(initial=NO_SCORE))
            second = max(before, after)
            margin = max(0.0, score - second)
            if second >= threshold:
                where = int(scores[:start].argmax()) if before >= after else stop + int(scores[stop:].argmax())
                also = self.people[int(self.owners[where])]
        return Match(best if score >= threshold else None, best, score, margin, threshold, also)


def _sound(person: Person, model: str) -> tuple[list[Floats], int]:
    """Unit vectors that can be compared with, and how many can't."""
    own = [u for t in person.templates if t.model == model and (u := unit(t.vector)) is not None]
    return own, len(person.templates) - len(own)


def unit(vector: Floats) -> Floats | None:
    """The vector at exactly unit length; None where it is not a (128,) finite vector of about that length."""
    values = np.asarray(vector, dtype=np.float32)
    if values.shape != (DIMENSIONS,):
        return None
    length = float(np.linalg.norm(values))
    if not abs(length - 1.0) <= _LENGTH_SLACK:  # also False for NaN and infinity
        return None
    sound: Floats = values / np.float32(length)
    return sound
