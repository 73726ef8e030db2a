"""Cutting model inputs out of frames, against OpenCV's own warp and against averages taken by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edgeface.adapters.vision.warp import Pyramid, letterbox, resize, square, warp


def picture(height: int, width: int, seed: int = 1, cell: int = 8) -> np.ndarray:
    """Smooth and different everywhere, with details of `cell` pixels, so that a shift shows."""
    rough = np.random.default_rng(seed).integers(0, 256, (height // cell + 3, width // cell + 3, 3), dtype=np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def similarity(scale: float, degrees: float, centre: tuple[float, float], size: int) -> np.ndarray:
    cos, sin = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    x, y = centre
    return np.array([[cos, sin, size / 2 - cos * x - sin * y], [-sin, cos, size / 2 + sin * x - cos * y]])


def reference(pixels: np.ndarray, matrix: np.ndarray, size: int, border: int) -> np.ndarray:
    return cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)


@pytest.mark.parametrize("border", [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT])
@pytest.mark.parametrize(
    ("centre", "degrees"),
    [((100, 70), 0), ((100, 70), 17), ((3, 4), -30), ((198, 140), 45), ((-20, 70), 5), ((500, 900), 0)],
    ids=["inside", "turned", "first corner", "last corner", "half outside", "far outside"],
)
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5])
def test_a_warp_is_opencvs_own_wherever_in_the_frame(
    scale: float, centre: tuple[float, float], degrees: float, border: int
) -> None:
    """The part that is cut out first changes nothing, neither inside nor at the frame's edges."""
    pixels, matrix = picture(143, 201), similarity(scale, degrees, centre, 40)
    wanted = reference(pixels, matrix, 40, border).astype(int)
    assert np.abs(warp(pixels, matrix, 40, border).astype(int) - wanted).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(240, 320), (241, 321), (333, 257)])
@pytest.mark.parametrize("scale", [0.45, 0.24, 0.11])
def test_a_warp_that_shrinks_shows_the_same_place_without_holes(height: int, width: int, scale: float) -> None:
    """As a warp of the picture blurred to the target's resolution, odd sizes included."""
    pixels = picture(height, width, cell=32)
    matrix = similarity(scale, 12, (width / 2, height / 2), 20)
    blurred = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    difference = warp(pixels, matrix, 20).astype(int) - reference(blurred, matrix, 20, cv2.BORDER_REFLECT)
    assert np.abs(difference).mean() < 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (2, 3)])
def test_a_tiny_picture_can_be_warped_and_letterboxed(shape: tuple[int, int]) -> None:
    """However small the frame and however much it shrinks, there is a picture of the wanted size."""
    pixels = np.full((*shape, 3), 200, np.uint8)
    for scale in (0.01, 1.0, 30.0):
        out = warp(pixels, similarity(scale, 0, (shape[1] / 2, shape[0] / 2), 16), 16, cv2.BORDER_REFLECT)
        assert out.shape == (16, 16, 3)
        assert (out == 200).all()
    canvas, scale, _ = letterbox(pixels, 16)
    assert canvas.shape == (16, 16, 3)
    assert scale == 16 / max(shape)


def test_the_colour_order_is_turned_where_the_model_wants_it() -> None:
    """RGB out of BGR, the same pixels."""
    pixels, matrix = picture(60, 80), similarity(1.0, 5, (40, 30), 24)
    assert (warp(pixels, matrix, 24, colour="RGB") == warp(pixels, matrix, 24)[..., ::-1]).all()


@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 480), (481, 637), (128, 128), (90, 50)])
def test_a_letterbox_shows_the_whole_picture_in_the_middle_of_black(height: int, width: int) -> None:
    """Scale and offset lead from the frame to the square and back; what is not the picture is black."""
    pixels = np.full((height, width, 3), 77, np.uint8)
    canvas, scale, (x, y) = letterbox(pixels, 128)
    w, h = round(width * scale), round(height * scale)
    assert max(w, h) == 128
    assert (canvas[y : y + h, x : x + w] == 77).all()
    assert int(canvas.astype(int).sum()) == 77 * 3 * w * h


def test_shrinking_by_a_power_of_two_is_the_average() -> None:
    """No pixel is skipped: each of the result is the mean of its sixteen, but for rounding."""
    pixels = np.random.default_rng(2).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    wanted = pixels.reshape(16, 4, 24, 4, 3).mean((1, 3))
    assert np.abs(resize(pixels, 24, 16) - wanted).max() <= 1.5


@pytest.mark.parametrize(("x", "y", "side"), [(0, 0, 480), (93, 0, 480), (160, 0, 480), (537, 377, 103), (11, 7, 250)])
def test_a_square_is_that_part_of_the_frame(x: int, y: int, side: int) -> None:
    """Off by less than one pixel of the result, also at the frame's edges."""
    pixels = picture(480, 640, cell=32)
    out = square(pixels, x, y, side, 112).astype(float)
    wanted = cv2.resize(pixels[y : y + side, x : x + side], (112, 112), interpolation=cv2.INTER_AREA)
    assert out.shape == (112, 112, 3)
    assert np.abs(out - wanted).mean() < 8


def test_a_pyramid_makes_each_half_once_and_forgets_the_last_frame() -> None:
    """Two models share a half; a new frame has its own, also in the array of the last one."""
    pyramid, pixels = Pyramid(), picture(64, 64)
    quarter = pyramid.level(pixels, 2)
    assert pyramid.level(pixels, 2) is quarter
    other = picture(64, 64, seed=2)
    assert (pyramid.level(other, 2) == Pyramid().level(other, 2)).all()
    pyramid.begin(pixels)
    pyramid.level(pixels, 1)
    pixels[:] = 9
    pyramid.begin(pixels)
    assert (pyramid.level(pixels, 1) == 9).all()


def test_an_odd_row_and_column_are_left_out_of_the_half() -> None:
    """Halves stay exactly half as large, so that places in them are found again."""
    pixels = picture(33, 65)
    assert (Pyramid().level(pixels, 1) == Pyramid().level(pixels[:32, :64], 1)).all()
