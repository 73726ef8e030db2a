"""The keys of a party (admin, agent, device) and of a site, and what is derived from K(epoch). All of it raw bytes:
Ed25519 seeds and X25519 scalars of 32 bytes, as RFC 8032 and RFC 7748 have them."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edgeface.domain.messages import EpochKeys
from edgeface.domain.roster import party_id, site_id

KEY_BYTES = 32
_SALT = b"edgeface/v1"
_RECORD = b"edgeface/v1/record-key\0"


class RootKey:
    """The site's root of trust; signs rosters and pairing answers."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()
        self.id = self.site = site_id(self.public)

    @classmethod
    def generate(cls) -> RootKey:
        return cls(os.urandom(KEY_BYTES))

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)

    def secret(self) -> bytes:
        """The seed (32), to be kept."""
        return self._private.private_bytes_raw()

    def __repr__(self) -> str:
        return f"RootKey({self.id})"


class PartyKeys:
    """`id` is the fingerprint of both public keys."""

    def __init__(self, ed25519_seed: bytes, x25519_scalar: bytes) -> None:
        self._signing = Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        self.opening = X25519PrivateKey.from_private_bytes(x25519_scalar)
        self.ed25519 = self._signing.public_key().public_bytes_raw()
        self.x25519 = self.opening.public_key().public_bytes_raw()
        self.id = party_id(self.ed25519, self.x25519)

    @classmethod
    def generate(cls) -> PartyKeys:
        return cls(os.urandom(KEY_BYTES), os.urandom(KEY_BYTES))

    def sign(self, data: bytes) -> bytes:
        return self._signing.sign(data)

    def secret(self) -> bytes:
        """Ed25519 seed (32), X25519 scalar (32), to be kept."""
        return self._signing.private_bytes_raw() + self.opening.private_bytes_raw()

    @classmethod
    def from_secret(cls, secret: bytes) -> PartyKeys:
        if len(secret) != 2 * KEY_BYTES:
            raise ValueError(f"a party's secret has {2 * KEY_BYTES} bytes, this one has {len(secret)}")
        return cls(secret[:KEY_BYTES], secret[KEY_BYTES:])

    def __repr__(self) -> str:
        return f"PartyKeys({self.id})"


def new_epoch(epoch: int) -> EpochKeys:
    return EpochKeys(epoch, os.urandom(KEY_BYTES), os.urandom(KEY_BYTES))


def record_key(keys: EpochKeys, site: str, record_id: str) -> bytes:
    """The AES-256 key of one record in one epoch: HKDF-SHA256 (RFC 5869) of K(epoch)."""
    info = _RECORD + bytes.fromhex(site) + keys.epoch.to_bytes(8, "big") + bytes.fromhex(record_id)
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=_SALT, info=info).derive(keys.key)
