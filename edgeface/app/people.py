"""Who is known now: an immutable snapshot of the gallery that the door loop reads without a lock, and that is made
anew beside it when the store changes. Recognition never waits for the gallery."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from edgeface.domain.calibration import ErrorBudget, FmrCurve, ThresholdChoice, derive_threshold, fixed_threshold
from edgeface.domain.errors import PersonUnknown, RecordDamaged
from edgeface.domain.events import Event, RecordRefused
from edgeface.domain.matching import GalleryMatrix, MatchRule
from edgeface.domain.types import Person
from edgeface.ports import Clock, GalleryStore


@dataclass(frozen=True, slots=True)
class IdentityRule:
    """How the threshold comes about. `fixed_threshold` None: from the budget and the gallery's size."""

    curve: FmrCurve
    budget: ErrorBudget
    fixed_threshold: float | None
    min_margin: float
    needed: int
    window: int

    def choose(self, templates: int) -> ThresholdChoice:
        if self.fixed_threshold is not None:
            return fixed_threshold(self.fixed_threshold, self.curve, self.budget, templates, self.needed, self.window)
        return derive_threshold(self.curve, self.budget, templates, self.needed, self.window)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`people` holds records without their templates: those are in `matrix` alone. `marks`: what of the store it was
    made from."""

    version: int
    matrix: GalleryMatrix
    people: Mapping[str, Person]
    choice: ThresholdChoice
    match_rule: MatchRule
    damaged: Mapping[str, str]
    marks: Mapping[str, bytes]


class LiveGallery:
    """Thread-safe; `now` never waits."""

    def __init__(
        self,
        store: GalleryStore,
        model: str,
        rule: IdentityRule,
        clock: Clock,
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        """`give_way` returns when recognition can spare a moment."""
        self._store, self._model, self._rule, self._clock, self._give_way = store, model, rule, clock, give_way
        self._refreshing = threading.Lock()  # two loads at once could put the older one last
        self._swapping = threading.Lock()
        self._gone: set[str] = set()
        self._snapshot = self._load(None)

    @property
    def now(self) -> Snapshot:
        return self._snapshot

    def refresh(self) -> list[Event]:
        """Takes over what changed in the store, whoever changed it (and recorded it). Returns a RecordRefused for each
        record that stopped authenticating. Raises GalleryError, StorageError: then the snapshot in force stays."""
        with self._refreshing:
            if self._store.version() == self._snapshot.version:
                return []
            before = self._snapshot
            after = self._load(before)
            with self._swapping:
                self._snapshot = self._without_gone(after)
        return self._newly_damaged(before, after)

    def drop(self, people: Iterable[str]) -> None:
        """These are refused from now on and for good, whatever the store says: a removal counts before the disk has it.
        Takes no time that grows with the gallery's templates."""
        with self._swapping:
            self._gone.update(people)
            self._snapshot = self._without_gone(self._snapshot)

    def _without_gone(self, snapshot: Snapshot) -> Snapshot:
        gone = self._gone & snapshot.people.keys()
        if not gone:
            return snapshot
        return replace(snapshot, people={i: p for i, p in snapshot.people.items() if i not in gone})

    def change(self, rule: IdentityRule) -> None:
        """Another threshold's rule, at once. Raises GalleryError, StorageError: then the one in force stays."""
        with self._refreshing:
            before, self._rule = self._rule, rule
            try:
                after = self._load(self._snapshot)
            except BaseException:
                self._rule = before
                raise
            with self._swapping:
                self._snapshot = self._without_gone(after)

    def refused_records(self) -> list[Event]:
        """One event for each record that doesn't authenticate now; for the start."""
        now = self._clock.monotonic_s()
        return [RecordRefused(now, person=i, detail=why) for i, why in self._snapshot.damaged.items()]

    def _load(self, before: Snapshot | None) -> Snapshot:
        """Reads what is not as it was `before`."""
        version = self._store.version()  # before reading: a change in the meantime is then seen again, not missed
        marks = self._store.marks()
        people: dict[str, Person] = {}
        damaged: dict[str, str] = {}
        changed: dict[str, Person] = {}
        for record, mark in marks.items():
            if before is not None and before.marks.get(record) == mark:
                if record in before.people:
                    people[record] = before.people[record]
                elif record in before.damaged:
                    damaged[record] = before.damaged[record]
                continue
            self._give_way()
            try:
                changed[record] = self._store.get(record)
                people[record] = replace(changed[record], templates=())
            except RecordDamaged as e:
                damaged[record] = str(e)
            except PersonUnknown:  # removed since
                continue
        matrix = before.matrix if before is not None else GalleryMatrix.build((), self._model)
        matrix = matrix.updated(people, changed)
        choice = self._rule.choose(matrix.templates)
        return Snapshot(
            version=version,
            matrix=matrix,
            people=people,
            choice=choice,
            match_rule=MatchRule(choice.threshold, self._rule.min_margin),
            damaged=damaged,
            marks=marks,
        )

    def _newly_damaged(self, before: Snapshot, after: Snapshot) -> list[Event]:
        now = self._clock.monotonic_s()
        new = after.damaged.keys() - before.damaged.keys()
        return [RecordRefused(now, person=i, detail=after.damaged[i]) for i in sorted(new)]
