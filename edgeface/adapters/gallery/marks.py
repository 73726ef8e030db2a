"""Marks of records: each sealing of one has another, another wrapping of the same key has not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from edgeface.adapters.gallery.cipher import Unauthentic
from edgeface.adapters.gallery.keyring import Ring


class Marks:
    """A mark is a digest of the person's key: every sealing of a record has a fresh one. Unwrapping takes time, so what
    each wrapped key holds is remembered."""

    def __init__(self) -> None:
        self._known: dict[object, bytes] = {}

    def of(self, ring: Ring, rows: Iterable[tuple[object, object, object, object]]) -> dict[str, bytes]:
        """Record id -> mark, of rows (id, seq, wrapped key, anything) whatever is in them."""
        before = self._known
        known: dict[object, bytes] = {}
        found: dict[str, bytes] = {}
        for person_id, seq, wrapped, _ in rows:
            mark = before.get(wrapped) or _mark(ring, person_id, seq, wrapped)
            known[wrapped] = found[str(person_id)] = mark
        self._known = known
        return found


def _mark(ring: Ring, person_id: object, seq: object, wrapped: object) -> bytes:
    try:
        key = ring.unwrap(person_id, seq, wrapped)
    except Unauthentic:
        key = b"damaged " + (wrapped if isinstance(wrapped, bytes) else repr(wrapped).encode())
    return hashlib.blake2b(key, digest_size=16).digest()
