"""Small scenes for the virtual camera: who comes to the door, and when."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

COLLINS, HOPPER = "Eileen Collins", "Grace Hopper"
_ACTORS = """
[[actor]]
id = "collins"
kind = "live"
portrait = "builtin:astronaut"
person = "Eileen Collins"
[[actor]]
id = "hopper"
kind = "live"
portrait = "builtin:grace_hopper"
person = "Grace Hopper"
saturation = 0.8
[[actor]]
id = "print"
kind = "print"
portrait = "builtin:astronaut"
person = "Eileen Collins"
"""


@dataclass(frozen=True)
class Visit:
    """Comes in within 0.8 s, stands there, and is out of the picture half a second before `end_s`."""

    actor: str
    start_s: float
    end_s: float
    expect: str = "nothing"
    person: str = ""


def write_scene(path: Path, *visits: Visit, length_s: float | None = None, fps: float = 12, seed: int = 3) -> Path:
    length_s = length_s or max(v.end_s for v in visits)
    head = f'title = "{path.stem}"\nsize = [640, 480]\nfps = {fps:g}\nseed = {seed}\nlength_s = {length_s:g}\n'
    path.write_text(head + _ACTORS + "".join(_act(v) for v in visits), encoding="utf-8")
    return path


def _act(visit: Visit) -> str:
    lasts_s = visit.end_s - visit.start_s
    keys = [(0.0, 1.5, -10.0), (0.8, 0.52, -4.0)]
    t_s, side = 0.8, 1
    while (t_s := t_s + 1.2) < lasts_s - 1.5:
        keys.append((t_s, 0.53 + 0.01 * side, 3.0 * side))
        side = -side
    keys += [(lasts_s - 1.2, 0.53, -2.0), (lasts_s - 0.4, 1.6, 20.0)]
    size = 0.21 if visit.actor == "print" else 0.25
    poses = "".join(
        f"    {{ at_s = {t:g}, x = {x:g}, y = 0.49, face = {size}, yaw = {yaw:g} }},\n" for t, x, yaw in keys
    )
    return (
        f'\n[[act]]\nname = "{visit.actor} at {visit.start_s:g}"\n'
        f"start_s = {visit.start_s:g}\nend_s = {visit.end_s:g}\n"
        f'expect = "{visit.expect}"\nperson = "{visit.person}"\n'
        f'  [[act.cast]]\n  actor = "{visit.actor}"\n  keys = [\n{poses}  ]\n'
    )
