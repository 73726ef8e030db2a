"""How a device joins a site: it offers its public keys under its own signature, a person compares its code, and the
site's owner answers under the root key. Both are files, or text for a QR code and the clipboard."""

from __future__ import annotations

import base64
import binascii
import re

from edgeface.adapters.link.frame import (
    NO_SITE,
    Signed,
    Trust,
    open_signed,
    opened,
    sign,
    split,
    verify,
)
from edgeface.adapters.link.keys import PartyKeys, RootKey
from edgeface.adapters.link.schema import malformed
from edgeface.adapters.link.specs_door import PAIRING_ANSWER, PAIRING_OFFER
from edgeface.domain.messages_door import PairingAnswer, PairingOffer
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import party_id, site_id

TEXT_PREFIX = "EDGEFACE1:"  # with base32 after it a QR code is in alphanumeric mode


def sign_offer(offer: PairingOffer, device: PartyKeys) -> bytes:
    return sign(PAIRING_OFFER, offer, NO_SITE, device)


def open_offer(data: bytes) -> Signed[PairingOffer]:
    """`signer` is the device's id, and `roster.short_code(signer)` is what a person compares with the device's own
    display: the offer proves only that its maker has the keys. Raises MessageRefused."""
    frame = split(data, PAIRING_OFFER.limit)
    if frame.kind != PAIRING_OFFER.number:
        raise MessageRefused(Refusal.WRONG_KIND)
    if frame.site != NO_SITE:
        raise MessageRefused(Refusal.WRONG_SITE)
    offer = opened(PAIRING_OFFER, frame, data)
    verify(PAIRING_OFFER, frame, offer.value.ed25519)
    if offer.signer != party_id(offer.value.ed25519, offer.value.x25519):
        raise MessageRefused(Refusal.CONFLICT, "the signer's id isn't that of the keys")
    return offer


def offer_text(data: bytes) -> str:
    """One line of capital letters and digits."""
    return TEXT_PREFIX + base64.b32encode(data).decode().rstrip("=")


def offer_from_text(text: str) -> bytes:
    """Blanks, line breaks and small letters don't matter. Raises MessageRefused (malformed)."""
    joined = re.sub(r"\s+", "", text[:8192]).upper()
    if not joined.startswith(TEXT_PREFIX):
        raise malformed(f"the text doesn't begin with {TEXT_PREFIX}")
    body = joined[len(TEXT_PREFIX) :]
    try:
        return base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError) as e:
        raise malformed("the text is cut off or mistyped") from e


def sign_answer(answer: PairingAnswer, root: RootKey) -> bytes:
    return sign(PAIRING_ANSWER, answer, root.site, root)


def open_answer(data: bytes, device: PartyKeys, root: bytes | None = None) -> Signed[PairingAnswer]:
    """For the device. Without a pinned `root` the answer's own is taken: it comes from the technician's hand, and
    `roster.short_code(site)` is shown for him to compare. Raises MessageRefused."""
    if root is None:
        frame = split(data, PAIRING_ANSWER.limit)
        if frame.kind != PAIRING_ANSWER.number:
            raise MessageRefused(Refusal.WRONG_KIND)
        root = opened(PAIRING_ANSWER, frame, data).value.root
    answer = open_signed(PAIRING_ANSWER, data, Trust(root))
    if answer.value.root != root or answer.signer != site_id(root):
        raise MessageRefused(Refusal.CONFLICT, "another site's root key")
    if answer.value.device != device.id:
        raise MessageRefused(Refusal.WRONG_RECIPIENT)
    return answer
