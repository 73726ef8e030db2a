"""The one outer form of every message: a version byte, then deterministic CBOR
[kind, site, signer, body, signature]. `Spec` says for a kind how its body looks, how large it may be and whose
signature it takes; the body is looked at once the signature is good."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.adapters.link import wire
from edgeface.adapters.link.schema import Struct, malformed
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import ID_BYTES, Role, Roster, site_id

T = TypeVar("T")
VERSION = 1
OVERHEAD_BYTES = 112  # version, CBOR heads, kind, site, signer, signature: never more, beside the body
NO_SITE = "00" * ID_BYTES  # a device that isn't paired belongs to none
_SIGNATURE_BYTES = 64
_CONTEXT = b"edgeface/v1/"


class Signer(Protocol):
    """keys.PartyKeys and keys.RootKey."""

    @property
    def id(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


class Spec(Generic[T]):
    """One kind of message. `limit` is of the whole message in bytes; `signers` are the roles of which its signer
    needs one."""

    def __init__(self, number: int, name: str, struct: Struct[T], limit: int, signers: Collection[Role]) -> None:
        self.number = number
        self.name = name
        self.struct = struct
        self.limit = limit
        self.signers = frozenset(signers)

    def __repr__(self) -> str:
        return f"Spec({self.number}, {self.name})"


@dataclass(frozen=True)
class Trust:
    """What signatures are checked against: the pinned root key, and the newest roster where there is one."""

    root: bytes
    roster: Roster | None = None

    @property
    def site(self) -> str:
        return site_id(self.root)

    def verifying_key(self, signer: str, allowed: frozenset[Role]) -> bytes:
        """Raises MessageRefused: unknown_signer, revoked_signer, not_allowed."""
        if signer == self.site and Role.OWNER in allowed:
            return self.root
        if self.roster is None:
            raise MessageRefused(Refusal.UNKNOWN_SIGNER)
        return self.roster.verifying_key(signer, allowed)


@dataclass(frozen=True)
class Signed(Generic[T]):
    """A verified message. `hash` is SHA-256 of the body: what versions are compared and named by, whoever signed it;
    `raw` is the whole message as it came."""

    value: T
    signer: str
    hash: bytes
    raw: bytes


@dataclass(frozen=True)
class Frame:
    """Taken apart, nothing checked but the form."""

    kind: int
    site: str
    signer: str
    body: bytes
    signature: bytes


def split(data: bytes, limit: int) -> Frame:
    """Raises MessageRefused: too_large, unsupported_version, malformed."""
    if len(data) > limit:
        raise MessageRefused(Refusal.TOO_LARGE, f"{len(data)} bytes, {limit} at most")
    if not data:
        raise malformed("it is empty")
    if data[0] != VERSION:
        raise MessageRefused(Refusal.UNSUPPORTED_VERSION)
    parts = wire.decode(data[1:], limit)
    if type(parts) is not list or len(parts) != 5:
        raise malformed("no message has this form")
    kind, site, signer, body, signature = parts
    lengths = ((site, ID_BYTES), (signer, ID_BYTES), (signature, _SIGNATURE_BYTES))
    if type(kind) is not int or type(body) is not bytes or any(type(v) is not bytes or len(v) != n for v, n in lengths):
        raise malformed("no message has this form")
    return Frame(kind, site.hex(), signer.hex(), body, signature)


def signed_bytes(name: str, site: str, signer: str, body: bytes) -> bytes:
    """What the signature is over: nothing signed for one kind or one site passes for another."""
    return _CONTEXT + name.encode() + b"\0" + bytes.fromhex(site + signer) + body


def sign(spec: Spec[T], value: T, site: str, signer: Signer) -> bytes:
    """The whole message. Raises MessageRefused for a value that the protocol has no room for."""
    body = wire.encode(spec.struct.to_wire(value))
    signature = signer.sign(signed_bytes(spec.name, site, signer.id, body))
    ids = bytes.fromhex(site), bytes.fromhex(signer.id)
    data = bytes((VERSION,)) + wire.encode([spec.number, *ids, body, signature])
    if len(data) > spec.limit:
        raise MessageRefused(Refusal.TOO_LARGE, f"{len(data)} bytes, {spec.limit} at most")
    return data


def verify(spec: Spec[Any], frame: Frame, key: bytes) -> None:
    """Raises MessageRefused (bad_signature)."""
    signed = signed_bytes(spec.name, frame.site, frame.signer, frame.body)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(frame.signature, signed)
    except (InvalidSignature, ValueError) as e:
        raise MessageRefused(Refusal.BAD_SIGNATURE) from e


def open_signed(spec: Spec[T], data: bytes, trust: Trust) -> Signed[T]:
    """The verified message of this kind. Raises MessageRefused: too_large, unsupported_version, malformed,
    wrong_kind, wrong_site, unknown_signer, revoked_signer, not_allowed, bad_signature."""
    frame = split(data, spec.limit)
    if frame.kind != spec.number:
        raise MessageRefused(Refusal.WRONG_KIND)
    if frame.site != trust.site:
        raise MessageRefused(Refusal.WRONG_SITE)
    verify(spec, frame, trust.verifying_key(frame.signer, spec.signers))
    return opened(spec, frame, data)


def opened(spec: Spec[T], frame: Frame, data: bytes) -> Signed[T]:
    """The body of a frame whose signature is good."""
    value = spec.struct.from_wire(wire.decode(frame.body, spec.limit))
    return Signed(value, frame.signer, hashlib.sha256(frame.body).digest(), data)


def encode_plain(struct: Struct[T], value: T) -> bytes:
    """For what is sealed inside a signed message."""
    return wire.encode(struct.to_wire(value))


def decode_plain(struct: Struct[T], data: bytes, limit: int) -> T:
    return struct.from_wire(wire.decode(data, limit))
