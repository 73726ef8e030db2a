"""Faces over frames. A track is the unit of evidence: recognition and liveness are gathered per track, so a track that
slides from one person to another would let the second in on the first one's evidence. Where the association is in
doubt, every track concerned ends and new ones begin; that costs a person a few frames and a stranger everything.

Association is greedy, by overlap and centre distance to a constant-velocity prediction (Bewley et al., SORT, 2016, with
its Kalman filter and Hungarian step left out: a door sees fewer than ten faces). No appearance is used here; agreement
of the embeddings within a track is the streak's business (domain/streak.py)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edgeface.domain.types import Box, Face


@dataclass(frozen=True, slots=True)
class TrackerRule:
    """Lengths are in face widths (of the mean of the two boxes compared), times in seconds.

    max_gap_s: a track without a detection for longer is over; two or three lost frames at 10 frames a second.
    max_pause_s: the same where no frame was lost but none came for a while either (a busy machine): a frame in which
        the face was missing says more than a frame that was never looked at.
    max_shift: farthest a face may lie from its prediction; frame-to-frame motion of a real face stays below 0.4.
    max_log_size, log_size_per_s, max_log_size_cap: how far the size may jump (natural log of the ratio of lengths):
        detector noise, plus walking up at 1.5 m/s from 1 m away, never more than the cap.
    min_affinity: below this a pair is no pair.
    min_affinity_after_gap: the same where a frame was lost in between: somebody else may have stepped in.
    doubt_ratio: a second candidate this near to the best one (ratio of affinities) makes the association doubtful.
    velocity_gain: weight of the newest motion in the velocity estimate.
    """

    max_gap_s: float = 0.3
    max_pause_s: float = 0.5
    max_shift: float = 0.6
    max_log_size: float = 0.18
    log_size_per_s: float = 1.5
    max_log_size_cap: float = 0.35
    min_affinity: float = 0.15
    min_affinity_after_gap: float = 0.45
    doubt_ratio: float = 0.6
    velocity_gain: float = 0.5


@dataclass(frozen=True, slots=True)
class Track:
    """One face over time. `face` is the newest detection, seen at `last_s`; `visible` is False while the track bridges
    a gap (then `face` does not belong to the current frame and must not be cut out of it). `frames` counts detections;
    `velocity` is the centre's, in pixels per second."""

    id: int
    face: Face
    first_s: float
    last_s: float
    frames: int
    visible: bool
    velocity: tuple[float, float] = (0.0, 0.0)

    @property
    def age_s(self) -> float:
        return self.last_s - self.first_s


class Tracker:
    """Holds the living tracks. Deterministic: the same faces and times give the same tracks."""

    def __init__(self, rule: TrackerRule | None = None) -> None:
        self._rule = rule or TrackerRule()
        self._tracks: list[Track] = []
        self._next_id = 1
        self._now_s = -math.inf
        self._ended: tuple[int, ...] = ()

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids that ended in the newest update, ascending; whatever was gathered for them is void."""
        return self._ended

    def update(self, faces: Sequence[Face], t_s: float) -> list[Track]:
        """The tracks alive after the frame captured at `t_s` (monotonic seconds), by id: visible ones and those in a
        gap. Every face belongs to exactly one visible track. Time that doesn't advance (a camera that was reopened,
        a stale frame) ends every track."""
        if t_s > self._now_s:
            alive = [t for t in self._tracks if t_s - t.last_s <= self._longest_gap_s(t)]
        else:
            alive = []
        pairs, doubted = self._associate(alive, faces, t_s)
        kept: list[Track] = []
        for i, track in enumerate(alive):
            if i in pairs:
                kept.append(self._extend(track, faces[pairs[i]], t_s))
            elif i not in doubted and t_s - track.last_s <= self._rule.max_gap_s:
                kept.append(replace(track, visible=False))
        taken = set(pairs.values())
        for j, face in enumerate(faces):
            if j not in taken:
                kept.append(Track(self._next_id, face, t_s, t_s, 1, True))
                self._next_id += 1
        self._ended = tuple(sorted({t.id for t in self._tracks} - {t.id for t in kept}))
        self._tracks, self._now_s = kept, t_s
        return list(kept)

    def _longest_gap_s(self, track: Track) -> float:
        return self._rule.max_pause_s if track.visible else self._rule.max_gap_s

    def _extend(self, track: Track, face: Face, t_s: float) -> Track:
        dt, gain = t_s - track.last_s, self._rule.velocity_gain
        (x0, y0), (x1, y1) = track.face.box.centre, face.box.centre
        vx, vy = track.velocity
        velocity = (vx + gain * ((x1 - x0) / dt - vx), vy + gain * ((y1 - y0) / dt - vy))
        return replace(track, face=face, last_s=t_s, frames=track.frames + 1, visible=True, velocity=velocity)

    def _associate(self, tracks: list[Track], faces: Sequence[Face], t_s: float) -> tuple[dict[int, int], set[int]]:
        """(track index -> face index, indices of tracks that end because two continuations are nearly equally good)."""
        table = [[self._affinity(track, face, t_s) for face in faces] for track in tracks]
        ranked = sorted(
            ((a, -i, -j) for i, row in enumerate(table) for j, a in enumerate(row) if a >= self._rule.min_affinity),
            reverse=True,
        )
        doubtful_tracks: set[int] = set()
        doubtful_faces: set[int] = set()
        for i, row in enumerate(table):
            if (rivals := self._rivals(row)) is not None:
                doubtful_tracks.add(i)
                doubtful_faces.update(rivals)
        for j in range(len(faces)):
            if (rivals := self._rivals([row[j] for row in table])) is not None:
                doubtful_faces.add(j)
                doubtful_tracks.update(rivals)
        pairs: dict[int, int] = {}
        used: set[int] = set()
        for _, neg_i, neg_j in ranked:
            i, j = -neg_i, -neg_j
            if i in pairs or j in used or i in doubtful_tracks or j in doubtful_faces:
                continue
            pairs[i] = j
            used.add(j)
        # a track whose face went to a doubtful one is in doubt itself: it must not glide over it as if in a gap
        for i, row in enumerate(table):
            if i not in pairs and any(row[j] >= self._rule.min_affinity for j in doubtful_faces):
                doubtful_tracks.add(i)
        return pairs, doubtful_tracks

    def _rivals(self, affinities: list[float]) -> list[int] | None:
        """Indices of the candidates that can't be told from the best one, where there are two or more."""
        best = max(affinities, default=0.0)
        if best < self._rule.min_affinity:
            return None
        floor = max(self._rule.min_affinity, self._rule.doubt_ratio * best)
        near = [k for k, a in enumerate(affinities) if a >= floor]
        return near if len(near) > 1 else None

    def _affinity(self, track: Track, face: Face, t_s: float) -> float:
        """0 (not the same face) to 1 (exactly where it was expected)."""
        rule, old, new = self._rule, track.face.box, face.box
        if old.area <= 0 or new.area <= 0:
            return 0.0
        dt = t_s - track.last_s
        jump = abs(math.log(new.area / old.area)) / 2
        if jump > min(rule.max_log_size_cap, rule.max_log_size + rule.log_size_per_s * dt):
            return 0.0
        dx, dy = track.velocity[0] * dt, track.velocity[1] * dt
        expected = Box(old.x1 + dx, old.y1 + dy, old.x2 + dx, old.y2 + dy)
        (ex, ey), (nx, ny) = expected.centre, new.centre
        shift = math.hypot(nx - ex, ny - ey) / ((old.width + new.width) / 2)
        if shift > rule.max_shift:
            return 0.0
        affinity = (expected.iou(new) + 1.0 - shift / rule.max_shift) / 2
        unwatched = not track.visible or dt > rule.max_gap_s
        return 0.0 if unwatched and affinity < rule.min_affinity_after_gap else affinity


def primary(tracks: Iterable[Track], current: int | None = None, advantage: float = 1.25) -> Track | None:
    """The track that is decided: the nearest visible one, by eye distance. `current` is the id that was primary before;
    it stays so until another's eye distance is `advantage` times as large (a head turned by 35 degrees shortens the
    distance by a fifth) or its track ends. None where nobody is visible, and while `current` bridges a gap: the nearest
    person is probably still there, and the one behind must not be decided in the meantime."""
    living = list(tracks)
    held = next((t for t in living if t.id == current), None)
    if held is not None and not held.visible:
        return None
    nearest = max((t for t in living if t.visible), key=lambda t: (t.face.eye_distance_px, -t.id), default=None)
    if held is None or nearest is None:
        return nearest
    return nearest if nearest.face.eye_distance_px > advantage * held.face.eye_distance_px else held
