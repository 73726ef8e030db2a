"""wiring.py's other half: concrete parts for the commands that are not the daemon (replay, evaluation, the demo)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from edgeface.app.door_loop import DoorLoop
from edgeface.app.paths import mosquitto_dir
from edgeface.app.people import LiveGallery
from edgeface.app.recorder import Listener, Recorder
from edgeface.app.renewal import renew
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings
from edgeface.app.wiring import (
    identity_rule,
    open_audit,
    open_camera,
    open_gallery,
    open_keys,
    system_clock,
    vision_of,
)
from edgeface.domain.errors import ConfigError
from edgeface.domain.gallery_keys import WrappingKey
from edgeface.domain.types import Person, Pixels
from edgeface.ports import Camera, Door, GalleryStore

if TYPE_CHECKING:
    from edgeface.adapters.camera.scene.parse import Scene
    from edgeface.adapters.system.clock import VirtualClock
    from edgeface.adapters.system.inspection import Inspection
    from edgeface.adapters.vision.bundle import VisionModels
    from edgeface.app.demo.admins import Admin
    from edgeface.app.demo.stage import Stage
    from edgeface.app.evaluate.pictures import EvalModels


def eval_models(models: VisionModels) -> EvalModels:
    from edgeface.app.evaluate.pictures import EvalModels

    return EvalModels(models.detector, models.embedder, models.spoof, models.spoof_id)


def check_models(settings: Settings) -> None:
    """Whether every model is there and the pinned one, without loading any. Raises ModelError."""
    from edgeface.adapters.vision.trusted import load_pinned

    load_pinned(settings.models_folder)


def back_up_gallery(settings: Settings, target: Path) -> None:
    """Raises StorageError, GalleryError."""
    from edgeface.adapters.gallery.backup import back_up

    back_up(settings.gallery_path, target)


def renew_wrapping_key(settings: Settings) -> tuple[WrappingKey, int]:
    """At once, and how many people it wraps. Raises StorageError (TracesRemain among them), GalleryError."""
    keys, clock = open_keys(settings, create=False), system_clock()
    with closing(open_gallery(settings, keys, clock)) as store, closing(open_audit(settings, keys)) as audit:
        return renew(store, Recorder(audit, clock, []), clock), sum(1 for _ in store.people())


def inspection() -> Inspection:
    """This machine, for whoever looks at it once."""
    from edgeface.adapters.system.inspection import Inspection

    return Inspection()


def journal(unit: str, lines: str) -> str | None:
    """The last lines of a unit's log; None where there is no journal."""
    return inspection().run("journalctl", "--no-pager", "--quiet", "-u", unit, "-n", lines)


def memory_gallery(people: Iterable[Person] = ()) -> GalleryStore:
    """A gallery that is gone with the process."""
    from edgeface.adapters.gallery.memory import MemoryGallery

    return MemoryGallery(people)


def scene_path(path: Path | None) -> Path:
    """The scene file; None: the demo's own."""
    from edgeface.adapters.camera.replay import DEMO_SCENE

    return path or DEMO_SCENE


def load_scene(path: Path | None) -> Scene:
    """Raises SourceError."""
    from edgeface.adapters.camera.scene.parse import load_scene as load

    return load(scene_path(path))


def save_portrait(scene: Scene, actor: str, folder: Path) -> Path:
    """The still that a scene's actor is made of, as a photo in a file."""
    from edgeface.adapters.camera.scene.portrait import save_still

    return save_still(scene.actors[actor].portrait, scene.folder, folder)


def demo_admin(site: bool | None) -> Callable[[Stage], AbstractContextManager[Admin]]:
    """Who enrols in the demo; None: over a broker where there is one. Raises ConfigError where it must and isn't."""
    from edgeface.adapters.link.broker import BrokerProcess, find_mosquitto, free_port
    from edgeface.app.demo.admins import at_the_door, over_a_broker

    if site is False:
        return at_the_door
    try:
        find_mosquitto()
    except ConfigError:
        if site:
            raise
        return at_the_door
    return over_a_broker(
        free_port, lambda folder, port, before: BrokerProcess(folder, mosquitto_dir(), port=port, before=before)
    )


def open_clip(path: Path) -> Camera:
    """A recording, as fast as it is read. Raises SourceError."""
    from edgeface.adapters.camera.sources import open_source

    return open_source(f"replay:{path}", realtime=False, loop=False)


def read_photo(path: Path) -> Pixels:
    """(h, w, 3) uint8 BGR. Raises SourceError."""
    from edgeface.adapters.camera import photos

    return photos.read_photo(path)


def decode_photo(data: bytes, name: str) -> Pixels:
    """The same for a photo in memory. Raises SourceError."""
    from edgeface.adapters.camera import photos

    return photos.decode_photo(data, name)


def encode_jpeg(pixels: Pixels, max_width: int) -> bytes:
    from edgeface.adapters.camera import photos

    return photos.encode_jpeg(pixels, max_width)


@dataclass(slots=True)
class Replay:
    """The production door loop over a recording, on a virtual clock, with a door that only records."""

    camera: Camera
    clock: VirtualClock
    loop: DoorLoop
    door: Door
    recorder: Recorder


def build_replay(
    settings: Settings, models: VisionModels, people: Iterable[Person], listener: Listener, start: datetime, seed: int
) -> Replay:
    from edgeface.adapters.door.recording import RecordingDoor
    from edgeface.adapters.system.audit_memory import MemoryAudit
    from edgeface.adapters.system.clock import VirtualClock

    clock = VirtualClock(start)
    gallery = LiveGallery(memory_gallery(people), models.embedder.model, identity_rule(settings, models), clock)
    door = RecordingDoor(clock, settings.door.max_pulse_ms)
    recorder = Recorder(MemoryAudit(clock=clock, boot_id="replay"), clock, [listener])
    loop = DoorLoop(vision_of(models), gallery, door, recorder, clock, rules_of(settings), Random(seed))
    return Replay(open_camera(settings, realtime=False), clock, loop, door, recorder)


def stable_id(name: str) -> str:
    """A record id for a person who is known in one replay alone: the same input gives the same output."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
