"""What the application needs of the world. Adapters implement these; every one has a fake that ships with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edgeface.domain.events import Event
from edgeface.domain.types import Embedding, Face, Frame, Landmarks, Person, Pixels


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """`live` is False for a recording: then `captured_s` is the position in it, and nothing is ever dropped."""

    name: str
    width: int
    height: int
    fps: float
    live: bool


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
    """`mode`: normal, lockdown, free_access; `relay_energised` is the pin's logical state now."""

    locked: bool
    mode: str
    grant_id: str | None
    detail: str = ""


class Door(Protocol):
    """The application's end of the door: never a pin, always the door process (or a fake of it). Thread-safe."""

    def grant(self, grant_id: str, pulse_ms: int) -> None:
        """Asks for one pulse; returns when the door process has accepted it (the relay has moved). The pulse's end
        is the door process's own business. Raises GrantRefused or DoorUnavailable; both leave it locked."""
        ...

    def lock(self) -> None:
        """Locks now, ending any pulse. Raises DoorUnavailable."""
        ...

    def set_mode(self, mode: str) -> None:
        """normal, lockdown or free_access. Raises DoorUnavailable."""
        ...

    def status(self) -> DoorStatus:
        """Raises DoorUnavailable."""
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
        Raises PersonUnknown, StorageError."""
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


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A connection began. Without `session_resumed` the broker knows nothing of this client any more: what was
    queued there is gone, and every subscription delivers its retained messages again."""

    session_resumed: bool


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The connection ended; `reason` is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionAnswered:
    """The broker's answer to one topic filter. `granted` True doesn't prove that it will deliver: Mosquitto's ACL
    file withholds messages without a word."""

    topic_filter: str
    granted: bool


class ReceivedMessage(Protocol):
    """One message from the broker, of QoS 1 delivered until `done`."""

    @property
    def topic(self) -> str: ...

    @property
    def payload(self) -> bytes: ...

    @property
    def retained(self) -> bool:
        """True for a stored message that came because of a subscription; False for one published just now."""
        ...

    @property
    def duplicate(self) -> bool:
        """The broker says that it sent this one before."""
        ...

    def done(self) -> None:
        """Acknowledges; call it once the effect is durable, for every message, from any thread. Acknowledgements go
        out in the order of arrival. After a reconnect it does nothing: the broker delivers the message again."""
        ...


Inbound = ReceivedMessage | LinkUp | LinkDown | SubscriptionAnswered


class Delivery(Protocol):
    """A message on its way out."""

    @property
    def message_id(self) -> str: ...

    @property
    def acknowledged(self) -> bool: ...

    def wait(self, timeout_s: float) -> bool:
        """Whether the broker has acknowledged it, waiting for that at most so long."""
        ...


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """`fault` is the sentence of the last failure and `fault_code` its kind, both empty while connected. `failures`
    counts the attempts in a row that failed. `certificate_days_left` is that of the client certificate or its CA,
    whichever ends first."""

    connected: bool = False
    session_resumed: bool = False
    connections: int = 0
    failures: int = 0
    fault: str = ""
    fault_code: str = ""
    retry_in_s: float | None = None
    refused_filters: tuple[str, ...] = ()
    unacknowledged_out: int = 0
    waiting_in: int = 0
    oversized_in: int = 0
    dropped_in: int = 0
    certificate_days_left: float | None = None


class Link(Protocol):
    """The way to the site's broker: MQTT 3.1.1, QoS 1, one persistent session. Thread-safe; what comes in is for one
    consumer."""

    def start(self) -> None:
        """Begins to connect, and goes on trying until `close`. Subscribe to what is for good before this: messages
        that wait in the broker's session come at once."""
        ...

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        message_id: str,
        retain: bool = False,
        timeout_s: float = 0.0,
        on_acknowledged: Callable[[str], None] | None = None,
    ) -> Delivery:
        """Hands one message over and returns; it is sent again after a reconnect until the broker acknowledges it, or
        this process ends. `message_id` is the sender's own. Waits `timeout_s` at most for room among what is not
        acknowledged yet. `on_acknowledged` is called from the network's thread and must be quick.

        Raises LinkUnavailable without a connection, LinkBusy without room, LinkError for a message too large or a
        topic that is none."""
        ...

    def subscribe(self, topic_filter: str) -> None:
        """From now on, over every reconnect; at run time too. Raises LinkError for a filter that is none."""
        ...

    def unsubscribe(self, topic_filter: str) -> None: ...

    def receive(self, timeout_s: float) -> Inbound | None:
        """The next thing that happened, in order; None if nothing did in that time. Messages of subscriptions that an
        earlier process left in the session come too."""
        ...

    def status(self) -> LinkStatus: ...

    def close(self) -> None:
        """Says goodbye (the status topic turns to offline) and ends. The broker keeps the session. Idempotent."""
        ...


class Clock(Protocol):
    def monotonic_s(self) -> float: ...

    def utc(self) -> datetime:
        """Timezone-aware UTC."""
        ...

    def is_set(self) -> bool:
        """False while the wall clock can't be right (before this software's own release date)."""
        ...


class Keys(Protocol):
    """The device's secrets, each derived from the one device key (HKDF, by purpose)."""

    def secret(self, purpose: str, length: int = 32) -> bytes:
        """Raises KeyRejected."""
        ...
