"""What the application needs of the world. Adapters implement these; every one has a fake that ships with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edgeface.domain.events import Event
from edgeface.domain.types import Embedding, Face, Frame, Landmarks, Person, Pixels
from edgeface.ports_link import Delivery as Delivery
from edgeface.ports_link import Inbound as Inbound
from edgeface.ports_link import Link as Link
from edgeface.ports_link import LinkDown as LinkDown
from edgeface.ports_link import LinkStatus as LinkStatus
from edgeface.ports_link import LinkUp as LinkUp
from edgeface.ports_link import ReceivedMessage as ReceivedMessage
from edgeface.ports_link import SubscriptionAnswered as SubscriptionAnswered


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """`live` is False for a recording: then `captured_s` is the position in it, and nothing is ever dropped.
    `recorded` is True for whatever was recorded or drawn, also where it is played by the clock as if it were live: a
    picture that repeats itself, or the next one being far away, is then no fault of a camera."""

    name: str
    width: int
    height: int
    fps: float
    live: bool
    recorded: bool = False


class Camera(Protocol):
    """A source of frames. Not thread-safe; opened, read and closed by one thread."""

    def open(self) -> CameraInfo:
        """Raises CameraUnavailable (or SourceError for a recording) with what to do about it."""
        ...

    def read(self, timeout_s: float) -> Frame:
        """The next frame; blocks at most `timeout_s`. Raises CameraStalled, CameraUnavailable (it vanished: close,
        then open again), EndOfStream (recordings)."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


class FaceDetector(Protocol):
    def detect(self, pixels: Pixels) -> list[Face]:
        """Faces in frame pixels, best score first. `pixels` is (h, w, 3) uint8 BGR."""
        ...


class LandmarkModel(Protocol):
    def landmarks(self, pixels: Pixels, face: Face) -> Landmarks: ...


class SpoofModel(Protocol):
    def score(self, pixels: Pixels, face: Face) -> float:
        """Probability, 0 to 1, that `face` is an attack (print, screen)."""
        ...


class Embedder(Protocol):
    @property
    def model(self) -> str:
        """The manifest's id of the model; templates of another model are not comparable."""
        ...

    def embed(self, pixels: Pixels, face: Face) -> Embedding: ...


@dataclass(frozen=True, slots=True)
class DoorStatus:
    """`mode`: normal, lockdown, free_access. `held_by`: what holds the door unlocked, a cause of DoorUnlocked; None
    where it is locked. `contact`: open, closed, None where none is wired. `alarms` that stand: fire,
    forced_open, held_open, tamper, exit_button_stuck."""

    locked: bool
    mode: str
    grant_id: str | None
    detail: str = ""
    held_by: str | None = None
    contact: str | None = None
    alarms: tuple[str, ...] = ()


class Door(Protocol):
    """The application's end of the door: never a pin, always the door process (or a fake of it). Thread-safe."""

    def grant(self, grant_id: str, pulse_ms: int, *, test: bool = False) -> None:
        """Asks for one pulse; returns when the door process has accepted it (the relay has moved). The pulse's end
        is the door process's own business. `test`: somebody tries the relay, nobody enters; always a pulse. Raises
        GrantRefused or DoorUnavailable; both leave it locked."""
        ...

    def lock(self) -> None:
        """Locks now, ending any pulse. Raises DoorUnavailable."""
        ...

    def status(self) -> DoorStatus:
        """Raises DoorUnavailable."""
        ...

    def set_mode(self, mode: str) -> None:
        """normal, lockdown or free_access; kept by the door process across restarts when this returns. Raises
        GrantRefused, DoorUnavailable."""
        ...

    def free(self, for_ms: int, first_person: bool) -> None:
        """Free access by schedule for so long, to be renewed before; 0 ends it. `first_person`: from the first grant
        on. Ends with this client. Raises GrantRefused, DoorUnavailable."""
        ...

    def show(self, signal: str) -> None:
        """What lights and buzzer tell the person for a moment: look, denied, idle. Raises DoorUnavailable."""
        ...

    def poll_events(self) -> list[Event]:
        """Door events (DoorUnlocked, DoorLocked, ...) since the last call; never blocks."""
        ...

    def close(self) -> None: ...


class GalleryStore(Protocol):
    """Durable, encrypted people. A method that returns has made its effect durable. Thread-safe."""

    def put(self, person: Person) -> None:
        """Inserts or replaces. Raises RecordConflict where `person.seq` is not above the stored one, StorageError."""
        ...

    def remove(self, person_id: str) -> None:
        """Crypto-erase: the person's key and record are gone from the file when this returns; a tombstone stays.
        Raises PersonUnknown, StorageError; TracesRemain where the removal is in force and the erasure is still owed:
        removing the person again, in any process, finishes it."""
        ...

    def removed(self, person_id: str) -> bool:
        """Whether a tombstone stands for this id."""
        ...

    def get(self, person_id: str) -> Person:
        """Raises PersonUnknown, RecordDamaged."""
        ...

    def people(self) -> Iterator[Person]:
        """All that authenticate, by id; damaged ones are left out, see `damaged`."""
        ...

    def damaged(self) -> Mapping[str, str]:
        """record id -> sentence, of every record that does not authenticate."""
        ...

    def marks(self) -> Mapping[str, bytes]:
        """record id -> a mark, by id, of every record that is there; another one whenever the record was written.
        Much cheaper than reading the records. Damage that comes later shows when they are read."""
        ...

    def export(self, person_id: str) -> dict[str, object]:
        """A person's own copy of the record, templates unrotated, as JSON's types. Raises PersonUnknown,
        RecordDamaged."""
        ...

    def version(self) -> int:
        """Rises with every change, by whichever process; cheap to ask."""
        ...

    def close(self) -> None: ...


class AuditLog(Protocol):
    """Durable, hash-chained events. Thread-safe."""

    def append(self, events: Iterable[Event]) -> None:
        """Durable when this returns. Raises StorageError; a grant is not carried out if this fails."""
        ...

    def close(self) -> None: ...


class Clock(Protocol):
    def monotonic_s(self) -> float: ...

    def utc(self) -> datetime:
        """Timezone-aware UTC."""
        ...

    def is_set(self) -> bool:
        """False while the wall clock can't be right: before this software's own release date, or before a time that is
        known to have been."""
        ...


class Keys(Protocol):
    """The device's secrets, each derived from the one device key (HKDF, by purpose)."""

    def secret(self, purpose: str, length: int = 32) -> bytes:
        """Raises KeyRejected."""
        ...
