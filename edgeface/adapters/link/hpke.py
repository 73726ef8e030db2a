"""Sealing to one recipient's X25519 key: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
AES-256-GCM, by the package `cryptography`. What is sealed is the encapsulated key (32 bytes) and the ciphertext with
its tag (16). Base mode says nothing about the sender: the message around it is signed, and `info` names its signer."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from edgeface.domain.refusal import MessageRefused, Refusal

OVERHEAD_BYTES = 32 + 16
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_CONTEXT = b"edgeface/v1/hpke/"


def info(purpose: str, site: str, sender: str, recipient: str, bound: bytes) -> bytes:
    """What a sealed text is bound to. Ids are 16 bytes each; `bound` is the epoch (8 bytes, big-endian) or an id."""
    return _CONTEXT + purpose.encode() + b"\0" + bytes.fromhex(site + sender + recipient) + bound


def seal(plaintext: bytes, x25519: bytes, where: bytes) -> bytes:
    """Raises MessageRefused (malformed) for a public key that is none."""
    try:
        return bytes(_SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(x25519), info=where))
    except ValueError as e:  # a point of small order
        raise MessageRefused(Refusal.MALFORMED, "not a public key") from e


def unseal(sealed: bytes, key: X25519PrivateKey, where: bytes) -> bytes:
    """Raises MessageRefused (cannot_open)."""
    try:
        return bytes(_SUITE.decrypt(sealed, key, info=where))
    except (InvalidTag, ValueError, TypeError) as e:
        raise MessageRefused(Refusal.CANNOT_OPEN) from e
