"""`python -m edgeface.adapters.link.opener FD`: opens records for another process. Signatures, ciphers and forms take a
millisecond a record, which ten thousand of them would take from the thread that recognises people."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from edgeface.adapters.link import codec
from edgeface.adapters.link.frame import Trust
from edgeface.domain.messages import EpochKeys, PersonContent, SealedRecord
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import Roster


@dataclass(frozen=True)
class Keys:
    """What records are opened with, until others come."""

    root: bytes
    roster: Roster
    epoch: EpochKeys


@dataclass(frozen=True)
class Found:
    """One record: what is in clear (without its ciphertext), who signed that, SHA-256 of its body; then the same of the
    person in it."""

    record: SealedRecord
    signer: str
    hash: bytes
    person: PersonContent
    admin: str
    content: bytes


def open_one(raw: bytes, keys: Keys) -> Found | None:
    """None for what is refused, for whatever reason: whoever asked opens it himself, and says so."""
    trust = Trust(keys.root, keys.roster)
    try:
        outer = codec.open_signed(codec.RECORD, raw, trust)
        inner = codec.open_record(outer.value, keys.epoch, trust)
    except MessageRefused:
        return None
    clear = replace(outer.value, ciphertext=b"")
    return Found(clear, outer.signer, outer.hash, inner.value, inner.signer, inner.hash)


def serve(connection: Connection) -> None:
    """Until the other end is closed. Keys in: nothing out; a list of records in: a list of what they are out."""
    keys: Keys | None = None
    connection.send("ready")
    while True:
        try:
            asked = connection.recv()
        except (EOFError, OSError):
            return
        if isinstance(asked, Keys):
            keys = asked
        elif keys is not None:
            connection.send([open_one(raw, keys) for raw in asked])


def main() -> None:
    with contextlib.suppress(OSError):
        os.nice(19)  # where that is allowed
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    from edgeface.adapters.link import opener  # what is pickled is this module's, not __main__'s

    opener.main()
