"""Home Assistant's discovery, against what its documentation says (support/home_assistant.py)."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.home_assistant import check, rendered

from edgeface.adapters.link import homeassistant as ha
from edgeface.adapters.link.filters import check_topic
from edgeface.domain.errors import ConfigError
from edgeface.domain.home_assistant import ENTITIES, Bucket, View, Wish, objection

DEVICE = "a1" * 16
BASE = f"edgeface/v1/{'5' * 32}/device/{DEVICE}"
DOOR = ha.Door(DEVICE, BASE, "1.2.3", "Hall")
FULL = View("locked", open=True, person=False, tampered=False, in_step=True, temperature_c=61.26)
EVERY_OPTION = [
    ha.Options(entities=frozenset(ENTITIES) - set(left_out), remote_unlock=remote)
    for remote in (False, True)
    for count in range(4)
    for left_out in itertools.combinations(("contact", "tamper", "temperature", "lock", "event"), count)
]


def made(options: ha.Options | None = None) -> ha.HomeAssistantMessages:
    return ha.HomeAssistantMessages(DOOR, options or ha.Options())


def config(options: ha.Options | None = None, session: str = "5e55") -> dict[str, Any]:
    """The discovery that stays."""
    said = made(options).discovery("Front door", session)
    return check(said.topic, said.payload)


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_every_option_is_a_documented_one_and_the_required_ones_are_there(options: ha.Options) -> None:
    messages = made(options)
    for said in (messages.leftovers("Front door"), messages.discovery("Front door", "5e55")):
        assert said.retain
        assert said.topic == f"homeassistant/device/{DEVICE}/config"
        check(said.topic, said.payload)


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_topics_are_topics_of_this_device(options: ha.Options) -> None:
    for component in config(options)["components"].values():
        assert DEVICE in component["unique_id"]
        for key in (k for k in component if k.endswith("_topic")):
            check_topic(component[key])
            assert component[key].startswith(f"{BASE}/ha/")


def test_the_device_and_its_qualities() -> None:
    found = config()
    assert found["device"] == {
        "identifiers": [f"edgeface_{DEVICE}"], "name": "Front door", "manufacturer": "edgeface",
        "model": "edgeface door", "sw_version": "1.2.3", "suggested_area": "Hall",
    }  # fmt: skip
    assert {c["qos"] for c in found["components"].values()} == {1}


@pytest.mark.parametrize("name", ["", " \x00", "a\nb", "x" * 129])
def test_a_name_that_is_none_is_not_passed_on(name: str) -> None:
    assert check(*_pair(made().discovery(name, "")))["device"]["name"] == "Door"


def _pair(said: Any) -> tuple[str, bytes]:
    return said.topic, said.payload


def test_a_door_that_is_gone_is_unavailable_by_its_last_will() -> None:
    found = config()
    assert found["availability_topic"] == f"{BASE}/status"
    assert rendered(found["availability_template"], {"value_json.state": "offline"}) == found["payload_not_available"]
    assert found["payload_available"] == "online"


def test_there_is_nothing_to_unlock_with_unless_it_is_allowed() -> None:
    closed = config()
    assert "lock" not in closed["components"]
    assert closed["components"]["lock_state"]["device_class"] == "lock"
    assert "command_topic" not in json.dumps(closed)
    opened = config(ha.Options(remote_unlock=True))
    lock = opened["components"]["lock"]
    assert lock["command_topic"] == made().command_topic
    assert (lock["optimistic"], lock["retain"]) == (False, False)
    assert lock["qos"] == 0, "a broker keeps such a command for nobody who is away"
    assert "lock_state" not in opened["components"]


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_what_was_there_with_other_settings_is_removed_first(options: ha.Options) -> None:
    """An update that leaves a component out doesn't remove it; one with its platform alone does."""
    first = json.loads(made(options).leftovers("x").payload)["components"]
    last = config(options)["components"]
    everything = {name for other in EVERY_OPTION for name in config(other)["components"]}
    assert set(first) == everything
    assert {name for name, c in first.items() if set(c) == {"platform"}} == everything - set(last)


@pytest.mark.parametrize("options", EVERY_OPTION)
def test_each_state_goes_to_a_topic_that_is_announced_and_says_what_is_announced(options: ha.Options) -> None:
    topics = {c["state_topic"]: c for c in config(options)["components"].values()}
    for lock in ("locked", "unlocked", "locking", "unlocking", "jammed"):
        view = View(lock, open=True, person=False, tampered=False, in_step=True, temperature_c=61.26)  # type: ignore[arg-type]
        published = made(options).states(view)
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
    def of(view: View) -> dict[str, bytes]:
        return {p.topic.rsplit("/", 1)[1]: p.payload for p in made().states(view)}

    nothing = dict.fromkeys(("lock", "contact", "person", "tamper", "gallery"), b"None")
    assert of(View()) == nothing  # documented: the state becomes unknown
    assert of(View(lock="locked")) == {**nothing, "lock": b"OFF"}  # class lock: on means unlocked
    assert of(View(lock="jammed")) == {**nothing, "lock": b"ON"}
    assert of(View(open=True, in_step=True)) == {**nothing, "contact": b"ON", "gallery": b"OFF"}  # problem: on is bad
    assert of(View(in_step=False)) == {**nothing, "gallery": b"ON"}


def test_events_carry_a_listed_type_and_nobodys_name_or_score() -> None:
    fact = {"event": "access_denied", "t_s": 1.0, "reason": "spoof", "person": "ab" * 16, "score": 0.7, "detail": "x"}
    said = made().event(fact)
    assert said is not None
    assert not said.retain
    assert json.loads(said.payload) == {"event_type": "access_denied", "reason": "spoof"}
    component = config()["components"]["event"]
    assert component["state_topic"] == said.topic
    assert json.loads(said.payload)["event_type"] in component["event_types"]
    assert made().event({"event": "person_enrolled", "t_s": 1.0}) is None
    assert made().event({}) is None
    assert made(ha.Options(entities=frozenset({"lock"}))).event(fact) is None


def test_an_event_carries_a_name_only_where_it_is_given() -> None:
    said = made().event({"event": "access_granted", "person": "ab" * 16}, "Ada")
    assert said is not None
    assert json.loads(said.payload) == {"event_type": "access_granted", "name": "Ada"}


def test_what_a_person_can_do_better_is_said() -> None:
    said = made().event({"event": "access_denied", "reason": "poor_quality", "detail": "too_dark"})
    assert said is not None
    assert json.loads(said.payload)["issue"] == "too_dark"


def test_a_command_that_was_refused_is_an_event_of_its_own() -> None:
    fact = {"event": "remote_command", "op": "unlock", "source": "home_assistant", "done": False, "code": "lockdown"}
    said = made().event(fact)
    assert said is not None
    assert json.loads(said.payload) == {"event_type": "remote_refused", "op": "unlock", "code": "lockdown"}
    done = made().event({**fact, "done": True, "code": ""})
    assert done is not None
    assert json.loads(done.payload) == {"event_type": "remote_command", "op": "unlock"}
    assert {"remote_command", "remote_refused"} <= set(ha.EVENT_TYPES)


def test_what_home_assistant_makes_of_the_template_is_read_again() -> None:
    lock = config(ha.Options(remote_unlock=True), "5e55")["components"]["lock"]
    for payload, op in ((lock["payload_unlock"], "unlock"), (lock["payload_lock"], "lock")):
        text = rendered(lock["command_template"], {"value": payload, "utcnow().timestamp() | int": "1700000000"})
        assert made().wish(text.encode()) == Wish(op, 1_700_000_000.0, "5e55")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "payload",
    [
        b"UNLOCK", b"LOCK", b"", b"{}", b"[]", b"null", b'{"do":"UNLOCK"}', b'{"do":"OPEN","at":1,"session":"s"}',
        b'{"do":"unlock","at":1,"session":"s"}', b'{"do":"UNLOCK","at":"1","session":"s"}',
        b'{"do":"UNLOCK","at":true,"session":"s"}', b'{"do":"UNLOCK","at":1.5,"session":"s"}',
        b'{"do":"UNLOCK","at":1,"session":1}', b'{"do":"UNLOCK","at":1,"session":"s","more":1}', b"\xff\xfe",
        b"[" * 200, b'{"do":"UNLOCK","at":1,"session":"' + b"s" * 300 + b'"}', b'{"do":"UNLOCK","at":NaN,"session":""}',
    ],
)  # fmt: skip
def test_nothing_else_is_a_command(payload: bytes) -> None:
    assert made().wish(payload) is None


@given(st.binary(max_size=300))
def test_whatever_comes_is_refused_without_a_fault(payload: bytes) -> None:
    assert made().wish(payload) is None


@pytest.mark.parametrize(
    ("session", "at_s", "clock_set", "why"),
    [
        ("s", 1000.0, True, ""), ("s", 990.0, True, ""), ("s", 1010.0, True, ""),
        ("s", 989.0, True, "stale"), ("s", 1011.0, True, "stale"), ("s", float("nan"), True, "stale"),
        ("older", 1000.0, True, "other_connection"), ("", 1000.0, True, "other_connection"),
        ("s", 1000.0, False, "clock_not_set"),
    ],
)  # fmt: skip
def test_a_command_counts_for_its_connection_and_its_moment(
    session: str, at_s: float, clock_set: bool, why: str
) -> None:
    assert objection(Wish("unlock", at_s, session), "s", 1000.0, clock_set) == why


def test_without_a_connection_nothing_counts() -> None:
    assert objection(Wish("unlock", 0.0, ""), "", 0.0, True) == "other_connection"


def test_a_bucket_lets_a_burst_through_and_then_a_rate() -> None:
    bucket = Bucket(3, 0.5)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(101.0)
    assert bucket.take(102.0)
    assert not bucket.take(102.0)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_removed_door_leaves_nothing_on_the_broker() -> None:
    topics = {p.topic for p in made().removal()}
    kept = {made(options).discovery("x", "").topic for options in EVERY_OPTION}
    kept |= {p.topic for options in EVERY_OPTION for p in made(options).states(FULL)}
    assert kept <= topics
    assert all(p.payload == b"" and p.retain for p in made().removal())


@pytest.mark.parametrize("device", ["", "a/b", "a b", "ä", "#", "x" * 129])
def test_an_id_that_is_none_for_home_assistant_is_refused(device: str) -> None:
    with pytest.raises(ConfigError):
        ha.HomeAssistantMessages(ha.Door(device, "base", "1"), ha.Options())
