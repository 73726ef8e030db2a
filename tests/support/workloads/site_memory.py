"""Takes in what a site says (support/siteplan.py), step by step, and says on standard output which step is durable, and
which keys and records it destroyed.

python site_memory.py FOLDER SEED LENGTH [unsynced]"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from support.siteplan import plan

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.site import SiteMemory
from edgeface.adapters.gallery.store import SqliteGallery


def say(**fact: object) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


def main(folder: Path, seed: int, length: int, unsynced: bool) -> None:
    keys = DeviceKeys.load_or_create(folder / "key", protects=[folder / "gallery.db"], environ={})
    gallery = SqliteGallery(folder / "gallery.db", keys)
    memory = SiteMemory(gallery, keys)
    db = gallery._file.db
    if unsynced:
        db.execute("PRAGMA synchronous=OFF")
    say(op="open")
    secrets = "SELECT wrapped_key FROM person UNION SELECT substr(sealed, 1, 48) FROM person"
    wrappings = " UNION SELECT value FROM meta WHERE name LIKE 'wrapping%'"
    for number, step in enumerate(plan(seed, length)):
        before = {row[0] for row in db.execute(secrets + wrappings)}
        say(op="begun", step=number)
        step.do(gallery, memory)
        after = {row[0] for row in db.execute(secrets + wrappings)}
        say(op="done", step=number, destroyed=[one.hex() for one in before - after])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), "unsynced" in sys.argv)
