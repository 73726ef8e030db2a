"""Sealing of bytes: AES-256-GCM with a random 96-bit nonce; keys by HKDF-SHA256 (RFC 5869). One format, marked by
its first byte; nothing is negotiated. The primitives are those of the package `cryptography`."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = 1
KEY_BYTES = 32
_NONCE_BYTES = 12  # 96 bits, the size GCM is made for; random ones are safe for 2**32 messages under one key
_TAG_BYTES = 16
OVERHEAD_BYTES = 1 + _NONCE_BYTES + _TAG_BYTES
WRAPPED_KEY_BYTES = KEY_BYTES + OVERHEAD_BYTES
_SALT = b"edgeface v1"


class Unauthentic(Exception):
    """The bytes were not sealed with this key for this place, or were altered since."""


def derive(key: bytes, purpose: str, length: int = KEY_BYTES) -> bytes:
    """`length` bytes that nobody can relate to `key` or to another purpose's (HKDF-SHA256)."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=_SALT, info=purpose.encode()).derive(key)


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def place(role: str, *parts: str | int | bytes) -> bytes:
    """Associated data that binds a ciphertext to where it belongs. Every part carries its length, so that no two
    different places give the same bytes."""
    out = bytearray()
    for part in (role, *parts):
        raw = part if isinstance(part, bytes) else str(part).encode()
        out += len(raw).to_bytes(4, "big") + raw
    return bytes(out)


def seal(key: bytes, plaintext: bytes, where: bytes) -> bytes:
    """version byte, nonce (12), ciphertext, tag (16). `where` comes from `place`."""
    version = bytes((VERSION,))
    nonce = os.urandom(_NONCE_BYTES)
    return version + nonce + AESGCM(key).encrypt(nonce, plaintext, version + where)


def unseal(key: bytes, sealed: bytes, where: bytes) -> bytes:
    """Raises Unauthentic for altered bytes, another key, another place or another version."""
    if len(sealed) < OVERHEAD_BYTES:
        raise Unauthentic("too short to have been sealed")
    version, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if version[0] != VERSION:
        raise Unauthentic(f"unknown format version {version[0]}")
    try:
        return AESGCM(key).decrypt(nonce, body, version + where)
    except InvalidTag:
        raise Unauthentic("altered, or sealed with another key or for another place") from None
