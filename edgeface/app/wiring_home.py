"""wiring.py's part for Home Assistant: what it is told of a door, over the site's link."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgeface import __version__
from edgeface.app.door_loop import DoorLoop
from edgeface.app.home_assistant import HomeAssistant, Withdrawal
from edgeface.app.home_assistant_view import DoorWatch
from edgeface.app.people import LiveGallery
from edgeface.app.recorder import Recorder
from edgeface.app.remote_commands import RemoteCommands
from edgeface.app.settings import Settings
from edgeface.app.settings_door import NOT_WIRED
from edgeface.domain.events import Event
from edgeface.domain.home_assistant import CONTACT, TAMPER, TEMPERATURE
from edgeface.domain.site_change import SiteChange
from edgeface.ports import Clock, Door

if TYPE_CHECKING:
    from edgeface.adapters.link.homeassistant import HomeAssistantMessages
    from edgeface.app.wiring_site import Site

SOURCE = "home_assistant"
_KEPT = "home-assistant"  # under which prefix it was told of this door; empty where it no longer is


def build_home(
    settings: Settings,
    site: Site,
    loop: DoorLoop,
    gallery: LiveGallery,
    door: Door,
    recorder: Recorder,
    clock: Clock,
    temperature_c: Callable[[], float | None],
) -> HomeAssistant | Withdrawal | None:
    """None where it never was told of this door and is not to be. Raises StorageError, GalleryError, ConfigError."""
    wanted, memory = settings.home_assistant, site.memory
    before = memory.read().get(_KEPT, b"").decode()

    def remember(prefix: str) -> None:
        memory.commit(SiteChange(values={_KEPT: prefix.encode()}))

    if not wanted.enabled:
        if not before:
            return None
        return Withdrawal(site.link, _messages(settings, site, before, frozenset()), lambda: remember(""))
    moved = before not in ("", wanted.prefix)
    gone = _messages(settings, site, before, frozenset()).removal()[:1] if moved else []  # its states stay
    has = {
        CONTACT: settings.door.inputs.contact_pin != NOT_WIRED,
        TAMPER: settings.door.inputs.tamper_pin != NOT_WIRED,
        TEMPERATURE: temperature_c() is not None,
    }
    entities = frozenset(entity for entity in wanted.entities if has.get(entity, True))
    return HomeAssistant(
        site.link,
        _messages(settings, site, wanted.prefix, entities),
        DoorWatch(door, loop, site.gate, lambda: bool(site.sync.status()["in_step"]), temperature_c, clock),
        RemoteCommands(
            SOURCE, wanted.remote_unlock, door, site.gate, recorder, clock, lambda: loop.rules.pulse_ms
        ),
        clock,
        lambda: wanted.name or loop.door_name,
        _namer(gallery) if wanted.names else lambda _: None,
        gone,
        lambda: None if before == wanted.prefix else remember(wanted.prefix),
    )  # fmt: skip


def _messages(settings: Settings, site: Site, prefix: str, entities: frozenset[str]) -> HomeAssistantMessages:
    from edgeface.adapters.link import homeassistant as ha

    wanted = settings.home_assistant
    base, _, _ = site.device_topic("status").rpartition("/")
    door = ha.Door(base.rpartition("/")[2], base, __version__, wanted.area)
    return ha.HomeAssistantMessages(door, ha.Options(prefix, entities, wanted.remote_unlock))


def _namer(gallery: LiveGallery) -> Callable[[Event], str | None]:
    def name(event: Event) -> str | None:
        fields = event.to_dict()
        person = gallery.now.people.get(str(fields.get("person") or fields.get("granted_person") or ""))
        return None if person is None else person.name

    return name
