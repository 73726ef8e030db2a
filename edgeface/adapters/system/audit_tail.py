"""Finding the end of the audit log after whatever happened to it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from edgeface.adapters.system import disk
from edgeface.adapters.system.anchor import Anchor
from edgeface.adapters.system.chain import Chain, Entry, LineBroken

Segments = list[tuple[int, Path]]  # (first sequence number, path), oldest first


def sound(path: Path, chain: Chain) -> Iterator[tuple[Entry, int]]:
    """The lines of a segment that authenticate, each with the offset of its end."""
    end = 0
    for line in path.read_bytes().split(b"\n")[:-1]:
        end += len(line) + 1
        with contextlib.suppress(LineBroken):
            yield chain.entry(line), end


def last_sound(found: Segments, chain: Chain, anchor: Anchor) -> tuple[Entry | None, Path | None, int]:
    """The last line that authenticates, its file, and where it ends in it. Behind the anchor only an unbroken run
    counts: a power cut may have kept a later block of the last batch and lost an earlier one."""
    for _, path in reversed(found):
        last: Entry | None = None
        last_end = 0
        for entry, end in sound(path, chain):
            before = (last.seq, last.hash) if last else (anchor.seq, anchor.hash)
            if entry.seq <= anchor.seq or (entry.seq - 1, entry.prev) == before:
                last, last_end = entry, end
        if last is not None:
            return last, path, last_end
    return None, None, 0


def anchor_from(found: Segments, chain: Chain) -> Anchor:
    """An anchor made anew from the entries that there are."""
    anchor = Anchor()
    for _, path in found:
        for entry, _ in sound(path, chain):
            if anchor.seq == 0:
                anchor = Anchor(start_seq=entry.seq, start_prev=entry.prev)
            anchor = dataclasses.replace(anchor, seq=entry.seq, hash=entry.hash)
    return anchor


def put_aside(path: Path) -> Path | None:
    """Renames a segment to a name of its own, so that it neither counts nor is lost; an empty one goes. Where it is
    now, None where nothing is kept."""
    if not path.exists():
        return None
    if path.stat().st_size == 0:
        path.unlink()
        return None
    aside = _free_name(path)
    path.rename(aside)
    disk.sync_folder(path.parent)
    return aside


def save_tail(path: Path, start: int) -> Path:
    """A durable copy of what stands in a segment from `start` on."""
    aside = _free_name(path)
    fd = disk.open_private(aside, os.O_WRONLY)
    try:
        with path.open("rb") as f:
            f.seek(start)
            disk.write_all(fd, f.read())
        os.fsync(fd)
    finally:
        os.close(fd)
    disk.sync_folder(path.parent)
    return aside


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.foreign-{number}")).exists():
        number += 1
    return aside
