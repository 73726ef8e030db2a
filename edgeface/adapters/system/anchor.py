"""The audit log's anchor: where the chain starts and how far it is acknowledged, so that a cut-off tail is noticed.
One small file with two slots, written in turn and in place: a torn write leaves the other slot, and a write needs no
new disk block and no rename."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeface.adapters.system import disk
from edgeface.adapters.system.chain import GENESIS
from edgeface.ports import Keys

NAME = "head"
_SLOT_AT = (0, 4096)  # apart, so that one damaged block leaves the other slot
_SLOT_BYTES = 512  # one sector, which disks write whole
_FILE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Anchor:
    """`seq` and `hash` are the last acknowledged entry's; `start_seq` is the first entry kept and `start_prev` the
    hash of the one before it, pruned since."""

    generation: int = 0
    seq: int = 0
    hash: str = GENESIS
    start_seq: int = 1
    start_prev: str = GENESIS


class AnchorFile:
    """Reads need no lock; writes are for the holder of the log's lock."""

    def __init__(self, folder: Path, keys: Keys | None) -> None:
        self.path = folder / NAME
        self._key = keys.secret("audit head") if keys is not None else b""

    def read(self) -> tuple[Anchor | None, int]:
        """The newest sound slot (None where there is none), and the number of damaged ones."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None, 0
        found: list[Anchor] = []
        damaged = 0
        for at in _SLOT_AT:
            slot = content[at : at + _SLOT_BYTES]
            anchor = self._decode(slot)
            if anchor is not None:
                found.append(anchor)
            elif slot.strip(b"\0") or len(slot) < _SLOT_BYTES:
                damaged += 1
        return max(found, key=lambda a: a.generation, default=None), damaged

    def create(self, anchor: Anchor) -> None:
        """The whole file, both slots alike; replaces what is there."""
        content = bytearray(_FILE_BYTES)
        for at in _SLOT_AT:
            content[at : at + _SLOT_BYTES] = self._encode(anchor)
        aside = self.path.with_name(NAME + ".new")
        aside.unlink(missing_ok=True)
        fd = disk.open_private(aside, os.O_WRONLY)
        try:
            disk.write_all(fd, bytes(content))
            os.fsync(fd)
        finally:
            os.close(fd)
        aside.rename(self.path)
        disk.sync_folder(self.path.parent)

    def write(self, anchor: Anchor) -> None:
        """Durable when it returns."""
        fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(fd, self._encode(anchor), _SLOT_AT[anchor.generation % 2])
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def _encode(self, anchor: Anchor) -> bytes:
        body = json.dumps(asdict(anchor), separators=(",", ":")).encode()
        return (self._mac(body) + b" " + body).ljust(_SLOT_BYTES - 1) + b"\n"

    def _decode(self, slot: bytes) -> Anchor | None:
        mac, _, body = slot.rstrip().partition(b" ")
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        try:
            return Anchor(**json.loads(body))
        except (ValueError, TypeError):
            return None

    def _mac(self, body: bytes) -> bytes:
        if not self._key:
            return hashlib.sha256(body).hexdigest().encode()
        return hmac.new(self._key, body, hashlib.sha256).hexdigest().encode()
