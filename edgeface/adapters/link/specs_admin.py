"""The kinds of message between admins and the agent. Their content is sealed: what is asked and answered is for the
other side alone."""

from __future__ import annotations

from edgeface.adapters.link import limits, person
from edgeface.adapters.link.frame import Spec
from edgeface.adapters.link.schema import Entry, Struct, blob, choice, flag, hex_id, pair, several, text, uint
from edgeface.domain import messages as m
from edgeface.domain.roster import ADMIN_ROLES, Role

_at = Entry(15, "at_s", uint(), 0)
_text = text(128)
_sealed = blob(48, limits.MAX_REQUEST)

REQUEST_BODY: Struct[m.Request] = Struct(
    m.Request,
    "request body",
    Entry(1, "op", choice(dict(enumerate(m.RequestOp, 1)))),
    Entry(2, "saw", uint(), 0),
    Entry(3, "message", blob(1, limits.MAX_ROSTER), b""),
    Entry(4, "record", hex_id(), None),
    Entry(5, "cursor", hex_id(), None),
    Entry(6, "limit", uint(0, 1000), 0),
    _at,
)
ENROLMENT_BODY: Struct[m.PhotoEnrolment] = Struct(
    m.PhotoEnrolment,
    "enrolment body",
    Entry(1, "record", hex_id()),
    Entry(2, "name", _text),
    Entry(3, "photos", several(blob(64, limits.MAX_PHOTOS), 16, 1)),
    Entry(4, "saw", uint(), 0),
    Entry(5, "groups", person.words, ()),
    Entry(6, "doors", person.words, ()),
    Entry(7, "schedule", _text, "always"),
    Entry(8, "valid_from_ms", uint(), None),
    Entry(9, "valid_to_ms", uint(), None),
    Entry(10, "notes", person.notes, ()),
    Entry(11, "force", flag(), False),
    _at,
)
REPLY_BODY: Struct[m.Reply] = Struct(
    m.Reply,
    "reply body",
    Entry(1, "done", flag()),
    Entry(2, "code", text(64), ""),
    Entry(3, "message", text(1024), ""),
    Entry(4, "version", uint(), 0),
    Entry(5, "items", several(blob(1, limits.MAX_RECORD), 1000), ()),
    Entry(6, "cursor", hex_id(), None),
    Entry(7, "reasons", several(pair(_text, text(512)), 64), ()),
)

_SEALED = (Entry(1, "id", hex_id()), Entry(2, "to", hex_id()))
REQUEST: Spec[m.SealedRequest] = Spec(
    8,
    "request",
    Struct(m.SealedRequest, "request", *_SEALED, Entry(3, "sealed", _sealed)),
    limits.MAX_REQUEST,
    ADMIN_ROLES,
)
REPLY: Spec[m.SealedReply] = Spec(
    9,
    "reply",
    Struct(m.SealedReply, "reply", *_SEALED, Entry(3, "sealed", _sealed)),
    limits.MAX_REQUEST,
    {Role.AGENT},
)
ENROLMENT: Spec[m.SealedRequest] = Spec(
    10,
    "enrolment",
    Struct(m.SealedRequest, "enrolment", *_SEALED, Entry(3, "sealed", blob(48, limits.MAX_ENROLMENT))),
    limits.MAX_ENROLMENT,
    {Role.ENROL},
)
