"""Kills a workload (workloads/forks.py) at random moments."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import edgeface

FORKS = Path(__file__).parent / "workloads" / "forks.py"


FIRST_SEED = int(os.environ.get("EDGEFACE_ROUND", "0")) * 1_000_000
"""Each round of a campaign has seeds of its own."""


def runs(standard: int) -> int:
    """How often to kill: EDGEFACE_KILL_RUNS, for long campaigns."""
    return int(os.environ.get("EDGEFACE_KILL_RUNS", standard))


class Victim:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, seed: int) -> list[dict[str, Any]]:
        """Starts the workload, kills it (SIGKILL) somewhere in its work; what it had acknowledged by then."""
        rng = random.Random(seed)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seed}\n".encode())
        self._process.stdin.flush()
        pid = json.loads(self._process.stdout.readline())["pid"]
        lines = [self._process.stdout.readline() for _ in range(rng.randint(0, 12))]
        time.sleep(rng.uniform(0, 0.006))
        os.kill(pid, signal.SIGKILL)
        while b'"dead"' not in (line := self._process.stdout.readline()):
            assert line, "the workload ended by itself"
            lines.append(line)
        return [json.loads(line) for line in lines]


@contextlib.contextmanager
def victim(workload: str, folder: Path) -> Iterator[Victim]:
    process = subprocess.Popen(
        [sys.executable, str(FORKS), workload, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(edgeface.__file__).parent.parent),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    try:
        yield Victim(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
