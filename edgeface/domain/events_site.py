"""Events of a door that belongs to a site: messages, the link, the site's mode and gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeface.domain.event_base import Event


@dataclass(frozen=True, slots=True)
class SiteMessageRefused(Event):
    """`refusal` as in domain/refusal.py, `topic` the kind of topic, `count` how many since the last such event."""

    kind: ClassVar[str] = "message_refused"
    refusal: str
    topic: str
    count: int


@dataclass(frozen=True, slots=True)
class SiteModeChanged(Event):
    kind: ClassVar[str] = "site_mode_changed"
    mode: str
    version: int


@dataclass(frozen=True, slots=True)
class LinkRestored(Event):
    kind: ClassVar[str] = "link_restored"


@dataclass(frozen=True, slots=True)
class LinkLost(Event):
    kind: ClassVar[str] = "link_lost"
    detail: str


@dataclass(frozen=True, slots=True)
class GalleryInStep(Event):
    """All that the site's manifest says is here."""

    kind: ClassVar[str] = "gallery_in_step"
    manifest: int
    people: int


@dataclass(frozen=True, slots=True)
class GalleryUnconfirmed(Event):
    """The site has not confirmed this gallery for longer than is allowed; `refusing`: nobody is let in meanwhile."""

    kind: ClassVar[str] = "gallery_unconfirmed"
    refusing: bool


@dataclass(frozen=True, slots=True)
class RemovedFromSite(Event):
    kind: ClassVar[str] = "removed_from_site"
    roster: int


@dataclass(frozen=True, slots=True)
class CommandRun(Event):
    """An operator's command; `admin` is his id, `code` why it was not done."""

    kind: ClassVar[str] = "command_run"
    op: str
    admin: str
    done: bool
    code: str = ""


@dataclass(frozen=True, slots=True)
class CertificateExpiring(Event):
    kind: ClassVar[str] = "certificate_expiring"
    days_left: int
