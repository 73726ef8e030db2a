"""`edgeface eval identification`: the open-set task of the door, at the threshold that the error budget gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeface.app.evaluate.pictures import (
    IMAGE_ENDINGS,
    EvalModels,
    Progress,
    ReadPicture,
    Unreadable,
    bounded_rate,
    counter,
    embed_all,
    files_of,
    identities_of,
    require_folder,
)
from edgeface.domain.calibration import ErrorBudget, FmrCurve, ThresholdChoice, derive_threshold
from edgeface.domain.errors import SourceError
from edgeface.domain.matching import GalleryMatrix, MatchRule
from edgeface.domain.types import Embedding, Floats, Person, Template


@dataclass(frozen=True, slots=True)
class IdentificationReport:
    """Counts of pictures. `missed` are pictures of enrolled people who were not named; `mistaken` those of them that
    were named as somebody else; `named` are pictures of strangers who were named as somebody."""

    model: str
    choice: ThresholdChoice
    budget: ErrorBudget
    min_margin: float
    people: int
    templates: int
    gallery_undetected: int
    probes: int
    probes_undetected: int
    missed: int
    mistaken: int
    strangers: int
    strangers_undetected: int
    named: int
    unreadable: tuple[Unreadable, ...]

    def to_dict(self) -> dict[str, object]:
        """The JSON of the command. `fnir` and `fpir` are of single pictures, with 95 % bounds; the door decides on
        several frames, so `fpir_per_attempt`, what the budget allows, is not the limit of this `fpir`."""
        return {
            "model": self.model,
            "threshold": self.choice.threshold,
            "min_margin": self.min_margin,
            "vouched": self.choice.vouched,
            "budget": {
                "max_false_accepts_per_year": self.budget.max_false_accepts_per_year,
                "stranger_attempts_per_day": self.budget.stranger_attempts_per_day,
                "fpir_per_attempt": self.choice.fpir_per_attempt,
                "comparison_fmr": self.choice.comparison_fmr,
            },
            "gallery": {"people": self.people, "templates": self.templates, "undetected": self.gallery_undetected},
            "probes": {
                "count": self.probes,
                "undetected": self.probes_undetected,
                "mistaken": self.mistaken,
                "fnir": bounded_rate(self.missed, self.probes),
            },
            "strangers": {
                "count": self.strangers,
                "undetected": self.strangers_undetected,
                "fpir": bounded_rate(self.named, self.strangers),
            },
        }


def evaluate_identification(
    models: EvalModels,
    gallery: Path,
    probes: Path,
    strangers: Path,
    *,
    read: ReadPicture,
    curve: FmrCurve,
    budget: ErrorBudget,
    min_margin: float = 0.0,
    frames_needed: int = 3,
    window: int = 5,
    progress: Progress | None = None,
) -> IdentificationReport:
    """`gallery` and `probes` are DIR/<identity>/*, `strangers` any pictures of anybody who is not in the gallery. Every
    picture of the gallery is a template. A probe without a detected face is missed; a stranger without one is not
    named. Raises SourceError."""
    enrolled, probed = identities_of(gallery), identities_of(probes)
    require_folder(strangers)
    unknown = sorted({name for name, _ in probed} - {name for name, _ in enrolled})
    if unknown:
        raise SourceError(
            f"{len(unknown)} people of {probes} are not in the gallery: {', '.join(unknown[:3])}.",
            "Put them under --strangers, or enrol them.",
        )
    stranger_paths = files_of(strangers, IMAGE_ENDINGS, deep=True)
    if not stranger_paths:
        raise SourceError(f"{strangers} holds no pictures.", "It needs photos of people who are not in the gallery.")
    total = sum(len(p) for _, p in (*enrolled, *probed)) + len(stranger_paths)
    step = counter(progress, total)
    model, undetected = models.embedder.model, 0
    unreadable: list[Unreadable] = []
    people: list[Person] = []
    for name, pictures in enrolled:
        own = embed_all(models, pictures, read, step)
        unreadable += own.unreadable
        undetected += own.row_of.count(-1)
        people.append(Person(name, name, tuple(Template(v, model, "photo") for v in own.vectors)))
    matrix = GalleryMatrix.build(people, model)
    if not matrix.templates:
        raise SourceError(f"No face was found in any picture of {gallery}.", "Give photos with one clear face each.")
    choice = derive_threshold(curve, budget, matrix.templates, frames_needed, window)
    rule = MatchRule(choice.threshold, min_margin)

    def named(vector: Floats) -> str | None:
        match = matrix.match(Embedding(vector, model), choice.threshold)
        return match.person if rule.standing(match) == "accepted" else None

    count = missed = mistaken = lost = 0
    for name, pictures in probed:
        own = embed_all(models, pictures, read, step)
        unreadable += own.unreadable
        answers = [named(v) for v in own.vectors]
        count += len(pictures)
        lost += own.row_of.count(-1)
        missed += len(pictures) - answers.count(name)
        mistaken += sum(answer not in (None, name) for answer in answers)
    others = embed_all(models, stranger_paths, read, step)
    return IdentificationReport(
        model=model,
        choice=choice,
        budget=budget,
        min_margin=min_margin,
        people=len(matrix.people),
        templates=matrix.templates,
        gallery_undetected=undetected,
        probes=count,
        probes_undetected=lost,
        missed=missed,
        mistaken=mistaken,
        strangers=len(stranger_paths),
        strangers_undetected=others.row_of.count(-1),
        named=sum(named(v) is not None for v in others.vectors),
        unreadable=(*unreadable, *others.unreadable),
    )
