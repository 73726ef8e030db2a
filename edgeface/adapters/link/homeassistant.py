"""What a door tells Home Assistant, by its MQTT discovery for devices (Home Assistant 2024.11 or later): payloads and
topics alone, no connection. Names and options are those of its MQTT integration's documentation.

Home Assistant can't sign. So there is a lock to operate only where the operator allows remote unlocking from it, which
means trusting the broker and everybody whom it lets write; otherwise the lock is a sensor."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeface.domain.errors import ConfigError
from edgeface.domain.home_assistant import (
    CONTACT,
    ENTITIES,
    EVENT,
    GALLERY,
    LOCK,
    PERSON,
    TAMPER,
    TEMPERATURE,
    Publication,
    View,
    Wish,
)
from edgeface.domain.text import clean_text

_OBJECT_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")  # what discovery topics may hold
_LONGEST_NAME = 128
_LONGEST_COMMAND = 256
_UNKNOWN = b"None"  # documented as such for locks and binary sensors
_OPS = {"LOCK": "lock", "UNLOCK": "unlock"}

# our event -> Home Assistant's event_type; what isn't here stays between the door and its site
_EVENTS = {
    "access_granted": "access_granted",
    "access_denied": "access_denied",
    "spoof_refused": "spoof_refused",
    "tailgating_seen": "tailgating",
    "lockout_started": "lockout",
    "door_forced_open": "forced_open",
    "door_held_open": "held_open",
    "exit_requested": "exit_requested",
    "fire_release_started": "fire",
    "tamper_started": "tamper",
    "camera_lost": "camera_lost",
    "remote_command": "remote_command",
}
EVENT_TYPES = (*dict.fromkeys(_EVENTS.values()), "remote_refused")
# of an event's fields: neither who it was nor any score, and no free text
_ATTRIBUTES = ("reason", "cause", "fault", "scope", "op", "code")


@dataclass(frozen=True, slots=True)
class Door:
    """`base` is the device's topic (edgeface/v1/<site>/device/<device>); `status` below it holds JSON with the key
    `state`, online or offline, and is the connection's last will."""

    device: str
    base: str
    version: str
    area: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """`entities`: those that the operator wants and the door has. `prefix` is Home Assistant's own."""

    prefix: str = "homeassistant"
    entities: frozenset[str] = frozenset(ENTITIES)
    remote_unlock: bool = False


class HomeAssistantMessages:
    """Implements app.home_assistant.Messages."""

    def __init__(self, door: Door, options: Options) -> None:
        """Raises ConfigError."""
        if not _OBJECT_ID.fullmatch(door.device):
            raise ConfigError(
                f"{door.device[:80]!r} can't be a device's id in Home Assistant.", "Letters, digits, _ and -."
            )
        self._door, self._options = door, options

    @property
    def birth_topic(self) -> str:
        """Home Assistant says "online" here when it starts: then discovery and states are to be published again."""
        return f"{self._options.prefix}/status"

    @property
    def command_topic(self) -> str:
        return f"{self._door.base}/ha/lock/set"

    def discovery(self, name: str, session: str) -> Publication:
        """Retained. `session` comes back with each command."""
        return Publication(self._discovery_topic, self._config(name, self._components(session)), True)

    def leftovers(self, name: str) -> Publication:
        """To be published before `discovery`, once: takes the components away that this door does not have (any more),
        by their platform alone."""
        components = self._components("")
        gone = {key: {"platform": platform} for key, platform in _PLATFORMS.items() if key not in components}
        return Publication(self._discovery_topic, self._config(name, {**components, **gone}), True)

    def removal(self) -> list[Publication]:
        """Takes the device out of Home Assistant, and its retained states off the broker."""
        kept = [Publication(self._topic(key), b"", True) for key in _PLATFORMS if key not in _UNKEPT]
        return [Publication(self._discovery_topic, b"", True), *kept]

    def states(self, view: View) -> list[Publication]:
        """Retained states of the components that there are."""
        wanted, facts = self._options.entities, {}
        if LOCK in wanted:
            facts[LOCK] = self._lock(view.lock)
        for key, on in ((CONTACT, view.open), (PERSON, view.person), (TAMPER, view.tampered)):
            if key in wanted:
                facts[key] = _on_off(on)
        if GALLERY in wanted:
            facts[GALLERY] = _on_off(None if view.in_step is None else not view.in_step)
        if TEMPERATURE in wanted and view.temperature_c is not None:
            facts[TEMPERATURE] = f"{view.temperature_c:.1f}".encode()
        return [Publication(self._topic(key), fact, True) for key, fact in facts.items()]

    def event(self, fact: Mapping[str, object], name: str | None = None) -> Publication | None:
        """Of one of our events as its dictionary, with the person's name where the operator wants that; None for those
        that Home Assistant isn't told. Never retained: it would be an old event after every restart."""
        kind = _EVENTS.get(str(fact.get("event")))
        if kind is None or EVENT not in self._options.entities:
            return None
        if kind == "remote_command" and fact.get("done") is not True:
            kind = "remote_refused"
        attributes = {key: fact[key] for key in _ATTRIBUTES if isinstance(fact.get(key), str) and fact[key]}
        if fact.get("reason") == "poor_quality":
            attributes["issue"] = fact.get("detail", "")
        if name:
            attributes["name"] = name
        return Publication(self._topic(EVENT), _json({"event_type": kind, **attributes}), False)

    def wish(self, payload: bytes) -> Wish | None:
        """What arrived on the command topic; None for what `command_template` did not make."""
        if len(payload) > _LONGEST_COMMAND:
            return None
        try:
            said = json.loads(payload)
        except (ValueError, RecursionError):
            return None
        if not isinstance(said, dict) or set(said) != {"do", "at", "session"}:
            return None
        op, at_s, session = _OPS.get(str(said["do"])), said["at"], said["session"]
        if op is None or type(at_s) is not int or not isinstance(session, str):
            return None
        return Wish("lock" if op == "lock" else "unlock", float(at_s), session)

    # -- within -------------------------------------------------------------------------------------------------------

    @property
    def _discovery_topic(self) -> str:
        return f"{self._options.prefix}/device/{self._door.device}/config"

    def _topic(self, key: str) -> str:
        return f"{self._door.base}/ha/{key}"

    def _config(self, name: str, components: Mapping[str, object]) -> bytes:
        door = self._door
        device: dict[str, object] = {
            "identifiers": [f"edgeface_{door.device}"],
            "name": name if clean_text(name, _LONGEST_NAME) else "Door",
            "manufacturer": "edgeface",
            "model": "edgeface door",
            "sw_version": door.version,
        }
        if door.area:
            device["suggested_area"] = door.area
        return _json({
            "device": device,
            "origin": {"name": "edgeface", "sw_version": door.version},
            "availability_topic": f"{door.base}/status",
            "availability_template": "{{ value_json.state }}",
            "payload_available": "online",
            "payload_not_available": "offline",
            "components": components,
        })  # fmt: skip

    def _components(self, session: str) -> dict[str, dict[str, object]]:
        """component id -> its configuration."""
        made: dict[str, dict[str, object]] = {
            CONTACT: self._binary(CONTACT, "Door", "door"),
            PERSON: self._binary(PERSON, "Person", "motion"),
            TAMPER: {**self._binary(TAMPER, "Tamper", "tamper"), **_DIAGNOSTIC},
            GALLERY: {**self._binary(GALLERY, "Gallery", "problem"), **_DIAGNOSTIC},
            EVENT: self._entity(EVENT, "event", "Access", event_types=list(EVENT_TYPES)),
            TEMPERATURE: self._entity(
                TEMPERATURE, "sensor", "Temperature", device_class="temperature", unit_of_measurement="°C",
                state_class="measurement", **_DIAGNOSTIC,
            ),
        }  # fmt: skip
        found = {key: one for key, one in made.items() if key in self._options.entities}
        if LOCK in self._options.entities and self._options.remote_unlock:
            found[LOCK] = self._operable_lock(session)
        elif LOCK in self._options.entities:
            found["lock_state"] = self._binary("lock_state", "Lock", "lock", state=LOCK)
        return found

    def _operable_lock(self, session: str) -> dict[str, object]:
        """QoS 0: a broker does not keep such a command for a door that is away."""
        template = f'{{"do":"{{{{ value }}}}","at":{{{{ utcnow().timestamp() | int }}}},"session":"{session}"}}'
        return self._entity(
            LOCK, "lock", None, qos=0, command_topic=self.command_topic, command_template=template,
            payload_lock="LOCK", payload_unlock="UNLOCK", state_locked="LOCKED", state_unlocked="UNLOCKED",
            state_locking="LOCKING", state_unlocking="UNLOCKING", state_jammed="JAMMED", optimistic=False, retain=False,
        )  # fmt: skip

    def _binary(self, key: str, name: str, device_class: str, *, state: str = "") -> dict[str, object]:
        return self._entity(
            key, "binary_sensor", name, state=state, device_class=device_class, payload_on="ON", payload_off="OFF"
        )

    def _entity(
        self, key: str, platform: str, name: str | None, *, state: str = "", qos: int = 1, **more: object
    ) -> dict[str, object]:
        """`name` None: the entity is the device's main one and has its name. `qos` stands in each component: the
        documentation counts it among the shared options, Home Assistant's code does not."""
        return {
            "platform": platform,
            "unique_id": f"edgeface_{self._door.device}_{key}",
            "name": name,
            "state_topic": self._topic(state or key),
            "qos": qos,
            **more,
        }

    def _lock(self, lock: str | None) -> bytes:
        if lock is None:
            return _UNKNOWN
        # A binary sensor of class lock is on while it isn't safely locked.
        return lock.upper().encode() if self._options.remote_unlock else _on_off(lock != "locked")


_DIAGNOSTIC: dict[str, Any] = {"entity_category": "diagnostic"}
_UNKEPT = (EVENT, "lock_state")  # no retained topic of their own
_PLATFORMS = {
    LOCK: "lock",
    "lock_state": "binary_sensor",
    CONTACT: "binary_sensor",
    PERSON: "binary_sensor",
    TAMPER: "binary_sensor",
    GALLERY: "binary_sensor",
    TEMPERATURE: "sensor",
    EVENT: "event",
}


def _on_off(on: bool | None) -> bytes:
    return _UNKNOWN if on is None else b"ON" if on else b"OFF"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
