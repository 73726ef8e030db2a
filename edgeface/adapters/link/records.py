"""A person's way to the doors. An admin signs the content (`sign(PERSON, ...)`); the agent seals those very bytes into
a record under the epoch's key and signs that. A new epoch, or another admin's signature under the same content, makes
another record of the same content: the admin's signature says nothing of the epoch, and a door compares contents."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edgeface.adapters.link import wire
from edgeface.adapters.link.frame import Signed, Signer, Trust, open_signed, opened, sign, split
from edgeface.adapters.link.keys import record_key
from edgeface.adapters.link.specs_site import PERSON, RECORD
from edgeface.domain.messages import EpochKeys, PersonContent, SealedRecord
from edgeface.domain.refusal import MessageRefused, Refusal

NONCE_BYTES = 12
_PLACE = b"edgeface/v1/record\0"


def place(site: str, record: SealedRecord) -> bytes:
    """The associated data: the whole header in clear, so that none of it can be exchanged."""
    header = {
        1: record.epoch,
        2: record.seq,
        3: bytes.fromhex(record.id),
        4: bytes.fromhex(record.by),
        5: record.since,
    }
    return _PLACE + bytes.fromhex(site) + wire.encode(header)


def seal_record(
    person: Signed[PersonContent], keys: EpochKeys, site: str, agent: Signer, since: int, nonce: bytes | None = None
) -> bytes:
    """The record's message. `since` is the version of the manifest that will first cover it. A nonce of one's own is
    for test vectors: one used twice with the same record and epoch breaks the cipher."""
    content = person.value.person
    nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
    record = SealedRecord(keys.epoch, content.seq, content.id, person.signer, since, nonce, bytes(16))
    cipher = AESGCM(record_key(keys, site, content.id))
    sealed = cipher.encrypt(nonce, person.raw, place(site, record))
    record = SealedRecord(keys.epoch, content.seq, content.id, person.signer, since, nonce, sealed)
    return sign(RECORD, record, site, agent)


def open_record(record: SealedRecord, keys: EpochKeys, trust: Trust) -> Signed[PersonContent]:
    """The person that an admin signed, out of a verified record. Raises MessageRefused: wrong_epoch, cannot_open, or
    what `open_signed` raises for the admin's signature; conflict where content and header are at odds."""
    person = open_signed(PERSON, _decrypted(record, keys, trust.site), trust)
    content = person.value.person
    if (content.id, content.seq, person.signer) != (record.id, record.seq, record.by):
        raise MessageRefused(Refusal.CONFLICT, "the header isn't the content's")
    return person


def unseal_record(record: SealedRecord, keys: EpochKeys, site: str) -> Signed[PersonContent]:
    """For the agent alone, who verified the admin's signature when the person came: the admin may be gone since."""
    plain = _decrypted(record, keys, site)
    return opened(PERSON, split(plain, PERSON.limit), plain)


def _decrypted(record: SealedRecord, keys: EpochKeys, site: str) -> bytes:
    if keys.epoch != record.epoch:
        raise MessageRefused(Refusal.WRONG_EPOCH)
    try:
        cipher = AESGCM(record_key(keys, site, record.id))
        return cipher.decrypt(record.nonce, record.ciphertext, place(site, record))
    except InvalidTag as e:
        raise MessageRefused(Refusal.CANNOT_OPEN) from e
