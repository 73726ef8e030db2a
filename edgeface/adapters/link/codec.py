"""START HERE for the protocol: everything that its users need, in one name space. `sign(SPEC, value, site, keys)` makes
a message, `open_signed(SPEC, data, Trust(root, roster))` takes one; `open_roster` and the functions of `records`,
`sealed` and `pairing` do more than that where it is needed."""

from __future__ import annotations

from typing import Any

from edgeface.adapters.link.frame import Frame, Signed, Signer, Spec, Trust, open_signed, sign, split
from edgeface.adapters.link.keys import PartyKeys, RootKey, new_epoch
from edgeface.adapters.link.pairing import offer_from_text, offer_text, open_answer, open_offer, sign_answer, sign_offer
from edgeface.adapters.link.records import open_record, seal_record, unseal_record
from edgeface.adapters.link.schema import malformed
from edgeface.adapters.link.sealed import (
    open_enrolment,
    open_grant,
    open_reply,
    open_request,
    sign_enrolment,
    sign_grant,
    sign_reply,
    sign_request,
)
from edgeface.adapters.link.specs_admin import ENROLMENT, REPLY, REQUEST
from edgeface.adapters.link.specs_door import (
    BEACON,
    BEACON_REQUEST,
    COMMAND,
    COMMAND_ASK,
    COMMAND_NONCE,
    COMMAND_REPLY,
    ERASURE,
    PAIRING_ANSWER,
    PAIRING_OFFER,
    RECEIPT,
)
from edgeface.adapters.link.specs_site import GRANT, MANIFEST, MODE, PERSON, RECORD, REMOVAL, ROSTER
from edgeface.domain.messages import RequestOp
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Role, Roster

ALL: tuple[Spec[Any], ...] = (
    ROSTER, GRANT, RECORD, PERSON, REMOVAL, MANIFEST, MODE, REQUEST, REPLY, ENROLMENT, RECEIPT, ERASURE,
    BEACON_REQUEST, BEACON, COMMAND_ASK, COMMAND_NONCE, COMMAND, COMMAND_REPLY, PAIRING_OFFER, PAIRING_ANSWER,
)  # fmt: skip
# Which roles may ask for what; any one of them is enough.
REQUEST_ROLES: dict[RequestOp, frozenset[Role]] = {
    RequestOp.PUT: frozenset({Role.ENROL}),
    RequestOp.REMOVE: frozenset({Role.REVOKE}),
    RequestOp.MODE: frozenset({Role.OPERATE}),
    RequestOp.ROSTER: frozenset({Role.ENROL, Role.REVOKE, Role.OPERATE, Role.AUDIT}),
    RequestOp.RESIGN: frozenset({Role.ENROL}),
    RequestOp.LIST: frozenset({Role.ENROL, Role.REVOKE, Role.AUDIT}),
    RequestOp.SHOW: frozenset({Role.ENROL, Role.AUDIT}),
    RequestOp.STATUS: frozenset({Role.ENROL, Role.REVOKE, Role.OPERATE, Role.AUDIT}),
}


def require_role(roster: Roster, admin: str, op: RequestOp) -> None:
    """Raises MessageRefused (not_allowed)."""
    if not roster.roles(admin) & REQUEST_ROLES[op]:
        raise MessageRefused(Refusal.NOT_ALLOWED, op.value)


def open_roster(data: bytes, root: bytes) -> Signed[Roster]:
    """A roster of the site with this root key. Beside what `open_signed` refuses: malformed for two members with the
    same keys, two doors of one name, or somebody who is a member and revoked."""
    signed = open_signed(ROSTER, data, Trust(root))
    roster = signed.value
    ids = [p.id for p in (*roster.admins, *roster.agents)] + [d.id for d in roster.devices]
    names = [d.name for d in roster.devices]
    if (
        roster.root != root
        or len(set(ids)) != len(ids)
        or len(set(names)) != len(names)
        or set(ids) & {*roster.revoked}
    ):
        raise malformed("a roster at odds with itself")
    return signed


__all__ = [
    "ALL", "BEACON", "BEACON_REQUEST", "COMMAND", "COMMAND_ASK", "COMMAND_NONCE", "COMMAND_REPLY", "ENROLMENT",
    "ERASURE", "GRANT", "MANIFEST", "MODE", "PAIRING_ANSWER", "PAIRING_OFFER", "PERSON", "RECEIPT", "RECORD",
    "REMOVAL", "REPLY", "REQUEST", "REQUEST_ROLES", "ROSTER", "Frame", "PartyKeys", "RootKey", "Signed", "Signer",
    "Spec", "Trust", "new_epoch", "offer_from_text", "offer_text", "open_answer", "open_enrolment", "open_grant",
    "open_offer", "open_record", "open_reply", "open_request", "open_roster", "open_signed", "require_role",
    "seal_record", "sign", "sign_answer", "sign_enrolment", "sign_grant", "sign_offer", "sign_reply",
    "sign_request", "split", "unseal_record",
]  # fmt: skip
