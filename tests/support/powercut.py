"""A disk that forgets what was not synced.

kill -9 proves little: what a process wrote stays in the kernel's cache. So a workload runs under strace, which
records every system call that changes the disk, with its data, at the boundary between the process and the kernel.
From that record `Disk.after_cut` makes the disk as a power cut may have left it at any moment:

- of a file: what was there at its last fsync or fdatasync, and any subset of the 4,096-byte blocks written since,
  each of them possibly torn at a 512-byte sector; a truncation may be there or not;
- of a folder: the names that were there at the folder's last fsync, and any prefix of the changes since (journalling
  file systems keep their order).

Acknowledgements are lines that the workload writes to its standard output; they stand in the same record, so that
the order of "synced" and "acknowledged" is the real one."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import edgeface

_CALLS = (
    "?open,openat,?creat,close,?dup,?dup2,dup3,fcntl,write,writev,pwrite64,?pwritev,?pwritev2,lseek,fsync,fdatasync,"
    "?sync_file_range,?rename,renameat,renameat2,?unlink,unlinkat,ftruncate,truncate,fallocate,?mkdir,mkdirat,?link,linkat"
)
_CHANGING = frozenset(
    ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "ftruncate",
     "truncate", "fallocate")
)  # fmt: skip
_LINE = re.compile(r"^(\d+)\s+(\w+)\((.*)\)\s+= (-?\d+)")
_ARGUMENT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?|([^,\s][^,]*)')
_BLOCK, _SECTOR = 4096, 512


@dataclass
class _Inode:
    durable: bytes = b""
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)  # ("write", offset, data), ("cut", size, b"")

    def sync(self) -> None:
        self.durable = _played(self.durable, self.pending)
        self.pending = []


@dataclass
class _Open:
    inode: _Inode | None  # None: a folder, or something outside
    path: str
    offset: int = 0
    append: bool = False


class Disk:
    """Replays a record call by call. `root` is the only folder that it watches."""

    def __init__(self, root: Path, *, obeys_sync: bool = True) -> None:
        self._root = str(root)
        self._obeys_sync = obeys_sync
        self._names: dict[str, _Inode] = {}
        self._durable_names: dict[str, _Inode] = {}
        self._name_changes: list[tuple[str, str, _Inode | None]] = []  # (folder, name, inode or None for gone)
        self._open: dict[int, _Open] = {}

    def play(self, call: str, arguments: list[bytes | str], result: int) -> None:
        if result >= 0 and (handler := getattr(self, f"_do_{call}", None)) is not None:
            handler(arguments, result)

    def after_cut(self, target: Path, rng: random.Random) -> None:
        """Writes one possible disk into the empty folder `target`."""
        names = dict(self._durable_names)
        for _, name, inode in self._name_changes[: rng.randint(0, len(self._name_changes))]:
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode
        keep = rng.choice((0.0, 0.3, 0.7, 1.0))
        for name, inode in names.items():
            if name.endswith("-shm"):
                content = rng.randbytes(rng.choice((0, 32768)))  # shared memory: its file has no meaning after a boot
            else:
                content = _played(inode.durable, list(_survivors(inode.pending, keep, rng)))
            path = target / os.path.relpath(name, self._root)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(content)
            path.chmod(0o600)

    # -- system calls ---------------------------------------------------------------------------------------------

    def _do_openat(self, a: list[bytes | str], fd: int) -> None:
        path, flags = _text(a[1]), str(a[2])
        self._open[fd] = _Open(None, path)
        if not self._watched(path) or "O_DIRECTORY" in flags:
            return
        inode = self._names.get(path)
        if inode is None:
            assert "O_CREAT" in flags, path
            inode = _Inode()
            self._name(path, inode)
        elif "O_TRUNC" in flags:
            inode.pending.append(("cut", 0, b""))
        self._open[fd] = _Open(inode, path, append="O_APPEND" in flags)

    def _do_open(self, a: list[bytes | str], fd: int) -> None:
        self._do_openat(["AT_FDCWD", *a], fd)

    def _do_close(self, a: list[bytes | str], _: int) -> None:
        self._open.pop(int(a[0]), None)

    def _do_fcntl(self, a: list[bytes | str], fd: int) -> None:
        if "F_DUPFD" in str(a[1]):
            self._do_dup(a, fd)

    def _do_dup(self, a: list[bytes | str], fd: int) -> None:
        if int(a[0]) in self._open:
            self._open[fd] = self._open[int(a[0])]

    _do_dup2 = _do_dup3 = _do_dup

    def _do_lseek(self, a: list[bytes | str], at: int) -> None:
        if int(a[0]) in self._open:
            self._open[int(a[0])].offset = at

    def _do_write(self, a: list[bytes | str], count: int) -> None:
        file = self._open.get(int(a[0]))
        if file is None or file.inode is None:
            return
        if file.append:
            file.offset = len(_played(file.inode.durable, file.inode.pending))
        self._change(file, file.offset, _data(a[1])[:count])
        file.offset += count

    def _do_pwrite64(self, a: list[bytes | str], count: int) -> None:
        if (file := self._open.get(int(a[0]))) is not None:
            self._change(file, int(a[3]), _data(a[1])[:count])

    def _do_writev(self, a: list[bytes | str], _: int) -> None:
        file = self._open.get(int(a[0]))
        assert file is None or file.inode is None, "writev is not modelled"

    _do_pwritev = _do_pwritev2 = _do_writev

    def _do_ftruncate(self, a: list[bytes | str], _: int) -> None:
        file = self._open.get(int(a[0]))
        if file is not None and file.inode is not None:
            file.inode.pending.append(("cut", int(a[1]), b""))

    def _do_truncate(self, a: list[bytes | str], _: int) -> None:
        if (inode := self._names.get(_text(a[0]))) is not None:
            inode.pending.append(("cut", int(a[1]), b""))

    def _do_fallocate(self, a: list[bytes | str], _: int) -> None:
        file = self._open.get(int(a[0]))
        if file is not None and file.inode is not None:
            size = len(_played(file.inode.durable, file.inode.pending))
            file.inode.pending.append(("cut", max(size, int(a[2]) + int(a[3])), b""))

    def _do_fsync(self, a: list[bytes | str], _: int) -> None:
        file = self._open.get(int(a[0]))
        if file is None or not self._obeys_sync:
            return
        if file.inode is not None:
            file.inode.sync()
            return
        for folder, name, inode in self._name_changes:
            if folder == file.path:
                if inode is None:
                    self._durable_names.pop(name, None)
                else:
                    self._durable_names[name] = inode
        self._name_changes = [c for c in self._name_changes if c[0] != file.path]

    _do_fdatasync = _do_fsync

    def _do_rename(self, a: list[bytes | str], _: int) -> None:
        self._renamed(_text(a[0]), _text(a[1]))

    def _do_renameat(self, a: list[bytes | str], _: int) -> None:
        self._renamed(_text(a[1]), _text(a[3]))

    _do_renameat2 = _do_renameat

    def _do_unlink(self, a: list[bytes | str], _: int) -> None:
        if _text(a[0]) in self._names:
            self._name(_text(a[0]), None)

    def _do_unlinkat(self, a: list[bytes | str], _: int) -> None:
        self._do_unlink(a[1:], 0)

    def _do_link(self, a: list[bytes | str], _: int) -> None:
        assert not self._watched(_text(a[1])), "link is not modelled"

    # -- within ---------------------------------------------------------------------------------------------------

    def _watched(self, path: str) -> bool:
        return path.startswith(self._root + "/")

    def _name(self, path: str, inode: _Inode | None) -> None:
        if inode is None:
            del self._names[path]
        else:
            self._names[path] = inode
        self._name_changes.append((os.path.dirname(path), path, inode))  # noqa: PTH120

    def _renamed(self, old: str, new: str) -> None:
        if self._watched(old):
            inode = self._names[old]
            self._name(old, None)
            self._name(new, inode)

    def _change(self, file: _Open, at: int, data: bytes) -> None:
        if file.inode is not None:
            file.inode.pending.append(("write", at, data))


@dataclass(frozen=True)
class Record:
    """The system calls of one run, in the order in which they ended."""

    root: Path
    calls: list[tuple[str, list[bytes | str], int]]

    def acknowledged(self) -> list[tuple[int, str]]:
        """(position behind it, text) of every line that was written to standard output."""
        out = []
        for i, (call, arguments, _) in enumerate(self.calls):
            if call == "write" and arguments[0] == "1":
                out += [(i + 1, line) for line in _data(arguments[1]).decode().splitlines()]
        return out

    def first_change(self) -> int:
        """Where the workload first touches the watched folder."""
        root = os.fsencode(self.root) + b"/"
        return next(
            i for i, (_, a, _) in enumerate(self.calls) if any(isinstance(x, bytes) and x.startswith(root) for x in a)
        )

    def cuts_at_every_write(self, seed: int) -> Iterator[tuple[int, Callable[[Path], None]]]:
        """As `cuts`, at every call that changes what is on the disk, or what must be."""
        moments = [at for at in range(self.first_change(), len(self.calls)) if self.calls[at][0] in _CHANGING]
        return self._cuts_at([*moments, len(self.calls)], random.Random(seed), obeys_sync=True)

    def cuts(self, count: int, seed: int, *, obeys_sync: bool = True) -> Iterator[tuple[int, Callable[[Path], None]]]:
        """`count` moments spread over the run, most of them at or around acknowledgements: (position, a function that
        writes a disk as it may be after a power cut at that position into an empty folder)."""
        rng = random.Random(seed)
        first = self.first_change()
        acks = [at for at, _ in self.acknowledged()]
        moments = sorted(
            rng.choice(acks) if rng.random() < 0.4 else rng.randint(first, len(self.calls)) for _ in range(count)
        )
        return self._cuts_at(moments, rng, obeys_sync=obeys_sync)

    def _cuts_at(
        self, moments: list[int], rng: random.Random, *, obeys_sync: bool
    ) -> Iterator[tuple[int, Callable[[Path], None]]]:
        disk = Disk(self.root, obeys_sync=obeys_sync)
        played = 0
        for moment in moments:
            for call in self.calls[played:moment]:
                disk.play(*call)
            played = moment
            yield moment, lambda target: disk.after_cut(target, rng)


def record(workload: Path, root: Path, *arguments: str) -> Record:
    """Runs `python workload root arguments…` and records it; skips the test where strace can't be used."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: a power cut can't be played (apt-get install strace)")
    log = root.with_name(root.name + ".strace")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(edgeface.__file__).parent.parent),
        "OPENBLAS_NUM_THREADS": "1",  # one thread: calls end in the order in which they begin
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    tracing = [
        strace,
        "-f",
        "-qq",
        "-xx",
        "-s",
        "16777216",
        "-e",
        "signal=none",
        "-e",
        f"trace={_CALLS}",
        "-o",
        str(log),
    ]
    command = [*tracing, sys.executable, str(workload), str(root), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return Record(root, list(_calls(log)))


def _calls(log: Path) -> Iterator[tuple[str, list[bytes | str], int]]:
    unfinished: dict[str, str] = {}
    with log.open(encoding="ascii") as lines:
        for raw in lines:
            line = raw.rstrip("\n")
            pid = line.split(" ", 1)[0]
            if line.endswith(" <unfinished ...>"):
                unfinished[pid] = line.removesuffix(" <unfinished ...>")
                continue
            if " resumed>" in line and pid in unfinished:
                line = unfinished.pop(pid) + line.partition(" resumed>")[2]
            found = _LINE.match(line)
            if found is not None:
                yield found[2], [_argument(m) for m in _ARGUMENT.finditer(found[3])], int(found[4])


def _argument(match: re.Match[str]) -> bytes | str:
    assert not match[2], "strace shortened a string"
    if match[1] is None:
        return match[3].strip()
    return bytes.fromhex(match[1].replace("\\x", ""))


def _data(argument: bytes | str) -> bytes:
    assert isinstance(argument, bytes)
    return argument


def _text(argument: bytes | str) -> str:
    return os.fsdecode(_data(argument))


def _played(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    out = bytearray(content)
    for kind, at, data in changes:
        if kind == "cut":
            if at < len(out):
                del out[at:]
            else:
                out += bytes(at - len(out))
        else:
            if at > len(out):
                out += bytes(at - len(out))
            out[at : at + len(data)] = data
    return bytes(out)


def _survivors(
    changes: list[tuple[str, int, bytes]], keep: float, rng: random.Random
) -> Iterator[tuple[str, int, bytes]]:
    """A subset of changes: writes by blocks, some of them torn."""
    for kind, at, data in changes:
        if kind == "cut":
            if rng.random() < keep:
                yield kind, at, data
            continue
        start = at
        while start < at + len(data):
            end = min(at + len(data), (start // _BLOCK + 1) * _BLOCK)
            if rng.random() < keep:
                if rng.random() < 0.15:
                    end_kept = min(end, (start // _SECTOR + rng.randint(1, _BLOCK // _SECTOR)) * _SECTOR)
                    yield kind, start, data[start - at : end_kept - at]
                else:
                    yield kind, start, data[start - at : end - at]
            start = end
