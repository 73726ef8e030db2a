"""wiring.py's part for a door that belongs to a site: the link, the worker that keeps the door in step, the outbox. And
pairing, which makes a door belong to one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface import __version__
from edgeface.app.home_assistant import HomeAssistant, Withdrawal
from edgeface.app.outgoing import TOPICS, Message, Outgoing
from edgeface.app.people import LiveGallery
from edgeface.app.recorder import Recorder
from edgeface.app.settings import Settings
from edgeface.app.site_force import SiteParts
from edgeface.app.site_gate import SiteGate
from edgeface.app.site_pairing import Pairing
from edgeface.app.site_reports import Reports
from edgeface.app.sync import SiteSync
from edgeface.domain.errors import EnrolmentError, LinkUnavailable
from edgeface.domain.events import Event
from edgeface.domain.freshness import Freshness
from edgeface.domain.site_change import SiteChange
from edgeface.ports import AuditLog, Clock, Door, GalleryStore, Keys, Link

if TYPE_CHECKING:
    from edgeface.adapters.gallery.site import SiteMemory
    from edgeface.adapters.gallery.store import SqliteGallery
    from edgeface.adapters.link.connection import Target
    from edgeface.adapters.link.outbox import Outbox

Work = Callable[[threading.Event], None]


@dataclass(slots=True)
class Site:
    """What runs beside the door loop where the door belongs to a site."""

    name: str
    id: str
    code: str
    device_code: str
    link: Link
    sync: SiteSync
    gate: SiteGate
    reports: Reports
    outgoing: Outgoing
    outbox: Outbox
    pump: Work
    memory: SiteMemory
    device_topic: Callable[[str], str]
    home: HomeAssistant | Withdrawal | None = None

    def begin(self) -> None:
        self.sync.begin()
        if self.home is not None:
            self.sync.beside = self.home.take
            self.home.begin()
        self.link.start()

    @property
    def workers(self) -> Sequence[tuple[str, Work]]:
        home = () if self.home is None else (("home assistant", self.home.work),)
        return (("site", self.sync.work), ("events", self.outgoing.work), ("outbox", self.pump), *home)

    def status(self) -> dict[str, Any]:
        waiting = self.outbox.status()
        return {
            "name": self.name, "id": self.id, "code": self.code, "device_code": self.device_code, **self.sync.status(),
            "outbox": {"waiting": waiting.waiting, "bytes": waiting.waiting_bytes, "dropped": waiting.dropped},
            "home_assistant": self.home.status() if isinstance(self.home, HomeAssistant) else None,
        }  # fmt: skip

    def close(self) -> None:
        self.link.close()
        self.outbox.close()


def open_memory(store: SqliteGallery, keys: Keys) -> SiteMemory:
    """Raises StorageError."""
    from edgeface.adapters.gallery.site import SiteMemory

    return SiteMemory(store, keys)


def open_pairing(settings: Settings, store: SqliteGallery, keys: Keys) -> Pairing:
    """How the door stands towards a site. Raises StorageError, GalleryError."""
    from edgeface.adapters.link.device_pairing import DevicePairing

    return Pairing(open_memory(store, keys), DevicePairing(), store, settings.door_name, __version__)


def refuse_local(
    settings: Settings, store: GalleryStore, keys: Keys, refusal: Callable[[], EnrolmentError] | None = None
) -> None:
    """People of a site's door are the site's. Raises `refusal`, `not_here` where none is given, at a site's door."""
    from edgeface.adapters.gallery.store import SqliteGallery

    if isinstance(store, SqliteGallery) and open_pairing(settings, store, keys).site is not None:
        raise (refusal or not_here)()


def not_here() -> EnrolmentError:
    return EnrolmentError(
        "This door belongs to a site, whose people are enrolled and removed for all of its doors.",
        "Use `edgeface admin person add` or `… revoke` where the site is run; `edgeface pair --leave` ends it.",
    )


def no_factors_here() -> EnrolmentError:
    return EnrolmentError(
        "This door belongs to a site, and a site's records hold no PINs and cards.",
        "At a site's doors faces alone count; a door that needs cards stays by itself (`edgeface pair --leave`).",
    )


def build_site(
    settings: Settings,
    store: SqliteGallery,
    keys: Keys,
    gallery: LiveGallery,
    door: Door,
    recorder: Recorder,
    audit: AuditLog,
    clock: Clock,
    model: str,
    name_changed: Callable[[str], None],
    report: Callable[[str, LinkUnavailable | None], None],
    telemetry: Callable[[], dict[str, object]],
    give_way: Callable[[], None],
) -> Site | None:
    """None where the door belongs to no site, or [mqtt] is off. Raises StorageError, GalleryError, ConfigError."""
    from edgeface.adapters.link.ahead import AheadLink, AheadMessages
    from edgeface.adapters.link.keys import PartyKeys
    from edgeface.adapters.link.mqtt import MqttLink
    from edgeface.adapters.link.outbox import Entry, Kind, Outbox
    from edgeface.adapters.link.pump import OutboxPump
    from edgeface.adapters.system.audit import AuditReader, FileAudit

    if settings.mqtt.enabled is False:
        return None
    pairing = open_pairing(settings, store, keys)
    if pairing.site is None:
        return None
    paired = pairing.site
    memory = open_memory(store, keys)
    messages = AheadMessages(paired.root, PartyKeys.from_secret(paired.identity))
    link = AheadLink(MqttLink(_target(settings, pairing, messages), report=report), messages)
    mqtt = settings.mqtt
    freshness = Freshness(messages.device, mqtt.first_sync_wait_s)
    max_age_s = mqtt.max_gallery_age_s or None
    gate = SiteGate(freshness, clock, max_age_s, mqtt.unconfirmed == "refuse")
    assert isinstance(audit, FileAudit)
    reports = Reports(link, messages, memory, gallery, clock, audit.head, model)
    parts = SiteParts(
        link, messages, memory, gallery, gate, freshness, door, recorder, clock, reports, settings.door.pulse_ms,
        max_age_s, name_changed, give_way,
    )  # fmt: skip
    sync = SiteSync(parts)
    outbox = Outbox(settings.state_dir / "outbox.db", most_bytes=mqtt.outbox_mb << 20)

    def keep(found: Sequence[Message]) -> None:
        outbox.put_all(Entry(m.id, Kind(m.kind), messages.device_topic(TOPICS[m.kind]), m.payload) for m in found)

    def how() -> dict[str, object]:
        return {**telemetry(), "site": sync.status()}

    kept = memory.read().get("forwarded")
    outgoing = Outgoing(
        messages.device,
        AuditReader(settings.audit_folder, keys),
        keep,
        audit.head()[0] if kept is None else int(kept),
        lambda seq: memory.commit(SiteChange(values={"forwarded": str(seq).encode()})),
        how,
        lambda: link.status().certificate_days_left,
        recorder.record,
        clock,
        mqtt.telemetry_s,
    )
    return Site(
        paired.name, paired.id, paired.code, pairing.device_code, link, sync, gate, reports, outgoing, outbox,
        OutboxPump(outbox, link).work, memory, messages.device_topic,
    )  # fmt: skip


def tell_site(site: list[Site]) -> Callable[[Event], None]:
    """A listener for the recorder, which is made before the site."""

    def told(event: Event) -> None:
        for one in site:
            one.outgoing.poke(event)
            if one.home is not None:
                one.home.heard(event)

    return told


def _target(settings: Settings, pairing: Pairing, messages: Any) -> Target:
    from edgeface.adapters.link.connection import Presence, Target
    from edgeface.adapters.link.tls import TlsFiles

    mqtt, paired = settings.mqtt, pairing.site
    assert paired is not None
    files = write_tls(settings, pairing)
    tls = TlsFiles(mqtt.ca or files[0], mqtt.certificate or files[1], mqtt.key or files[2])
    online = b'{"state":"online","version":"%s"}' % __version__.encode()
    presence = Presence(messages.device_topic("status"), online, b'{"state":"offline"}')
    return Target(
        mqtt.host or paired.host, mqtt.port or paired.port, messages.device, tls, presence=presence,
        keepalive_s=mqtt.keepalive_s,
    )  # fmt: skip


def write_tls(settings: Settings, pairing: Pairing) -> tuple[Path, Path, Path]:
    """CA, certificate and key as the files that TLS wants. Raises StorageError."""
    from edgeface.adapters.gallery import files

    paired = pairing.site
    assert paired is not None
    folder = settings.site_folder
    wanted = {"ca.pem": paired.ca, "client.pem": paired.certificate, "client.key": paired.tls_key}
    try:
        files.make_private_folder(folder)
        for name, content in wanted.items():
            path = folder / name
            if not path.exists() or path.read_bytes() != content:
                files.write_whole(path, content)
    except OSError as e:
        raise LinkUnavailable(f"The certificates can't be written to {folder}: {e.strerror}.", "", "files") from e
    return folder / "ca.pem", folder / "client.pem", folder / "client.key"
