"""A scene's frames. `SceneRenderer.frame(i)` depends on the scene, the seed and `i` alone."""

from __future__ import annotations

from collections.abc import Callable

from edgeface.adapters.camera.scene.attacks import HeldPicture
from edgeface.adapters.camera.scene.doorway import doorway
from edgeface.adapters.camera.scene.layers import smear
from edgeface.adapters.camera.scene.live import LivePerson
from edgeface.adapters.camera.scene.motion import Motion
from edgeface.adapters.camera.scene.parse import Act, Role, Scene
from edgeface.adapters.camera.scene.portrait import FaceFinder, Portrait, load_portrait
from edgeface.adapters.camera.scene.sensor import SensorModel
from edgeface.domain.types import Pixels

Progress = Callable[[float], None]


class SceneRenderer:
    """Everything slow happens in the constructor: `progress` is told how much of it is done, 0 to 1.
    Raises SourceError where a portrait can't be had."""

    def __init__(
        self,
        scene: Scene,
        *,
        seed: int | None = None,
        find_face: FaceFinder | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.scene = scene
        seed = scene.seed if seed is None else seed
        tell = progress or (lambda _: None)
        tell(0.0)
        self._background = doorway(scene.width, scene.height, seed, scene.light)
        self._sensor = SensorModel(scene.sensor, scene.width, scene.height, seed)
        portraits: dict[str, Portrait] = {}
        self._people: dict[str, LivePerson] = {}
        self._pictures: dict[str, HeldPicture] = {}
        used = {role.actor for act in scene.acts for role in act.cast}
        for n, name in enumerate(sorted(used)):
            actor = scene.actors[name]
            if actor.portrait not in portraits:
                portraits[actor.portrait] = load_portrait(actor.portrait, scene.folder, find_face)
            portrait = portraits[actor.portrait]
            widths = [k.face * scene.width for a in scene.acts for r in a.cast if r.actor == name for k in r.keys]
            if actor.kind == "live":
                self._people[name] = LivePerson(portrait, max(widths), min(widths), scene.height, actor.saturation)
            else:
                self._pictures[name] = HeldPicture(portrait, actor.kind, max(widths), seed)
            tell((n + 1) / (len(used) + 1))
        self._motions = {
            (a, r): Motion(role, scene.actors[role.actor], [seed, a, r], act.end_s - act.start_s)
            for a, act in enumerate(scene.acts)
            for r, role in enumerate(act.cast)
        }
        tell(1.0)

    def frame(self, index: int) -> Pixels:
        """(height, width, 3) uint8 BGR; `index` from 0 to scene.frames - 1."""
        t_s = index / self.scene.fps
        picture = self._background.copy()
        for a, act in enumerate(self.scene.acts):
            if act.start_s <= t_s < act.end_s:
                self._play(picture, a, act, t_s - act.start_s)
        return self._sensor.expose(picture, index, t_s)

    def _play(self, picture: Pixels, a: int, act: Act, t_s: float) -> None:
        def depth(item: tuple[int, Role]) -> float:
            return self._motions[a, item[0]].pose(t_s).face

        for r, role in sorted(enumerate(act.cast), key=depth):  # the smaller face is farther away
            motion = self._motions[a, r]
            pose = motion.pose(t_s)
            if role.actor in self._people:
                where = self._people[role.actor].draw(picture, pose, motion.closure(t_s), *motion.expression(t_s))
            else:
                where = self._pictures[role.actor].draw(picture, pose)
            if where is not None:
                before = motion.pose(t_s - self.scene.sensor.shutter_s)
                smear(picture, where, pose.x - before.x, pose.y - before.y)
