"""All four models at once, from a folder with a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.adapters.vision.manifest import Manifest, load_manifest
from edgeface.domain.types import Face, Pixels
from edgeface.ports import Embedder, FaceDetector, LandmarkModel, SpoofModel

if TYPE_CHECKING:
    from edgeface.adapters.vision.runtime import Model


@dataclass(frozen=True, slots=True)
class VisionModels:
    """`networks`: the bare models, by the manifest's role; a benchmark runs them without what is around them."""

    manifest: Manifest
    detector: FaceDetector
    landmarks: LandmarkModel
    spoof: SpoofModel
    embedder: Embedder
    spoof_id: str
    networks: Mapping[str, Model]


class FirstThatFinds:
    """Several detectors for stills: the second looks where the first found nobody, and so on."""

    def __init__(self, detectors: Sequence[FaceDetector]) -> None:
        self._detectors = tuple(detectors)

    def detect(self, pixels: Pixels) -> list[Face]:
        for detector in self._detectors:
            if faces := detector.detect(pixels):
                return faces
        return []


def load_vision(
    models: Path | Manifest,
    *,
    detector: str | None = None,
    landmarks: str | None = None,
    spoof: str | None = None,
    embedder: str | None = None,
    min_score: float = 0.5,
    threads: int = 1,
    other_detectors: Sequence[str] = (),
) -> VisionModels:
    """Loads the models with these ids from a folder or its manifest, or the manifest's default of each role. Raises
    ModelError where one is missing, altered or of another specification: nothing is half loaded. `other_detectors` look
    where `detector` found nobody. OpenCV and the runtime are imported here."""
    from edgeface.adapters.vision.blazeface import BlazeFace
    from edgeface.adapters.vision.facemesh import FaceMesh
    from edgeface.adapters.vision.mobilefacenet import MobileFaceNet
    from edgeface.adapters.vision.runtime import Model
    from edgeface.adapters.vision.spoof import SpoofNet
    from edgeface.adapters.vision.warp import Pyramid

    manifest = models if isinstance(models, Manifest) else load_manifest(models)
    networks: dict[str, Model] = {}
    pyramid = Pyramid()  # the halves of a frame, made once for all models: they take their turns in one thread

    def load(role: str, id: str | None) -> Model:
        model = Model(manifest.pick(role, id), threads)
        networks.setdefault(role, model)  # the first detector is the one that every frame goes through
        return model

    detectors = [BlazeFace(load("detector", id), min_score, pyramid=pyramid) for id in (detector, *other_detectors)]
    return VisionModels(
        manifest=manifest,
        detector=FirstThatFinds(detectors) if other_detectors else detectors[0],
        landmarks=FaceMesh(load("landmarks", landmarks), pyramid),
        spoof=SpoofNet(load("spoof", spoof), pyramid),
        embedder=MobileFaceNet(load("embedder", embedder), pyramid),
        spoof_id=manifest.pick("spoof", spoof).id,
        networks=networks,
    )
