"""Identity of a probe: the best person's best template, and its margin to everybody else. Open-set: below the
threshold nobody is named. A probe or template that is not sound (not finite, not of unit length, of another model)
never matches: a vector of length 10 would match everybody."""

from __future__ import annotations

from collections.abc import Iterable
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
    `people`. `left_out` counts templates of another model, or unsound ones."""

    model: str
    columns: Floats
    owners: NDArray[np.int32]
    people: tuple[str, ...]
    starts: tuple[int, ...]
    left_out: int

    @classmethod
    def build(cls, people: Iterable[Person], model: str) -> GalleryMatrix:
        """Templates of `model` alone; somebody who has none of them is not in `people`. Order of the input is kept."""
        offered: list[Floats] = []
        owner_of: list[int] = []
        ids: dict[str, None] = {}
        left_out = 0
        for person in people:
            if person.id in ids:
                raise ValueError(f"the gallery holds {person.id} twice")
            own = [t.vector for t in person.templates if t.model == model and t.vector.shape == (DIMENSIONS,)]
            left_out += len(person.templates) - len(own)
            owner_of += [len(ids)] * len(own)
            ids[person.id] = None
            offered += own
        rows = np.array(offered, dtype=np.float32).reshape(-1, DIMENSIONS)
        lengths = np.linalg.norm(rows, axis=1)
        sound = np.abs(lengths - 1) <= _LENGTH_SLACK  # also False for NaN and infinity
        left_out += int(np.count_nonzero(~sound))
        named, indices = np.unique(np.array(owner_of, dtype=np.int32)[sound], return_inverse=True)
        columns: Floats = np.ascontiguousarray((rows[sound] / lengths[sound, None]).T)
        owners: NDArray[np.int32] = np.asarray(indices.reshape(-1), dtype=np.int32)
        starts = np.searchsorted(owners, np.arange(len(named) + 1))
        every = tuple(ids)
        columns.flags.writeable = False
        owners.flags.writeable = False
        return cls(model, columns, owners, tuple(every[i] for i in named), tuple(int(s) for s in starts), left_out)

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
