"""Whether a camera that delivers pictures also sees: black, frozen and blinded pictures. Pure; numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeface.domain.types import Frame, Pixels

# Every eighth pixel of the green channel, which has most of the light and the least noise reduction: 4,800 samples of
# a 640x480 picture, 20 microseconds to fetch.
_STEP = 8
# Seconds for which a fault has to last. One lighting flash or one repeated USB picture is none.
_BLACK_S, _FROZEN_S, _BLINDED_S = 2.0, 2.0, 3.0
# A dead sensor, a lost ribbon and a decoder without data give one flat colour (black, green or blue). The darkest live
# picture still has its sensor's noise: 1 level and more at the gain that the exposure control then uses.
_FLAT_STD = 0.6
# Above this a sample is burnt out; a doorway against the sun keeps some frame and ceiling below it.
_BURNT, _BURNT_SHARE = 250, 0.85
# A lit picture has shot noise, so repeats that differ in next to nothing are one picture encoded anew. In the dark
# noise is clipped to nothing here and there, so there only identity to the last pixel counts.
_LIT_MEAN, _REENCODED_SHARE = 24.0, 0.001


@dataclass(frozen=True, slots=True)
class HealthFault:
    """`fault` is black, frozen or blinded; `detail` a sentence for a technician; `since_s` when it began."""

    fault: str
    detail: str
    since_s: float


class FrameHealth:
    """Feed every picture of one live camera, in order. Times are those of the pictures' capture."""

    def __init__(
        self, *, black_s: float = _BLACK_S, frozen_s: float = _FROZEN_S, blinded_s: float = _BLINDED_S
    ) -> None:
        self._limits = {"black": black_s, "frozen": frozen_s, "blinded": blinded_s}
        self._since: dict[str, float] = {}
        self._samples: Pixels | None = None
        self._pixels: Pixels | None = None
        self._captured_s: float | None = None
        self.repeated = False
        """Whether the last picture repeats the one before it, so that it is no new evidence of anything."""
        self.blind = False
        """Whether the last picture shows nothing: one flat colour, or burnt out."""

    def reset(self) -> None:
        """After opening the camera again: nothing has lasted yet. The last picture is kept, so that a camera that still
        hangs on it doesn't pass for a live one."""
        self._since.clear()
        self._captured_s = None

    def update(self, frame: Frame) -> HealthFault | None:
        """The fault that stands at this picture: the first that applies of black, blinded and frozen; else None."""
        samples = frame.pixels[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP, 1].copy()
        mean = float(samples.mean())
        changed = self._changed(samples)
        self.repeated = self._repeats(samples, frame.pixels, mean, changed)
        burnt = mean > 200 and float(np.count_nonzero(samples >= _BURNT)) / samples.size > _BURNT_SHARE
        flat = not burnt and int(samples.max()) - int(samples.min()) <= 4 and float(samples.std()) < _FLAT_STD
        self.blind = flat or burnt
        # Flat and alive is a picture at night whose noise is nearly all clipped: dark, and no fault.
        dead = flat and (changed is None or changed <= _REENCODED_SHARE * samples.size)
        began_s = frame.captured_s if self._captured_s is None else self._captured_s
        self._samples, self._pixels, self._captured_s = samples, frame.pixels, frame.captured_s
        standing = (
            ("black", dead, frame.captured_s),
            ("blinded", burnt, frame.captured_s),
            ("frozen", self.repeated and not self.blind, began_s),
        )
        fault = None
        for name, here, from_s in standing:
            if not here:
                self._since.pop(name, None)
                continue
            since_s = self._since.setdefault(name, from_s)
            for_s = frame.captured_s - since_s
            if fault is None and for_s >= self._limits[name]:
                fault = HealthFault(name, _sentence(name, mean, for_s), since_s)
        return fault

    def _changed(self, samples: Pixels) -> int | None:
        """How many samples differ from the last picture's; None where there is none of this size."""
        if self._samples is None or self._samples.shape != samples.shape:
            return None
        return int(np.count_nonzero(samples != self._samples))

    def _repeats(self, samples: Pixels, pixels: Pixels, mean: float, changed: int | None) -> bool:
        if changed is None or self._pixels is None or self._samples is None:
            return False
        if changed == 0:
            # Rare in a live picture, so the whole comparison costs nothing in ordinary work.
            return mean >= _LIT_MEAN or pixels is self._pixels or bool(np.array_equal(pixels, self._pixels))
        if mean < _LIT_MEAN or changed > _REENCODED_SHARE * samples.size:
            return False
        return int(np.abs(samples.astype(np.int16) - self._samples).max()) <= 1


def _sentence(fault: str, mean: float, for_s: float) -> str:
    if fault == "black":
        colour = "black" if mean < 32 else "of one flat colour"
        return f"the pictures have been {colour} for {for_s:.0f} s: a covered lens, a loose ribbon or a dead sensor"
    if fault == "blinded":
        return f"the pictures have been burnt out for {for_s:.0f} s: a lamp or the sun shines into the lens"
    return f"the same picture has come for {for_s:.0f} s: the camera or its driver hangs"
