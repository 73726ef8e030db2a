"""The scene file: TOML -> Scene. Standard library only, so that a checker can read a scene's expectations cheaply.

Lengths are fractions of the frame's width (`x`, `face`) or height (`y`); angles are degrees; times are seconds from
the scene's start, those of a key from its act's start. docs/scenes.md is the reference.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgeface.adapters.camera.scene.tables import Table
from edgeface.domain.errors import SourceError
from edgeface.domain.story import ADMIN, HINTS, Expected

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same parser under its old name
    import tomli as tomllib

KINDS = ("live", "print", "screen", "phone")
EXPECTATIONS = ("access_granted", "access_denied", "spoof_refused", "nothing")
MAX_TURN, MAX_PITCH, MAX_LEAN = 42.0, 20.0, 15.0  # degrees; a still shows little of what lies beyond
MAX_SIZE_PX = 4096  # larger frames are a typing error, and would take gigabytes


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or a picture of somebody. `portrait` is a file or `builtin:NAME`; `person` is who it shows; `sway` and
    `blink_every_s` (0: never) are how lively; `saturation` evens out the stills' colours."""

    id: str
    kind: str
    portrait: str
    person: str = ""
    sway: float = 1.0
    blink_every_s: float = 3.0
    saturation: float = 1.0


@dataclass(frozen=True, slots=True)
class Key:
    """A pose at a moment: centre and width of the face; positive yaw turns the nose to the right of the picture,
    positive pitch looks down, positive roll leans clockwise as seen."""

    at_s: float
    x: float
    y: float
    face: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True)
class Role:
    """One actor's way through an act."""

    actor: str
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Act(Expected):
    """What is expected while `cast` plays."""

    cast: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Sensor:
    """What the camera adds. `noise` 1.0 is a small sensor indoors; `drift` is the relative swing of the light;
    `shutter_s` blurs what moves (1/50: mains light); `jpeg` 0 is off, otherwise the quality."""

    noise: float = 1.0
    drift: float = 0.04
    blur_px: float = 0.6
    vignette: float = 0.18
    shutter_s: float = 0.02
    jpeg: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole scene. `folder` is where relative portraits are looked for."""

    title: str
    width: int
    height: int
    fps: float
    length_s: float
    seed: int
    light: float
    sensor: Sensor
    actors: Mapping[str, Actor]
    acts: tuple[Act, ...]
    folder: Path = field(default_factory=Path)

    @property
    def frames(self) -> int:
        return round(self.length_s * self.fps)


def load_scene(path: Path) -> Scene:
    """Raises SourceError: the file is missing, is no TOML, or says something that makes no sense."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise SourceError(f"The scene {path} can't be read: {e.strerror}.", "Check the path.") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SourceError(f"The scene {path} is not valid TOML: {e}.", "docs/scenes.md shows the form.") from e
    return parse_scene(data, path)


def parse_scene(data: Mapping[str, Any], path: Path) -> Scene:
    """`data` is the TOML document; `path` is for messages and for relative portraits."""
    top = Table(data, str(path))
    width, height = (int(v) for v in top.numbers("size", [640, 480], count=2, low=64, high=MAX_SIZE_PX))
    actors: dict[str, Actor] = {}
    for t in top.tables("actor"):
        actor = _actor(t)
        if actor.id in actors:
            raise t.error(f"the actor {actor.id!r} is there twice", "Give each actor an id of its own.")
        actors[actor.id] = actor
    acts = tuple(_act(t, actors) for t in top.tables("act"))
    end_s = max((a.end_s for a in acts), default=1.0)
    scene = Scene(
        title=top.text("title", path.stem),
        width=width,
        height=height,
        fps=top.number("fps", 30.0, low=1, high=240),
        length_s=top.number("length_s", end_s, low=end_s, high=86_400),
        seed=int(top.number("seed", 1, low=0, high=2**31)),
        light=top.table("doorway").last_number("light", 1.0, low=0.05, high=3),
        sensor=_sensor(top.table("sensor")),
        actors=actors,
        acts=acts,
        folder=path.parent,
    )
    top.finish()
    return scene


def _sensor(t: Table) -> Sensor:
    sensor = Sensor(
        noise=t.number("noise", 1.0, low=0, high=8),
        drift=t.number("drift", 0.04, low=0, high=0.5),
        blur_px=t.number("blur_px", 0.6, low=0, high=10),
        vignette=t.number("vignette", 0.18, low=0, high=0.9),
        shutter_s=t.number("shutter_s", 0.02, low=0, high=0.2),
        jpeg=int(t.number("jpeg", 0, low=0, high=100)),
    )
    t.finish()
    return sensor


def _actor(t: Table) -> Actor:
    actor = Actor(
        id=t.text("id"),
        kind=t.choice("kind", KINDS),
        portrait=t.text("portrait"),
        person=t.text("person", ""),
        sway=t.number("sway", 1.0, low=0, high=5),
        blink_every_s=t.number("blink_every_s", 3.0, low=0, high=600),
        saturation=t.number("saturation", 1.0, low=0, high=2),
    )
    t.finish()
    return actor


def _act(t: Table, actors: Mapping[str, Actor]) -> Act:
    start_s = t.number("start_s", low=0, high=86_400)
    cast = tuple(_role(r, actors) for r in t.tables("cast"))
    act = Act(
        name=t.text("name"),
        start_s=start_s,
        end_s=t.number("end_s", low=start_s, high=86_400),
        expect=t.choice("expect", EXPECTATIONS),
        person=t.text("person", ""),
        reason=t.text("reason", ""),
        accept=t.texts("accept"),
        also=t.texts("also"),
        hint=t.choice("hint", HINTS, ""),
        admin=t.choice("admin", ADMIN, ""),
        cast=cast,
    )
    t.finish()
    if act.admin and not act.person:
        raise t.error(f"`admin` says {act.admin}, and not whom", 'Name somebody: person = "Ada Lovelace".')
    return act


def _role(t: Table, actors: Mapping[str, Actor]) -> Role:
    actor = t.text("actor")
    if actor not in actors:
        raise t.error(f"there is no actor {actor!r}", f"The actors are: {', '.join(actors) or 'none'}.")
    keys = tuple(_key(k) for k in t.tables("keys"))
    if not keys:
        raise t.error("`keys` is empty", "Give at least one pose: keys = [{ at_s = 0, x = 0.5, y = 0.4, face = 0.2 }].")
    if any(b.at_s <= a.at_s for a, b in pairwise(keys)):
        raise t.error("`at_s` doesn't rise from key to key", "Put the keys in order of time.")
    if actors[actor].kind == "live" and any(abs(k.roll) > MAX_LEAN for k in keys):
        raise t.error(f"`roll` leans a living head by more than {MAX_LEAN:g} degrees", "Only pictures turn that far.")
    t.finish()
    return Role(actor, keys)


def _key(t: Table) -> Key:
    key = Key(
        at_s=t.number("at_s", low=0, high=86_400),
        x=t.number("x", low=-3, high=4),
        y=t.number("y", low=-3, high=4),
        face=t.number("face", low=0.005, high=2),
        yaw=t.number("yaw", 0.0, low=-MAX_TURN, high=MAX_TURN),
        pitch=t.number("pitch", 0.0, low=-MAX_PITCH, high=MAX_PITCH),
        roll=t.number("roll", 0.0, low=-180, high=180),
    )
    t.finish()
    return key
