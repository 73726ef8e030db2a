"""The kinds of message that a door sends and is sent: receipts, beacons, commands, pairing."""

from __future__ import annotations

from edgeface.adapters.link import limits
from edgeface.adapters.link.frame import Spec
from edgeface.adapters.link.schema import Entry, Struct, blob, choice, flag, hex_id, text, uint
from edgeface.domain import messages_door as m
from edgeface.domain.messages import SHARDS
from edgeface.domain.roster import Role

_key = blob(32)
_at = Entry(15, "at_s", uint(), 0)
_nonce = blob(16)
_text = text(128)

RECEIPT: Spec[m.Receipt] = Spec(
    11,
    "receipt",
    Struct(
        m.Receipt,
        "receipt",
        Entry(1, "manifest", uint()),
        Entry(2, "manifest_hash", blob(32)),
        Entry(3, "digest", blob(32)),
        Entry(4, "people", uint(0, limits.MAX_PEOPLE)),
        Entry(5, "templates", uint(0, limits.MAX_PEOPLE)),
        Entry(6, "roster", uint()),
        Entry(7, "epoch", uint()),
        Entry(8, "mode", uint()),
        Entry(9, "in_step", flag()),
        Entry(10, "shards_behind", uint(0, SHARDS)),
        Entry(11, "audit_seq", uint()),
        Entry(12, "audit_head", blob(32)),
        Entry(13, "model", _text),
        Entry(14, "refused", uint(), 0),
        _at,
    ),
    limits.MAX_SMALL,
    {Role.DEVICE},
)
ERASURE: Spec[m.ErasureReceipt] = Spec(
    12,
    "erasure",
    Struct(
        m.ErasureReceipt,
        "erasure",
        Entry(1, "record", hex_id()),
        Entry(2, "destroyed_s", uint()),
        Entry(3, "rotated", flag(), False),
        Entry(4, "rotated_s", uint(), 0),
        Entry(5, "manifest", uint(), 0),
    ),
    limits.MAX_SMALL,
    {Role.DEVICE},
)
BEACON_REQUEST: Spec[m.BeaconRequest] = Spec(
    13,
    "beacon-request",
    Struct(m.BeaconRequest, "beacon-request", Entry(1, "nonce", _nonce)),
    limits.MAX_SMALL,
    {Role.DEVICE},
)
BEACON: Spec[m.Beacon] = Spec(
    14,
    "beacon",
    Struct(
        m.Beacon,
        "beacon",
        Entry(1, "device", hex_id()),
        Entry(2, "nonce", _nonce),
        Entry(3, "manifest", uint()),
        Entry(4, "manifest_hash", _key),
        Entry(5, "roster", uint(1)),
        Entry(6, "roster_hash", _key),
        Entry(7, "mode", uint(), 0),
    ),
    limits.MAX_SMALL,
    {Role.AGENT},
)
COMMAND_ASK: Spec[m.CommandAsk] = Spec(
    15,
    "command-ask",
    Struct(m.CommandAsk, "command-ask", Entry(1, "id", hex_id()), Entry(2, "device", hex_id())),
    limits.MAX_SMALL,
    {Role.OPERATE},
)
COMMAND_NONCE: Spec[m.CommandNonce] = Spec(
    16,
    "command-nonce",
    Struct(
        m.CommandNonce,
        "command-nonce",
        Entry(1, "ask", hex_id()),
        Entry(2, "admin", hex_id()),
        Entry(3, "nonce", _nonce),
    ),
    limits.MAX_SMALL,
    {Role.DEVICE},
)
COMMAND: Spec[m.Command] = Spec(
    17,
    "command",
    Struct(
        m.Command,
        "command",
        Entry(1, "device", hex_id()),
        Entry(2, "nonce", _nonce),
        Entry(3, "op", choice(dict(enumerate(m.CommandOp, 1)))),
        Entry(4, "pulse_ms", uint(0, 3_600_000), 0),
    ),
    limits.MAX_SMALL,
    {Role.OPERATE},
)
COMMAND_REPLY: Spec[m.CommandReply] = Spec(
    18,
    "command-reply",
    Struct(
        m.CommandReply,
        "command-reply",
        Entry(1, "nonce", _nonce),
        Entry(2, "done", flag()),
        Entry(3, "code", text(64), ""),
        Entry(4, "message", text(512), ""),
    ),
    limits.MAX_SMALL,
    {Role.DEVICE},
)
PAIRING_OFFER: Spec[m.PairingOffer] = Spec(
    19,
    "pairing-offer",
    Struct(
        m.PairingOffer,
        "pairing-offer",
        Entry(1, "ed25519", _key),
        Entry(2, "x25519", _key),
        Entry(3, "tls", blob(32, 300)),
        Entry(4, "name", _text, ""),
        Entry(5, "software", text(64), ""),
        _at,
    ),
    limits.MAX_SMALL,
    {Role.DEVICE},
)
PAIRING_ANSWER: Spec[m.PairingAnswer] = Spec(
    20,
    "pairing-answer",
    Struct(
        m.PairingAnswer,
        "pairing-answer",
        Entry(1, "device", hex_id()),
        Entry(2, "root", _key),
        Entry(3, "roster", blob(1, limits.MAX_ROSTER)),
        Entry(4, "grant", blob(1, limits.MAX_SMALL)),
        Entry(5, "roster_floor", uint(1)),
        Entry(6, "manifest_floor", uint()),
        Entry(7, "broker_host", text(253)),
        Entry(8, "broker_port", uint(1, 65535)),
        Entry(9, "ca", text(16 * limits.KIB, lines=True)),
        Entry(10, "certificate", text(16 * limits.KIB, lines=True)),
        Entry(11, "mode", blob(1, limits.MAX_SMALL), b""),
    ),
    limits.MAX_ROSTER + 64 * limits.KIB,
    {Role.OWNER},
)
