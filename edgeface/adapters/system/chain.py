"""A line of the audit log (docs/design.md, section 10.2) and the chain that ties it to the one before.

    {"seq":…,"at":…,"boot":…,"event":…,…,"prev":"<hash of the line before>","hash":"<HMAC-SHA256 of this line>"}

The hash covers the line's bytes without its own member. It is keyed with the device's secret, so that somebody with
the card but without the key can't write a chain of his own; without a key it is plain SHA-256 and shows accidents."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from edgeface.domain.events import Event
from edgeface.ports import Keys

GENESIS = "0" * 64
_LINE = re.compile(rb'(\{.*),"hash":"([0-9a-f]{64})"\}')
_ID = re.compile(r"[0-9a-f]{32}")
_PEOPLE = ("person", "granted_person")
_SCORES = ("score", "margin")
_LONGEST_TEXT = 500


class LineBroken(ValueError):
    """Says what is wrong with a line, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`fields` is the whole line as JSON, with `prev` and `hash`."""

    seq: int
    prev: str
    hash: str
    fields: Mapping[str, object]


class Chain:
    """Writes and reads lines."""

    def __init__(self, keys: Keys | None) -> None:
        self._key = keys.secret("audit chain") if keys is not None else None

    def line(self, seq: int, at: datetime, boot: str, fields: Mapping[str, object], prev: str) -> tuple[bytes, str]:
        """The line with its newline, and its hash."""
        when = at.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
        # the order is fixed: what the chain needs can't be overwritten by a field of an event
        whole = {"seq": seq, "at": when, "boot": boot}
        whole |= {k: v for k, v in fields.items() if k not in ("seq", "at", "boot", "prev", "hash")}
        whole["prev"] = prev
        body = json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()
        digest = self._digest(body)
        return body[:-1] + b',"hash":"' + digest.encode() + b'"}\n', digest

    def entry(self, line: bytes) -> Entry:
        """A line without its newline. Raises LineBroken."""
        found = _LINE.fullmatch(line)
        if found is None:
            raise LineBroken("is not an entry")
        digest = found[2].decode()
        if not hmac.compare_digest(self._digest(found[1] + b"}"), digest):
            raise LineBroken("was altered, or written with another device key")
        try:
            fields = json.loads(line)
            seq, prev = fields["seq"], fields["prev"]
        except (ValueError, KeyError) as e:
            raise LineBroken("is not an entry") from e
        if not isinstance(seq, int) or not isinstance(prev, str):
            raise LineBroken("is not an entry")
        return Entry(seq, prev, digest, fields)

    def _digest(self, body: bytes) -> str:
        if self._key is None:
            return hashlib.sha256(body).hexdigest()
        return hmac.new(self._key, body, hashlib.sha256).hexdigest()


def recorded(event: Event, *, include_scores: bool) -> dict[str, object]:
    """What of an event goes into the log: people by record id alone, no scores unless asked for (fifty to two
    hundred recover a template), texts of bounded length, finite numbers."""
    out: dict[str, object] = {}
    for key, value in event.to_dict().items():
        if key in _SCORES and not include_scores:
            continue
        if (key in _PEOPLE and not (value is None or (isinstance(value, str) and _ID.fullmatch(value)))) or (
            isinstance(value, float) and not math.isfinite(value)
        ):
            out[key] = None
        else:
            out[key] = value[:_LONGEST_TEXT] if isinstance(value, str) else value
    return out
