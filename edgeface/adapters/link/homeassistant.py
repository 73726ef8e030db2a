"""What a door tells Home Assistant, by its MQTT discovery for devices (Home Assistant 2024.11 or later): payloads and
topics alone, no connection. Names and options are those of its MQTT integration's documentation.

Home Assistant can't sign. So there is a lock to operate only where the site allows remote unlocking from it, which
means trusting the broker and everybody whom it lets write; otherwise the lock is a sensor."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgeface.domain.errors import ConfigError

_OBJECT_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")  # what discovery topics may hold
_LONGEST_NAME = 128

# our event -> Home Assistant's event_type; what isn't here stays between the door and its site
_EVENTS = {
    "access_granted": "access_granted",
    "access_denied": "access_denied",
    "spoof_refused": "spoof_refused",
    "tailgating_seen": "tailgating",
    "lockout_started": "lockout",
    "door_forced_open": "forced_open",
    "door_held_open": "held_open",
    "tampered": "tamper",
    "camera_lost": "camera_lost",
}
EVENT_TYPES = tuple(dict.fromkeys(_EVENTS.values()))
# of an event's fields: neither who it was nor any score
_ATTRIBUTES = ("reason", "detail", "cause", "fault")


@dataclass(frozen=True, slots=True)
class Door:
    """`base` is the device's topic (edgeface/v1/<site>/device/<device>); `status_topic` below it holds JSON with the
    key `state`, online or offline, and is the connection's last will."""

    device: str
    name: str
    base: str
    version: str
    model: str = "edgeface door"
    area: str | None = None
    configuration_url: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """`contact`, `tamper`, `temperature`: whether the door has such a sensor. `prefix` is Home Assistant's own."""

    prefix: str = "homeassistant"
    remote_unlock: bool = False
    contact: bool = True
    tamper: bool = True
    temperature: bool = True


@dataclass(frozen=True, slots=True)
class Publication:
    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True, slots=True)
class View:
    """The door now; None where it isn't known: then nothing is published of it. `lock` is locked, unlocked, locking,
    unlocking or jammed."""

    lock: str | None = None
    open: bool | None = None
    person: bool | None = None
    tampered: bool | None = None
    in_step: bool | None = None
    temperature_c: float | None = None


LOCK_STATES = ("locked", "unlocked", "locking", "unlocking", "jammed")


def birth_topic(options: Options) -> str:
    """Home Assistant says "online" here when it starts: then discovery and states are to be published again."""
    return f"{options.prefix}/status"


def command_topic(door: Door) -> str:
    """Subscribed to only where remote unlocking is allowed."""
    return f"{door.base}/ha/lock/set"


def discovery(door: Door, options: Options) -> list[Publication]:
    """To be published in this order, when the link is up and at Home Assistant's birth. The first removes the
    components that this door doesn't have (any more), by their platform alone; the second is what stays. Raises
    ConfigError."""
    _check(door)
    components = _components(door, options)
    gone = {name: {"platform": platform} for name, platform in _PLATFORMS.items() if name not in components}
    topic = _discovery_topic(door, options)
    return [
        Publication(topic, _json({**_shared(door), "components": {**components, **gone}}), True),
        Publication(topic, _json({**_shared(door), "components": components}), True),
    ]


def removal(door: Door, options: Options) -> list[Publication]:
    """Takes the device out of Home Assistant, and its retained states off the broker."""
    _check(door)
    kept = [Publication(f"{door.base}/ha/{name}", b"", True) for name in _PLATFORMS if name not in _UNKEPT]
    return [Publication(_discovery_topic(door, options), b"", True), *kept]


def states(door: Door, options: Options, view: View) -> list[Publication]:
    """Retained states of the components that there are."""
    facts: dict[str, bytes | None] = {
        "lock": _lock_payload(view.lock, options),
        "contact": _on_off(view.open) if options.contact else None,
        "person": _on_off(view.person),
        "tamper": _on_off(view.tampered) if options.tamper else None,
        "gallery": None if view.in_step is None else _on_off(not view.in_step),
        "temperature": None,
    }
    if view.temperature_c is not None and options.temperature:
        facts["temperature"] = f"{view.temperature_c:.1f}".encode()
    return [Publication(f"{door.base}/ha/{name}", fact, True) for name, fact in facts.items() if fact is not None]


def event(door: Door, fact: Mapping[str, object]) -> Publication | None:
    """Of one of our events as its dictionary; None for those that Home Assistant isn't told. Never retained: it
    would be an old event after every restart."""
    kind = _EVENTS.get(str(fact.get("event")))
    if kind is None:
        return None
    attributes = {key: fact[key] for key in _ATTRIBUTES if isinstance(fact.get(key), str) and fact[key]}
    return Publication(f"{door.base}/ha/event", _json({"event_type": kind, **attributes}), False)


def command(payload: bytes, *, retained: bool, options: Options) -> str | None:
    """ "lock" or "unlock"; None for what is refused: anything where remote unlocking isn't allowed, retained messages
    (an old command would be carried out at every reconnect), and anything but the two words."""
    if retained or not options.remote_unlock:
        return None
    return {b"LOCK": "lock", b"UNLOCK": "unlock"}.get(payload)


_UNKEPT = ("event", "lock_state")  # no retained topic of their own
_PLATFORMS = {
    "lock": "lock",
    "lock_state": "binary_sensor",
    "contact": "binary_sensor",
    "person": "binary_sensor",
    "tamper": "binary_sensor",
    "gallery": "binary_sensor",
    "temperature": "sensor",
    "event": "event",
}


def _components(door: Door, options: Options) -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = {
        "person": _binary(door, "person", "Person", "motion"),
        "gallery": _binary(door, "gallery", "Gallery", "problem", entity_category="diagnostic"),
        "event": _entity(door, "event", "event", "Access", event_types=list(EVENT_TYPES)),
    }
    if options.remote_unlock:
        made["lock"] = _entity(
            door,
            "lock",
            "lock",
            None,
            command_topic=command_topic(door),
            payload_lock="LOCK",
            payload_unlock="UNLOCK",
            state_locked="LOCKED",
            state_unlocked="UNLOCKED",
            state_locking="LOCKING",
            state_unlocking="UNLOCKING",
            state_jammed="JAMMED",
            optimistic=False,
            retain=False,
        )
    else:
        made["lock_state"] = _binary(door, "lock_state", "Lock", "lock", topic="lock")
    if options.contact:
        made["contact"] = _binary(door, "contact", "Door", "door")
    if options.tamper:
        made["tamper"] = _binary(door, "tamper", "Tamper", "tamper", entity_category="diagnostic")
    if options.temperature:
        made["temperature"] = _entity(
            door,
            "sensor",
            "temperature",
            "Temperature",
            device_class="temperature",
            unit_of_measurement="°C",
            state_class="measurement",
            entity_category="diagnostic",
        )
    return made


def _entity(
    door: Door, platform: str, key: str, name: str | None, *, topic: str | None = None, **more: object
) -> dict[str, object]:
    """`name` None: the entity is the device's main one and has its name."""
    return {
        "platform": platform,
        "unique_id": f"edgeface_{door.device}_{key}",
        "name": name,
        "state_topic": f"{door.base}/ha/{topic or key}",
        **more,
    }


def _binary(door: Door, key: str, name: str, device_class: str, **more: object) -> dict[str, object]:
    made = _entity(door, "binary_sensor", key, name, topic=str(more.pop("topic", key)), **more)
    return {**made, "device_class": device_class, "payload_on": "ON", "payload_off": "OFF"}


def _shared(door: Door) -> dict[str, object]:
    device: dict[str, object] = {
        "identifiers": [f"edgeface_{door.device}"],
        "name": door.name,
        "manufacturer": "edgeface",
        "model": door.model,
        "sw_version": door.version,
    }
    if door.area is not None:
        device["suggested_area"] = door.area
    if door.configuration_url is not None:
        device["configuration_url"] = door.configuration_url
    return {
        "device": device,
        "origin": {"name": "edgeface", "sw_version": door.version},
        "availability_topic": f"{door.base}/status",
        "availability_template": "{{ value_json.state }}",
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": 1,
    }


def _discovery_topic(door: Door, options: Options) -> str:
    return f"{options.prefix}/device/{door.device}/config"


def _lock_payload(lock: str | None, options: Options) -> bytes | None:
    if lock is None:
        return None
    if lock not in LOCK_STATES:
        raise ValueError(f"{lock} is no state of a lock")
    # A binary sensor of class lock is on while it isn't safely locked.
    return lock.upper().encode() if options.remote_unlock else _on_off(lock != "locked")


def _on_off(on: bool | None) -> bytes | None:
    return None if on is None else b"ON" if on else b"OFF"


def _check(door: Door) -> None:
    if not _OBJECT_ID.fullmatch(door.device):
        raise ConfigError(
            f"{door.device[:80]!r} can't be a device's id in Home Assistant.", "Letters, digits, _ and -."
        )
    if not door.name.strip() or len(door.name) > _LONGEST_NAME:
        raise ConfigError("The door needs a name of 1 to 128 characters for Home Assistant.")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
