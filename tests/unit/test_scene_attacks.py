"""Attacks: planes with a border, a gamut or a pixel grid of their own, and somebody who holds them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support.scenes import drawn_portrait

from edgeface.adapters.camera.scene.attacks import MEDIA, HeldPicture
from edgeface.adapters.camera.scene.parse import Key

FACE = 0.2


@cache
def held(kind):
    return HeldPicture(drawn_portrait(), kind, FACE * 640, seed=1)


def show(kind, pose=None, size=(480, 640), grey=100):
    frame = np.full((*size, 3), grey, np.uint8)
    held(kind).draw(frame, pose or Key(0, 0.5, 0.45, FACE))
    return frame


def face_part(frame):
    return frame[216 - 40 : 216 + 40, 320 - 40 : 320 + 40].astype(float)


def test_paper_has_less_contrast_and_colour_than_what_is_printed():
    portrait = drawn_portrait()
    x, y = (int(v) for v in portrait.face_centre)
    still = portrait.pixels[y - 60 : y + 60, x - 60 : x + 60].astype(float)
    printed = face_part(show("print"))
    assert printed.std() < 0.85 * still.std()
    assert np.ptp(printed, axis=2).mean() < 0.85 * np.ptp(still, axis=2).mean()
    assert printed.min() > 30  # ink is never black


@pytest.mark.parametrize("kind", list(MEDIA))
def test_a_border_lies_round_the_picture(kind):
    """White paper round a print, a dark bezel round a screen."""
    m = MEDIA[kind]
    frame = show(kind)
    y = round(216 - (m.above + m.border / 2) * FACE * 640)
    edge = frame[max(y, 1), 320].mean()
    assert edge > 180 if kind == "print" else edge < 110


def test_a_screens_own_pixels_show_and_a_prints_do_not():
    """Energy near the sampling limit, against the same still on paper."""

    def fine(frame):
        part = face_part(frame)[..., 1]
        return np.abs(np.diff(part, axis=1)).mean() / part.mean()

    assert fine(show("screen")) > 1.3 * fine(show("print"))


@pytest.mark.parametrize("kind", list(MEDIA))
def test_somebody_stands_behind_it(kind):
    """The holder reaches the lower border: nothing hangs in the air."""
    frame = show(kind, grey=250)
    assert (frame[-1].mean(1) < 150).sum() > 40


def test_a_plane_shrinks_when_it_turns_and_moves_as_one():
    """No parallax: a plane's picture is a projective map of itself."""
    straight, turned = (
        np.flatnonzero(show("phone", Key(0, 0.5, 0.45, FACE, yaw=y))[216].mean(1) != 100) for y in (0, 40)
    )
    assert 0.65 < np.ptp(turned) / np.ptp(straight) < 0.95


def test_out_of_view_is_out_of_view():
    frame = show("print", Key(0, 4.0, 0.45, FACE))
    assert (frame == 100).all()
