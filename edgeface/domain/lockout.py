"""Lockouts after failures, after NIST SP 800-63B-4 (five failures, then delays that grow). Time is an argument.

*Failed matches lock the track.* A track that leaves and comes back is a new track, so the embeddings of failed probes
are kept for a while, in memory alone and 64 at most: a new track whose face is more like a failed probe than like
anybody enrolled inherits that probe's failures. Somebody enrolled is more like his own template than like a stranger,
so a stranger's lockout never becomes his.

*Spoofs lock the door,* because an attacker changes faces at will. Anybody can so lock out everybody by holding up
pictures: that is the price, and it is bounded. One lockout lasts five minutes at most, spoofs during it don't prolong
it, and afterwards the full number of spoofs is needed again."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from edgeface.domain.matching import unit
from edgeface.domain.types import Embedding, Floats

REMEMBERED_PROBES = 64
REMEMBERED_TRACKS = 256  # far more than are ever in view; the oldest go first


@dataclass(frozen=True, slots=True)
class FailureRule:
    """After `failures` failed matches `first_s`, doubling with each further one up to `longest_s`. Forgotten
    `forget_s` after the last failure or the lockout's end. `same_person`: cosine from which a probe counts as the
    same face as a failed one."""

    failures: int = 5
    first_s: float = 30.0
    longest_s: float = 3600.0
    forget_s: float = 600.0
    same_person: float = 0.5

    def __post_init__(self) -> None:
        if not (self.failures >= 1 and 0 < self.first_s <= self.longest_s and self.forget_s >= 0):
            raise ValueError("a lockout comes after at least one failure and lasts from first_s up to longest_s")


@dataclass(frozen=True, slots=True)
class SpoofRule:
    """`spoofs` within `window_s` lock the door for `first_s`, doubling up to `longest_s`; after `calm_s` without a
    spoof it begins at `first_s` again."""

    spoofs: int = 3
    window_s: float = 60.0
    first_s: float = 30.0
    longest_s: float = 300.0
    calm_s: float = 600.0

    def __post_init__(self) -> None:
        if not (self.spoofs >= 1 and 0 < self.first_s <= self.longest_s):
            raise ValueError("a lockout comes after at least one spoof and lasts from first_s up to longest_s")
        if not self.longest_s <= 300.0:
            raise ValueError("spoofs lock the door for five minutes at most: longer would hand strangers a weapon")


@dataclass(slots=True, eq=False)
class _Suspect:
    failures: int = 0
    until_s: float = -math.inf
    last_s: float = -math.inf
    told_end: bool = True


class TrackLockout:
    """Failed matches by track, and by face for tracks that come anew."""

    def __init__(self, rule: FailureRule | None = None) -> None:
        self._rule = rule or FailureRule()
        self._tracks: dict[int, _Suspect] = {}
        self._inherited: set[int] = set()
        self._probes: deque[tuple[Floats, str, _Suspect]] = deque(maxlen=REMEMBERED_PROBES)

    def change(self, rule: FailureRule) -> None:
        """Another rule from now on; a lockout that runs ends when it was to end."""
        self._rule = rule

    def failed(self, track: int, now_s: float, probe: Embedding | None = None) -> float | None:
        """A failed attempt of this track; `probe` is a face that failed. How long it is locked out for, in seconds,
        where this failure began a lockout. Failures during a lockout don't count."""
        self._forget(now_s)
        suspect = self._tracks.setdefault(track, _Suspect())
        while len(self._tracks) > REMEMBERED_TRACKS:
            self.track_gone(next(iter(self._tracks)))
        if now_s < suspect.until_s:
            return None
        self._inherited.discard(track)
        suspect.failures += 1
        suspect.last_s = now_s
        vector = None if probe is None else unit(probe.vector)
        if probe is not None and vector is not None:
            self._probes.append((vector, probe.model, suspect))
        beyond = suspect.failures - self._rule.failures
        if beyond < 0:
            return None
        for_s = min(self._rule.longest_s, self._rule.first_s * 2.0 ** min(beyond, 60))
        suspect.until_s = now_s + for_s
        suspect.told_end = False
        return for_s

    def adopt(self, track: int, probe: Embedding, best_score: float, now_s: float) -> bool:
        """Whether this track's face is one that failed before on another track; then it has inherited those failures,
        and the lockout. `best_score` is the probe's cosine with the nearest template (Match.score): a face nearer to
        somebody enrolled than to every failed probe inherits nothing, and loses what it inherited. A track that has
        failed itself keeps its count. Ask with every embedded frame."""
        self._forget(now_s)
        vector = unit(probe.vector)
        inherited = track in self._inherited
        if vector is None or (track in self._tracks and not inherited):
            return inherited
        alike = [(float(v @ vector), s) for v, model, s in self._probes if model == probe.model]
        score, suspect = max(alike, key=lambda found: found[0], default=(-1.0, None))
        if inherited and best_score > score:
            self.track_gone(track)
            return False
        if not inherited and suspect is not None and score > max(self._rule.same_person, best_score):
            self._tracks[track] = suspect
            self._inherited.add(track)
            return True
        return inherited

    def granted(self, track: int) -> None:
        """A grant clears the track, and the failed probes with it: they were this person's own bad frames."""
        suspect = self._tracks.pop(track, None)
        if suspect is not None:
            self._drop({id(suspect)})

    def track_gone(self, track: int) -> None:
        """The track ended. What its face did is remembered where a probe was given."""
        self._tracks.pop(track, None)
        self._inherited.discard(track)

    def remaining_s(self, track: int, now_s: float) -> float:
        """Seconds that this track is still locked out; 0 where it is not."""
        suspect = self._tracks.get(track)
        return 0.0 if suspect is None else max(0.0, suspect.until_s - now_s)

    def ended(self, now_s: float) -> int:
        """How many lockouts have ended since this was last asked."""
        over = [s for s in self._suspects() if not s.told_end and now_s >= s.until_s]
        for suspect in over:
            suspect.told_end = True
        self._forget(now_s)
        return len(over)

    @property
    def remembered_probes(self) -> int:
        return len(self._probes)

    def _suspects(self) -> list[_Suspect]:
        every = [s for _, _, s in self._probes] + list(self._tracks.values())
        return list({id(s): s for s in every}.values())

    def _forget(self, now_s: float) -> None:
        def old(s: _Suspect) -> bool:
            return s.told_end and now_s - max(s.last_s, s.until_s) >= self._rule.forget_s

        stale = {id(s) for s in self._suspects() if old(s)}
        if stale:
            self._drop(stale)

    def _drop(self, suspects: set[int]) -> None:
        self._tracks = {t: s for t, s in self._tracks.items() if id(s) not in suspects}
        self._inherited &= self._tracks.keys()
        kept = [p for p in self._probes if id(p[2]) not in suspects]
        self._probes.clear()
        self._probes.extend(kept)


class DoorLockout:
    """Spoofs by door. Count a spoof once for each refused attempt, not once a frame."""

    def __init__(self, rule: SpoofRule | None = None) -> None:
        self._rule = rule or SpoofRule()
        self._spoofs: deque[float] = deque(maxlen=self._rule.spoofs)
        self._until_s = -math.inf
        self._last_s = -math.inf
        self._lockouts = 0
        self._told_end = True

    def change(self, rule: SpoofRule) -> None:
        """Another rule from now on; a lockout that runs ends when it was to end."""
        self._rule = rule
        self._spoofs = deque(self._spoofs, maxlen=rule.spoofs)

    def spoofed(self, now_s: float) -> float | None:
        """A refused spoof. How long the door is locked out for, where this one began a lockout."""
        if now_s < self._until_s:
            return None
        if now_s - max(self._last_s, self._until_s) >= self._rule.calm_s:
            self._lockouts = 0
        self._last_s = now_s
        self._spoofs.append(now_s)
        if len(self._spoofs) < self._rule.spoofs or now_s - self._spoofs[0] > self._rule.window_s:
            return None
        for_s = min(self._rule.longest_s, self._rule.first_s * 2.0 ** min(self._lockouts, 60))
        self._lockouts += 1
        self._spoofs.clear()
        self._until_s = now_s + for_s
        self._told_end = False
        return for_s

    def remaining_s(self, now_s: float) -> float:
        """Seconds that the door is still locked out; 0 where it is not."""
        return max(0.0, self._until_s - now_s)

    def ended(self, now_s: float) -> bool:
        """True once, when a lockout has ended since this was last asked."""
        if self._told_end or now_s < self._until_s:
            return False
        self._told_end = True
        return True
