"""The kinds of message that are the site's state: roster, key grant, record and the person in it, removal, manifest,
mode. docs/protocol.md has the same tables, and a test holds the two together."""

from __future__ import annotations

from edgeface.adapters.link import limits, person
from edgeface.adapters.link.frame import Spec
from edgeface.adapters.link.schema import Entry, Struct, blob, choice, flag, hex_id, several, text, uint
from edgeface.domain import messages as m
from edgeface.domain.roster import ADMIN_ROLES, Device, Party, Role, Roster

_key = blob(32)
_at = Entry(15, "at_s", uint(), 0)
_text = text(128)
_roles = several(choice(dict(enumerate(ADMIN_ROLES, 1))), len(ADMIN_ROLES), rising=True)
_ids = several(hex_id(), limits.MAX_REVOKED, rising=True)

PARTY: Struct[Party] = Struct(
    Party,
    "party",
    Entry(1, "name", _text),
    Entry(2, "ed25519", _key),
    Entry(3, "x25519", _key),
    Entry(4, "roles", _roles, ()),
)
DEVICE: Struct[Device] = Struct(
    Device,
    "device",
    Entry(1, "name", _text),
    Entry(2, "ed25519", _key),
    Entry(3, "x25519", _key),
    Entry(4, "roster_floor", uint(), 0),
    Entry(5, "manifest_floor", uint(), 0),
    Entry(6, "replaces", hex_id(), None),
)

EPOCH_KEYS: Struct[m.EpochKeys] = Struct(
    m.EpochKeys,
    "epoch keys",
    Entry(1, "epoch", uint(1)),
    Entry(2, "key", _key),
    Entry(3, "rotation_seed", _key),
)

ROSTER: Spec[Roster] = Spec(
    1,
    "roster",
    Struct(
        Roster,
        "roster",
        Entry(1, "version", uint(1)),
        Entry(2, "epoch", uint(1)),
        Entry(3, "site_name", _text),
        Entry(4, "root", _key),
        Entry(5, "admins", several(PARTY.kind(), 256), ()),
        Entry(6, "agents", several(PARTY.kind(), 8), ()),
        Entry(7, "devices", several(DEVICE.kind(), limits.MAX_DEVICES), ()),
        Entry(8, "revoked", _ids, ()),
        Entry(15, "issued_s", uint(), 0),
    ),
    limits.MAX_ROSTER,
    {Role.OWNER},
)
GRANT: Spec[m.KeyGrant] = Spec(
    2,
    "grant",
    Struct(
        m.KeyGrant,
        "grant",
        Entry(1, "device", hex_id()),
        Entry(2, "epoch", uint(1)),
        Entry(3, "sealed", blob(48, 256)),
    ),
    limits.MAX_SMALL,
    {Role.AGENT, Role.OWNER},
)
RECORD: Spec[m.SealedRecord] = Spec(
    3,
    "record",
    Struct(
        m.SealedRecord,
        "record",
        Entry(1, "epoch", uint(1)),
        Entry(2, "seq", uint(1)),
        Entry(3, "id", hex_id()),
        Entry(4, "by", hex_id()),
        Entry(5, "since", uint(1)),
        Entry(6, "nonce", blob(12)),
        Entry(7, "ciphertext", blob(16, limits.MAX_PERSON + 16)),
    ),
    limits.MAX_RECORD,
    {Role.AGENT},
)
PERSON: Spec[m.PersonContent] = Spec(4, "person", person.PERSON_STRUCT, limits.MAX_PERSON, {Role.ENROL})
REMOVAL: Spec[m.Removal] = Spec(
    5,
    "removal",
    Struct(
        m.Removal,
        "removal",
        Entry(1, "id", hex_id()),
        Entry(2, "seq", uint(1)),
        Entry(3, "erased", flag(), False),
        _at,
    ),
    limits.MAX_SMALL,
    {Role.AGENT, Role.REVOKE},
)
MANIFEST: Spec[m.Manifest] = Spec(
    6,
    "manifest",
    Struct(
        m.Manifest,
        "manifest",
        Entry(1, "version", uint(1)),
        Entry(2, "epoch", uint(1)),
        Entry(3, "roster", uint(1)),
        Entry(4, "count", uint(0, limits.MAX_PEOPLE)),
        Entry(5, "digests", blob(m.SHARDS * m.SHARD_DIGEST_BYTES)),
        Entry(6, "revoked", _ids, ()),
        _at,
    ),
    limits.MAX_REVOKED * 17 + 8 * limits.KIB,
    {Role.AGENT},
)
MODE: Spec[m.ModeState] = Spec(
    7,
    "mode",
    Struct(
        m.ModeState,
        "mode",
        Entry(1, "version", uint(1)),
        Entry(2, "mode", choice(dict(enumerate(m.SiteMode, 1)))),
        _at,
    ),
    limits.MAX_SMALL,
    {Role.OPERATE},
)
