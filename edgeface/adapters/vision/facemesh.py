"""FaceMesh (Kartynnik et al., 2019): 468 points of the face's surface."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edgeface.adapters.vision.manifest import REINSTALL
from edgeface.adapters.vision.runtime import Model, sigmoid
from edgeface.adapters.vision.warp import Pyramid, warp
from edgeface.domain.alignment import Doubles, invert, scale_of, transform
from edgeface.domain.errors import ModelError
from edgeface.domain.types import Face, Landmarks, Pixels

POINTS = 468
_REGION = 1.5  # sides of the face box; MediaPipe's face_detection_front_detection_to_roi


class FaceMesh:
    """LandmarkModel. Raises ModelError where the model is not a FaceMesh."""

    def __init__(self, model: Model, pyramid: Pyramid | None = None) -> None:
        self._model, self._pyramid = model, pyramid
        spec = model.spec
        self._size, self._colour = spec.input.size, spec.input.colour
        if [int(np.prod(o.shape)) for o in spec.outputs] != [POINTS * 3, 1]:
            raise ModelError(f"Model {spec.id} is no FaceMesh: it does not give 468 points and a presence.", REINSTALL)

    def landmarks(self, pixels: Pixels, face: Face) -> Landmarks:
        """`pixels` is (h, w, 3) uint8 BGR. Works on a crop turned so that the eyes are level."""
        into = region(face, self._size)
        crop = warp(pixels, into, self._size, cv2.BORDER_CONSTANT, self._colour, self._pyramid)
        flat, presence = self._model.invoke(crop)
        points = flat.reshape(POINTS, 3)
        out = np.empty((POINTS, 3), np.float32)
        out[:, :2] = transform(invert(into), points[:, :2])
        np.divide(points[:, 2], scale_of(into), out=out[:, 2])
        return Landmarks(out, sigmoid(presence.item()))


def region(face: Face, size: int) -> Doubles:
    """(2, 3) from frame pixels to the model's input: a square 1.5 times the longer side of the box, about the box's
    centre, turned by the line of the eyes."""
    cx, cy = face.box.centre
    dx, dy = (face.keypoints[1] - face.keypoints[0]).tolist()
    eyes = math.hypot(dx, dy)
    scale = size / (_REGION * max(face.box.width, face.box.height))
    cos, sin = (scale * dx / eyes, scale * dy / eyes) if eyes > 0 else (scale, 0.0)
    return np.array([[cos, sin, size / 2 - cos * cx - sin * cy], [-sin, cos, size / 2 + sin * cx - cos * cy]])
