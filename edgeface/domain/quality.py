"""Is this face good enough to be recognised, and if not, what can the person do about it? The terms are those of
ISO/IEC 29794-5 (face image quality): inter-eye distance, head pose, sharpness, illumination, occlusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeface.domain.alignment import Pose, head_pose, pose_from_keypoints
from edgeface.domain.types import Face, Landmarks, Pixels, QualityIssue

SENTENCES: dict[QualityIssue, str] = {
    QualityIssue.TOO_FAR: "Please come closer.",
    QualityIssue.TOO_CLOSE: "Please step back a little.",
    QualityIssue.CUT_OFF: "Please move so that your whole face is in view.",
    QualityIssue.LOOK_AT_CAMERA: "Please look at the camera.",
    QualityIssue.HOLD_STILL: "Please hold still for a moment.",
    QualityIssue.TOO_DARK: "There is too little light on your face.",
    QualityIssue.TOO_BRIGHT: "There is too much light on your face.",
    QualityIssue.FACE_COVERED: "Please take off whatever covers your face.",
}

_LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # BGR, ITU-R BT.601
_GRID = 48  # side of the normalised face; detail finer than this doesn't survive the embedder's 112 pixels either


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Measured on degraded real photos as the cosine between the embeddings before and after (median); limits that cost
    it stand where it reaches 0.8, well before a genuine pair sinks among strangers.

    min_eye_distance_px: the embedder sees eyes 35 pixels apart; at 24 the cosine is 0.98, at 16 0.93, at 12 0.83. The
        spoof model's texture goes first, hence not lower.
    max_face_share: of the frame's shorter side; beyond it the lens distorts and the spoof model's context is cut off.
    max_outside_share: of the face's box that may lie beyond the frame's edge.
    max_yaw_deg, max_pitch_deg: the aligned crop can't undo them. max_roll_deg: it can, but the detector gets weak.
    pose_slack: by how much the three grow without landmarks: the pose from six key points errs by some ten degrees.
    min_sharpness: see `_sharpness`; sharp faces have 0.03 to 0.2; 0.02 costs 0.12, 0.009 costs 0.33.
    min_luminance, max_luminance: median over the face, 0 to 255: sensor noise below, clipping skin above.
    min_contrast: between the 5th and 95th percentile of luminance over the face; at 35 the cosine is 0.77 with noise.
    max_clipped_share: of the face at 250 and above, where no features are left; at 0.47 the cosine is 0.77.
    min_detector_score: what the detector itself doubts is not worth a template; ordinary faces have 0.8 and more.
    min_presence: FaceMesh's own probability of a face; real faces have 1.00 (all of 1,860 but two).
    """

    min_eye_distance_px: float = 24.0
    max_face_share: float = 0.85
    max_outside_share: float = 0.08
    max_yaw_deg: float = 30.0
    max_pitch_deg: float = 25.0
    max_roll_deg: float = 30.0
    pose_slack: float = 1.25
    min_sharpness: float = 0.014
    min_luminance: float = 30.0
    max_luminance: float = 240.0
    min_contrast: float = 30.0
    max_clipped_share: float = 0.4
    min_detector_score: float = 0.6
    min_presence: float = 0.5


@dataclass(frozen=True, slots=True)
class Quality:
    """`issue` is what the person should mend first, None where the face is good enough. `score` orders faces: 0.5 to 1
    where there is no issue (best frames for enrolment), below 0.5 where there is one. `luminance`, `contrast` and the
    shares are in the units of QualityLimits; `face_share` is of the frame's shorter side; `presence` is None without
    landmarks, `pose` is None where the points span no face (which is LOOK_AT_CAMERA)."""

    issue: QualityIssue | None
    score: float
    eye_distance_px: float
    face_share: float
    outside_share: float
    pose: Pose | None
    sharpness: float
    luminance: float
    contrast: float
    clipped_share: float
    presence: float | None

    @property
    def sentence(self) -> str | None:
        """For the person at the door."""
        return None if self.issue is None else SENTENCES[self.issue]


def assess(pixels: Pixels, face: Face, limits: QualityLimits, landmarks: Landmarks | None = None) -> Quality:
    """`pixels`: the frame that `face` was found in, (h, w, 3) uint8 BGR. With `landmarks` the pose is better and a
    covered face can be noticed. Checks stand in the order in which a person can act on them: where to stand, then the
    light, then what to do with the head; a far or dark face is blurred too, but holding still would not help it."""
    box, shorter = face.box, min(pixels.shape[:2])
    share, outside = max(box.width, box.height) / shorter, _outside_share(pixels, face)
    luma = _face_luma(pixels, face)
    ranked = np.sort(luma, axis=None)
    low, median, high = (float(ranked[int(q * (ranked.size - 1))]) for q in (0.05, 0.5, 0.95))
    clipped = 1.0 - float(np.searchsorted(ranked, 250.0)) / ranked.size
    sharpness = _sharpness(luma)
    pose = _pose(face, landmarks)
    off_axis = _off_axis(pose, limits, limits.pose_slack if landmarks is None else 1.0)
    presence = None if landmarks is None else landmarks.presence
    eyes = face.eye_distance_px if np.isfinite(face.keypoints).all() else 0.0
    # (issue, its measure over its limit: above 1 it is one)
    ratios = (
        (QualityIssue.TOO_CLOSE, _over(share, limits.max_face_share)),
        (QualityIssue.CUT_OFF, _over(outside, limits.max_outside_share)),
        (QualityIssue.TOO_FAR, _under(eyes, limits.min_eye_distance_px)),
        (QualityIssue.TOO_DARK, _under(median, limits.min_luminance)),
        (
            QualityIssue.TOO_BRIGHT,
            _worst(_over(median, limits.max_luminance), _over(clipped, limits.max_clipped_share)),
        ),
        # little contrast in the dark half is a lack of light, in the bright half glare
        (_flat_issue(median), _under(high - low, limits.min_contrast)),
        (QualityIssue.FACE_COVERED, 0.0 if presence is None else _doubt(presence, limits.min_presence)),
        (QualityIssue.LOOK_AT_CAMERA, _worst(off_axis, _doubt(face.score, limits.min_detector_score))),
        (QualityIssue.HOLD_STILL, _under(sharpness, limits.min_sharpness)),
    )
    issue = next((name for name, ratio in ratios if not ratio <= 1.0), None)  # so that NaN is an issue
    return Quality(
        issue, _score(ratios, issue), eyes, share, outside, pose, sharpness, median, high - low, clipped, presence
    )


def _worst(*ratios: float) -> float:
    """The largest; NaN where one is, which `max` would lose."""
    return math.nan if any(math.isnan(r) for r in ratios) else max(ratios)


def _over(value: float, most: float) -> float:
    """How far `value` is on the way up to its most: 1 at the limit. A limit of 0 allows exactly that."""
    return value / most if most > 0 else math.inf if value > 0 else value


def _under(value: float, least: float) -> float:
    """How far `value` is on the way down to its least: 1 at the limit, 0 when it is far above."""
    return least / value if value > 0 else 0.0 if value == least == 0 else math.inf


def _doubt(probability: float, least: float) -> float:
    """The same for a probability: 0 at certainty, 1 at the limit."""
    return _over(1.0 - probability, 1.0 - least)


def _flat_issue(median: float) -> QualityIssue:
    return QualityIssue.TOO_DARK if median < 128 else QualityIssue.TOO_BRIGHT


def _score(ratios: Sequence[tuple[QualityIssue, float]], issue: QualityIssue | None) -> float:
    """From the mean and the least distance to the limits, in [0.5, 1]; with an issue below 0.5, by how badly the worst
    limit is exceeded. Squared, because far from a limit nothing is gained any more."""
    worst = _worst(*(ratio for _, ratio in ratios))
    if issue is not None:
        return 0.5 / worst if math.isfinite(worst) else 0.0
    kept = [1.0 - min(ratio, 1.0) ** 2 for _, ratio in ratios]
    return 0.5 + 0.25 * sum(kept) / len(kept) + 0.25 * min(kept)


def _off_axis(pose: Pose | None, limits: QualityLimits, slack: float) -> float:
    if pose is None:
        return math.inf
    return _worst(
        abs(pose.yaw_deg) / (limits.max_yaw_deg * slack),
        abs(pose.pitch_deg) / (limits.max_pitch_deg * slack),
        abs(pose.roll_deg) / (limits.max_roll_deg * slack),
    )


def _pose(face: Face, landmarks: Landmarks | None) -> Pose | None:
    try:
        return pose_from_keypoints(face) if landmarks is None else head_pose(landmarks)
    except ValueError:
        return None


def _outside_share(pixels: Pixels, face: Face) -> float:
    box = face.box
    if not box.area > 0:  # also NaN
        return 1.0
    w = max(0.0, min(box.x2, float(pixels.shape[1])) - max(box.x1, 0.0))
    h = max(0.0, min(box.y2, float(pixels.shape[0])) - max(box.y1, 0.0))
    return 1.0 - w * h / box.area


def _face_luma(pixels: Pixels, face: Face) -> NDArray[np.float32]:
    """Luminance of the face's box, area-averaged to (48, 48) float32: comparable over sizes, and the averaging takes
    the sensor's noise out. Parts beyond the frame are left out."""
    h, w = pixels.shape[:2]
    x1, x2 = _span(face.box.x1, face.box.x2, w)
    y1, y2 = _span(face.box.y1, face.box.y2, h)
    step = max(1, min(x2 - x1, y2 - y1) // (2 * _GRID))  # large faces: every 2nd, 3rd ... pixel is plenty
    crop = pixels[y1:y2:step, x1:x2:step]
    rows, columns = crop.shape[0], crop.shape[1]
    grey = np.dot(crop.astype(np.float32, "C").reshape(-1, 3), _LUMA).reshape(rows, columns)
    return np.asarray(_averaging(rows) @ grey @ _averaging(columns).T, np.float32)


def _span(start: float, stop: float, size: int) -> tuple[int, int]:
    """Whole pixels of [start, stop) inside [0, size), at least one."""
    if not (math.isfinite(start) and math.isfinite(stop)):
        return 0, size
    a = min(max(int(start), 0), size - 1)
    return a, max(a + 1, min(int(stop), size))


@lru_cache(maxsize=256)
def _averaging(n: int) -> NDArray[np.float32]:
    """(48, n) weights: each row averages its share of n samples; for n < 48 it interpolates between them."""
    edges = np.arange(_GRID + 1) * (n / _GRID)
    cells = np.arange(n)
    overlap = np.clip(np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells), 0, None)
    if n < _GRID:
        centres = np.clip((edges[1:, None] + edges[:-1, None]) / 2 - 0.5, 0, n - 1)
        overlap = np.clip(1 - np.abs(centres - cells), 0, None)
    weights: NDArray[np.float32] = np.asarray(overlap / overlap.sum(1, keepdims=True), np.float32)
    weights.setflags(write=False)
    return weights


def _sharpness(luma: NDArray[np.float32]) -> float:
    """Variance of the second difference across the normalised face, in the direction where it is least, relative to
    the variance of luminance. It is the variance of the Laplacian (Pech-Pacheco et al., 2000) taken apart: motion blurs
    one direction and leaves the other sharp. Relative, so that exposure and contrast cancel out."""
    inner = luma[1:-1, 1:-1] * 2
    least = math.inf
    for before, after, divisor in _DIRECTIONS:
        change = luma[before] + luma[after]
        change -= inner
        least = min(least, float(np.vdot(change, change)) / divisor)
    centred = luma - np.float32(np.add.reduce(luma, axis=None) / luma.size)
    return least / change.size / (float(np.vdot(centred, centred)) / luma.size + 1.0)


_LESS, _SAME, _MORE = slice(None, -2), slice(1, -1), slice(2, None)
# (before, after, divisor of the squared change): the diagonal step is longer by the square root of 2, which halves the
# second difference and quarters its square
_DIRECTIONS = (
    ((_SAME, _LESS), (_SAME, _MORE), 1.0),
    ((_LESS, _SAME), (_MORE, _SAME), 1.0),
    ((_LESS, _LESS), (_MORE, _MORE), 4.0),
    ((_LESS, _MORE), (_MORE, _LESS), 4.0),
)
