"""Messages whose content is for one reader: key grants, requests, replies, photo enrolments. The content is sealed by
HPKE, bound to the site, both parties and the epoch or the request, and the message around it is signed; somebody who
signs another's sealed text under his own name gets it refused."""

from __future__ import annotations

from typing import TypeVar

from edgeface.adapters.link import hpke, limits
from edgeface.adapters.link.frame import Signed, Signer, Trust, decode_plain, encode_plain, open_signed, sign
from edgeface.adapters.link.keys import PartyKeys
from edgeface.adapters.link.schema import Struct
from edgeface.adapters.link.specs_admin import (
    ENROLMENT,
    ENROLMENT_BODY,
    REPLY,
    REPLY_BODY,
    REQUEST,
    REQUEST_BODY,
)
from edgeface.adapters.link.specs_site import EPOCH_KEYS, GRANT
from edgeface.domain.messages import (
    EpochKeys,
    KeyGrant,
    PhotoEnrolment,
    Reply,
    Request,
    SealedReply,
    SealedRequest,
)
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Device, Party

T = TypeVar("T")


def _epoch(epoch: int) -> bytes:
    return epoch.to_bytes(8, "big")


def sign_grant(keys: EpochKeys, device: Device, site: str, signer: Signer) -> bytes:
    """`signer`: an agent, or the root key at pairing."""
    where = hpke.info("grant", site, signer.id, device.id, _epoch(keys.epoch))
    sealed = hpke.seal(encode_plain(EPOCH_KEYS, keys), device.x25519, where)
    return sign(GRANT, KeyGrant(device.id, keys.epoch, sealed), site, signer)


def open_grant(data: bytes, device: PartyKeys, trust: Trust) -> EpochKeys:
    """Raises MessageRefused: wrong_recipient, cannot_open, wrong_epoch, and what `open_signed` raises."""
    grant = open_signed(GRANT, data, trust)
    if grant.value.device != device.id:
        raise MessageRefused(Refusal.WRONG_RECIPIENT)
    where = hpke.info("grant", trust.site, grant.signer, device.id, _epoch(grant.value.epoch))
    plain = hpke.unseal(grant.value.sealed, device.opening, where)
    keys = decode_plain(EPOCH_KEYS, plain, limits.MAX_SMALL)
    if keys.epoch != grant.value.epoch:
        raise MessageRefused(Refusal.WRONG_EPOCH)
    return keys


def sign_request(request: Request, request_id: str, agent: Party, site: str, admin: Signer) -> bytes:
    sealed = _seal("request", REQUEST_BODY, request, request_id, site, admin.id, agent.id, agent.x25519)
    return sign(REQUEST, SealedRequest(request_id, agent.id, sealed), site, admin)


def open_request(data: bytes, agent: PartyKeys, trust: Trust) -> tuple[Signed[SealedRequest], Request]:
    """Whether its signer has the role that the operation needs is for `requests.allowed` to say."""
    outer = open_signed(REQUEST, data, trust)
    where = (outer.value.id, trust.site, outer.signer)
    body = _unseal("request", REQUEST_BODY, outer.value, where, agent, limits.MAX_REQUEST)
    return outer, body


def sign_enrolment(enrolment: PhotoEnrolment, request_id: str, agent: Party, site: str, admin: Signer) -> bytes:
    sealed = _seal("enrolment", ENROLMENT_BODY, enrolment, request_id, site, admin.id, agent.id, agent.x25519)
    return sign(ENROLMENT, SealedRequest(request_id, agent.id, sealed), site, admin)


def open_enrolment(data: bytes, agent: PartyKeys, trust: Trust) -> tuple[Signed[SealedRequest], PhotoEnrolment]:
    outer = open_signed(ENROLMENT, data, trust)
    where = (outer.value.id, trust.site, outer.signer)
    body = _unseal("enrolment", ENROLMENT_BODY, outer.value, where, agent, limits.MAX_ENROLMENT)
    return outer, body


def sign_reply(reply: Reply, request_id: str, admin: Party, site: str, agent: Signer) -> bytes:
    sealed = _seal("reply", REPLY_BODY, reply, request_id, site, agent.id, admin.id, admin.x25519)
    return sign(REPLY, SealedReply(request_id, admin.id, sealed), site, agent)


def open_reply(data: bytes, admin: PartyKeys, trust: Trust) -> tuple[Signed[SealedReply], Reply]:
    outer = open_signed(REPLY, data, trust)
    where = (outer.value.id, trust.site, outer.signer)
    return outer, _unseal("reply", REPLY_BODY, outer.value, where, admin, limits.MAX_REQUEST)


def _seal(
    purpose: str, struct: Struct[T], value: T, request_id: str, site: str, sender: str, to: str, x25519: bytes
) -> bytes:
    where = hpke.info(purpose, site, sender, to, bytes.fromhex(request_id))
    return hpke.seal(encode_plain(struct, value), x25519, where)


def _unseal(
    purpose: str,
    struct: Struct[T],
    outer: SealedRequest | SealedReply,
    where: tuple[str, str, str],
    reader: PartyKeys,
    limit: int,
) -> T:
    if outer.to != reader.id:
        raise MessageRefused(Refusal.WRONG_RECIPIENT)
    request_id, site, sender = where
    bound = hpke.info(purpose, site, sender, reader.id, bytes.fromhex(request_id))
    return decode_plain(struct, hpke.unseal(outer.sealed, reader.opening, bound), limit)
