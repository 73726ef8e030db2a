"""Processes that the benchmark starts and watches: how to start one, and what /proc says about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import edgeface
from edgeface.domain.errors import EdgefaceError

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def environment() -> dict[str, str]:
    """Ours, so that the same package is found, without settings of another door; linear algebra on one thread. Bytecode
    is kept, as by any service: where a developer's shell forbids that, every start would compile the package anew."""
    root = str(Path(edgeface.__file__).resolve().parent.parent)
    foreign = ("NOTIFY_SOCKET", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EDGEFACE_") and k not in foreign}
    path = os.pathsep.join([root, *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def call_module(module: str, timeout_s: float) -> str:
    """The output of `python -m module`. Raises EdgefaceError."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", module], env=environment(), capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise EdgefaceError(f"The measurement {module} took longer than {timeout_s:g} s.") from None
    if done.returncode != 0:
        raise EdgefaceError(f"The measurement {module} failed: {last_line(done.stderr)}")
    return done.stdout


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1][:300]


def peak_rss_mb(pid: int) -> float:
    """The most memory that the process ever had resident (VmHWM), in MiB. Raises OSError."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/{pid}/status tells no peak of memory")


def cpu_s(pid: int) -> float:
    """User and system time of the process and all its threads. Raises OSError."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_S
