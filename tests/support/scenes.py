"""Portraits and scenes for tests of the virtual camera that need no packages with pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeface.adapters.camera.scene.parse import Scene, parse_scene
from edgeface.adapters.camera.scene.portrait import Portrait, builtin_geometry


def drawn_portrait() -> Portrait:
    """A built-in portrait's face surface and outline under drawn pixels: smooth, with a fine pattern to track."""
    points, matte = builtin_geometry("grace_hopper")
    h, w = matte.shape
    y, x = np.mgrid[:h, :w]
    pixels = np.dstack([90 + 40 * np.sin(x / 9), 120 + 50 * np.sin(y / 7), 170 + 30 * np.sin((x + y) / 11)])
    return Portrait(pixels.astype(np.uint8), matte, points)


def one_act(kind: str = "live", portrait: str = "builtin:astronaut", keys: list[dict] | None = None, **scene) -> Scene:
    """Two seconds of one actor, 320 x 240 at 10 frames a second unless `scene` says otherwise."""
    keys = keys or [{"at_s": 0, "x": 0.5, "y": 0.5, "face": 0.2}]
    act = {"name": "one", "start_s": 0.5, "end_s": 2.0, "expect": "nothing", "cast": [{"actor": "a", "keys": keys}]}
    actor = {"id": "a", "kind": kind, "portrait": portrait}
    return parse_scene({"size": [320, 240], "fps": 10, "actor": [actor], "act": [act], **scene}, Path("test.toml"))
