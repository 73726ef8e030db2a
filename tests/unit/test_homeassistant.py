"""Home Assistant's discovery, against the fields of its MQTT documentation."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from edgeface.adapters.link import homeassistant as ha
from edgeface.adapters.link.filters import check_topic
from edgeface.domain.errors import ConfigError

DOOR = ha.Door("a1" * 16, "Front door", f"edgeface/v1/{'5' * 32}/device/{'a1' * 16}", "1.2.3", area="Hall")

# From home-assistant.io: the MQTT integration (device discovery) and its lock, binary sensor, sensor and event pages.
SHARED = {
    "device", "origin", "components", "availability", "availability_mode", "availability_topic",
    "availability_template", "payload_available", "payload_not_available", "command_topic", "state_topic", "qos",
    "encoding",
}  # fmt: skip
DEVICE = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id", "name",
    "serial_number", "suggested_area", "sw_version", "via_device",
}  # fmt: skip
ORIGIN = {"name", "sw_version", "support_url"}
COMMON = {
    "platform", "unique_id", "name", "state_topic", "entity_category", "enabled_by_default", "icon", "qos", "encoding",
    "json_attributes_topic", "json_attributes_template", "value_template", "default_entity_id", "entity_picture",
}  # fmt: skip
FIELDS = {
    "lock": COMMON | {
        "code_format", "command_template", "command_topic", "optimistic", "payload_lock", "payload_open",
        "payload_reset", "payload_unlock", "retain", "state_jammed", "state_locked", "state_locking", "state_unlocked",
        "state_unlocking",
    },
    "binary_sensor": COMMON | {
        "device_class", "expire_after", "force_update", "off_delay", "payload_off", "payload_on",
    },
    "sensor": COMMON | {
        "device_class", "expire_after", "force_update", "last_reset_value_template", "options", "state_class",
        "suggested_display_precision", "unit_of_measurement",
    },
    "event": COMMON | {"device_class", "event_types"},
}  # fmt: skip
REQUIRED = {
    "lock": {"command_topic"}, "binary_sensor": {"state_topic"}, "sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
}  # fmt: skip
BINARY_CLASSES = {"door", "motion", "tamper", "problem", "lock", "occupancy", "connectivity"}

EVERY_OPTION = [
    ha.Options(remote_unlock=a, contact=b, tamper=c, temperature=d)
    for a, b, c, d in itertools.product((False, True), repeat=4)
]


def config(options: ha.Options) -> dict[str, Any]:
    """The discovery that stays."""
    return json.loads(ha.discovery(DOOR, options)[-1].payload)  # type: ignore[no-any-return]


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_every_field_is_a_documented_one_and_the_required_ones_are_there(options: ha.Options) -> None:
    for publication in ha.discovery(DOOR, options):
        assert publication.retain
        assert publication.topic == f"homeassistant/device/{DOOR.device}/config"
        found = json.loads(publication.payload)
        assert set(found) <= SHARED
        assert {"device", "origin", "components"} <= set(found)
        assert set(found["device"]) <= DEVICE
        assert found["device"]["identifiers"]
        assert set(found["origin"]) <= ORIGIN
        assert found["origin"]["name"]
        for component in found["components"].values():
            fields = FIELDS[component["platform"]]
            assert set(component) <= fields
            if len(component) > 1:  # the platform alone removes the component
                assert REQUIRED[component["platform"]] | {"unique_id"} <= set(component)


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_ids_are_unique_and_topics_are_topics(options: ha.Options) -> None:
    components = config(options)["components"].values()
    ids = [c["unique_id"] for c in components]
    assert len(set(ids)) == len(ids)
    assert all(DOOR.device in i for i in ids)
    for component in components:
        for key, value in component.items():
            if key.endswith("_topic"):
                check_topic(value)
                assert value.startswith(DOOR.base + "/")
        if component["platform"] == "binary_sensor":
            assert component["device_class"] in BINARY_CLASSES


def test_a_door_that_is_gone_is_unavailable_by_its_last_will() -> None:
    found = config(ha.Options())
    assert found["availability_topic"] == f"{DOOR.base}/status"
    assert found["availability_template"] == "{{ value_json.state }}"
    assert (found["payload_available"], found["payload_not_available"]) == ("online", "offline")


def test_there_is_nothing_to_unlock_with_unless_it_is_allowed() -> None:
    closed = config(ha.Options())
    assert "lock" not in closed["components"]
    assert closed["components"]["lock_state"]["device_class"] == "lock"
    assert "command_topic" not in json.dumps(closed)
    opened = config(ha.Options(remote_unlock=True))
    lock = opened["components"]["lock"]
    assert lock["command_topic"] == ha.command_topic(DOOR)
    assert lock["optimistic"] is False
    assert lock["retain"] is False
    assert "lock_state" not in opened["components"]


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_what_was_there_with_other_settings_is_removed_first(options: ha.Options) -> None:
    """An update that leaves a component out doesn't remove it; one with its platform alone does."""
    first, last = [json.loads(p.payload)["components"] for p in ha.discovery(DOOR, options)]
    everything = {name for other in EVERY_OPTION for name in config(other)["components"]}
    assert set(first) == everything
    assert {name for name, c in first.items() if set(c) == {"platform"}} == everything - set(last)


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_each_state_goes_to_a_topic_that_is_announced_and_says_what_is_announced(options: ha.Options) -> None:
    components = config(options)["components"]
    topics = {c["state_topic"]: c for c in components.values()}
    for lock in ha.LOCK_STATES:
        view = ha.View(lock=lock, open=True, person=False, tampered=False, in_step=True, temperature_c=61.26)
        published = ha.states(DOOR, options, view)
        assert {p.topic for p in published} == {t for t, c in topics.items() if c["platform"] != "event"}
        for publication in published:
            assert publication.retain
            component = topics[publication.topic]
            if component["platform"] == "binary_sensor":
                assert publication.payload.decode() in (component["payload_on"], component["payload_off"])
            elif component["platform"] == "lock":
                assert publication.payload.decode() == component[f"state_{lock}"]
            else:
                assert publication.payload == b"61.3"


def test_states_mean_what_their_class_says() -> None:
    def of(view: ha.View) -> dict[str, bytes]:
        return {p.topic.rsplit("/", 1)[1]: p.payload for p in ha.states(DOOR, ha.Options(), view)}

    assert of(ha.View()) == {}  # what isn't known isn't said
    assert of(ha.View(lock="locked")) == {"lock": b"OFF"}  # class lock: on means unlocked
    assert of(ha.View(lock="jammed")) == {"lock": b"ON"}
    assert of(ha.View(open=True, in_step=True)) == {"contact": b"ON", "gallery": b"OFF"}  # class problem: on means bad
    assert of(ha.View(in_step=False)) == {"gallery": b"ON"}
    with pytest.raises(ValueError, match="no state"):
        of(ha.View(lock="ajar"))


def test_events_carry_a_listed_type_and_nobodys_name_or_score() -> None:
    fact = {"event": "access_denied", "t_s": 1.0, "reason": "spoof", "person": "ab" * 16, "score": 0.7, "detail": ""}
    publication = ha.event(DOOR, fact)
    assert publication is not None
    assert not publication.retain
    assert json.loads(publication.payload) == {"event_type": "access_denied", "reason": "spoof"}
    component = config(ha.Options())["components"]["event"]
    assert component["state_topic"] == publication.topic
    assert component["event_types"] == list(ha.EVENT_TYPES)
    assert json.loads(publication.payload)["event_type"] in component["event_types"]
    assert ha.event(DOOR, {"event": "person_enrolled", "t_s": 1.0}) is None
    assert ha.event(DOOR, {}) is None


@pytest.mark.parametrize(
    ("payload", "retained", "allowed", "wanted"),
    [
        (b"UNLOCK", False, True, "unlock"),
        (b"LOCK", False, True, "lock"),
        (b"UNLOCK", True, True, None),
        (b"UNLOCK", False, False, None),
        (b"LOCK", False, False, None),
        (b"OPEN", False, True, None),
        (b"unlock", False, True, None),
        (b"", False, True, None),
    ],
)
def test_only_a_fresh_command_where_it_is_allowed_is_one(
    payload: bytes, retained: bool, allowed: bool, wanted: str | None
) -> None:
    assert ha.command(payload, retained=retained, options=ha.Options(remote_unlock=allowed)) == wanted


def test_a_removed_door_leaves_nothing_on_the_broker() -> None:
    topics = {p.topic for p in ha.removal(DOOR, ha.Options())}
    kept = {p.topic for options in EVERY_OPTION for p in ha.discovery(DOOR, options)}
    view = ha.View("locked", True, True, True, True, 1.0)
    kept |= {p.topic for options in EVERY_OPTION for p in ha.states(DOOR, options, view)}
    assert kept <= topics
    assert all(p.payload == b"" and p.retain for p in ha.removal(DOOR, ha.Options()))


@pytest.mark.parametrize("device", ["", "a/b", "a b", "ä", "#", "x" * 129])
def test_an_id_that_is_none_for_home_assistant_is_refused(device: str) -> None:
    with pytest.raises(ConfigError):
        ha.discovery(ha.Door(device, "Door", "base", "1"), ha.Options())


def test_a_door_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError):
        ha.discovery(ha.Door("d", " ", "base", "1"), ha.Options())
