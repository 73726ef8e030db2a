"""Messages that must be refused, each with its reason: signed with the right keys wherever the fault is another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cbor2
import numpy as np
from support.protocol import (
    ADMIN,
    AGENT,
    AT,
    AUDITOR,
    DEVICE,
    EPOCH,
    GONE_ID,
    NONCE,
    OTHER_ROOT,
    RECORD_ID,
    REMOVED,
    ROOT,
    ROSTER,
    SECOND,
    SITE,
    STRANGER,
    answer,
    enrolment,
    examples,
    fixed,
    grant,
    manifest,
    person,
    record,
    request,
    signed_person,
    unit_vector,
)

from edgeface.adapters.link import codec as c
from edgeface.adapters.link import records
from edgeface.adapters.link.frame import signed_bytes
from edgeface.adapters.link.keys import record_key
from edgeface.domain import messages as m
from edgeface.domain import messages_door as md
from edgeface.domain.refusal import Refusal
from edgeface.domain.refusal import Refusal as R


@dataclass(frozen=True)
class Refused:
    name: str
    spec: c.Spec[Any]
    message: bytes
    refusal: Refusal


def signed_body(spec: c.Spec[Any], body: bytes, by: c.PartyKeys | c.RootKey = AGENT, site: str = SITE) -> bytes:
    """A message with any body at all, under a good signature."""
    signature = by.sign(signed_bytes(spec.name, site, by.id, body))
    parts = [spec.number, bytes.fromhex(site), bytes.fromhex(by.id), body, signature]
    return b"\x01" + cbor2.dumps(parts, canonical=True)


def all_refused() -> list[Refused]:
    return [*_of_every_kind(), *_forms(), *_bodies(), *_signers(), *_people(), *_sealed()]


def _of_every_kind() -> list[Refused]:
    out = []
    for e in examples():
        data, name = e.message, e.name
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        other = bytes.fromhex(OTHER_ROOT.site)
        own = bytes.fromhex("00" * 16 if e.spec is c.PAIRING_OFFER else SITE)
        out.append(Refused(f"{name}: last bit of the signature", e.spec, flipped, R.BAD_SIGNATURE))
        out.append(Refused(f"{name}: another site's", e.spec, data.replace(own, other, 1), R.WRONG_SITE))
        out.append(Refused(f"{name}: version 2", e.spec, b"\x02" + data[1:], R.UNSUPPORTED_VERSION))
        out.append(Refused(f"{name}: cut off", e.spec, data[:-1], R.MALFORMED))
    return out


def _forms() -> list[Refused]:
    good = c.sign(c.REMOVAL, m.Removal(GONE_ID, 9, True, AT), SITE, AGENT)
    frame = c.split(good, 1024)
    ids = bytes.fromhex(frame.site), bytes.fromhex(frame.signer)
    four = b"\x01" + cbor2.dumps([5, *ids, frame.body])
    text = b"\x01" + cbor2.dumps([5, *ids, frame.body.hex(), frame.signature])
    cases: list[tuple[str, bytes, Refusal]] = [
        ("empty", b"", R.MALFORMED),
        ("the version alone", b"\x01", R.MALFORMED),
        ("a byte after the end", good + b"\0", R.MALFORMED),
        ("the kind in two bytes", good[:2] + b"\x18\x05" + good[3:], R.MALFORMED),
        ("the array without a length", b"\x01\x9f" + good[2:] + b"\xff", R.MALFORMED),
        ("a tag", b"\x01\xd9\xd9\xf7" + good[1:], R.MALFORMED),
        ("another kind", good[:2] + b"\x06" + good[3:], R.WRONG_KIND),
        ("four elements", four, R.MALFORMED),
        ("the body as text", text, R.MALFORMED),
        ("a length beyond the end", good[:3] + b"\x5b" + b"\xff" * 8 + good[4:], R.MALFORMED),
        ("nested too deeply", b"\x01" + b"\x81" * 500 + b"\0", R.MALFORMED),
        ("an array of 2^32 elements", b"\x01\x9a\xff\xff\xff\xff", R.MALFORMED),
        ("larger than its kind may be", good + bytes(1024), R.TOO_LARGE),
    ]
    return [Refused(f"form: {name}", c.REMOVAL, data, refusal) for name, data, refusal in cases]


def _bodies() -> list[Refused]:
    gone = bytes.fromhex(GONE_ID)
    bad: list[tuple[str, bytes]] = [
        ("no CBOR", b"\xff"),
        ("empty", b""),
        ("an array", cbor2.dumps([gone, 9])),
        ("an unknown key", cbor2.dumps({1: gone, 2: 9, 14: 0})),
        ("a key as text", cbor2.dumps({1: gone, "2": 9})),
        ("a key as bool", cbor2.dumps({1: gone, 2: 9}).replace(b"\x02\x09", b"\xf5\x09")),
        ("a missing key", cbor2.dumps({1: gone})),
        ("keys not in order", b"\xa2\x02\x09\x01\x50" + gone),
        ("a key twice", b"\xa3\x01\x50" + gone + b"\x02\x09\x02\x09"),
        ("a default spelled out", cbor2.dumps({1: gone, 2: 9, 3: False})),
        ("an integer in a longer form", b"\xa2\x01\x50" + gone + b"\x02\x18\x09"),
        ("an integer as a float", cbor2.dumps({1: gone, 2: 9.0})),
        ("not a number", b"\xa2\x01\x50" + gone + b"\x02\xf9\x7e\x00"),
        ("a bool as an integer", cbor2.dumps({1: gone, 2: True})),
        ("zero where one is the least", cbor2.dumps({1: gone, 2: 0})),
        ("a negative number", cbor2.dumps({1: gone, 2: -1})),
        ("a number above 2^53-1", cbor2.dumps({1: gone, 2: 2**53})),
        ("an id of 15 bytes", cbor2.dumps({1: gone[:15], 2: 9})),
        ("an id as text", cbor2.dumps({1: GONE_ID, 2: 9})),
        ("bytes after the end", cbor2.dumps({1: gone, 2: 9}) + b"\0"),
        ("an undefined value", b"\xa2\x01\x50" + gone + b"\x02\xf7"),
    ]
    out = [Refused(f"body: {n}", c.REMOVAL, signed_body(c.REMOVAL, body), R.MALFORMED) for n, body in bad]
    ids = [bytes.fromhex(i) for i in (RECORD_ID, GONE_ID)]
    digests = manifest().digests
    for name, value in (("not in order", [ids[1], ids[0]]), ("one twice", [ids[0], ids[0]])):
        body = cbor2.dumps({1: 42, 2: 2, 3: 7, 4: 1, 5: digests, 6: value})
        out.append(Refused(f"manifest: revoked ids {name}", c.MANIFEST, signed_body(c.MANIFEST, body), R.MALFORMED))
    body = cbor2.dumps({1: 42, 2: 2, 3: 7, 4: 1, 5: digests[:-1]})
    out.append(Refused("manifest: a shard's digest too short", c.MANIFEST, signed_body(c.MANIFEST, body), R.MALFORMED))
    mode = signed_body(c.MODE, cbor2.dumps({1: 5, 2: 4}), ADMIN)
    out.append(Refused("mode: one that is not on the list", c.MODE, mode, R.MALFORMED))
    ros = [
        ("two doors of one name", replace(ROSTER, devices=tuple(replace(d, name="door") for d in ROSTER.devices))),
        ("somebody twice", replace(ROSTER, agents=ROSTER.agents * 2)),
        ("a member who is revoked", replace(ROSTER, revoked=(ADMIN.id,))),
        ("another root key", replace(ROSTER, root=OTHER_ROOT.public)),
    ]
    return out + [Refused(f"roster: {n}", c.ROSTER, c.sign(c.ROSTER, r, SITE, ROOT), R.MALFORMED) for n, r in ros]


def _signers() -> list[Refused]:
    removal, state = m.Removal(GONE_ID, 9, True, AT), m.ModeState(6, m.SiteMode.FREE_ACCESS, AT)
    command = md.Command(DEVICE.id, NONCE, md.CommandOp.UNLOCK)
    cases: list[tuple[str, c.Spec[Any], Any, c.PartyKeys | c.RootKey, Refusal]] = [
        ("a removal by a stranger", c.REMOVAL, removal, STRANGER, R.UNKNOWN_SIGNER),
        ("a removal by a removed admin", c.REMOVAL, removal, REMOVED, R.REVOKED_SIGNER),
        ("a removal by an auditor", c.REMOVAL, removal, AUDITOR, R.NOT_ALLOWED),
        ("a removal by a door", c.REMOVAL, removal, DEVICE, R.NOT_ALLOWED),
        ("a manifest by an admin", c.MANIFEST, manifest(), ADMIN, R.NOT_ALLOWED),
        ("a site mode by the agent", c.MODE, state, AGENT, R.NOT_ALLOWED),
        ("a site mode by an auditor", c.MODE, state, AUDITOR, R.NOT_ALLOWED),
        ("a command by an auditor", c.COMMAND, command, AUDITOR, R.NOT_ALLOWED),
        ("a command by the agent", c.COMMAND, command, AGENT, R.NOT_ALLOWED),
        ("a person by an auditor", c.PERSON, m.PersonContent(person(), fixed("salt", 16)), AUDITOR, R.NOT_ALLOWED),
        ("a person by the agent", c.PERSON, m.PersonContent(person(), fixed("salt", 16)), AGENT, R.NOT_ALLOWED),
        ("a roster by an admin", c.ROSTER, ROSTER, ADMIN, R.UNKNOWN_SIGNER),
        ("a beacon by another door", c.BEACON, md.Beacon(DEVICE.id, NONCE, 42, bytes(32), 7, bytes(32)), SECOND,
         R.NOT_ALLOWED),
    ]  # fmt: skip
    return [Refused(f"signer: {n}", s, c.sign(s, value, SITE, by), r) for n, s, value, by, r in cases]


def _people() -> list[Refused]:
    out = []
    body = cbor2.loads(c.split(signed_person().raw, 65536).body)
    one = body[6][0]

    def vector(values: Any) -> dict[int, object]:
        return {**body, 6: [{**one, 1: np.asarray(values).astype("<f2").tobytes()}]}

    changes: list[tuple[str, dict[int, object]]] = [
        ("a template that is not of unit length", vector(unit_vector(0) * 1.01)),
        ("a template of zeros", vector(np.zeros(128))),
        ("a template with a NaN", vector([np.nan, *unit_vector(0)[1:]])),
        ("a template with an infinity", vector([np.inf, *unit_vector(0)[1:]])),
        ("a template of 127 numbers", vector(unit_vector(0)[:127])),
        ("no template", {**body, 6: []}),
        ("17 templates", {**body, 6: body[6] * 5 + body[6][:2]}),
        ("a model that isn't there", {**body, 6: [{**one, 2: 1}]}),
        ("a model that no template has", {**body, 5: [*body[5], "other"]}),
        ("a name with a control character", {**body, 4: "Grace\nHopper"}),
        ("a name with a direction override", {**body, 4: "Grace \u202erepoH"}),
        ("an empty name", {**body, 4: ""}),
        ("notes out of order", {**body, 13: body[13][::-1]}),
        ("two notes of one name", {**body, 13: [["a", "1"], ["a", "2"]]}),
        ("a known source as text", {**body, 6: [{**one, 3: "photo"}]}),
    ]
    for name, changed in changes:
        data = signed_body(c.PERSON, cbor2.dumps(changed, canonical=True), ADMIN)
        out.append(Refused(f"person: {name}", c.PERSON, data, R.MALFORMED))
    return out


def _sealed() -> list[Refused]:
    good = c.open_signed(c.RECORD, record(), c.Trust(ROOT.public, ROSTER)).value

    def again(**changes: Any) -> bytes:
        return c.sign(c.RECORD, replace(good, **changes), SITE, AGENT)

    def around(inner: bytes, by: c.PartyKeys, seq: int = 4) -> bytes:
        header = replace(good, by=by.id, seq=seq)
        key = records.AESGCM(record_key(EPOCH, SITE, RECORD_ID))
        sealed = key.encrypt(header.nonce, inner, records.place(SITE, header))
        return c.sign(c.RECORD, replace(header, ciphertext=sealed), SITE, AGENT)

    content = m.PersonContent(person(), fixed("salt", 16))
    inner = signed_person().raw
    by_removed = c.sign(c.PERSON, content, SITE, REMOVED)
    elsewhere = c.sign(c.PERSON, content, OTHER_ROOT.site, ADMIN)
    forged = inner[:-1] + bytes([inner[-1] ^ 1])
    cases: list[tuple[str, c.Spec[Any], bytes, Refusal]] = [
        ("record: its since exchanged", c.RECORD, again(since=1), R.CANNOT_OPEN),
        ("record: its seq exchanged", c.RECORD, again(seq=9), R.CANNOT_OPEN),
        ("record: another person's id", c.RECORD, again(id=GONE_ID), R.CANNOT_OPEN),
        ("record: another signer's name", c.RECORD, again(by=AUDITOR.id), R.CANNOT_OPEN),
        ("record: another nonce", c.RECORD, again(nonce=bytes(12)), R.CANNOT_OPEN),
        ("record: of another epoch", c.RECORD, again(epoch=3), R.WRONG_EPOCH),
        ("record: sealed anew with another seq than its content", c.RECORD, around(inner, ADMIN, 9), R.CONFLICT),
        ("record: with an admin's signature forged by the agent", c.RECORD, around(forged, ADMIN), R.BAD_SIGNATURE),
        ("record: signed by a removed admin", c.RECORD, around(by_removed, REMOVED), R.REVOKED_SIGNER),
        ("record: signed for another site", c.RECORD, around(elsewhere, ADMIN), R.WRONG_SITE),
        ("grant: for another device", c.GRANT, grant(SECOND), R.WRONG_RECIPIENT),
        ("grant: sealed for another epoch", c.GRANT, _relabelled(grant(), epoch=3), R.CANNOT_OPEN),
        ("grant: with another epoch inside", c.GRANT, grant(keys=replace(EPOCH, epoch=3)), R.WRONG_EPOCH),
        ("request: another admin's, signed anew", c.REQUEST, request(AUDITOR), R.CANNOT_OPEN),
        ("enrolment: by an auditor", c.ENROLMENT, enrolment(AUDITOR), R.NOT_ALLOWED),
        ("pairing-answer: for another device", c.PAIRING_ANSWER, answer(SECOND), R.WRONG_RECIPIENT),
    ]
    return [Refused(*case) for case in cases]


def _relabelled(data: bytes, **changes: Any) -> bytes:
    value = c.open_signed(c.GRANT, data, c.Trust(ROOT.public, ROSTER)).value
    return c.sign(c.GRANT, replace(value, **changes), SITE, AGENT)
