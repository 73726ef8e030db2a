"""What the door loop is given to see with, and what it shows to others."""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.domain.tracking import Track
from edgeface.domain.types import Decision, Frame
from edgeface.ports import Embedder, FaceDetector, LandmarkModel, SpoofModel


class Vision:
    """The four models, as the loop wants them."""

    def __init__(self, detector: FaceDetector, landmarks: LandmarkModel, spoof: SpoofModel, embedder: Embedder) -> None:
        self.detector, self.landmarks, self.spoof, self.embedder = detector, landmarks, spoof, embedder


@dataclass(frozen=True, slots=True)
class View:
    """What the door sees now; for the control socket and the screen at the door."""

    frame: Frame
    tracks: tuple[Track, ...]
    subject: int | None
    decision: Decision | None
    hint: str | None
