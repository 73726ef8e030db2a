"""A small site with fixed keys, for tests of the protocol and for its vectors (scripts/protocol_vectors.py)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from edgeface.adapters.link import codec as c
from edgeface.adapters.link import hpke, specs_admin, specs_site
from edgeface.adapters.link.frame import encode_plain
from edgeface.domain import messages as m
from edgeface.domain import messages_door as md
from edgeface.domain.roster import ADMIN_ROLES, Device, Party, Role, Roster
from edgeface.domain.shards import Gone, Held, Shards
from edgeface.domain.types import Floats, Person, Template

AT = 1_767_225_600  # 2026-01-01T00:00:00Z


def fixed(name: str, length: int = 32) -> bytes:
    return hashlib.sha256(b"edgeface protocol vectors: " + name.encode()).digest()[:length]


def keys_of(name: str) -> c.PartyKeys:
    return c.PartyKeys(fixed(f"{name} ed25519"), fixed(f"{name} x25519"))


ROOT = c.RootKey(fixed("root"))
OTHER_ROOT = c.RootKey(fixed("other root"))
SITE = ROOT.site
NAMES = {
    name: keys_of(name) for name in ("agent", "admin", "auditor", "removed", "stranger", "device", "second device")
}
AGENT, ADMIN, AUDITOR, REMOVED, STRANGER, DEVICE, SECOND = NAMES.values()


def party(name: str, keys: c.PartyKeys, *roles: Role) -> Party:
    return Party(name, keys.ed25519, keys.x25519, roles)


ROSTER = Roster(
    version=7,
    epoch=2,
    site_name="Headquarters",
    root=ROOT.public,
    admins=(party("Ann", ADMIN, *ADMIN_ROLES), party("Audit", AUDITOR, Role.AUDIT)),
    agents=(party("site agent", AGENT),),
    devices=(
        Device("front door", DEVICE.ed25519, DEVICE.x25519, 3, 40),
        Device("back door", SECOND.ed25519, SECOND.x25519, 7, 41, replaces=fixed("old device", 16).hex()),
    ),
    revoked=(REMOVED.id,),
    issued_s=AT,
)
TRUST = c.Trust(ROOT.public, ROSTER)
# what stood before REMOVED was removed: his messages were good once
EARLIER = c.Trust(
    ROOT.public, Roster(6, 2, "Headquarters", ROOT.public, (party("Bob", REMOVED, *ADMIN_ROLES),), ROSTER.agents)
)
EPOCH = m.EpochKeys(2, fixed("K(2)"), fixed("rotation seed 2"))
RECORD_ID = "5f" + fixed("record", 15).hex()
GONE_ID = "c4" + fixed("gone", 15).hex()
NONCE = fixed("nonce", 16)
ASK_ID = fixed("ask", 16).hex()


def unit_vector(n: int) -> Floats:
    """(128,) float32 of unit length, from integers: the same on every machine."""
    raw = hashlib.shake_256(b"vector %d" % n).digest(256)
    values = np.frombuffer(raw, dtype="<u2").astype(np.float64) - 32767.5
    return np.asarray(values / np.sqrt(values @ values), dtype=np.float32)


def person(count: int = 3, **changes: Any) -> Person:
    made: dict[str, Any] = {
        "id": RECORD_ID,
        "name": "Grace Hopper",
        "templates": tuple(
            Template(unit_vector(n), "mobilefacenet-arcface-1", "photo", 0.9 - n / 100) for n in range(count)
        ),
        "seq": 4,
        "groups": ("staff", "navy"),
        "doors": ("front door",),
        "schedule": "office hours",
        "valid_from_s": float(AT),
        "valid_to_s": AT + 31_536_000.5,
        "enrolled_s": float(AT),
        "notes": {"badge": "1906", "desk": "A 3, Zürich"},
    }
    return Person(**(made | changes))


def signed_person(who: Person | None = None, by: c.PartyKeys = ADMIN) -> c.Signed[m.PersonContent]:
    raw = c.sign(c.PERSON, m.PersonContent(who or person(), fixed("salt", 16)), SITE, by)
    return c.open_signed(c.PERSON, raw, EARLIER if by is REMOVED else TRUST)


def record(signed: c.Signed[m.PersonContent] | None = None, keys: m.EpochKeys = EPOCH, since: int = 42) -> bytes:
    return c.seal_record(signed or signed_person(), keys, SITE, AGENT, since, fixed("gcm nonce", 12))


def shards() -> Shards:
    out = Shards()
    out.set(RECORD_ID, Held(4, signed_person().hash))
    out.set(GONE_ID, Gone(erased=True))
    return out


def manifest() -> m.Manifest:
    held = shards()
    return m.Manifest(42, 2, 7, held.count, held.digests(), (GONE_ID,), AT)


def hash_of(spec: c.Spec[Any], data: bytes) -> bytes:
    return hashlib.sha256(c.split(data, spec.limit).body).digest()


# -- HPKE with a fixed ephemeral key, written from RFC 9180: vectors need the same bytes every time ----------------

_SUITE = b"HPKE\x00\x20\x00\x01\x00\x02"
_KEM = b"KEM\x00\x20"
EPHEMERAL = fixed("ephemeral")


def _hmac(key: bytes, data: bytes) -> bytes:
    h = HMAC(key, SHA256())
    h.update(data)
    return h.finalize()


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return _hmac(salt or bytes(32), b"HPKE-v1" + suite + label + ikm)


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return _hmac(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\x01")[:length]


def seal(plaintext: bytes, x25519: bytes, info: bytes) -> bytes:
    """RFC 9180, base mode, one message: encapsulated key, ciphertext."""
    private = X25519PrivateKey.from_private_bytes(EPHEMERAL)
    enc = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(x25519))
    prk = _extract(_KEM, b"", b"eae_prk", shared)
    secret = _expand(_KEM, prk, b"shared_secret", enc + x25519, 32)
    context = b"\0" + _extract(_SUITE, b"", b"psk_id_hash", b"") + _extract(_SUITE, b"", b"info_hash", info)
    schedule = _extract(_SUITE, secret, b"secret", b"")
    key = _expand(_SUITE, schedule, b"key", context, 32)
    nonce = _expand(_SUITE, schedule, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plaintext, b"")


# -- a good message of every kind -----------------------------------------------------------------------------------

ENROLMENT = m.PhotoEnrolment(
    record=RECORD_ID,
    name="Grace Hopper",
    photos=(b"\xff\xd8" + bytes(98), b"\x89PNG" + bytes(96)),
    groups=("staff",),
    valid_from_ms=AT * 1000,
    notes=(("badge", "1906"),),
    at_s=AT,
)
REPLY = m.Reply(
    done=False,
    code="poor_quality",
    message="No photo is good enough.",
    reasons=(("photo 1", "Come closer."), ("photo 2", "It is too dark.")),
)


def grant(to: c.PartyKeys = DEVICE, keys: m.EpochKeys = EPOCH, epoch: int = 2) -> bytes:
    info = hpke.info("grant", SITE, AGENT.id, to.id, epoch.to_bytes(8, "big"))
    sealed = seal(encode_plain(specs_site.EPOCH_KEYS, keys), to.x25519, info)
    return c.sign(c.GRANT, m.KeyGrant(to.id, epoch, sealed), SITE, AGENT)


def sealed_to_agent(spec: c.Spec[m.SealedRequest], plain: bytes, by: c.PartyKeys = ADMIN) -> bytes:
    """`by` signs; the sealed text is bound to ADMIN."""
    info = hpke.info(spec.name, SITE, ADMIN.id, AGENT.id, bytes.fromhex(ASK_ID))
    return c.sign(spec, m.SealedRequest(ASK_ID, AGENT.id, seal(plain, AGENT.x25519, info)), SITE, by)


def request(by: c.PartyKeys = ADMIN) -> bytes:
    body = m.Request(m.RequestOp.PUT, saw=3, message=signed_person().raw, at_s=AT)
    return sealed_to_agent(c.REQUEST, encode_plain(specs_admin.REQUEST_BODY, body), by)


def enrolment(by: c.PartyKeys = ADMIN) -> bytes:
    return sealed_to_agent(c.ENROLMENT, encode_plain(specs_admin.ENROLMENT_BODY, ENROLMENT), by)


def reply() -> bytes:
    info = hpke.info("reply", SITE, AGENT.id, ADMIN.id, bytes.fromhex(ASK_ID))
    sealed = seal(encode_plain(specs_admin.REPLY_BODY, REPLY), ADMIN.x25519, info)
    return c.sign(c.REPLY, m.SealedReply(ASK_ID, ADMIN.id, sealed), SITE, AGENT)


def offer() -> bytes:
    tls = bytes.fromhex("302a300506032b6570032100") + fixed("tls")
    return c.sign_offer(md.PairingOffer(DEVICE.ed25519, DEVICE.x25519, tls, "front door", "edgeface 0.4", AT), DEVICE)


def answer(device: c.PartyKeys = DEVICE) -> bytes:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    roster = c.sign(c.ROSTER, ROSTER, SITE, ROOT)
    made = md.PairingAnswer(device.id, ROOT.public, roster, grant(), 7, 42, "broker.example", 8883, pem, pem)
    return c.sign_answer(made, ROOT)


def receipt(manifest_hash: bytes) -> md.Receipt:
    return md.Receipt(
        manifest=42,
        manifest_hash=manifest_hash,
        digest=shards().overall(),
        people=1,
        templates=3,
        roster=7,
        epoch=2,
        mode=5,
        in_step=True,
        shards_behind=0,
        audit_seq=1234,
        audit_head=fixed("audit head"),
        model="mobilefacenet-arcface-1",
        refused=2,
        at_s=AT,
    )


@dataclass(frozen=True)
class Example:
    name: str
    spec: c.Spec[Any]
    message: bytes


def examples() -> list[Example]:
    man = c.sign(c.MANIFEST, manifest(), SITE, AGENT)
    ros = c.sign(c.ROSTER, ROSTER, SITE, ROOT)
    man_hash, ros_hash = hash_of(c.MANIFEST, man), hash_of(c.ROSTER, ros)
    refused = md.CommandReply(NONCE, False, "lockdown", "The site is locked down.")
    made: list[tuple[c.Spec[Any], bytes]] = [
        (c.ROSTER, ros),
        (c.GRANT, grant()),
        (c.RECORD, record()),
        (c.PERSON, signed_person().raw),
        (c.REMOVAL, c.sign(c.REMOVAL, m.Removal(GONE_ID, 9, True, AT), SITE, AGENT)),
        (c.MANIFEST, man),
        (c.MODE, c.sign(c.MODE, m.ModeState(5, m.SiteMode.LOCKDOWN, AT), SITE, ADMIN)),
        (c.REQUEST, request()),
        (c.REPLY, reply()),
        (c.ENROLMENT, enrolment()),
        (c.RECEIPT, c.sign(c.RECEIPT, receipt(man_hash), SITE, DEVICE)),
        (c.ERASURE, c.sign(c.ERASURE, md.ErasureReceipt(GONE_ID, AT, True, AT + 60, 42), SITE, DEVICE)),
        (c.BEACON_REQUEST, c.sign(c.BEACON_REQUEST, md.BeaconRequest(NONCE), SITE, DEVICE)),
        (c.BEACON, c.sign(c.BEACON, md.Beacon(DEVICE.id, NONCE, 42, man_hash, 7, ros_hash, 5), SITE, AGENT)),
        (c.COMMAND_ASK, c.sign(c.COMMAND_ASK, md.CommandAsk(ASK_ID, DEVICE.id), SITE, ADMIN)),
        (c.COMMAND_NONCE, c.sign(c.COMMAND_NONCE, md.CommandNonce(ASK_ID, ADMIN.id, NONCE), SITE, DEVICE)),
        (c.COMMAND, c.sign(c.COMMAND, md.Command(DEVICE.id, NONCE, md.CommandOp.UNLOCK, 3000), SITE, ADMIN)),
        (c.COMMAND_REPLY, c.sign(c.COMMAND_REPLY, refused, SITE, DEVICE)),
        (c.PAIRING_OFFER, offer()),
        (c.PAIRING_ANSWER, answer()),
    ]
    return [Example(spec.name, spec, message) for spec, message in made]


def accept(spec: c.Spec[Any], data: bytes, trust: c.Trust = TRUST) -> Any:
    """Takes a message as its receiver does, down to the sealed content. Raises MessageRefused."""
    if spec is c.ROSTER:
        return c.open_roster(data, trust.root).value
    if spec is c.GRANT:
        return c.open_grant(data, DEVICE, trust)
    if spec is c.RECORD:
        return c.open_record(c.open_signed(c.RECORD, data, trust).value, EPOCH, trust).value
    if spec is c.REQUEST:
        return c.open_request(data, AGENT, trust)[1]
    if spec is c.REPLY:
        return c.open_reply(data, ADMIN, trust)[1]
    if spec is c.ENROLMENT:
        return c.open_enrolment(data, AGENT, trust)[1]
    if spec is c.PAIRING_OFFER:
        return c.open_offer(data).value
    if spec is c.PAIRING_ANSWER:
        return c.open_answer(data, DEVICE, trust.root).value
    return c.open_signed(spec, data, trust).value
