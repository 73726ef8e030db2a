"""A doorway with scripted people: the production door loop on a virtual clock, with vision that says what the script
says. The pictures are real enough for the quality gate and for the eyes (a textured face, a light and a dark iris)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np

from edgeface.adapters.door.recording import RecordingDoor
from edgeface.adapters.gallery.memory import MemoryGallery
from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import RELEASED, VirtualClock
from edgeface.app.desk import Desk
from edgeface.app.door_loop import DoorLoop
from edgeface.app.people import IdentityRule, LiveGallery
from edgeface.app.recorder import Recorder
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings
from edgeface.app.view import Vision
from edgeface.domain.alignment import KEYPOINT_HEAD
from edgeface.domain.calibration import ErrorBudget, FmrCurve
from edgeface.domain.events import Event
from edgeface.domain.types import Box, Embedding, Face, Frame, Landmarks, Person, Template
from edgeface.ports import Reading

MODEL = "scripted-embedder"
WIDTH, HEIGHT = 320, 240
CURVE = FmrCurve((1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7), (0.2, 0.3, 0.4, 0.5, 0.6, 0.7), 1e-7)
RULE = IdentityRule(CURVE, ErrorBudget(1.0, 20.0), 0.5, 0.05, 3, 5)


@lru_cache(maxsize=256)
def vector(who: str, like: str | None = None, cosine: float = 0.0) -> np.ndarray:
    """(128,) float32 of unit length, always the same for a name; two names are nearly orthogonal, unless `like` gives
    the cosine with another one."""
    v = np.random.default_rng(int.from_bytes(hashlib.sha256(who.encode()).digest()[:8], "big")).normal(size=128)
    v /= np.linalg.norm(v)
    if like is not None:
        base = vector(like).astype(np.float64)
        v -= (v @ base) * base
        v = cosine * base + np.sqrt(1 - cosine**2) * v / np.linalg.norm(v)
    return v.astype(np.float32)


def person_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def enrolled(name: str, **fields) -> Person:
    return Person(person_id(name), name, (Template(vector(name), MODEL, "photo"),), **fields)


@dataclass(frozen=True)
class Seen:
    """A face in the picture. `eyes` is the distance between them in pixels, `spoof` the model's probability of an
    attack; `like`, `cosine` make the face a mixture (see `vector`)."""

    who: str
    x: float = 160.0
    y: float = 110.0
    eyes: float = 40.0
    spoof: float = 0.02
    presence: float = 1.0
    yaw: float = 0.0
    shut: bool = False
    like: str | None = None
    cosine: float = 0.0


def face_of(seen: Seen) -> Face:
    at = KEYPOINT_HEAD[:, :2] * seen.eyes + (seen.x, seen.y - 0.2 * seen.eyes)
    box = Box(seen.x - seen.eyes, seen.y - seen.eyes, seen.x + seen.eyes, seen.y + seen.eyes)
    return Face(0.9, box, at.astype(np.float32))


def mesh_of(seen: Seen) -> Landmarks:
    """(468, 3): a flat face, turned by `yaw`, with the eyes' corners where `paint` draws the eyes."""
    e, turn = seen.eyes, np.radians(seen.yaw)
    points = np.zeros((468, 3), np.float32)
    x_of = {234: -1.0, 127: -0.95, 33: -0.75, 133: -0.25, 454: 1.0, 356: 0.95, 263: 0.75, 362: 0.25}
    for index, x in x_of.items():
        points[index] = (seen.x + x * e * np.cos(turn), seen.y - 0.2 * e, x * e * np.sin(turn))
    for index, y in {10: -1.0, 151: -0.9, 152: 1.0, 175: 0.9}.items():
        points[index] = (seen.x, seen.y + y * e, 0)
    return Landmarks(points, seen.presence)


@lru_cache(maxsize=64)
def paint(faces: tuple[Seen, ...]) -> np.ndarray:
    """(240, 320, 3) uint8: noise, and each face darker, with two eyes, a dark iris in each unless they are shut."""
    pixels = _NOISE.copy()
    for f in faces:
        y, x = max(0, round(f.y - f.eyes)), max(0, round(f.x - f.eyes))
        face = pixels[y : round(f.y + f.eyes), x : round(f.x + f.eyes)]
        face -= 50
        for side in (-1, 1):
            cx, cy, w = f.x + side * 0.5 * f.eyes, f.y - 0.2 * f.eyes, 0.5 * f.eyes
            _fill(pixels, cx - w / 2, cy - w / 2, cx + w / 2, cy + w / 2, 150)
            if not f.shut:
                _fill(pixels, cx - 0.3 * w, cy - 0.25 * w, cx + 0.3 * w, cy + 0.1 * w, 50)
    pixels.setflags(write=False)
    return pixels


def _fill(pixels, x1, y1, x2, y2, value):
    pixels[max(0, round(y1)) : max(0, round(y2) + 1), max(0, round(x1)) : max(0, round(x2) + 1)] = value


_NOISE = np.random.default_rng(1).integers(60, 200, (HEIGHT, WIDTH, 3), np.uint8)


class ScriptedVision:
    """All four models: they say of each face what `faces` says. `fail` makes the detector raise."""

    model = MODEL

    def __init__(self) -> None:
        self.faces: Sequence[Seen] = ()
        self.fail: Exception | None = None
        self._known: list[tuple[Face, Seen]] = []
        self.embedded = 0

    def detect(self, pixels):
        if self.fail is not None:
            raise self.fail
        self._known = [(face_of(s), s) for s in self.faces]
        return [f for f, _ in self._known]

    def landmarks(self, pixels, face):
        return mesh_of(self._seen(face))

    def score(self, pixels, face):
        return self._seen(face).spoof

    def embed(self, pixels, face):
        self.embedded += 1
        seen = self._seen(face)
        return Embedding(vector(seen.who, seen.like, seen.cosine), MODEL)

    def _seen(self, face):
        return next(s for f, s in self._known if f is face)


class TracedAudit(MemoryAudit):
    """Says in `trace` what became durable, and when; `slow_s` is what an append takes on the virtual clock."""

    def __init__(self, clock: VirtualClock, trace: list) -> None:
        super().__init__(clock=clock, boot_id="test")
        self._virtual, self._trace, self.slow_s = clock, trace, 0.0

    def append(self, events):
        events = list(events)
        self._virtual.advance(self.slow_s)
        super().append(events)
        self._trace += [("audit", e) for e in events]


class TracedDoor(RecordingDoor):
    """Says in `trace` which grants were asked for, and whether the relay moved. `slow_s` is what the way to the door
    process takes on the virtual clock."""

    def __init__(self, clock: VirtualClock, trace: list) -> None:
        super().__init__(clock)
        self._virtual, self._trace, self.slow_s = clock, trace, 0.0
        self.refuse_with: Exception | None = None

    def grant(self, grant_id, pulse_ms, *, test=False):
        self._trace.append(("asked", grant_id))
        if self.refuse_with is not None:
            raise self.refuse_with
        self._virtual.advance(self.slow_s)
        super().grant(grant_id, pulse_ms, test=test)
        self._trace.append(("moved", grant_id))


class Doorway:
    """`show` plays what stands there; `events` is what was recorded, in order."""

    def __init__(
        self,
        *people: Person,
        fps: float = 15.0,
        start=RELEASED,
        rule: IdentityRule = RULE,
        seed: int = 1,
        hasher=None,
        **settings,
    ) -> None:
        self.clock = VirtualClock(start)
        self.trace: list = []
        self.events: list[Event] = []
        self.audit = TracedAudit(self.clock, self.trace)
        self.door = TracedDoor(self.clock, self.trace)
        self.store = MemoryGallery(people)
        self.gallery = LiveGallery(self.store, MODEL, rule, self.clock)
        self.recorder = Recorder(self.audit, self.clock, [self.events.append])
        self.vision = ScriptedVision()
        self.settings = Settings(**settings)
        v, rules = self.vision, rules_of(self.settings)
        vision = Vision(v, v, v, v)
        self.desk = Desk(self.gallery, self.recorder, self.clock, rules.policy.factors, hasher)
        self.desk.set_ready("reader", hasher is not None)
        self.loop = DoorLoop(
            vision, self.gallery, self.door, self.recorder, self.clock, rules, Random(seed), desk=self.desk
        )
        self.fps = fps
        self.index = 0

    def show(self, *faces: Seen, s: float | None = None, frames: int | None = None) -> list:
        """Seconds or frames of these faces; the decisions, those of frames without one left out."""
        count = frames if frames is not None else max(1, round((s if s is not None else 1.0) * self.fps))
        return [d for d in (self.step(faces) for _ in range(count)) if d is not None]

    def step(self, faces: Iterable[Seen] = (), captured_s: float | None = None):
        self.clock.advance(1.0 / self.fps)
        self.vision.faces = tuple(faces)
        self.recorder.record(self.door.poll_events())
        t_s = self.clock.monotonic_s() if captured_s is None else captured_s
        frame = Frame(paint(self.vision.faces), t_s, self.index)
        self.index += 1
        decision = self.loop.step(frame)
        self.desk.settle()  # a thread of its own in the daemon
        return decision

    def card(self, text: str) -> None:
        self.desk.take("reader", Reading("card", text, self.clock.monotonic_s()))

    def pin(self, digits: str) -> None:
        self.desk.take("reader", Reading("pin", digits, self.clock.monotonic_s()))

    def wait(self, s: float) -> None:
        """An empty doorway."""
        self.show(s=s)

    # -- what happened -----------------------------------------------------------------------------------------------

    def kinds(self, *leaving_out: str) -> list[str]:
        return [e.kind for e in self.events if e.kind not in leaving_out]

    def count(self, kind: str, **fields) -> int:
        return len(self.of(kind, **fields))

    def of(self, kind: str, **fields) -> list:
        return [e for e in self.events if e.kind == kind and all(getattr(e, k) == v for k, v in fields.items())]

    def reasons(self) -> list[str]:
        return [e.reason for e in self.events if hasattr(e, "reason")]

    @property
    def moved(self) -> int:
        """How often the relay pulled in, by the relay's own account."""
        return sum(level for _, level in self.door.energised)
