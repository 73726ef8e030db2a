"""The door socket's packets: strict in, exact out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.door import wire
from edgeface.domain.door import DoorMachine, Locked, Mode, Refusal, Refused, Signal, Unlocked
from edgeface.domain.door_events import DoorForcedOpen
from edgeface.doord import protocol

ID = "0123456789abcdef" * 2
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text('abcxyz {}"', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('abcxyz {}"', max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.binary(max_size=1100))
def test_any_bytes_are_a_request_or_nonsense(packet: bytes) -> None:
    """No packet makes the parser fail in any other way."""
    code = None
    try:
        protocol.parse(packet)
    except protocol.Nonsense as nonsense:
        code = nonsense.code
    assert code in (None, "malformed", "unknown_op")


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["v", "op", "id", "pulse_ms", "x"]), JSON | st.sampled_from([1, "grant", "ping"]))
)
def test_any_object_is_a_request_or_nonsense(message: dict[str, object]) -> None:
    try:
        request = protocol.parse(json.dumps(message).encode())
    except protocol.Nonsense:
        return
    assert message["v"] == 1
    assert protocol.name_of(request) == message["op"]


@settings(max_examples=100)
@given(st.dictionaries(st.text('abcxyz {}"', min_size=1, max_size=8), JSON, max_size=4))
def test_what_is_encoded_is_decoded(message: dict[str, object]) -> None:
    assert wire.decode(wire.encode(message)) == message


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b"[" * 1000, "malformed"),
        (b'{"v":2,"op":"ping"}', "malformed"),
        (b'{"v":true,"op":"ping"}', "malformed"),
        (b'{"v":1.0,"op":"ping"}', "malformed"),
        (b'{"v":1}', "malformed"),
        (b'{"v":1,"op":["ping"]}', "malformed"),
        (b'{"v":1,"op":"open"}', "unknown_op"),
        (b'{"v":1,"op":"PING"}', "unknown_op"),
        (b'{"v":1,"op":"ping","op":"lock"}', "malformed"),
        (b'{"v":1,"op":"ping","more":1}', "malformed"),
        (b'{"v":1,"op":"ping"} {}', "malformed"),
        (b'{"v":1,"op":"grant"}', "malformed"),
        (b'{"v":1,"op":"grant","id":7,"pulse_ms":100}', "malformed"),
        (b'{"v":1,"op":"grant","id":"%s","pulse_ms":"100"}' % ID.encode(), "malformed"),
        (b'{"v":1,"op":"grant","id":"%s","pulse_ms":true}' % ID.encode(), "malformed"),
        (b'{"v":1,"op":"grant","id":"%s","pulse_ms":1e3}' % ID.encode(), "malformed"),
        (b'{"v":1,"op":"grant","id":"%s","pulse_ms":NaN}' % ID.encode(), "malformed"),
        (b'{"v":1,"op":"ping"}' + b" " * 1024, "malformed"),
        (b'{"v":1,"op":"mode"}', "malformed"),
        (b'{"v":1,"op":"mode","mode":"open"}', "malformed"),
        (b'{"v":1,"op":"mode","mode":"normal","more":1}', "malformed"),
        (b'{"v":1,"op":"free","for_ms":true,"first_person":false}', "malformed"),
        (b'{"v":1,"op":"free","for_ms":1,"first_person":0}', "malformed"),
        (b'{"v":1,"op":"show","signal":"granted"}', "malformed"),
        (b'{"v":1,"op":"show","signal":["look"]}', "malformed"),
    ],
)
def test_nonsense_is_named(packet: bytes, code: str) -> None:
    with pytest.raises(protocol.Nonsense) as caught:
        protocol.parse(packet)
    assert caught.value.code == code


def test_requests_are_understood() -> None:
    assert protocol.parse(b'{"v":1,"op":"hello"}') == protocol.Hello()
    assert protocol.parse(b'{"op":"lock","v":1}') == protocol.LockAsked()
    assert protocol.parse(b'{"v":1,"op":"status"}') == protocol.StatusAsked()
    assert protocol.parse(b'{"v":1,"op":"ping"}') == protocol.Ping()
    grant = wire.encode({"op": "grant", "id": ID, "pulse_ms": 3000})
    assert protocol.parse(grant) == protocol.GrantAsked(ID, 3000)
    mode = wire.encode({"op": "mode", "mode": "lockdown"})
    assert protocol.parse(mode) == protocol.ModeAsked(Mode.LOCKDOWN)
    free = wire.encode({"op": "free", "for_ms": 30_000, "first_person": True})
    assert protocol.parse(free) == protocol.FreeAsked(30_000, True)
    assert protocol.parse(wire.encode({"op": "show", "signal": "look"})) == protocol.ShowAsked(Signal.LOOK)


def test_answers_are_those_of_the_contract() -> None:
    """docs/design.md, 10.4."""
    machine = DoorMachine(5000, 0.0)
    assert protocol.accepted(protocol.Hello(), machine, "") == {
        "re": "hello",
        "ok": True,
        "max_pulse_ms": 5000,
        "silence_ms": 700,
    }
    assert protocol.accepted(protocol.GrantAsked(ID, 1), machine, "") == {"re": "grant", "ok": True, "id": ID}
    assert protocol.accepted(protocol.LockAsked(), machine, "") == {"re": "lock", "ok": True}
    assert protocol.accepted(protocol.Ping(), machine, "") == {"re": "ping", "ok": True}
    assert protocol.accepted(protocol.StatusAsked(), machine, "why") == {
        "re": "status",
        "ok": True,
        "locked": True,
        "mode": "normal",
        "grant_id": None,
        "detail": "why",
        "held_by": None,
        "contact": None,
        "alarms": [],
    }
    mode = protocol.accepted(protocol.ModeAsked(Mode.NORMAL), machine, "")
    assert mode == {"re": "mode", "ok": True, "mode": "normal"}
    refused = protocol.refused(protocol.GrantAsked(ID, 1), Refusal(Refused.LOCKDOWN, "no"))
    assert refused == {"re": "grant", "ok": False, "code": "lockdown", "message": "no", "id": ID}


def test_events_carry_the_fields_of_their_class() -> None:
    unlocked = protocol.event_of(Unlocked(ID, 3000), 1.5).to_dict()
    assert unlocked == {"event": "door_unlocked", "t_s": 1.5, "grant_id": ID, "pulse_ms": 3000, "cause": "grant"}
    locked = protocol.event_of(Locked("client_gone", None), 2.0).to_dict()
    assert locked == {"event": "door_locked", "t_s": 2.0, "cause": "client_gone", "grant_id": None}
    forced = protocol.event_of(DoorForcedOpen(7.0), 2.5).to_dict()
    assert forced == {"event": "door_forced_open", "t_s": 2.5}


def test_no_answer_outgrows_a_packet() -> None:
    """A peer's own text comes back bounded, also where JSON makes six bytes of one character."""
    request = protocol.GrantAsked("\x00" * 700, 1)
    wire.encode(protocol.refused(request, Refusal(Refused.FAULT, "x" * 5000)))
    wire.encode(protocol.accepted(protocol.StatusAsked(), DoorMachine(1000, 0.0), "x" * 5000))
    with pytest.raises(wire.WireError):
        wire.encode({"text": "x" * 1024})
