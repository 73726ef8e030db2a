"""What of a site's state counts at this door now: its mode, whether the door belongs to it, whether the site stands by
the gallery; said to the door loop (site_gate) and to the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeface.app.people import LiveGallery
from edgeface.app.recorder import Recorder
from edgeface.app.site_book import SiteBook, SiteMessages, SiteStore
from edgeface.app.site_gate import STRICTNESS, SiteGate
from edgeface.app.site_reports import Reports
from edgeface.domain.events import GalleryInStep, GalleryUnconfirmed, RemovedFromSite, SiteModeChanged
from edgeface.domain.freshness import Freshness
from edgeface.domain.messages import ModeState, SiteMode
from edgeface.domain.site_steps import Standing
from edgeface.ports import Clock, Door, Link


@dataclass(frozen=True, slots=True)
class SiteParts:
    """What the worker works with. `max_age_s` None: any age of the gallery will do. `name_changed` hears the name that
    the site's roster has for this door; `give_way` returns when recognition can spare a moment."""

    link: Link
    messages: SiteMessages
    store: SiteStore
    gallery: LiveGallery
    gate: SiteGate
    freshness: Freshness
    door: Door
    recorder: Recorder
    clock: Clock
    reports: Reports
    pulse_ms: int
    max_age_s: float | None = None
    name_changed: Callable[[str], None] = lambda _name: None
    give_way: Callable[[], None] = lambda: None


class InForce:
    """Belongs to the site's worker."""

    def __init__(self, parts: SiteParts, book: SiteBook) -> None:
        self._p, self._book = parts, book
        self._mode_since_s = parts.clock.monotonic_s()
        self._told_in_step = self._told_unconfirmed = False
        self._withheld = False  # a site mode

    def update(self) -> None:
        """The gate and the door's name follow what is durable."""
        book, gate = self._book, self._p.gate
        member, roster = book.site.member, book.site.roster
        if gate.member and not member and roster is not None:
            self._p.recorder.record([RemovedFromSite(self._p.clock.monotonic_s(), roster.version)])
        gate.member = member
        me = roster.device(self._p.messages.device) if roster is not None else None
        if me is not None:
            self._p.name_changed(me.name)
        mode = SiteMode.LOCKDOWN if book.locked_down else book.mode_in_effect
        if mode is SiteMode.FREE_ACCESS and (self._withheld or not member):
            mode = SiteMode.NORMAL  # nobody stands by it any more
        gate.set_mode(mode)

    def mode_came(self, mode: ModeState) -> None:
        """It is kept; a stricter one counts already (`update`)."""
        self._mode_since_s = self._p.clock.monotonic_s()
        if not self.mode_waits:
            self._p.recorder.record([SiteModeChanged(self._mode_since_s, mode.mode.value, mode.version)])

    def tighten(self, mode: SiteMode) -> None:
        """For now, in memory."""
        if STRICTNESS[mode] > STRICTNESS[self._p.gate.mode]:
            self._p.gate.set_mode(mode)

    @property
    def mode_waits(self) -> bool:
        """There is a laxer mode that the agent has not confirmed."""
        kept = self._book.site.mode
        return kept is not None and kept.mode is not self._book.mode_in_effect

    def consider_mode(self) -> None:
        """A laxer mode counts when the agent, asked since it came, says that it stands. Raises StorageError."""
        kept, now = self._book.site.mode, self._p.clock.monotonic_s()
        if kept is None or kept.mode is self._book.mode_in_effect:
            return
        if not self._p.freshness.confirms_mode(kept.version, self._mode_since_s):
            return
        self._book.put_in_effect(kept.mode)
        self.update()
        self._p.recorder.record([SiteModeChanged(now, kept.mode.value, kept.version)])
        self._p.reports.receipt_due(now)

    def lock_down(self, locked_down: bool) -> None:
        """This door alone. Raises StorageError."""
        self._book.lock_down(locked_down)
        self.update()

    def tell(self, standing: Standing, now: float) -> None:
        p, state = self._p, self._p.gate.gallery()
        if p.freshness.mode_withheld(now) is not self._withheld:
            self._withheld = not self._withheld
            before = p.gate.mode
            self.update()
            if p.gate.mode is not before:
                p.recorder.record([SiteModeChanged(now, p.gate.mode.value, standing.mode)])
        if standing.in_step is not self._told_in_step:
            self._told_in_step = standing.in_step
            if standing.in_step:
                p.recorder.record([GalleryInStep(now, standing.manifest, standing.people)])
        unconfirmed = state in ("unconfirmed", "refused")
        if unconfirmed is not self._told_unconfirmed:
            self._told_unconfirmed = unconfirmed
            if unconfirmed:
                p.recorder.record([GalleryUnconfirmed(now, state == "refused")])
