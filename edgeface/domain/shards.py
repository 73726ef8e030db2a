"""What two holders of a site's gallery compare: 256 shards by the first byte of the record's id, and a digest for each.
The agent and every door compute them alike (docs/protocol.md, section 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgeface.domain.messages import SHARD_DIGEST_BYTES, SHARDS

CONTENT_BYTES = 32
_RECORD, _REMOVED, _ERASED = b"\0", b"\1", b"\2"


def shard_of(record_id: str) -> int:
    """0 to 255. Ids are random, so the shards fill evenly."""
    return int(record_id[:2], 16)


@dataclass(frozen=True, slots=True)
class Held:
    """A record: `content` is SHA-256 of what the admin signed."""

    seq: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """A removal. Its seq is of no account: it is final, and doors that learnt of it from different signers agree."""

    erased: bool = False


def entry_bytes(record_id: str, entry: Held | Gone) -> bytes:
    """57 bytes: id (16), state (1), seq (8, big-endian), content (32); a removal has zeros for the last two."""
    head = bytes.fromhex(record_id)
    if isinstance(entry, Gone):
        return head + (_ERASED if entry.erased else _REMOVED) + bytes(8 + CONTENT_BYTES)
    return head + _RECORD + entry.seq.to_bytes(8, "big") + entry.content


def shard_digest(entries: Mapping[str, Held | Gone]) -> bytes:
    """The first 16 bytes of SHA-256 over the entries in the order of their ids."""
    return _digest({i: entry_bytes(i, e) for i, e in entries.items()})


def _digest(encoded: Mapping[str, bytes]) -> bytes:
    return hashlib.sha256(b"".join([encoded[i] for i in sorted(encoded)])).digest()[:SHARD_DIGEST_BYTES]


class Shards:
    """Entries by shard, and their digests, computed when asked for after a change. Not thread-safe."""

    def __init__(self) -> None:
        self._entries: tuple[dict[str, Held | Gone], ...] = tuple({} for _ in range(SHARDS))
        self._encoded: tuple[dict[str, bytes], ...] = tuple({} for _ in range(SHARDS))
        self._digests: list[bytes | None] = [None] * SHARDS
        self._count = 0

    def get(self, record_id: str) -> Held | Gone | None:
        return self._entries[shard_of(record_id)].get(record_id)

    def set(self, record_id: str, entry: Held | Gone) -> None:
        number = shard_of(record_id)
        before = self._entries[number].get(record_id)
        self._count += isinstance(entry, Held) - isinstance(before, Held)
        self._entries[number][record_id] = entry
        self._encoded[number][record_id] = entry_bytes(record_id, entry)
        self._digests[number] = None

    def __iter__(self) -> Iterator[tuple[str, Held | Gone]]:
        for entries in self._entries:
            yield from entries.items()

    @property
    def count(self) -> int:
        """Records, without the removed ones."""
        return self._count

    def digest(self, number: int) -> bytes:
        """Of one shard (16 bytes)."""
        known = self._digests[number]
        if known is None:
            known = self._digests[number] = _digest(self._encoded[number])
        return known

    def digest_with(self, number: int, changes: Mapping[str, Held]) -> bytes:
        """What the digest of one shard would be with these records."""
        return _digest(self._encoded[number] | {i: entry_bytes(i, e) for i, e in changes.items()})

    def digests(self) -> bytes:
        """What a manifest carries: 256 x 16 bytes."""
        return b"".join(self.digest(n) for n in range(SHARDS))

    def overall(self) -> bytes:
        """What a receipt carries: SHA-256 over `digests`."""
        return hashlib.sha256(self.digests()).digest()


def manifest_digest(digests: bytes, number: int) -> bytes:
    """The part of a manifest's digests that belongs to one shard."""
    return digests[number * SHARD_DIGEST_BYTES : (number + 1) * SHARD_DIGEST_BYTES]
