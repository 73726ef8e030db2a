"""Presentation attacks: a network that sees the face with its surroundings and says how likely it is a picture."""

from __future__ import annotations

from edgeface.adapters.vision.manifest import REINSTALL
from edgeface.adapters.vision.runtime import Model, sigmoid
from edgeface.adapters.vision.warp import Pyramid, square, to_colour
from edgeface.domain.errors import ModelError
from edgeface.domain.types import Box, Face, Pixels

# The network was trained on these crops, and misleads on others: BlazeFace's box ends at the eyebrows, so a quarter of
# its height is added above; the crop is a square of three such faces, shifted to stay inside the picture.
_ABOVE = 0.25
_FACES_WIDE = 3.0


class SpoofNet:
    """SpoofModel. The model gives two logits, [attack, -attack]. Raises ModelError where it does not."""

    def __init__(self, model: Model, pyramid: Pyramid | None = None) -> None:
        self._model, self._pyramid = model, pyramid
        self._size, self._colour = model.spec.input.size, model.spec.input.colour
        if [o.shape for o in model.spec.outputs] != [(1, 2)]:
            raise ModelError(f"Model {model.spec.id} is no spoof model: it does not give two logits.", REINSTALL)

    @property
    def model(self) -> str:
        """The manifest's id of the model; limits belong to it."""
        return self._model.spec.id

    def score(self, pixels: Pixels, face: Face) -> float:
        """Probability, 0 to 1, that `face` is an attack. `pixels` is (h, w, 3) uint8 BGR."""
        h, w = pixels.shape[:2]
        crop = square(pixels, *surroundings(face.box, w, h), self._size, self._pyramid)
        (logits,) = self._model.invoke(to_colour(crop, self._colour))
        attack, other = logits.ravel().tolist()
        return sigmoid((attack - other) / 2)


def surroundings(box: Box, width: int, height: int) -> tuple[int, int, int]:
    """(x, y, side) of the crop in a frame of that size; always inside it, also for a box that is not."""
    top = box.y1 - _ABOVE * box.height
    side = min(_FACES_WIDE * max(box.width, box.y2 - top), width, height)
    x = min(max((box.x1 + box.x2) / 2 - side / 2, 0), width - side)
    y = min(max((top + box.y2) / 2 - side / 2, 0), height - side)
    return int(x), int(y), max(1, int(side))
