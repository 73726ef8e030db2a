"""A power cut at any moment: nothing acknowledged is lost, nothing half done is left (support/powercut.py says how the
disk is made that forgets what was not synced)."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import powercut
from support.killing import FIRST_SEED
from support.ledger import Ledger
from support.siteplan import State, Step, plan

from edgeface.adapters.gallery import rotation
from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.site import SiteMemory
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.adapters.system.audit import FileAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.domain.errors import EdgefaceError


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be: whether syncing takes time is of no interest here."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as name:
        yield Path(name)


WORKLOADS = Path(__file__).parents[1] / "support" / "workloads"
CUTS = 120


def _complaint_about_gallery(folder: Path, acks: list[dict[str, object]]) -> str | None:
    """What is wrong with the gallery in `folder` after these lines of the workload; None where nothing is."""
    ledger = Ledger()
    for ack in acks:
        ledger.feed(ack)
    trace = ledger.trace(b"".join(path.read_bytes() for path in folder.glob("gallery.db*")))
    if trace is not None:
        return trace
    if not (folder / "gallery.db").exists():
        return "the gallery is gone" if ledger.opened else None
    try:
        gallery = SqliteGallery(folder / "gallery.db", DeviceKeys.load(folder / "key", environ={}))
    except EdgefaceError as e:
        return f"it can't be opened: {e}"
    try:
        return ledger.complaint(gallery)
    except EdgefaceError as e:
        return f"it doesn't work: {e}"
    finally:
        gallery.close()


def _gallery_complaints(base: Path, *arguments: str, obeys_sync: bool = True) -> list[str]:
    root = base / "run"
    root.mkdir(mode=0o700)
    record = powercut.record(WORKLOADS / "gallery.py", root, *arguments)
    acks = record.acknowledged()
    assert sum('"put"' in line for _, line in acks) >= 10
    assert sum('"removed"' in line for _, line in acks) >= 5
    assert sum('"renewed"' in line for _, line in acks) >= 2
    found = []
    for i, (moment, write_disk) in enumerate(record.cuts(CUTS, seed=FIRST_SEED + 7, obeys_sync=obeys_sync)):
        folder = base / f"cut{i}"
        folder.mkdir(mode=0o700)
        write_disk(folder)
        complaint = _complaint_about_gallery(folder, [json.loads(line) for at, line in acks if at <= moment])
        if complaint is not None:
            found.append(f"at call {moment}: {complaint}")
        shutil.rmtree(folder)
    return found


@pytest.mark.campaign
def test_a_gallery_keeps_every_acknowledged_change_through_a_power_cut(folder: Path) -> None:
    assert _gallery_complaints(folder, "40") == []


def test_the_disk_that_forgets_catches_a_gallery_that_does_not_sync(folder: Path) -> None:
    """The same workload with `PRAGMA synchronous=OFF` must lose something, or the test above proves nothing."""
    assert _gallery_complaints(folder, "40", "unsynced") != []


SITE_STEPS = 10
SITE_SEED = 3  # whose steps have everything


def _complaint_about_site(folder: Path, acks: list[dict[str, Any]], steps: list[Step]) -> str | None:
    """What is wrong with a site's memory: it must be as the last acknowledged step left it, or as the one that had
    begun then would have."""
    raw = b"".join(path.read_bytes() for path in folder.glob("gallery.db*"))
    if any(bytes.fromhex(one) in raw for ack in acks for one in ack.get("destroyed", ())):
        return "a key or a record that was destroyed is on the disk"
    if not (folder / "gallery.db").exists():
        return "the gallery is gone" if acks else None
    done = [ack["step"] for ack in acks if ack["op"] == "done"]
    begun = [ack["step"] for ack in acks if ack["op"] == "begun"]
    allowed = [steps[done[-1]].after if done else State()]
    if begun and begun[-1] not in done:
        allowed.append(steps[begun[-1]].after)
    try:
        keys = DeviceKeys.load(folder / "key", environ={})
        gallery = SqliteGallery(folder / "gallery.db", keys)
    except EdgefaceError as e:
        return f"it can't be opened: {e}"
    try:
        found = [state.complaint(gallery, SiteMemory(gallery, keys)) for state in allowed]
        return None if None in found else "; ".join(f for f in found if f)
    except EdgefaceError as e:
        return f"it doesn't work: {e}"
    finally:
        gallery.close()


def _site_complaints(base: Path, seed: int, *arguments: str) -> list[str]:
    root = base / f"run{seed}"
    root.mkdir(mode=0o700)
    steps = plan(seed, SITE_STEPS)
    record = powercut.record(WORKLOADS / "site_memory.py", root, str(seed), str(SITE_STEPS), *arguments)
    acks = [(at, json.loads(line)) for at, line in record.acknowledged()]
    assert acks[-1][1]["step"] == SITE_STEPS - 1
    cuts = record.cuts(CUTS, seed, obeys_sync=True) if arguments else record.cuts_at_every_write(seed)
    found = []
    for moment, write_disk in cuts:
        folder = base / "cut"
        folder.mkdir(mode=0o700)
        write_disk(folder)
        complaint = _complaint_about_site(folder, [ack for at, ack in acks if at <= moment], steps)
        if complaint is not None:
            found.append(f"at call {moment}: {complaint}")
        shutil.rmtree(folder)
    return found


@pytest.mark.campaign
def test_what_a_site_told_is_there_whole_or_not_at_all_through_a_power_cut_at_every_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People, removals, the site's values, its matrix, its receipts and the wrapping key: each step is one."""
    monkeypatch.setattr(rotation, "orthogonal", functools.cache(rotation.orthogonal))  # half of an opening's time
    assert _site_complaints(folder, FIRST_SEED + SITE_SEED) == []


def test_the_disk_that_forgets_catches_a_sites_memory_that_does_not_sync(folder: Path) -> None:
    assert _site_complaints(folder, FIRST_SEED + SITE_SEED, "unsynced") != []


def _complaint_about_audit(folder: Path, acks: list[dict[str, object]]) -> str | None:
    appended = [int(str(a["track"])) for a in acks if a["op"] == "appended"]
    try:
        audit = FileAudit(
            folder,
            keys=DeviceKeys(bytes(range(32))),
            clock=VirtualClock(),
            boot_id="boot 2",
            reserve_bytes=65536,
            max_bytes=100_000,
        )
    except EdgefaceError as e:
        return f"it can't be opened: {e}"
    try:
        before = audit.verify()
        tracks = [entry["track"] for entry in audit.read() if entry["event"] == "access_granted"]
        if appended and (not tracks or max(tracks) < appended[-1]):
            return f"the chain ends with {tracks[-1:]}, but {appended[-1]} was acknowledged"
        if tracks != list(range(tracks[0], tracks[-1] + 1) if tracks else []):
            return "entries are missing in between"
        if any("acknowledged" in str(e["detail"]) for e in audit.read() if e["event"] == "storage_fault"):
            return "a false alarm of lost entries was recorded"
        audit.append([])
        if audit.verify() != before:
            return "an empty append changed the log"
    except EdgefaceError as e:
        return str(e)
    finally:
        audit.close()
    return None


def _audit_complaints(base: Path, *arguments: str) -> list[str]:
    root = base / "run"
    root.mkdir(mode=0o700)
    record = powercut.record(WORKLOADS / "audit.py", root, *arguments)
    acks = record.acknowledged()
    found = []
    for i, (moment, write_disk) in enumerate(record.cuts(CUTS, seed=FIRST_SEED + 11)):
        folder = base / f"cut{i}"
        folder.mkdir(mode=0o700)
        write_disk(folder)
        complaint = _complaint_about_audit(folder, [json.loads(line) for at, line in acks if at <= moment])
        if complaint is not None:
            found.append(f"at call {moment}: {complaint}")
        shutil.rmtree(folder)
    return found


@pytest.mark.campaign
def test_an_audit_log_keeps_every_acknowledged_event_through_a_power_cut(folder: Path) -> None:
    """Over segments and pruning as well; and what a cut leaves behind is never taken for tampering."""
    assert _audit_complaints(folder, "100") == []


def test_the_disk_that_forgets_catches_an_audit_log_that_does_not_sync(folder: Path) -> None:
    assert _audit_complaints(folder, "100", "unsynced") != []


@pytest.mark.parametrize("synced", [True, False])
def test_the_disk_that_forgets_keeps_what_was_synced_alone(folder: Path, synced: bool) -> None:
    """The layer itself: a synced write under a synced name is always there, an unsynced one sometimes isn't."""
    root = folder / "run"
    root.mkdir()
    script = folder / "script.py"
    script.write_text(
        "import os, sys\n"
        "d = sys.argv[1]\n"
        "fd = os.open(d + '/a', os.O_RDWR | os.O_CREAT)\n"
        "os.write(fd, b'x' * 9000)\n"
        + ("os.fsync(fd); n = os.open(d, os.O_RDONLY | os.O_DIRECTORY); os.fsync(n)\n" if synced else "")
        + "os.write(1, b'done\\n')\n"
    )
    record = powercut.record(script, root)
    end = record.acknowledged()[-1][0]
    kept = []
    for i, (moment, write_disk) in enumerate(record.cuts(60, seed=FIRST_SEED + 1)):
        if moment == end:
            cut = folder / str(i)
            cut.mkdir()
            write_disk(cut)
            kept.append((cut / "a").exists() and (cut / "a").read_bytes() == b"x" * 9000)
    assert kept
    assert all(kept) == synced
