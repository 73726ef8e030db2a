"""Marks of records: a change of what is stored shows in them, another wrapping of the same key does not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from edgeface.adapters.gallery.cipher import Unauthentic
from edgeface.adapters.gallery.keyring import Ring


class Marks:
    """Unwrapping takes longer than all the rest, so what a wrapped key holds is remembered, as a digest."""

    def __init__(self) -> None:
        self._known: dict[object, bytes] = {}

    def of(self, ring: Ring, rows: Iterable[tuple[object, object, object, object]]) -> dict[str, bytes]:
        """Record id -> mark, of rows (id, seq, wrapped key, sealed record) whatever is in them."""
        before = self._known
        known: dict[object, bytes] = {}
        found: dict[str, bytes] = {}
        for row in rows:
            place = row[:3]
            inner = before.get(place)
            if inner is None:
                inner = _inner(ring, *place)
            known[place] = inner
            found[str(row[0])] = _digest((row[0], row[1], inner, row[3]))
        self._known = known
        return found


def _inner(ring: Ring, person_id: object, seq: object, wrapped: object) -> bytes:
    try:
        return _digest((ring.unwrap(person_id, seq, wrapped),))
    except Unauthentic:
        return _digest((b"damaged", wrapped))


def _digest(parts: tuple[object, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for value in parts:
        part = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
