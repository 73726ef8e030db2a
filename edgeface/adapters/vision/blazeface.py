"""BlazeFace (Bazarevsky et al., 2019): short range (128 pixels, to 2 m) and full range (192 pixels, to 5 m)."""

from __future__ import annotations

import cv2
import numpy as np

from edgeface.adapters.vision.manifest import REINSTALL
from edgeface.adapters.vision.runtime import Model, sigmoid
from edgeface.adapters.vision.warp import Pyramid, letterbox, to_colour, warp
from edgeface.domain.errors import ModelError
from edgeface.domain.types import Box, Face, Floats, Pixels

# (side, number of anchors) -> (stride, anchors a cell); MediaPipe's SsdAnchorsCalculator with fixed anchor size.
_LAYOUTS = {(128, 896): ((8, 2), (16, 6)), (192, 2304): ((4, 1),), (256, 896): ((16, 2), (32, 6))}
_SAME_FACE_IOU = 0.3  # MediaPipe's min_suppression_threshold
_SMALLEST_EYE_DISTANCE_PX = 1.0  # below, no transform can be made from the key points
# The second look's square, in sides of the face box: a face then fills the view as it does in a portrait.
_SECOND_LOOK = 2.4
_SAME_AT_ALL_IOU = 0.1  # the first box of a small face is coarse
_ENLARGES = 1.25  # a second look that does not enlarge by this much shows nothing new


class BlazeFace:
    """FaceDetector. `min_score` is the smallest probability that counts as a face; `iou` is the overlap from which
    two detections are one face. The `second_looks` largest faces, where they are small in the frame, are looked at
    again in a crop of their own, one more run of the model each: a face 80 pixels wide is 16 in the model's view of a
    frame of 640, and its key points are then too coarse to align it (measured on LFW, cosine to the embedding of the
    full picture: 0.51 without, 0.96 with). Raises ModelError where the model is not a BlazeFace."""

    def __init__(
        self,
        model: Model,
        min_score: float = 0.5,
        iou: float = _SAME_FACE_IOU,
        second_looks: int = 2,
        pyramid: Pyramid | None = None,
    ) -> None:
        self._model, self._pyramid = model, pyramid or Pyramid()
        spec = model.spec
        self._size, self._colour = spec.input.size, spec.input.colour
        boxes, scores = (o.shape for o in spec.outputs) if len(spec.outputs) == 2 else ((), ())
        layout = _LAYOUTS.get((self._size, boxes[1])) if len(boxes) == 3 else None
        if layout is None or boxes[2] != 16 or scores != (1, boxes[1], 1):
            raise ModelError(f"Model {spec.id} is no BlazeFace: its shapes are not known here.", REINSTALL)
        self._anchors = _anchors(self._size, layout)
        self._iou, self._second_looks = iou, second_looks
        self._min_logit = float(np.log(min_score / (1 - min_score))) if 0 < min_score < 1 else -np.inf

    def detect(self, pixels: Pixels) -> list[Face]:
        """Faces in frame pixels, best score first. `pixels` is (h, w, 3) uint8 BGR, of any size."""
        self._pyramid.begin(pixels)
        canvas, scale, offset = letterbox(pixels, self._size, self._pyramid)
        faces = self._faces(to_colour(canvas, self._colour), scale, offset)
        largest = sorted(range(len(faces)), key=lambda i: -faces[i].box.area)[: self._second_looks]
        for i in largest:
            faces[i] = self._look_again(pixels, faces[i]) or faces[i]
        return sorted(faces, key=lambda f: -f.score) if largest else faces

    def _look_again(self, pixels: Pixels, face: Face) -> Face | None:
        """The same face, measured in a crop; None where that shows nothing new."""
        side = _SECOND_LOOK * max(face.box.width, face.box.height)
        if side * _ENLARGES > max(pixels.shape[:2]):
            return None
        scale = self._size / side
        x, y = (self._size / 2 - scale * c for c in face.box.centre)
        # the warp counts from the middle of the first pixel, coordinates from its corner
        half = (scale - 1) / 2
        into = np.array([[scale, 0, x + half], [0, scale, y + half]])
        crop = warp(pixels, into, self._size, cv2.BORDER_CONSTANT, self._colour, self._pyramid)
        found = self._faces(crop, scale, (x, y))
        best = max(found, key=lambda f: f.box.iou(face.box), default=None)
        return best if best is not None and best.box.iou(face.box) > _SAME_AT_ALL_IOU else None

    def _faces(self, canvas: Pixels, scale: float, offset: tuple[float, float]) -> list[Face]:
        """Faces in a picture of the model's size and colour that shows the frame, scaled and moved by `offset`."""
        raw, logits = self._model.invoke(canvas)
        logit = logits[0, :, 0]
        kept = np.flatnonzero(logit > self._min_logit)
        if not len(kept):
            return []
        kept = kept[np.argsort(-logit[kept], kind="stable")]
        score = [sigmoid(x) for x in logit[kept].tolist()]
        # 8 pairs: centre, size, then the key points; offsets in input pixels from the anchor
        rows = raw[0, kept]
        rows += self._anchors[kept]
        faces = []
        for group in _overlapping(rows[:, :4].tolist(), self._iou):
            # The mean, weighted by score: steadier over frames than keeping the best alone (BlazeFace, section 3.4).
            weight = np.array([score[i] for i in group], np.float32)
            mean = weight @ rows[group]
            mean /= weight.sum()
            face = _face(score[group[0]], mean.tolist(), scale, offset)
            if face.eye_distance_px >= _SMALLEST_EYE_DISTANCE_PX and face.box.area > 0:
                faces.append(face)
        return faces


def _face(score: float, pairs: list[float], scale: float, offset: tuple[float, float]) -> Face:
    """From the model's input to the frame: eight pairs of centre, size and key points."""
    xs = [(x - offset[0]) / scale for x in pairs[0::2]]
    ys = [(y - offset[1]) / scale for y in pairs[1::2]]
    w, h = pairs[2] / scale / 2, pairs[3] / scale / 2
    points = np.array([xs[2:], ys[2:]], np.float32).T
    return Face(score, Box(xs[0] - w, ys[0] - h, xs[0] + w, ys[0] + h), np.ascontiguousarray(points))


def _anchors(size: int, layout: tuple[tuple[int, int], ...]) -> Floats:
    """(n, 16) what the outputs count from, in input pixels: the anchor's centre, and for the box's size nothing. In the
    order of the outputs: rows, columns, anchors a cell."""
    parts = []
    for stride, each in layout:
        cells = np.arange(size // stride)
        x, y = np.meshgrid((cells + 0.5) * stride, (cells + 0.5) * stride)
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), each, axis=0))
    out = np.tile(np.concatenate(parts), 8).astype(np.float32)
    out[:, 2:4] = 0
    return out


def _overlapping(boxes: list[list[float]], iou: float) -> list[list[int]]:
    """Groups of what overlaps the best box that is left; `boxes` are (centre x, centre y, width, height), best first.
    A face has ten to thirty of them: plain numbers are quicker than numpy."""
    corners = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2, max(w, 0.0) * max(h, 0.0)) for x, y, w, h in boxes]
    groups, left = [], list(range(len(corners)))
    while left:
        x1, y1, x2, y2, area = corners[left[0]]
        group = left[:1]
        others: list[int] = []
        for i in left[1:]:
            u1, v1, u2, v2, other = corners[i]
            w, h = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
            same = w > 0 and h > 0 and w * h > iou * (area + other - w * h)
            (group if same else others).append(i)
        groups.append(group)
        left = others
    return groups
