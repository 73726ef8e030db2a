"""Appends events to an audit log, and says so on standard output when they are acknowledged.

python audit.py FOLDER BATCHES [unsynced]        BATCHES 0: until killed"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.system.audit import FileAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.domain.events import AccessGranted, DoorLocked

KEY = bytes(range(32))


def main(folder: Path, batches: int, unsynced: bool, seed: int = 0) -> None:
    if unsynced:
        os.fdatasync = os.fsync = lambda fd: None
    audit = FileAudit(
        folder, keys=DeviceKeys(KEY), clock=VirtualClock(), boot_id="boot", reserve_bytes=65536, max_bytes=100_000
    )
    os.write(1, json.dumps({"op": "open"}).encode() + b"\n")
    for i in itertools.count() if batches == 0 else range(batches):
        grant = AccessGranted(
            t_s=float(i),
            track=i,
            person="ab" * 16,
            score=0.5,
            margin=0.2,
            evidence_ms=100,
            grant_id=f"{seed:016x}{i:016x}",
        )
        many = 60 if i % 7 == 3 else i % 2  # some batches are larger than a block of the disk
        audit.append([grant, *[DoorLocked(t_s=float(i), cause="pulse_ended", grant_id=None)] * many])
        os.write(1, json.dumps({"op": "appended", "track": i, "seed": seed}).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "unsynced" in sys.argv)
