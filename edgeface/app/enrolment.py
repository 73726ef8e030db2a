"""Frames or photos -> checked templates. The camera at the door, photos and clips go the same way; only the check for
an attack needs more than one picture and is left out for photos (an admin who sends a photo answers for it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np

from edgeface.app.people import Snapshot
from edgeface.app.view import Vision
from edgeface.domain.errors import EnrolmentError
from edgeface.domain.gallery import AlreadyEnrolled, Lookalike, check_enrolment
from edgeface.domain.liveness import SpoofEvidence, SpoofRule, Verdict
from edgeface.domain.quality import SENTENCES, QualityLimits, assess
from edgeface.domain.types import Embedding, Face, Pixels, Template

Source = Literal["camera", "photo", "clip"]

MAX_TEMPLATES = 5  # each further template widens the gallery, and so the threshold, for everybody
MIN_FRAMES = 5  # of a camera or a clip: the spoof evidence needs more than one, and so does a choice of views
ENOUGH_FRAMES = 40  # well spread views come in the first seconds; more only look alike
BYSTANDER_SIZE = 0.4  # of the nearest face's eye distance: a face in the far background is no second person
SAME_VIEW = 0.92  # cosine from which two pictures of one person show nothing new
TILE_FACES = 4.0  # a photo is looked at again in tiles of so many face widths: there a bystander is found as well
MIN_TILE_PX = 320
SURE_OF_BYSTANDER = 0.7  # so close up, a helmet or a pattern now and then passes for a face at 0.5
OWN_FACE = 0.3  # cosine below which two pictures don't show one person, for any threshold that a door would use
LOOKALIKE_BELOW = 0.1  # this little under the threshold a stranger would already be near
NO_FACE = "There is no face in the picture."
SPOOFED = "This looks like a picture or a screen, not like a person."


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of one picture. `reason` is a sentence, empty where it was accepted; `quality` from 0 to 1."""

    source: str
    accepted: bool
    reason: str = ""
    quality: float = 0.0


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The templates to store, what became of each picture, and what the operator should know."""

    templates: tuple[Template, ...]
    offered: tuple[Offered, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _View:
    name: str
    embedding: Embedding
    quality: float


class Enroller:
    """Collects pictures of one person. Not thread-safe."""

    def __init__(self, vision: Vision, limits: QualityLimits, spoof: SpoofRule, source: Source) -> None:
        self._vision, self._limits, self._source = vision, limits, source
        self._spoof = SpoofEvidence(spoof)
        self._views: list[_View] = []
        self._offered: list[Offered] = []
        self._live = source == "photo"

    @property
    def accepted(self) -> int:
        return len(self._views)

    @property
    def enough(self) -> bool:
        return len(self._views) >= ENOUGH_FRAMES

    def offer(self, pixels: Pixels, name: str, t_s: float = 0.0) -> Offered:
        """One picture, (h, w, 3) uint8 BGR. Says at once what is wrong with it, so that the person can do better."""
        offered = self._look(pixels, name, t_s)
        self._offered.append(offered)
        return offered

    def finish(self, snapshot: Snapshot, replacing: str | None = None) -> Enrolled:
        """Raises EnrolmentError, with a reason for each refused picture, where no sound template comes of them, they
        are an attack, or the person is enrolled already under another id than `replacing`."""
        reasons = tuple((o.source, o.reason) for o in self._offered if not o.accepted)
        needed = 1 if self._source == "photo" else MIN_FRAMES
        spoofed = any(o.reason == SPOOFED for o in self._offered)
        if self._spoof.verdict() is Verdict.ATTACK or (spoofed and len(self._views) < needed):
            raise EnrolmentError(
                "What stood before the camera looks like a picture or a screen, not like a person.",
                "Enrol the person himself, without glare behind him.",
                reasons,
            )
        if len(self._views) < needed:
            found = f"{len(self._views)} of {len(self._offered)} pictures can be used, {needed} are needed."
            raise EnrolmentError(f"Nobody was enrolled: {found}", _advice(reasons), reasons)
        if not self._live:
            raise EnrolmentError(
                "It could not be told whether a living person stood before the camera.",
                "Give more pictures, closer together, in better light.",
                reasons,
            )
        views, odd = _one_person(self._views)
        if len(views) < max(needed, len(odd) + 1):
            raise EnrolmentError(
                "The pictures do not show one and the same person.", "Give pictures of one person alone.", reasons
            )
        templates = tuple(
            Template(v.embedding.vector, v.embedding.model, self._source, round(v.quality, 3)) for v in _varied(views)
        )
        warnings = [f"{v.name} shows somebody else than the other pictures and was left out." for v in odd]
        warnings += self._check_others(templates, snapshot, replacing)
        return Enrolled(templates, tuple(self._offered), tuple(warnings))

    def _look(self, pixels: Pixels, name: str, t_s: float) -> Offered:
        given = pixels
        pixels, faces = self._detect(given)
        if not faces:
            return Offered(name, False, NO_FACE)
        face = max(faces, key=lambda f: f.eye_distance_px)
        if self._source == "photo" and pixels is given:
            faces = [*faces, *self._look_closer(pixels, faces, face)]
        near = [f for f in faces if f.eye_distance_px >= BYSTANDER_SIZE * face.eye_distance_px]
        if len(near) > 1:
            return Offered(name, False, f"There are {len(near)} faces in the picture; one person alone may be in it.")
        landmarks = self._vision.landmarks.landmarks(pixels, face)
        quality = assess(pixels, face, self._limits, landmarks)
        if quality.issue is not None:
            return Offered(name, False, SENTENCES[quality.issue], quality.score)
        if self._source != "photo":
            self._spoof.add(t_s, self._vision.spoof.score(pixels, face))
            if self._spoof.verdict() is Verdict.ATTACK:
                self._void()
                return Offered(name, False, SPOOFED, quality.score)
            self._live = self._live or self._spoof.verdict() is Verdict.LIVE
        self._views.append(_View(name, self._vision.embedder.embed(pixels, face), quality.score))
        return Offered(name, True, quality=quality.score)

    def _void(self) -> None:
        """What was seen so far may have been the attack, before it showed itself: none of it becomes a template."""
        self._views.clear()
        self._live = False
        self._offered = [replace(o, accepted=False, reason=SPOOFED) if o.accepted else o for o in self._offered]

    def _detect(self, pixels: Pixels) -> tuple[Pixels, list[Face]]:
        """A face that fills the picture is found once there is room around it (the detector never saw such)."""
        faces = self._vision.detector.detect(pixels)
        if faces or self._source == "camera":
            return pixels, faces
        h, w = pixels.shape[:2]
        roomy = np.pad(pixels, ((h // 2, h // 2), (w // 2, w // 2), (0, 0)), mode="edge")
        faces = self._vision.detector.detect(roomy)
        return (roomy, faces) if faces else (pixels, [])

    def _look_closer(self, pixels: Pixels, known: Sequence[Face], face: Face) -> list[Face]:
        """Faces of that size that the detector missed because they are small beside the whole picture: a group's photo
        must not enrol the one of the group whom it happened to find."""
        h, w = pixels.shape[:2]
        side = max(MIN_TILE_PX, round(TILE_FACES * face.box.width))
        centres = [f.box.centre for f in known]
        found = []
        for y, x in product(_starts(h, side), _starts(w, side)) if max(h, w) > side else ():
            tile = np.ascontiguousarray(pixels[y : y + side, x : x + side])
            for other in self._vision.detector.detect(tile):
                cx, cy = other.box.centre[0] + x, other.box.centre[1] + y
                if other.score >= SURE_OF_BYSTANDER and all(
                    np.hypot(cx - kx, cy - ky) > face.box.width for kx, ky in centres
                ):
                    centres.append((cx, cy))
                    found.append(other)
        return found

    def _check_others(self, templates: Sequence[Template], snapshot: Snapshot, replacing: str | None) -> list[str]:
        threshold = snapshot.choice.threshold
        found = check_enrolment(templates, snapshot.matrix, threshold, threshold - LOOKALIKE_BELOW, replacing)
        if found is None:
            return []
        who = snapshot.people[found.person]
        if isinstance(found, AlreadyEnrolled):
            raise EnrolmentError(
                f"This person is enrolled already, as {who.name} ({who.id}).",
                f"Remove that record first (`edgeface gallery remove {who.id}`), or give --replace {who.id}.",
            )
        assert isinstance(found, Lookalike)
        advice = "the two may be refused as ambiguous. More pictures of both, from the door's own camera, help."
        return [f"{who.name} ({who.id}) looks much like this person: {advice}"]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin that overlap by half, so that every face lies whole in one of them."""
    return sorted({min(start, max(0, length - side)) for start in range(0, length, max(1, side // 2))})


def _one_person(views: list[_View]) -> tuple[list[_View], list[_View]]:
    """(those that agree with the most central one, the others)."""
    cosines = _cosines(views)
    centre = int(cosines.sum(axis=1).argmax())
    own = [v for v, c in zip(views, cosines[centre], strict=True) if c >= OWN_FACE]
    return own, [v for v, c in zip(views, cosines[centre], strict=True) if c < OWN_FACE]


def _varied(views: list[_View]) -> list[_View]:
    """The best picture first, then whichever is least like those already chosen, while it shows something new."""
    cosines = _cosines(views)
    chosen = [max(range(len(views)), key=lambda i: views[i].quality)]
    while len(chosen) < min(MAX_TEMPLATES, len(views)):
        nearest = cosines[:, chosen].max(axis=1)
        candidate = int(nearest.argmin())
        if nearest[candidate] >= SAME_VIEW:
            break
        chosen.append(candidate)
    return [views[i] for i in chosen]


def _cosines(views: list[_View]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    vectors = np.stack([v.embedding.vector for v in views])
    return np.asarray(vectors @ vectors.T, np.float32)


def _advice(reasons: tuple[tuple[str, str], ...]) -> str:
    """For the commonest reason: mending that one helps most."""
    sentences = [sentence for _, sentence in reasons]
    commonest = max(sentences, key=sentences.count) if sentences else "Give at least one picture."
    return "Show the whole face from the front, near and in good light." if commonest == NO_FACE else commonest
