"""The spoof model's test: pictures of people (and of rooms and screens) that training never saw, as crops, with what
the teachers and the shipped model say of each. Simulated ones come from the demo's scenes, not from the training's
simulator. Like the training's pack it is made of people's pictures and is never committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from edgeface.adapters.camera.scene.parse import Act, Actor, Key, Role, Scene, Sensor
from edgeface.adapters.camera.scene.render import SceneRenderer
from edgeface.adapters.vision.bundle import VisionModels, load_vision
from edgeface.adapters.vision.spoof import SpoofNet, surroundings
from edgeface.adapters.vision.warp import square
from edgeface.app.evaluate.pictures import main_face
from edgeface.domain.errors import SourceError
from edgeface.domain.types import Floats, Pixels
from scripts.train import split
from scripts.train.pack import SPOOF_SIDE
from scripts.train.pack_spoof import raised
from scripts.train.teachers import MiniFasNets

PORTRAITS, CAST = 300, 36  # identities: as photos, and in scenes
SCENE_FRAMES = 3  # of each act
KINDS = ("live", "print", "screen", "phone")


@dataclass(frozen=True)
class Shown:
    """One picture of the test. `group` is what is measured together; frames of one `clip` are one presentation."""

    group: str
    attack: bool
    clip: str
    t_s: float
    pixels: Pixels


def pack_test(data: Path, reference: Path, models: Path, out: Path) -> None:
    cv2.setNumThreads(1)
    vision = load_vision(models)
    shipped = SpoofNet(vision.networks["spoof"])
    teachers = MiniFasNets(reference)
    rows: dict[str, list[object]] = {k: [] for k in ("crop", "group", "attack", "clip", "t_s", "teacher", "shipped")}
    missed: dict[str, int] = {}
    for shown in tqdm(_shown(data, vision), unit="picture", mininterval=10):
        face = main_face(shown.pixels, vision.detector.detect(shown.pixels))
        if face is None:
            missed[shown.group] = missed.get(shown.group, 0) + 1
            continue
        h, w = shown.pixels.shape[:2]
        crop = square(shown.pixels, *surroundings(face.box, w, h), SPOOF_SIDE)
        said = 1 - teachers(shown.pixels, raised(face))[0]
        values = (crop, shown.group, shown.attack, shown.clip, shown.t_s, said, shipped.score(shown.pixels, face))
        for column, value in zip(rows.values(), values, strict=True):
            column.append(value)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        np.savez(file, **{k: np.array(v) for k, v in rows.items()}, shipped_id=vision.spoof_id)
    print(f"{out}: {len(rows['crop'])} pictures; without a face: {missed}")


def _shown(data: Path, vision: VisionModels) -> Iterator[Shown]:
    for kind in ("live", "print"):
        for path in sorted((data / "spoof/nuaa" / kind).glob("*.jpg")):
            if split.part("nuaa", path.name[:4]) == split.TEST:
                yield Shown("nuaa", kind == "print", path.stem, 0.0, _read(path))
    for path in sorted((data / "spoof/video").iterdir()):
        yield from _clip(path, f"clip {path.stem}", "screen" in path.stem, 2)
    for path in sorted((data / "motion").glob("*.mp4")):
        if split.part("clip", path.stem) == split.VALIDATE:
            yield from _clip(path, "motion", False, 6)
    people = [p for p in sorted((data / "lfw").iterdir()) if split.part("lfw", p.name) == split.TEST]
    portraits = [sorted(p.glob("*.jpg"))[0] for p in people]
    for path in portraits[:: max(1, len(portraits) // PORTRAITS)]:
        yield Shown("portraits", False, path.stem, 0.0, _read(path))
    for number, path in enumerate(portraits[:: len(portraits) // CAST][:CAST]):
        yield from _scenes(path, number, vision)


def _clip(path: Path, group: str, attack: bool, every: int) -> Iterator[Shown]:
    clip = cv2.VideoCapture(str(path))
    fps = clip.get(cv2.CAP_PROP_FPS) or 30.0
    number = 0
    while clip.grab():
        if number % every == 0:
            ok, frame = clip.retrieve()
            if ok:
                yield Shown(group, attack, path.stem, number / fps, np.asarray(frame, np.uint8))
        number += 1
    clip.release()


def _scenes(portrait: Path, number: int, vision: VisionModels) -> Iterator[Shown]:
    """The person, then a print, a tablet and a phone that show that very photo, in one light before one camera."""
    rng = np.random.default_rng([5, number])
    size = rng.uniform(0.19, 0.30)
    acts = []
    for i, kind in enumerate(KINDS):
        x, y = rng.uniform(0.42, 0.58), rng.uniform(0.42, 0.52)
        keys = tuple(
            Key(t, x + rng.normal(0, 0.02), y, size * rng.uniform(0.9, 1.1), *rng.normal(0, [7, 3, 3]))
            for t in (0.0, 1.0)
        )
        acts.append(Act(kind, float(i), i + 1.0, "nothing", cast=(Role(kind, keys),)))
    scene = Scene(
        title=portrait.stem,
        width=640,
        height=480,
        fps=float(SCENE_FRAMES),
        length_s=float(len(KINDS)),
        seed=number,
        light=float(rng.uniform(0.55, 1.15)),
        sensor=Sensor(
            noise=float(rng.uniform(0.5, 2.0)), blur_px=float(rng.uniform(0.3, 1.1)), jpeg=int(rng.choice([0, 60, 85]))
        ),
        actors={k: Actor(k, k, portrait.name) for k in KINDS},
        acts=tuple(acts),
        folder=portrait.parent,
    )
    try:
        renderer = SceneRenderer(scene, find_face=_finder(vision))
    except SourceError:
        return
    for frame in range(scene.frames):
        kind = KINDS[frame // SCENE_FRAMES]
        pixels = renderer.frame(frame)
        yield Shown(f"scene {kind}", kind != "live", f"{portrait.stem} {kind}", frame / scene.fps, pixels)


def _finder(vision: VisionModels) -> Callable[[Pixels], Floats]:
    def find(pixels: Pixels) -> Floats:
        face = main_face(pixels, vision.detector.detect(pixels))
        if face is None:
            raise SourceError("no face in the portrait", "")
        return vision.landmarks.landmarks(pixels, face).points

    return find


def _read(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
