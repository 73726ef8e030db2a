"""Puts, changes and removes people, renews the key that wraps their keys, and says so on standard output when a change
is acknowledged.

python gallery.py FOLDER ROUNDS [unsynced]        ROUNDS 0: until killed"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from support.people import person

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery

PEOPLE = 12


def say(**fact: object) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


def main(folder: Path, rounds: int, unsynced: bool, seed: int) -> None:
    keys = DeviceKeys.load_or_create(folder / "key", protects=[folder / "gallery.db"], environ={})
    say(op="key")
    gallery = SqliteGallery(folder / "gallery.db", keys)
    say(op="open")
    db = gallery._file.db
    if unsynced:
        db.execute("PRAGMA synchronous=OFF")
    rng = random.Random(seed)
    seqs = {p.id: p.seq for p in gallery.people()}
    removed = {row[0] for row in db.execute("SELECT id FROM tombstone")}
    numbers = itertools.count() if rounds == 0 else range(rounds)
    base = rng.randrange(10**9)
    living: list[int] = []
    for i in numbers:
        if living and rng.random() < 0.1:
            stale = [row[0].hex() for row in db.execute("SELECT value FROM meta WHERE name LIKE 'wrapping%'")]
            stale += [row[0].hex() for row in db.execute("SELECT wrapped_key FROM person")]
            say(op="renewing")
            gallery.renew()
            say(op="renewed", stale=stale)
        number = base + i // 2 if rng.random() < 0.6 or not living else rng.choice(living)
        one = person(number)
        if one.id in removed:
            continue
        if number in living and (rng.random() < 0.5 or len(living) > PEOPLE):
            row = db.execute("SELECT wrapped_key, sealed FROM person WHERE id = ?", (one.id,)).fetchone()
            say(op="removing", id=one.id)
            gallery.remove(one.id)
            say(op="removed", id=one.id, wrapped_key=row[0].hex(), sealed=row[1].hex())
            living.remove(number)
            removed.add(one.id)
        else:
            seq = seqs.get(one.id, 0) + 1
            say(op="putting", id=one.id, number=number, seq=seq)
            gallery.put(person(number, seq=seq, templates=1 + seq % 5))
            say(op="put", id=one.id, number=number, seq=seq)
            seqs[one.id] = seq
            if number not in living:
                living.append(number)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), int(sys.argv[2]), "unsynced" in sys.argv, int(sys.argv[-1]) if sys.argv[-1].isdigit() else 1
    )
