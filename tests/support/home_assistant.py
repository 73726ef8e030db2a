"""Home Assistant as its documentation describes it (home-assistant.io: the MQTT integration, its discovery and the
pages of lock, binary sensor, sensor and event): which options a discovery may have, and what becomes of messages."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from edgeface.ports import Inbound, Link, LinkDown, LinkUp, SubscriptionAnswered

# -- what may stand in a discovery: option -> type --------------------------------------------------------------------

AVAILABILITY: dict[str, type | tuple[type, ...]] = {
    "availability": list, "availability_mode": str, "availability_topic": str, "availability_template": str,
    "payload_available": str, "payload_not_available": str,
}  # fmt: skip
SHARED = {
    **AVAILABILITY, "device": dict, "origin": dict, "components": dict, "command_topic": str, "state_topic": str,
    "qos": int, "encoding": str,
}  # fmt: skip
DEVICE = {
    "configuration_url": str, "connections": list, "hw_version": str, "identifiers": (str, list), "manufacturer": str,
    "model": str, "model_id": str, "name": str, "serial_number": str, "suggested_area": str, "sw_version": str,
    "via_device": str,
}  # fmt: skip
ORIGIN = {"name": str, "sw_version": str, "support_url": str}
COMMON = {
    **AVAILABILITY, "platform": str, "unique_id": str, "name": (str, type(None)), "state_topic": str,
    "entity_category": str, "enabled_by_default": bool, "icon": str, "qos": int, "encoding": str,
    "json_attributes_topic": str, "json_attributes_template": str, "value_template": str, "entity_picture": str,
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "lock": COMMON | {
        "code_format": str, "command_template": str, "command_topic": str, "optimistic": bool, "payload_lock": str,
        "payload_open": str, "payload_reset": str, "payload_unlock": str, "retain": bool, "state_jammed": str,
        "state_locked": str, "state_locking": str, "state_unlocked": str, "state_unlocking": str,
    },
    "binary_sensor": COMMON | {
        "device_class": str, "expire_after": int, "force_update": bool, "off_delay": int, "payload_off": str,
        "payload_on": str,
    },
    "sensor": COMMON | {
        "device_class": str, "expire_after": int, "force_update": bool, "last_reset_value_template": str,
        "options": list, "state_class": str, "suggested_display_precision": int, "unit_of_measurement": str,
    },
    "event": COMMON | {"device_class": str, "event_types": list},
}  # fmt: skip
REQUIRED = {
    "lock": {"command_topic"}, "binary_sensor": {"state_topic"}, "sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
}  # fmt: skip
BINARY_CLASSES = {
    "battery", "battery_charging", "carbon_monoxide", "cold", "connectivity", "door", "garage_door", "gas", "heat",
    "light", "lock", "moisture", "motion", "moving", "occupancy", "opening", "plug", "power", "presence", "problem",
    "running", "safety", "smoke", "sound", "tamper", "update", "vibration", "window",
}  # fmt: skip
STATE_CLASSES = {"measurement", "measurement_angle", "total", "total_increasing"}
OBJECT_ID = r"[a-zA-Z0-9_-]+"


def check(topic: str, payload: bytes, prefix: str = "homeassistant") -> dict[str, Any]:
    """The discovery, where Home Assistant would take all of it; asserts otherwise."""
    assert re.fullmatch(rf"{re.escape(prefix)}/device/{OBJECT_ID}/config", topic), topic
    found: dict[str, Any] = json.loads(payload)
    _options("the root", found, SHARED)
    assert {"device", "origin", "components"} <= set(found)
    assert not {"availability", "availability_topic"} <= set(found), "one excludes the other"
    _options("device", found["device"], DEVICE)
    assert found["device"].get("identifiers") or found["device"].get("connections")
    assert found["device"].get("name")
    _options("origin", found["origin"], ORIGIN)
    assert found["origin"].get("name")
    for key, component in found["components"].items():
        platform = component["platform"]
        _options(key, component, OPTIONS[platform])
        if len(component) == 1:
            continue  # the platform alone removes the component
        assert {"unique_id", *REQUIRED[platform]} <= set(component), key
        assert component.get("entity_category") in (None, "diagnostic"), "a sensor's only one"
        if platform == "binary_sensor":
            assert component["device_class"] in BINARY_CLASSES
        if platform == "sensor":
            assert component.get("state_class") in {None, *STATE_CLASSES}
            assert (component["device_class"], component["unit_of_measurement"]) == ("temperature", "°C")
        if platform == "event":
            assert all(isinstance(e, str) for e in component["event_types"])
    ids = [c["unique_id"] for c in found["components"].values() if len(c) > 1]
    assert len(set(ids)) == len(ids)
    return found


def _options(where: str, found: dict[str, Any], known: dict[str, Any]) -> None:
    for option, value in found.items():
        assert option in known, f"{where}: {option} is no documented option"
        assert isinstance(value, known[option]), f"{where}: {option} is {value!r}"
        assert type(value) is not bool or known[option] is bool, f"{where}: {option} is {value!r}"


def rendered(template: str, values: dict[str, str]) -> str:
    """As Jinja would, for the expressions that `values` has; asserts where there is another one."""
    out = re.sub(r"\{\{\s*(.+?)\s*\}\}", lambda found: values[found[1]], template)
    assert "{%" not in template
    return out


# -- what becomes of it ---------------------------------------------------------------------------------------------


class House:
    """A running Home Assistant on a link that is not started yet. What `states` says of an entity: unavailable,
    unknown, on, off, locked, unlocked, …, a number."""

    def __init__(self, link: Link, prefix: str = "homeassistant") -> None:
        self.link, self.prefix = link, prefix
        self.discoveries: list[dict[str, Any]] = []
        self.components: dict[str, dict[str, Any]] = {}
        self.device: dict[str, Any] = {}
        self.history: list[tuple[str, str]] = []  # component, what its state became
        self.events: list[dict[str, Any]] = []
        self._config: dict[str, Any] = {}
        self._states: dict[str, str] = {}
        self._available: bool | None = None
        self._asked: set[str] = set()
        self._number = 0
        self.ask(f"{prefix}/+/+/config")

    def ask(self, topic: str) -> None:
        if topic not in self._asked:
            self._asked.add(topic)
            self.link.subscribe(topic)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._number += 1
        self.link.publish(topic, payload, message_id=f"house-{self._number}", retain=retain, timeout_s=10)

    def born(self) -> None:
        """As it starts; what it knew of the devices is gone."""
        for topic in self._asked:
            self.link.unsubscribe(topic)
        self.components, self._states, self._available, self._asked = {}, {}, None, set()
        self.ask(f"{self.prefix}/+/+/config")
        self.say(f"{self.prefix}/status", b"online")

    def operate(self, word: str, *, at_s: float | None = None) -> None:
        """lock.lock or lock.unlock, by a person's hand."""
        lock = self.components["lock"]
        self.say(lock["command_topic"], self.command(word, at_s=at_s), retain=lock["retain"])

    def command(self, word: str, *, at_s: float | None = None) -> bytes:
        lock = self.components["lock"]
        value = lock["payload_unlock"] if word == "unlock" else lock["payload_lock"]
        now = str(int(time.time() if at_s is None else at_s))
        return rendered(lock["command_template"], {"value": value, "utcnow().timestamp() | int": now}).encode()

    def state(self, component: str) -> str:
        if component not in self.components:
            return "gone"
        if not self._available:
            return "unavailable"
        return self._states.get(self.components[component]["state_topic"], "unknown")

    def turn(self, timeout_s: float = 0.0) -> bool:
        item = self.link.receive(timeout_s)
        if item is None or isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
            return item is not None
        self._take(item)
        item.done()
        return True

    def _take(self, item: Inbound) -> None:
        assert not isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered))
        topic, payload = item.topic, item.payload
        if topic.endswith("/config"):
            self._discover(topic, payload)
        elif topic == self._config.get("availability_topic"):
            said = rendered(
                self._config["availability_template"],
                {"value_json.state": json.loads(payload or b"{}").get("state", "")},
            )
            if said in (self._config["payload_available"], self._config["payload_not_available"]):
                self._available = said == self._config["payload_available"]
        else:
            for key, component in self.components.items():
                if component["state_topic"] == topic:
                    self._hear(key, component, payload.decode(), item.retained)

    def _discover(self, topic: str, payload: bytes) -> None:
        if not payload:
            self.components, self._config = {}, {}
            return
        self._config = check(topic, payload, self.prefix)
        self.discoveries.append(self._config)
        self.device = self._config["device"]
        for key, component in self._config["components"].items():
            if len(component) == 1:
                self.components.pop(key, None)
                continue
            self.components[key] = component
            self.ask(component["state_topic"])
        self.ask(self._config["availability_topic"])

    def _hear(self, key: str, component: dict[str, Any], payload: str, retained: bool) -> None:
        platform = component["platform"]
        if platform == "event":
            if not retained:  # replayed retained messages are discarded
                said = json.loads(payload)
                assert said["event_type"] in component["event_types"]
                self.events.append(said)
            return
        if not payload:
            return
        if platform == "lock":
            known = {component[f"state_{s}"]: s for s in ("locked", "unlocked", "locking", "unlocking", "jammed")}
        elif platform == "binary_sensor":
            known = {component["payload_on"]: "on", component["payload_off"]: "off"}
        else:
            known = {payload: str(float(payload))}
        known["None"] = "unknown"
        assert payload in known, f"{key}: {payload}"
        self._states[component["state_topic"]] = known[payload]
        self.history.append((key, known[payload]))
