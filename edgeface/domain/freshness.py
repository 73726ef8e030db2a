"""How old may what a door knows be? The door sends a nonce, the agent answers with the versions that stand; the age
runs from the moment the nonce was sent, on the door's monotonic clock, so that an answer that was kept back is an old
one. Times are arguments, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgeface.domain.messages_door import Beacon
from edgeface.domain.refusal import Refusal

MAX_OUTSTANDING = 16
NONCE_VALID_S = 60.0
BEHIND_S = 30.0  # what the agent named and the door has not got by then is withheld, or lost
MODE_BEHIND_S = 5.0  # a site mode is one small message


class Sync(str, Enum):
    """WAITING: no grant yet. CONFIRMED: what is here stood at the agent since start or reconnect. UNCONFIRMED: the
    wait is over without that, or the agent has named for a while what never came; grants are marked
    `gallery_unconfirmed`, or follow the configured policy."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Known:
    """What the door has (site.DoorSite). `since_s`: when its roster or manifest last went on."""

    manifest: int
    manifest_hash: bytes
    roster: int
    roster_hash: bytes
    in_step: bool
    since_s: float
    mode: int = 0


@dataclass(frozen=True, slots=True)
class _Claim:
    asked_s: float
    manifest: int
    roster: int
    mode: int

    def met_by(self, known: Known) -> bool:
        return self.manifest <= known.manifest and self.roster <= known.roster and self.mode <= known.mode


class Freshness:
    """Not thread-safe."""

    def __init__(self, device: str, first_sync_wait_s: float) -> None:
        self._device = device
        self._wait_s = first_sync_wait_s
        self._began_s: float | None = None
        self._asked: dict[bytes, float] = {}
        self._claims: list[_Claim] = []
        self._confirmed_s: float | None = None
        self._mode: tuple[float, int] | None = None  # when the newest answer was asked for, and the mode it named
        self._behind_s: float | None = None  # since when there is something that the agent named and that isn't here
        self._mode_behind_s: float | None = None

    def begin(self, now_s: float) -> None:
        """At start, and at every reconnect: from here on grants wait."""
        self._began_s = now_s
        self._claims.clear()
        self._behind_s = None

    def asked(self, nonce: bytes, now_s: float) -> None:
        """`nonce` (16 random bytes) goes out to the agent now."""
        self._asked[nonce] = now_s
        while len(self._asked) > MAX_OUTSTANDING:
            del self._asked[next(iter(self._asked))]

    def take(self, beacon: Beacon, known: Known, now_s: float) -> Refusal | None:
        """A verified beacon. Rolled_back where the agent stands behind this door: it lost its journal, or somebody
        plays an old one."""
        if beacon.device != self._device:
            return Refusal.WRONG_RECIPIENT
        asked_s = self._asked.pop(beacon.nonce, None)
        if asked_s is None:
            return Refusal.UNKNOWN_NONCE
        if now_s - asked_s > NONCE_VALID_S:
            return Refusal.EXPIRED
        behind = beacon.manifest < known.manifest or beacon.roster < known.roster
        if behind and known.since_s < asked_s:  # else the door went on while the answer was under way
            return Refusal.ROLLED_BACK
        for theirs, ours, their_hash, our_hash in (
            (beacon.manifest, known.manifest, beacon.manifest_hash, known.manifest_hash),
            (beacon.roster, known.roster, beacon.roster_hash, known.roster_hash),
        ):
            if theirs == ours and their_hash != our_hash:
                return Refusal.CONFLICT
        if self._mode is None or asked_s > self._mode[0]:
            self._mode = (asked_s, beacon.mode)
        self._claims.append(_Claim(asked_s, beacon.manifest, beacon.roster, beacon.mode))
        del self._claims[:-MAX_OUTSTANDING]
        self.caught_up(known)
        return None

    def caught_up(self, known: Known) -> None:
        """After every change at the door: has it what the agent said?"""
        met = [c for c in self._claims if c.met_by(known)] if known.in_step else []
        for claim in met:
            self._claims.remove(claim)
            if self._confirmed_s is None or claim.asked_s > self._confirmed_s:
                self._confirmed_s = claim.asked_s
        oldest = min((c.asked_s for c in self._claims), default=None)
        kept = self._behind_s if self._behind_s is not None and not met else oldest
        self._behind_s = None if oldest is None else kept
        named = self._mode if self._mode is not None and self._mode[1] > known.mode else None
        since_s = self._mode_behind_s if self._mode_behind_s is not None else (named[0] if named is not None else None)
        self._mode_behind_s = None if named is None else since_s

    def confirms_mode(self, version: int, arrived_s: float) -> bool:
        """Whether the agent, asked after the site mode with this version had arrived, said that it stands. A laxer
        mode waits for this: an old free access, signed once and replayed, opens nothing."""
        return self._mode is not None and self._mode[0] >= arrived_s and self._mode[1] == version

    def mode_withheld(self, now_s: float) -> bool:
        """The agent names a site mode that has not come: whatever it is, the one that is here stands no more."""
        return self._mode_behind_s is not None and now_s - self._mode_behind_s > MODE_BEHIND_S

    def age_s(self, now_s: float) -> float | None:
        """None while nothing was ever confirmed since start."""
        return None if self._confirmed_s is None else now_s - self._confirmed_s

    def sync(self, now_s: float) -> Sync:
        behind = self._behind_s is not None and now_s - self._behind_s > BEHIND_S
        confirmed = self._began_s is not None and self._confirmed_s is not None and self._confirmed_s >= self._began_s
        if confirmed and not behind:
            return Sync.CONFIRMED
        waiting = self._began_s is None or now_s - self._began_s < self._wait_s
        return Sync.WAITING if waiting else Sync.UNCONFIRMED

    def too_old(self, now_s: float, max_age_s: float | None) -> bool:
        """Whether the configured policy for an unconfirmed gallery is to be followed. `max_age_s` None: never."""
        age = self.age_s(now_s)
        return max_age_s is not None and (age is None or age > max_age_s)
