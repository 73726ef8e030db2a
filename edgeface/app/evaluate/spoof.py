"""`edgeface eval spoof`: presentation attack detection after ISO/IEC 30107-3 (APCER, BPCER), by the door's evidence.

An image is one decision: the fused score of its one frame against the limit. A clip is one decision, the first that the
door would come to: attack or live, whichever the evidence of the frames up to then says first. A clip that ends
undecided is refused, as the door would have stayed locked.

A presentation without a detected face in it (or unreadable) stays in the count: as an attack it was not accepted, as a
person refused. So APCER is the share of attacks that the door takes for live people, BPCER that of people that it
refuses for whatever cause; `undetected` tells how much of it is the detector's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from edgeface.app.evaluate.pictures import (
    CLIP_ENDINGS,
    IMAGE_ENDINGS,
    EvalModels,
    Progress,
    ReadPicture,
    Unreadable,
    bounded_rate,
    counter,
    files_of,
    main_face,
    require_folder,
)
from edgeface.domain.errors import CameraError, EndOfStream, SourceError
from edgeface.domain.liveness import SpoofEvidence, SpoofRule, Verdict
from edgeface.domain.types import Pixels
from edgeface.ports import Camera

OpenClip = Callable[[Path], Camera]
_READ_S = 10.0  # a recording answers at once; this bounds a damaged one


class Outcome(str, Enum):
    LIVE = "live"
    REFUSED = "refused"
    UNDETECTED = "undetected"


@dataclass(slots=True)
class Tally:
    count: int = 0
    undetected: int = 0
    live: int = 0

    def add(self, outcome: Outcome) -> None:
        self.count += 1
        self.undetected += outcome is Outcome.UNDETECTED
        self.live += outcome is Outcome.LIVE


@dataclass(slots=True)
class SpoofReport:
    limit: float
    model: str
    live: Tally = field(default_factory=Tally)
    attack: Tally = field(default_factory=Tally)
    by_folder: dict[str, Tally] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """The JSON of the command; rates with 95 % Clopper-Pearson bounds."""
        return {
            "limit": self.limit,
            "model": self.model,
            "live": {
                "count": self.live.count,
                "undetected": self.live.undetected,
                "bpcer": bounded_rate(self.live.count - self.live.live, self.live.count),
            },
            "attack": {
                "count": self.attack.count,
                "undetected": self.attack.undetected,
                "apcer": bounded_rate(self.attack.live, self.attack.count),
                "by_folder": {
                    name: {"count": tally.count, "apcer": bounded_rate(tally.live, tally.count)}
                    for name, tally in sorted(self.by_folder.items())
                },
            },
        }


def evaluate_spoof(
    models: EvalModels,
    live: Path,
    attack: Path,
    *,
    read: ReadPicture,
    open_clip: OpenClip,
    rule: SpoofRule,
    progress: Progress | None = None,
) -> SpoofReport:
    """Images and clips anywhere under `live` and `attack`. `by_folder` names the folders directly in `attack`; what
    lies in `attack` itself is under ".". `open_clip` gives an unopened recording. Raises SourceError for a folder
    without any."""
    presented = [(_presentations(live), live, True), (_presentations(attack), attack, False)]
    step = counter(progress, sum(len(paths) for paths, _, _ in presented))
    report = SpoofReport(rule.limit, models.spoof_id)
    for paths, root, is_live in presented:
        for path in paths:
            outcome = _judge(models, path, read, open_clip, rule, report.unreadable)
            if is_live:
                report.live.add(outcome)
            else:
                inside = path.relative_to(root).parts
                folder = inside[0] if len(inside) > 1 else "."
                report.attack.add(outcome)
                report.by_folder.setdefault(folder, Tally()).add(outcome)
            step()
    return report


def _presentations(folder: Path) -> list[Path]:
    require_folder(folder)
    found = files_of(folder, IMAGE_ENDINGS | CLIP_ENDINGS, deep=True)
    if not found:
        raise SourceError(f"{folder} holds no images and no clips.", "Check the path.")
    return found


def _judge(
    models: EvalModels,
    path: Path,
    read: ReadPicture,
    open_clip: OpenClip,
    rule: SpoofRule,
    unreadable: list[Unreadable],
) -> Outcome:
    try:
        if path.suffix.lower() in IMAGE_ENDINGS:
            return judge_image(models, read(path), rule)
        return judge_clip(models, open_clip(path), rule)
    except (SourceError, CameraError) as exc:
        unreadable.append(Unreadable(path, exc.message))
        return Outcome.UNDETECTED


def _score(models: EvalModels, pixels: Pixels) -> float | None:
    face = main_face(pixels, models.detector.detect(pixels))
    return None if face is None else models.spoof.score(pixels, face)


def judge_image(models: EvalModels, pixels: Pixels, rule: SpoofRule) -> Outcome:
    """The one frame's fused score against the limit; there is no later frame to resolve a doubt."""
    score = _score(models, pixels)
    if score is None:
        return Outcome.UNDETECTED
    evidence = SpoofEvidence(replace(rule, min_frames=1))
    evidence.add(0.0, score)
    fused = evidence.fused
    return Outcome.LIVE if fused is not None and fused < rule.limit else Outcome.REFUSED


def judge_clip(models: EvalModels, clip: Camera, rule: SpoofRule) -> Outcome:
    """Reads until the evidence decides. Raises SourceError or CameraError where the clip can't be opened, or breaks off
    before any face was seen."""
    evidence, seen = SpoofEvidence(rule), False
    try:
        clip.open()
        while True:
            try:
                frame = clip.read(_READ_S)
            except EndOfStream:
                break
            except (SourceError, CameraError):
                if not seen:
                    raise
                break  # a truncated clip is judged by what there is of it
            score = _score(models, frame.pixels)
            if score is None:
                evidence.advance(frame.captured_s)
                continue
            seen = True
            evidence.add(frame.captured_s, score)
            verdict = evidence.verdict()
            if verdict is not Verdict.UNSURE:
                return Outcome.LIVE if verdict is Verdict.LIVE else Outcome.REFUSED
    finally:
        clip.close()
    return Outcome.REFUSED if seen else Outcome.UNDETECTED
