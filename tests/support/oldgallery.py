"""A gallery as it was before it had a wrapping key of its own (format 1), made from one of today by what that format
said: the wrapping key derived from the device key, no wrapping key in the file, a site's table of three columns."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from edgeface.adapters.gallery import cipher
from edgeface.adapters.gallery.keyring import Keyring
from edgeface.ports import Keys


def make_old(path: Path, keys: Keys) -> None:
    """The gallery must be closed."""
    derived = keys.secret("gallery wrapping key")
    db = sqlite3.connect(path)
    ring = Keyring(path, keys).read(db)
    with db:
        for one, seq, wrapped in db.execute("SELECT id, seq, wrapped_key FROM person").fetchall():
            again = cipher.seal(derived, ring.unwrap(one, seq, wrapped), cipher.place("person key", one, seq))
            db.execute("UPDATE person SET wrapped_key = ? WHERE id = ?", (again, one))
        db.execute("DELETE FROM meta WHERE name IN ('wrapping', 'wrapping-copy', 'renewal-owed')")
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'site_removal'").fetchone():
            db.execute("ALTER TABLE site_removal DROP COLUMN told")
            db.execute("ALTER TABLE site_removal DROP COLUMN generation")
        db.execute("PRAGMA user_version=1")
    db.execute("VACUUM")
    db.close()
