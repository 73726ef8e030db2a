"""MobileFaceNet (Chen et al., 2018): a face as a vector of unit length whose cosines tell people apart."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edgeface.adapters.vision.manifest import REINSTALL
from edgeface.adapters.vision.runtime import Model
from edgeface.adapters.vision.warp import Pyramid, warp
from edgeface.domain.alignment import ARCFACE_SIZE, arcface_transform
from edgeface.domain.errors import ModelError
from edgeface.domain.types import Embedding, Face, Pixels

DIMENSIONS = 128


class MobileFaceNet:
    """Embedder. Raises ModelError where the model is not a 112x112 network with 128 outputs."""

    def __init__(self, model: Model, pyramid: Pyramid | None = None) -> None:
        self._model, self._pyramid = model, pyramid
        spec = model.spec
        self._colour = spec.input.colour
        if spec.input.size != ARCFACE_SIZE or [o.shape for o in spec.outputs] != [(1, DIMENSIONS)]:
            raise ModelError(f"Model {spec.id} is no embedder: it is not 112x112 to 128 numbers.", REINSTALL)

    @property
    def model(self) -> str:
        return self._model.spec.id

    def align(self, pixels: Pixels, face: Face) -> Pixels:
        """The (112, 112, 3) BGR crop that the network sees."""
        return self._crop(pixels, face, "BGR")

    def _crop(self, pixels: Pixels, face: Face, colour: str) -> Pixels:
        into = arcface_transform(face.keypoints)
        return warp(pixels, into, ARCFACE_SIZE, cv2.BORDER_REFLECT, colour, self._pyramid)

    def embed(self, pixels: Pixels, face: Face) -> Embedding:
        """`pixels` is (h, w, 3) uint8 BGR."""
        (raw,) = self._model.invoke(self._crop(pixels, face, self._colour))
        vector = raw.ravel()
        norm = math.sqrt(np.vdot(vector, vector))
        if not norm > 0:
            raise ModelError(f"Model {self.model} gave an empty vector.", REINSTALL)
        return Embedding(np.asarray(vector / norm, np.float32), self.model)
