"""Fakes of the four models that answer from a script: the door loop runs on them without a model or a real picture.

    vision = RecordedVision([[Actor("anna", x=320)], [], [Actor(None, x=200, spoof=0.95)]])

Each call of `vision.detector.detect` moves to the next frame of the script (the last one lasts); the other three look
up the actor whose face they are asked about. The picture itself is never looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeface.domain.alignment import KEYPOINT_HEAD
from edgeface.domain.types import Box, Embedding, Face, Floats, Landmarks, Pixels

MODEL = "recorded-0"
# The face box in eye distances about the middle of the eyes, as BlazeFace draws it.
_BOX = (-1.15, -0.75, 1.15, 1.55)
# FaceMesh vertices that the domain reads, on a head like KEYPOINT_HEAD; the others are put onto an ellipsoid.
_LIDS_RIGHT = {33: -0.24, 160: -0.1, 158: 0.1, 133: 0.24, 153: 0.1, 144: -0.1, 159: 0.0, 145: 0.0}
_LIDS_LEFT = {362: -0.24, 385: -0.1, 387: 0.1, 263: 0.24, 373: 0.1, 380: -0.1, 386: 0.0, 374: 0.0}
_UPPER = frozenset({160, 158, 159, 385, 387, 386})
_LOWER = frozenset({153, 144, 145, 373, 380, 374})
_FIXED = {
    1: (0.0, 0.55, -0.75), 4: (0.0, 0.5, -0.78), 10: (0.0, -0.95, 0.1), 151: (0.0, -0.7, 0.0), 152: (0.0, 1.65, 0.1),
    175: (0.0, 1.5, 0.0), 13: (0.0, 1.0, -0.42), 14: (0.0, 1.1, -0.42), 61: (-0.4, 1.05, -0.25),
    291: (0.4, 1.05, -0.25), 234: (-1.1, 0.35, 0.9), 454: (1.1, 0.35, 0.9),
    127: (-1.08, 0.0, 0.85), 356: (1.08, 0.0, 0.85),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody in one frame. `person` names who it is (each name has a vector of its own; None is a stranger);
    x and y are the middle of the eyes, `eyes_px` their distance; angles as in domain/alignment.py; `closed` is how far
    the eyes are shut, 0 to 1; `noise` turns the vector away from the person's own (0.5: a cosine of about 0.9)."""

    person: str | None
    x: float = 320.0
    y: float = 220.0
    eyes_px: float = 70.0
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    score: float = 0.95
    spoof: float = 0.02
    presence: float = 0.99
    closed: float = 0.0
    noise: float = 0.0


class RecordedVision:
    """`frames[i]` are the actors that the detector's call number i finds. The fakes share this script."""

    def __init__(self, frames: Sequence[Sequence[Actor]], model: str = MODEL) -> None:
        self._frames = [sorted(actors, key=lambda a: -a.score) for actors in frames] or [[]]
        self._calls = 0
        self._now: list[tuple[Actor, Face]] = []
        self.detector = RecordedDetector(self)
        self.landmarks = RecordedLandmarks(self)
        self.spoof = RecordedSpoof(self)
        self.embedder = RecordedEmbedder(self, model)

    def advance(self) -> list[Face]:
        actors = self._frames[min(self._calls, len(self._frames) - 1)]
        self._calls += 1
        self._now = [(a, face_of(a)) for a in actors]
        return [face for _, face in self._now]

    def actor(self, face: Face) -> Actor:
        """The one that overlaps the face best; a stranger where nobody does."""
        best = max(self._now, key=lambda pair: pair[1].box.iou(face.box), default=None)
        return best[0] if best is not None and best[1].box.iou(face.box) > 0 else Actor(None, presence=0.0)


class RecordedDetector:
    def __init__(self, script: RecordedVision) -> None:
        self._script = script

    def detect(self, pixels: Pixels) -> list[Face]:
        return self._script.advance()


class RecordedLandmarks:
    def __init__(self, script: RecordedVision) -> None:
        self._script = script

    def landmarks(self, pixels: Pixels, face: Face) -> Landmarks:
        actor = self._script.actor(face)
        return Landmarks(_place(actor, _surface(actor.closed)).astype(np.float32), actor.presence)


class RecordedSpoof:
    model = MODEL

    def __init__(self, script: RecordedVision) -> None:
        self._script = script

    def score(self, pixels: Pixels, face: Face) -> float:
        return self._script.actor(face).spoof


class RecordedEmbedder:
    def __init__(self, script: RecordedVision, model: str) -> None:
        self._script, self._model, self._calls = script, model, 0

    @property
    def model(self) -> str:
        return self._model

    def embed(self, pixels: Pixels, face: Face) -> Embedding:
        actor = self._script.actor(face)
        own = vector_of(actor.person or "a stranger")
        if actor.noise:
            other = vector_of(f"noise of {actor.person} at {actor.x:.3f}, {actor.y:.3f}, {actor.eyes_px:.3f}")
            own = own + np.float32(actor.noise) * other
        return Embedding(np.asarray(own / np.linalg.norm(own), np.float32), self._model)


def vector_of(name: str) -> Floats:
    """(128,) of unit length, the same for the same name on every machine; two names' cosine is near 0."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).normal(size=128)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def face_of(actor: Actor) -> Face:
    """What the detector would say of this actor."""
    x1, y1, x2, y2 = (actor.eyes_px * v for v in _BOX)
    keypoints = _place(actor, KEYPOINT_HEAD)[:, :2].astype(np.float32)
    return Face(actor.score, Box(actor.x + x1, actor.y + y1, actor.x + x2, actor.y + y2), keypoints)


def _surface(closed: float) -> Floats:
    """(468, 3) in eye distances about the middle of the eyes."""
    turn = np.arange(468) * 2.399963  # the golden angle spreads the points evenly
    height = np.linspace(-0.95, 1.6, 468)
    width = 1.1 * np.sqrt(np.clip(1 - ((height - 0.32) / 1.35) ** 2, 0, 1))
    points = np.stack([width * np.cos(turn), height, 0.6 - width * np.abs(np.sin(turn))], 1)
    for index, at in _FIXED.items():
        points[index] = at
    opening = 0.09 * (1 - closed)
    for centre, lids in ((-0.5, _LIDS_RIGHT), (0.5, _LIDS_LEFT)):
        for index, along in lids.items():
            up = -opening if index in _UPPER else opening if index in _LOWER else 0.0
            points[index] = (centre + along, up, 0.0)
    return points.astype(np.float32)


def _place(actor: Actor, points: Floats) -> Floats:
    """Points of the head, turned and put into the frame."""
    yaw, pitch, roll = np.radians([-actor.yaw_deg, actor.pitch_deg, actor.roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = points.astype(np.float64) @ (about_z @ about_y @ about_x).T
    return np.asarray(turned * actor.eyes_px + [actor.x, actor.y, 0.0], np.float32)
