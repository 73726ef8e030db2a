"""The quality gate: ordinary faces pass, poor ones name what the person can do."""

from __future__ import annotations

import math

import cv2
import matplotlib.cbook
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.app.settings_groups import Quality as QualitySettings
from edgeface.domain.alignment import KEYPOINT_HEAD
from edgeface.domain.quality import SENTENCES, QualityLimits, assess
from edgeface.domain.types import Box, Face, Landmarks, Pixels, QualityIssue

LIMITS = QualityLimits()
# a frontal head of eye distance 1 in BlazeFace's order, x to the right
FRONTAL = np.array([[-0.5, 0], [0.5, 0], [0, 0.55], [0, 1.05], [-1.1, 0.15], [1.1, 0.15]])


@pytest.fixture(scope="module")
def portrait() -> tuple[Pixels, Face]:
    """Grace Hopper (public domain) with the key points read off the picture; a frontal, sharp, well lit face."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    keypoints = np.array([[232, 188], [299, 184], [264, 226], [267, 258], [200, 208], [344, 200]], np.float32)
    return pixels, Face(0.95, Box(190, 135, 345, 290), keypoints)


def shrunk(pixels: Pixels, face: Face, factor: float) -> tuple[Pixels, Face]:
    b = face.box
    small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    box = Box(b.x1 * factor, b.y1 * factor, b.x2 * factor, b.y2 * factor)
    return small, Face(face.score, box, face.keypoints * np.float32(factor))


def moved(face: Face, dx: float) -> Face:
    b = face.box
    return Face(face.score, Box(b.x1 + dx, b.y1, b.x2 + dx, b.y2), face.keypoints + np.float32([dx, 0]))


def test_an_ordinary_portrait_passes(portrait: tuple[Pixels, Face]) -> None:
    """No issue, and the raw measures are those of the picture."""
    quality = assess(*portrait, LIMITS)
    assert quality.issue is None
    assert quality.sentence is None
    assert quality.score > 0.5
    assert quality.eye_distance_px == pytest.approx(67, abs=1)
    assert quality.pose is not None


def test_distance_is_told_in_both_directions(portrait: tuple[Pixels, Face]) -> None:
    """Far, near, and partly outside the picture each have their sentence."""
    assert assess(*shrunk(*portrait, 0.3), LIMITS).issue is QualityIssue.TOO_FAR
    pixels, face = portrait
    close = pixels[120:300, 180:350]
    b = face.box
    near = Face(0.95, Box(b.x1 - 180, b.y1 - 120, b.x2 - 180, b.y2 - 120), face.keypoints - np.float32([180, 120]))
    assert assess(close, near, LIMITS).issue is QualityIssue.TOO_CLOSE
    edge = np.ascontiguousarray(pixels[:, 220:])
    assert assess(edge, moved(face, -220), LIMITS).issue is QualityIssue.CUT_OFF


def test_light_is_told_in_both_directions(portrait: tuple[Pixels, Face]) -> None:
    """Too dark, too bright, and too flat, without blaming the person's movement."""
    pixels, face = portrait
    assert assess((pixels * 0.1).astype(np.uint8), face, LIMITS).issue is QualityIssue.TOO_DARK
    glare = np.clip(pixels.astype(np.float32) * 4, 0, 255).astype(np.uint8)
    assert assess(glare, face, LIMITS).issue is QualityIssue.TOO_BRIGHT
    fog = (200 + pixels * 0.05).astype(np.uint8)
    assert assess(fog, face, LIMITS).issue is QualityIssue.TOO_BRIGHT


@pytest.mark.parametrize("direction", ["across", "down", "diagonal", "focus"])
def test_blur_in_any_direction_asks_to_hold_still(portrait: tuple[Pixels, Face], direction: str) -> None:
    """Motion blurs one direction and leaves the other sharp; both count. Nobody's face survives a smear this long."""
    pixels, face = shrunk(*portrait, 0.5)
    kernels = {"across": np.ones((1, 25)), "down": np.ones((25, 1)), "diagonal": np.eye(19)}
    if direction == "focus":
        blurred = cv2.GaussianBlur(pixels, (0, 0), 3)
    else:
        kernel = kernels[direction] / kernels[direction].sum()
        blurred = cv2.filter2D(pixels, -1, kernel)
    assert assess(blurred, face, LIMITS).issue is QualityIssue.HOLD_STILL


def test_sharpness_compares_over_sizes_and_light(portrait: tuple[Pixels, Face]) -> None:
    """Half the size and half the light change it far less than a blur that matters."""
    whole = assess(*portrait, LIMITS).sharpness
    assert assess(*shrunk(*portrait, 0.5), LIMITS).sharpness == pytest.approx(whole, rel=0.5)
    assert assess((portrait[0] * 0.5).astype(np.uint8), portrait[1], LIMITS).sharpness == pytest.approx(whole, rel=0.1)
    assert assess(cv2.GaussianBlur(portrait[0], (0, 0), 4), portrait[1], LIMITS).sharpness < whole / 3


def test_a_turned_head_or_a_doubtful_detection_asks_to_look_at_the_camera(portrait: tuple[Pixels, Face]) -> None:
    """Profile key points, key points that span no face, and a low detector score."""
    pixels, face = portrait
    yaw = np.radians(50)
    turned = KEYPOINT_HEAD @ np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]).T
    eyes = np.hypot(*(turned[0] - turned[1])[:2])
    profile = (turned[:, :2] / eyes * 50 + (266, 212)).astype(np.float32)
    assert assess(pixels, Face(0.95, face.box, profile), LIMITS).issue is QualityIssue.LOOK_AT_CAMERA
    flat = np.tile(face.keypoints[:1], (6, 1))
    flat[0, 0] += 60
    assert assess(pixels, Face(0.95, face.box, flat), LIMITS).issue is not None
    assert assess(pixels, Face(0.5, face.box, face.keypoints), LIMITS).issue is QualityIssue.LOOK_AT_CAMERA


def test_a_face_that_the_landmark_model_does_not_see_is_covered(portrait: tuple[Pixels, Face]) -> None:
    """The detector is sure, the landmark model is not."""
    rng = np.random.default_rng(1)
    mesh = Landmarks(rng.uniform(0, 300, (468, 3)).astype(np.float32), 0.1)
    assert assess(*portrait, LIMITS, mesh).issue is QualityIssue.FACE_COVERED


def test_the_score_orders_faces_and_tells_good_from_bad(portrait: tuple[Pixels, Face]) -> None:
    """Good faces score 0.5 and more, better ones more, poor ones less."""
    best = assess(*portrait, LIMITS).score
    softer = assess(cv2.GaussianBlur(portrait[0], (0, 0), 3), portrait[1], LIMITS)
    poor = assess(cv2.GaussianBlur(portrait[0], (0, 0), 8), portrait[1], LIMITS)
    assert best > softer.score >= 0.5 > poor.score >= 0


def test_every_issue_has_a_sentence() -> None:
    """The table is complete; sentences are sentences."""
    assert set(SENTENCES) == set(QualityIssue)
    assert all(s[0].isupper() and s.endswith(".") for s in SENTENCES.values())


numbers = st.one_of(st.floats(-2000, 2000), st.just(float("nan")), st.just(float("inf")))


@given(st.tuples(numbers, numbers, numbers, numbers), st.integers(0, 3), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_nonsense_is_an_issue_and_never_an_exception(
    box: tuple[float, float, float, float], seed: int, h: int, w: int
) -> None:
    """Any box and key points on any tiny picture: an answer with a score between 0 and 1."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
    keypoints = (FRONTAL * rng.uniform(-50, 50) + rng.uniform(-50, 50, 2)).astype(np.float32)
    quality = assess(pixels, Face(0.9, Box(*box), keypoints), LIMITS)
    assert quality.issue is not None
    assert 0.0 <= quality.score < 0.5


def bounds(name: str) -> st.SearchStrategy[float]:
    """All that the settings allow for this limit, its ends among them."""
    low, high = 0.0, 1000.0
    for bound in QualitySettings.model_fields[name].metadata:
        low = max(low, getattr(bound, "ge", low), math.nextafter(getattr(bound, "gt", -1.0), math.inf))
        high = min(high, getattr(bound, "le", high), math.nextafter(getattr(bound, "lt", 2000.0), -math.inf))
    return st.one_of(st.sampled_from([low, high]), st.floats(low, high))


@given(st.fixed_dictionaries({name: bounds(name) for name in QualitySettings.model_fields}), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_limit_that_the_settings_allow_is_applied(limits: dict[str, float], flat: bool) -> None:
    """A limit at the end of its range refuses all or nothing; it never ends the worker that judges a frame."""
    pixels = np.full((120, 120, 3), 0 if flat else 120, np.uint8)
    pixels[30:90:2, 30:90] += 0 if flat else 60
    face = Face(0.9, Box(20, 20, 100, 100), (FRONTAL * 30 + 60).astype(np.float32))
    quality = assess(pixels, face, QualityLimits(**limits), Landmarks(np.zeros((468, 3), np.float32), 1.0))
    assert 0.0 <= quality.score <= 1.0
    assert (quality.score < 0.5) == (quality.issue is not None)


def test_a_limit_of_nothing_outside_lets_a_whole_face_pass(portrait: tuple[Pixels, Face]) -> None:
    strict = QualityLimits(max_outside_share=0.0, max_clipped_share=0.5)
    assert assess(*portrait, strict).issue is None
    assert assess(portrait[0], moved(portrait[1], 1000), strict).issue is QualityIssue.CUT_OFF


@pytest.mark.parametrize("what", ["score", "presence", "box"])
def test_what_is_not_a_number_is_an_issue(portrait: tuple[Pixels, Face], what: str) -> None:
    """A broken model must not pass for a good face."""
    pixels, face = portrait
    landmarks = None
    if what == "score":
        face = Face(float("nan"), face.box, face.keypoints)
    elif what == "presence":
        landmarks = Landmarks(np.zeros((468, 3), np.float32), float("nan"))
    else:
        face = Face(0.9, Box(float("nan"), 135, 345, 290), face.keypoints)
    quality = assess(pixels, face, LIMITS, landmarks)
    assert quality.issue is not None
    assert quality.score < 0.5
