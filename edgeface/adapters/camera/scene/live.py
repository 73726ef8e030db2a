"""A living person as a layer: the cut-out still, its head turned in depth, its body standing on the lower border."""

from __future__ import annotations

import cv2
import numpy as np

from edgeface.adapters.camera.scene.face3d import Head, HeadPose
from edgeface.adapters.camera.scene.layers import Window, around, grid_of, over, place, premultiply, warp, window
from edgeface.adapters.camera.scene.parse import Key
from edgeface.adapters.camera.scene.portrait import Portrait
from edgeface.domain.types import Floats, Pixels

_MAX_ENLARGEMENT = 1.6  # of the still; beyond it has nothing left to show
_NEXT_LEVEL = 0.6  # the next smaller texture; linear sampling reaches that far without gaps
_ENLARGE_AT_MOST = 1.25  # what a larger texture would be too slow for
_EDGE = 0.1  # of a face width around the layer that motion blur reaches
_GRID = 0.035  # cells of the warp, in face widths; the finest feature, a nostril, has twice that
_FACE_LEVEL = 150.0  # mean grey of a face in the room's light
_FALL_OFF = 0.4  # how much darker the body gets below the lamp


class LivePerson:
    """Draws itself into a frame. `widest_px` is the widest that the face will be; textures are made for it and for
    smaller ones down to `narrowest_px`, so that a small face is not sampled with gaps."""

    def __init__(
        self,
        portrait: Portrait,
        widest_px: float,
        narrowest_px: float,
        frame_height: int,
        saturation: float = 1.0,
    ) -> None:
        self._levels: list[Head] = []
        relit = _relight(portrait, saturation)
        scale = min(widest_px / portrait.face_width, _MAX_ENLARGEMENT)
        while True:
            self._levels.append(_level(relit, portrait, scale, frame_height))
            scale *= _NEXT_LEVEL
            if scale * portrait.face_width < narrowest_px:
                break

    def draw(self, frame: Pixels, pose: Key, closure: float, jaw: float, brow: float) -> Window | None:
        """`pose` in fractions of the frame and degrees. Returns where something was drawn."""
        height, width = frame.shape[:2]
        face_px = pose.face * width
        head = next(
            (lv for lv in reversed(self._levels) if lv.face_width >= face_px / _ENLARGE_AT_MOST), self._levels[0]
        )
        scale = face_px / head.face_width
        texture = head.texture(closure)
        x0 = pose.x * width - head.centre[0] * scale
        y0 = pose.y * height - head.centre[1] * scale
        x3, y3 = x0 + texture.shape[1] * scale, y0 + texture.shape[0] * scale
        x1, y1, x2, y2 = (round(o + v * scale) for o, v in zip((x0, y0, x0, y0), head.turning, strict=True))
        # beside and below the head: the body
        for left, top, right, bottom in ((x0, y1, x1, y2), (x2, y1, x3, y2), (x0, y2, x3, y3)):
            body = window(left, top, right, bottom, frame)
            if body is not None:
                over(frame, place(texture, scale, x0, y0, body), body)
        win = window(x1, y1, x2, y2, frame)
        if win is not None:
            step = int(np.clip(face_px * _GRID, 3, 8))
            at = (grid_of(win, step) + np.float32(0.5) - np.array([x0, y0], np.float32)) / np.float32(scale)
            turned = head.source_map(at - np.float32(0.5), HeadPose(pose.yaw, pose.pitch, pose.roll, jaw, brow))
            over(frame, warp(texture, turned, win, step), win)
        return around((x0, min(y0, y1), x3, y3), frame, _EDGE * face_px)


def _level(relit: Pixels, portrait: Portrait, scale: float, frame_height: int) -> Head:
    """The person with a face of `scale` times the still's, long enough to stand on the frame's lower border."""
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    bgr = np.asarray(cv2.resize(relit, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    alpha = np.asarray(cv2.resize(portrait.matte, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    smallest = _NEXT_LEVEL / _ENLARGE_AT_MOST  # of this texture's own size; below that the next one serves
    below_centre = alpha.shape[0] - portrait.face_centre[1] * scale
    rows = max(0, round(frame_height / smallest - below_centre))
    alpha = np.concatenate([alpha, np.repeat(alpha[-1:], rows, 0)])
    tall = _stretch_down(bgr, rows, round(0.3 * scale * portrait.face_width)).astype(np.float32)
    chin = float(portrait.points[:, 1].max()) * scale
    below = (np.arange(tall.shape[0], dtype=np.float32) - chin) / (4 * portrait.face_width * scale)
    shade: Floats = (1 - _FALL_OFF * np.clip(below, 0, 1)).astype(np.float32)
    lit = np.asarray(np.clip(tall * shade[:, None, None], 0, 255), np.uint8)
    return Head(premultiply(lit, alpha), portrait.points * np.float32(scale))


def _stretch_down(picture: Pixels, rows: int, fade_px: int) -> Pixels:
    """Goes on with the lowest row, soon ever smoother: cloth hanging straight."""
    last = picture[-1:].astype(np.float32)
    smooth = cv2.blur(last, (4 * fade_px + 1, 1)).reshape(last.shape)
    fade = np.clip(np.arange(rows, dtype=np.float32) / fade_px, 0, 1)[:, None, None]
    return np.concatenate([picture, (last * (1 - fade) + smooth * fade).astype(np.uint8)])


def _relight(portrait: Portrait, saturation: float) -> Pixels:
    """The still in the room's light: the face at the room's level."""
    inside = cv2.mean(portrait.pixels, _face_mask(portrait))[:3]
    gain = float(np.clip(_FACE_LEVEL / max(float(np.mean(inside)), 1.0), 0.7, 1.35))
    f: Floats = portrait.pixels.astype(np.float32) * np.float32(gain)
    grey = f.mean(2, keepdims=True)
    return np.asarray(np.clip(grey + saturation * (f - grey), 0, 255), np.uint8)


def _face_mask(portrait: Portrait) -> Pixels:
    mask = np.zeros(portrait.matte.shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(portrait.points[:, :2].astype(np.int32)), [255])
    return mask
