"""What the site lets the door loop do now. Asked by the vision thread for each decision, written by the site's worker:
times are compared when it is asked, so a worker that hangs makes the gallery older, never younger."""

from __future__ import annotations

from typing import Literal

from edgeface.domain.freshness import Freshness, Sync
from edgeface.domain.messages import SiteMode
from edgeface.ports import Clock

GalleryState = Literal["confirmed", "waiting", "unconfirmed", "refused"]
STRICTNESS = {SiteMode.FREE_ACCESS: 0, SiteMode.NORMAL: 1, SiteMode.LOCKDOWN: 2}


class SiteGate:
    """`member` and `mode` are set as they change."""

    def __init__(self, freshness: Freshness, clock: Clock, max_age_s: float | None, refuse: bool) -> None:
        """`max_age_s` None: any age will do. `refuse`: nobody is let in on a gallery that the site has not confirmed;
        otherwise the grant is marked."""
        self._freshness, self._clock, self._max_age_s, self._refuse = freshness, clock, max_age_s, refuse
        self.member = True
        self.mode = SiteMode.NORMAL
        self.mode_number = 0  # rises with each change of the mode: free access is given to the door once for each

    def gallery(self) -> GalleryState:
        """waiting: no grant yet; unconfirmed: a grant is marked; refused: no grant."""
        now = self._clock.monotonic_s()
        if not self.member:
            return "refused"
        sync = self._freshness.sync(now)
        if sync is Sync.WAITING:
            return "waiting"
        if sync is Sync.UNCONFIRMED or self._freshness.too_old(now, self._max_age_s):
            return "refused" if self._refuse else "unconfirmed"
        return "confirmed"

    def age_s(self) -> float | None:
        return self._freshness.age_s(self._clock.monotonic_s())

    def set_mode(self, mode: SiteMode) -> None:
        if mode is not self.mode:
            self.mode, self.mode_number = mode, self.mode_number + 1
