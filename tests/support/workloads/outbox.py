"""Puts messages into an outbox and strikes some off, and says so on standard output when it is acknowledged.

python outbox.py FOLDER ROUNDS [unsynced]        ROUNDS 0: until killed"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

from edgeface.adapters.link.outbox import Entry, Kind, Outbox


def say(**fact: object) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


def main(folder: Path, rounds: int, unsynced: bool, seed: int = 0) -> None:
    outbox = Outbox(folder / "outbox.db")
    if unsynced:
        outbox._db.execute("PRAGMA synchronous=OFF")
    say(op="open", damaged=outbox.damaged is not None)
    for i in itertools.count() if rounds == 0 else range(rounds):
        one = Entry(f"{seed}-{i}", list(Kind)[i % 3], "site/event", b"%d." % i * (1 + i % 400))
        outbox.put(one)
        say(op="put", id=one.message_id)
        if i % 3 == 2:
            first = outbox.pending(1)[0].message_id
            say(op="striking", id=first)
            outbox.sent([first])
            say(op="struck", id=first)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "unsynced" in sys.argv)
