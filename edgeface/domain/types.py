"""The values that travel along a frame's way. Pictures are (height, width, 3) uint8, BGR; coordinates are
pixels of the frame, x to the right, y downwards, the origin at the top-left corner of the top-left pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the camera. `captured_s` is the monotonic time of capture; `index` counts from 0 per opening."""

    pixels: Pixels
    captured_s: float
    index: int

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class Box:
    """Axis-aligned rectangle in frame pixels; may reach beyond the frame."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        w = min(self.x2, other.x2) - max(self.x1, other.x1)
        h = min(self.y2, other.y2) - max(self.y1, other.y1)
        if w <= 0 or h <= 0:
            return 0.0
        inter = w * h
        return inter / (self.area + other.area - inter)


@dataclass(frozen=True, slots=True)
class Face:
    """A detection. `keypoints` is (6, 2) float32 in frame pixels, named from the person's own side:
    right eye, left eye, nose tip, mouth centre, right ear tragion, left ear tragion (BlazeFace's order)."""

    score: float
    box: Box
    keypoints: Floats

    @property
    def eye_distance_px(self) -> float:
        (ax, ay), (bx, by) = self.keypoints[:2].tolist()
        return math.hypot(ax - bx, ay - by)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """FaceMesh surface: `points` is (468, 3) float32, x and y in frame pixels, z in the same scale (towards the
    camera is negative); `presence` is the model's probability, 0 to 1, that a face is there at all."""

    points: Floats
    presence: float


@dataclass(frozen=True, slots=True)
class Embedding:
    """`vector` is (128,) float32 of unit length; `model` is the manifest's id of the model that made it."""

    vector: Floats
    model: str


@dataclass(frozen=True, slots=True)
class Match:
    """Best person for a probe. `score` is the cosine with that person's best template; `margin` is the distance to
    the best template of any *other* person (2.0 where there is none); `threshold` is the open-set limit in force.
    `person` is None where nothing reached the threshold or the gallery is empty; `best` names the nearest anyway."""

    person: str | None
    best: str | None
    score: float
    margin: float
    threshold: float
    also: str | None = None  # the second person, where he reaches the threshold too


class QualityIssue(str, Enum):
    """Why a face is not good enough to be recognised; each has a sentence for a person in domain/quality.py."""

    TOO_FAR = "too_far"
    TOO_CLOSE = "too_close"
    CUT_OFF = "cut_off"
    LOOK_AT_CAMERA = "look_at_camera"
    HOLD_STILL = "hold_still"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    FACE_COVERED = "face_covered"


class DenialReason(str, Enum):
    """The closed list of reasons for a denial. Values are a public contract (docs/design.md)."""

    UNKNOWN_PERSON = "unknown_person"
    AMBIGUOUS = "ambiguous"
    UNDECIDED = "undecided"
    SPOOF = "spoof"
    LIVENESS_NOT_SHOWN = "liveness_not_shown"
    LIVENESS_UNAVAILABLE = "liveness_unavailable"
    LEFT_VIEW = "left_view"
    POOR_QUALITY = "poor_quality"
    OUTSIDE_SCHEDULE = "outside_schedule"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    NOT_ALLOWED_HERE = "not_allowed_here"
    CLOCK_NOT_SET = "clock_not_set"
    TRACK_LOCKED_OUT = "track_locked_out"
    DOOR_LOCKED_OUT = "door_locked_out"
    COOLDOWN = "cooldown"
    PASSBACK = "passback"
    FACTOR_MISSING = "factor_missing"
    WRONG_PIN = "wrong_pin"
    UNKNOWN_CARD = "unknown_card"
    CARD_OF_ANOTHER = "card_of_another"
    FACE_NEEDED = "face_needed"
    FACTOR_LOCKED_OUT = "factor_locked_out"
    LOCKDOWN = "lockdown"
    DOOR_FAULT = "door_fault"
    AUDIT_FAULT = "audit_fault"
    GALLERY_UNCONFIRMED = "gallery_unconfirmed"


NO_TRACK = -1  # of a decision that rests on no face


@dataclass(frozen=True, slots=True)
class Grant:
    """Open for this person now. `track` is the track that it rests on (NO_TRACK: no face); `evidence_ms` how long
    evidence was gathered; `by` what it rests on: face, face+card, face+pin, card, card+pin; `wiegand` what an existing
    controller is told; `unconfirmed`: the site has not confirmed the gallery that it rests on."""

    person: str
    track: int
    score: float
    margin: float
    evidence_ms: int
    by: str = "face"
    wiegand: tuple[int, int, int] | None = None
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class Deny:
    """Not this time; final for the attempt. `person` only where somebody was recognised but may not enter."""

    reason: DenialReason
    track: int
    person: str | None = None
    score: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """No decision yet. `hint` is what the person can do, None where waiting is enough."""

    track: int
    hint: QualityIssue | str | None = None


Decision = Grant | Deny | Wait


@dataclass(frozen=True, slots=True)
class Template:
    """One enrolled view. `vector` is (128,) float32 of unit length, *unrotated* in memory; the store rotates it."""

    vector: Floats
    model: str
    source: str = ""  # "camera", "photo", "clip"
    quality: float = 1.0


class SecondFactor(str, Enum):
    """When a recognised face is not enough."""

    NEVER = "never"
    IN_DOUBT = "in_doubt"  # where the face could be a look-alike's too
    ALWAYS = "always"


class WithoutFace(str, Enum):
    """What lets somebody in whose face can't be seen: bandaged, covered."""

    NO = "no"
    CARD = "card"
    CARD_AND_PIN = "card_and_pin"


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person can show beside the face. `pin` is a salted hash (adapters/gallery/factors.py), None: none.
    `cards` are keyed hashes of card ids. `wiegand`: (bits, facility code, card number) sent to an existing controller
    with a grant; that number is no secret on such a bus, so it is kept as it is."""

    pin: str | None = None
    cards: tuple[str, ...] = ()
    second: SecondFactor = SecondFactor.IN_DOUBT
    without_face: WithoutFace = WithoutFace.NO
    wiegand: tuple[int, int, int] | None = None

    @property
    def any(self) -> bool:
        return self.pin is not None or bool(self.cards)


@dataclass(frozen=True, slots=True)
class Person:
    """A gallery record. `id` is 32 hex digits, random and pseudonymous; `name` never leaves the device unasked.
    `seq` rises with each change of this record. Validity is in Unix seconds UTC, None means unbounded."""

    id: str
    name: str
    templates: tuple[Template, ...]
    seq: int = 1
    groups: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()  # empty: every door of the site
    schedule: str = "always"
    valid_from_s: float | None = None
    valid_to_s: float | None = None
    enrolled_s: float = 0.0
    notes: dict[str, str] = field(default_factory=dict)
    factors: Factors = field(default_factory=Factors)
