"""Past-tense facts. `t_s` is the device's monotonic time (in a replay: the position in the recording). People are
named by the gallery's pseudonymous record id. `to_dict` is the one serialisation: the audit log, `--json` and the
control socket all use it (docs/design.md, section 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeface.domain.event_base import Event as Event
from edgeface.domain.events_site import CertificateExpiring as CertificateExpiring
from edgeface.domain.events_site import CommandRun as CommandRun
from edgeface.domain.events_site import GalleryInStep as GalleryInStep
from edgeface.domain.events_site import GalleryUnconfirmed as GalleryUnconfirmed
from edgeface.domain.events_site import LinkLost as LinkLost
from edgeface.domain.events_site import LinkRestored as LinkRestored
from edgeface.domain.events_site import RemovedFromSite as RemovedFromSite
from edgeface.domain.events_site import SiteMessageRefused as SiteMessageRefused
from edgeface.domain.events_site import SiteModeChanged as SiteModeChanged

# -- decisions about people -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccessGranted(Event):
    """`by`: what it rests on: face, face+card, face+pin, card, card+pin; without a face `track` is -1, the score 0.
    `unconfirmed`: on a gallery that the site had not confirmed."""

    kind: ClassVar[str] = "access_granted"
    track: int
    person: str
    score: float
    margin: float
    evidence_ms: int
    grant_id: str
    by: str = "face"
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class AccessDenied(Event):
    """`reason` is a DenialReason's value, or for poor quality the QualityIssue is in `detail`."""

    kind: ClassVar[str] = "access_denied"
    track: int
    reason: str
    person: str | None = None
    score: float | None = None
    detail: str = ""
    evidence_ms: int = 0


@dataclass(frozen=True, slots=True)
class SpoofRefused(Event):
    """`score` is the fused probability of an attack, 0 to 1."""

    kind: ClassVar[str] = "spoof_refused"
    track: int
    reason: str
    score: float
    person: str | None = None
    detail: str = ""
    evidence_ms: int = 0


@dataclass(frozen=True, slots=True)
class TailgatingSeen(Event):
    kind: ClassVar[str] = "tailgating_seen"
    track: int
    granted_person: str
    others: int


@dataclass(frozen=True, slots=True)
class LockoutStarted(Event):
    """`scope` is "track", "door", "reader" or "pin" (a person's PIN)."""

    kind: ClassVar[str] = "lockout_started"
    scope: str
    track: int | None
    for_s: float


@dataclass(frozen=True, slots=True)
class LockoutEnded(Event):
    kind: ClassVar[str] = "lockout_ended"
    scope: str


# -- the door ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DoorUnlocked(Event):
    """`cause`: grant, exit_request, toggled, free_access, fire. `grant_id` is empty and `pulse_ms` 0 where no grant
    did it."""

    kind: ClassVar[str] = "door_unlocked"
    grant_id: str
    pulse_ms: int
    cause: str = "grant"


@dataclass(frozen=True, slots=True)
class DoorLocked(Event):
    """`cause`: pulse_ended, requested, client_gone, client_silent, client_nonsense, relocked, stopping, starting;
    opened and closed (the door was used), passed (the turnstile), toggled, lockdown, free_access_ended, fire_ended."""

    kind: ClassVar[str] = "door_locked"
    cause: str
    grant_id: str | None = None


@dataclass(frozen=True, slots=True)
class DoorTested(Event):
    """A technician asked for a pulse (`edgeface door test`)."""

    kind: ClassVar[str] = "door_tested"
    grant_id: str
    pulse_ms: int


@dataclass(frozen=True, slots=True)
class DoorTestRefused(Event):
    """The pulse of a `door_tested` that the door did not carry out."""

    kind: ClassVar[str] = "door_test_refused"
    grant_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class DoorProcessLost(Event):
    kind: ClassVar[str] = "door_process_lost"
    detail: str


@dataclass(frozen=True, slots=True)
class DoorProcessRecovered(Event):
    kind: ClassVar[str] = "door_process_recovered"


# -- the device ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DaemonStarted(Event):
    kind: ClassVar[str] = "daemon_started"
    version: str
    people: int
    templates: int


@dataclass(frozen=True, slots=True)
class DaemonStopped(Event):
    kind: ClassVar[str] = "daemon_stopped"
    cause: str


@dataclass(frozen=True, slots=True)
class CameraLost(Event):
    """`fault`: unavailable, stalled, black, frozen, blinded; cut_short for a recording that breaks off."""

    kind: ClassVar[str] = "camera_lost"
    fault: str
    detail: str


@dataclass(frozen=True, slots=True)
class CameraRecovered(Event):
    kind: ClassVar[str] = "camera_recovered"
    after_s: float


@dataclass(frozen=True, slots=True)
class LivenessUnavailable(Event):
    kind: ClassVar[str] = "liveness_unavailable"
    detail: str


@dataclass(frozen=True, slots=True)
class FramesTooSlow(Event):
    """Pictures come, or are judged, too slowly to agree on anybody: people wait in vain."""

    kind: ClassVar[str] = "frames_too_slow"
    detail: str


@dataclass(frozen=True, slots=True)
class FramesFastAgain(Event):
    kind: ClassVar[str] = "frames_fast_again"


@dataclass(frozen=True, slots=True)
class ReaderLost(Event):
    kind: ClassVar[str] = "reader_lost"
    reader: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReaderRecovered(Event):
    kind: ClassVar[str] = "reader_recovered"
    reader: str


@dataclass(frozen=True, slots=True)
class ReaderGarbled(Event):
    """What came is no card and no PIN: noise, a wrong parity, a format that is not read."""

    kind: ClassVar[str] = "reader_garbled"
    reader: str
    detail: str


@dataclass(frozen=True, slots=True)
class RecordRefused(Event):
    """A gallery record that doesn't authenticate; that person is refused, the others work."""

    kind: ClassVar[str] = "record_refused"
    person: str
    detail: str


@dataclass(frozen=True, slots=True)
class StorageFault(Event):
    kind: ClassVar[str] = "storage_fault"
    detail: str


@dataclass(frozen=True, slots=True)
class StorageRecovered(Event):
    kind: ClassVar[str] = "storage_recovered"


@dataclass(frozen=True, slots=True)
class PersonEnrolled(Event):
    kind: ClassVar[str] = "person_enrolled"
    person: str
    templates: int
    source: str


@dataclass(frozen=True, slots=True)
class ControllerUntold(Event):
    """Somebody was let in, and the existing controller was not told the number."""

    kind: ClassVar[str] = "controller_untold"
    person: str
    detail: str


@dataclass(frozen=True, slots=True)
class FactorsChanged(Event):
    """A person's PIN, cards, or what they are good for. `what`: pin, card, second, without_face, wiegand, cleared."""

    kind: ClassVar[str] = "factors_changed"
    person: str
    what: str


@dataclass(frozen=True, slots=True)
class PersonRemoved(Event):
    kind: ClassVar[str] = "person_removed"
    person: str
