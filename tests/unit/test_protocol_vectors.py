"""The code, the vectors and the document say the same, byte for byte."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support import protocol as p
from support.protocol_sequence import sequence

from edgeface.adapters.link import codec as c
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import party_id, short_code, site_id
from edgeface.domain.shards import Gone, Held, entry_bytes, shard_digest, shard_of
from edgeface.domain.site import DoorSite
from edgeface.domain.site_steps import Arrival, SavedSite, Step

ROOT = Path(__file__).resolve().parents[2]
DATA: dict[str, Any] = json.loads((ROOT / "tests/data/protocol-vectors.json").read_text(encoding="utf-8"))
KINDS = {spec.name: spec for spec in c.ALL}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("protocol_vectors", ROOT / "scripts/protocol_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_code_makes_exactly_these_vectors(script: ModuleType) -> None:
    assert json.loads(json.dumps(script.build())) == DATA


def test_the_document_has_the_tables_and_the_bytes_of_the_code(script: ModuleType) -> None:
    text = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    assert script.document(text) == text, "run scripts/protocol_vectors.py"
    shown = set(script.re.findall(r"<!-- made: (.+?) -->", text))
    assert shown == set(script.blocks()), "every kind, its fields and an example of it are in the document"


@pytest.mark.parametrize("vector", DATA["good"], ids=lambda v: v["name"])
def test_a_good_message_is_taken(vector: dict[str, Any], script: ModuleType) -> None:
    spec, message = KINDS[vector["name"]], bytes.fromhex(vector["message"])
    frame = c.split(message, spec.limit)
    assert (frame.kind, frame.signer, frame.body.hex()) == (vector["number"], vector["signer"], vector["body"])
    assert script.plain(p.accept(spec, message)) == vector["value"]


@pytest.mark.parametrize("vector", DATA["refused"], ids=lambda v: v["name"])
def test_a_bad_message_is_refused_with_its_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(MessageRefused) as refused:
        p.accept(KINDS[vector["kind"]], bytes.fromhex(vector["message"]))
    assert refused.value.refusal is Refusal(vector["refusal"])


def test_the_vectors_cover_every_kind_and_every_refusal_that_a_message_alone_can_meet() -> None:
    assert {v["name"] for v in DATA["good"]} == set(KINDS)
    met = {v["refusal"] for v in DATA["refused"]} | {v["outcome"] for v in DATA["sequence"]}
    at_the_receiver = {"stale", "expired", "unknown_nonce", "retained_command", "overflow"}
    assert {r.value for r in Refusal} - at_the_receiver <= met


def test_one_doors_life_goes_as_the_vectors_say() -> None:
    door = DoorSite(p.DEVICE.id, SavedSite())
    for stage, vector in zip(sequence(), DATA["sequence"], strict=True):
        assert vector["message"] == stage.message.hex()
        step = _taken(door, KINDS[vector["kind"]], bytes.fromhex(vector["message"]))
        if step.refusal is not None:
            outcome: str = step.refusal.value
        elif step.effects or vector["kind"] == "grant":
            outcome = "taken"
        else:
            outcome = "waits" if vector["outcome"] == "waits" and door.standing().waiting else "known"
        assert outcome == vector["outcome"], vector["name"]


def _taken(door: DoorSite, spec: c.Spec[Any], data: bytes) -> Step:
    trust = c.Trust(p.ROOT.public, door.roster)
    if spec is c.ROSTER:
        roster = c.open_roster(data, p.ROOT.public)
        return door.take_roster(roster.value, roster.hash)
    if spec is c.GRANT:
        return door.take_epoch(c.open_grant(data, p.DEVICE, trust).epoch)
    signed = c.open_signed(spec, data, trust)
    if spec is c.MANIFEST:
        return door.take_manifest(signed.value, signed.hash)
    if spec is c.MODE:
        return door.take_mode(signed.value)
    if spec is c.REMOVAL:
        return door.take_removal(signed.value)
    record = signed.value
    person = c.open_record(record, p.EPOCH, trust)
    return door.take_record(Arrival(record.id, record.seq, person.hash, person.signer, record.since, person.value))


def test_ids_and_codes_are_fingerprints_of_the_keys() -> None:
    site = DATA["site"]
    assert site_id(bytes.fromhex(site["root"])) == site["id"]
    assert short_code(site["id"]) == site["code"]
    for party in DATA["parties"].values():
        keys = c.PartyKeys(bytes.fromhex(party["ed25519_seed"]), bytes.fromhex(party["x25519_scalar"]))
        assert party_id(bytes.fromhex(party["ed25519"]), bytes.fromhex(party["x25519"])) == keys.id == party["id"]
        assert short_code(keys.id) == party["code"]
        assert c.PartyKeys.from_secret(keys.secret()).id == keys.id
    assert short_code("ff" * 16) == "ZZZZ-ZZZZ-ZZZZ"
    assert short_code("00" * 16) == "0000-0000-0000"


def test_digests_are_those_of_the_vectors() -> None:
    for entry in DATA["digests"]["entries"]:
        state = entry["state"]
        held = Held(state["seq"], bytes.fromhex(state["content"])) if "seq" in state else Gone(state["erased"])
        assert entry_bytes(entry["id"], held).hex() == entry["bytes"]
        assert shard_digest({entry["id"]: held}).hex() == DATA["digests"]["shards"][str(shard_of(entry["id"]))]
    assert shard_digest({}).hex() == DATA["digests"]["empty_shard"]
