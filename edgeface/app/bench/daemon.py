"""Measures the real daemon, `edgeface run`, in a process of its own: start, memory, and what it takes when idle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from statistics import median
from typing import Any

from edgeface.app.bench.matching import random_people
from edgeface.app.bench.pictures import write_folder
from edgeface.app.bench.processes import cpu_s, environment, last_line, peak_rss_mb
from edgeface.app.settings import Settings, load_settings
from edgeface.app.wiring import open_gallery, open_keys
from edgeface.domain.errors import EdgefaceError
from edgeface.domain.types import Pixels

TEMPLATES = 1_000
STARTS = 3
DECISIONS = ("access_denied", "access_granted", "spoof_refused")
BUSY_S = 2.0  # how long the daemon goes on deciding before its memory is read
SETTLE_S = 4.0  # an empty doorway is idle after two seconds; the start's own work is over by then
IDLE_S = 6.0
PATIENCE_S = 60.0  # for the slowest board, with other work beside it
STOP_S = 15.0
_CARRIED = ("vision", "quality", "liveness", "matching", "decision", "lockout")


class Daemon:
    """One run of `edgeface run`. `lines` are its log, parsed; times are monotonic and count from `exec`."""

    def __init__(self, config: Path) -> None:
        self._lines: Queue[tuple[float, str] | None] = Queue()
        self._said: list[str] = []
        self.started_s = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgeface", "run", "--config", str(config)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.put((time.monotonic(), line))
        self._lines.put(None)

    def wait_for(self, events: Sequence[str]) -> float:
        """Seconds from exec to the first line with one of these events. Raises EdgefaceError where none comes."""
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                item = self._lines.get(timeout=max(0.0, give_up_s - time.monotonic()))
            except Empty:
                raise EdgefaceError(f"The daemon did not say {' or '.join(events)} within {PATIENCE_S:g} s.") from None
            if item is None:
                said = last_line("\n".join(self._said))
                raise EdgefaceError(f"The daemon ended before it said {' or '.join(events)}: {said}")
            at_s, line = item
            self._said.append(line)
            if _event(line) in events:
                return at_s - self.started_s

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()


def _event(line: str) -> str | None:
    try:
        data: Any = json.loads(line)
    except ValueError:
        return None
    return data.get("event") if isinstance(data, dict) else None


@contextmanager
def _running(config: Path) -> Iterator[Daemon]:
    daemon = Daemon(config)
    try:
        yield daemon
    finally:
        daemon.stop()


def measure(
    settings: Settings,
    model: str,
    visitor: Sequence[Pixels],
    empty: Sequence[Pixels],
    progress: Callable[[float], None] = lambda _done: None,
    *,
    starts: int = STARTS,
    busy_s: float = BUSY_S,
    settle_s: float = SETTLE_S,
    idle_s: float = IDLE_S,
) -> tuple[float, float, float]:
    """(seconds from exec to the first decision, the median of `starts`; peak resident MiB with 1,000 templates; share
    of one core before an empty doorway at 30 pictures a second). `model` is the embedder's id. Raises EdgefaceError
    where the daemon doesn't run."""
    folder = Path(tempfile.mkdtemp(prefix="edgeface-bench-"))
    try:
        write_folder(visitor, folder / "visitor")
        write_folder(empty, folder / "empty")
        busy = _configure(settings, folder, "visitor")
        idle = _configure(settings, folder, "empty")
        _enrol(busy, model)
        took, peak = [], 0.0
        for i in range(starts):
            with _running(busy) as daemon:
                took.append(daemon.wait_for(DECISIONS))
                if i == 0:
                    time.sleep(busy_s)
                peak = max(peak, peak_rss_mb(daemon.pid))
            progress((i + 1) / (starts + 2))
        with _running(idle) as daemon:
            daemon.wait_for(("daemon_started",))
            time.sleep(settle_s)
            before, began_s = cpu_s(daemon.pid), time.monotonic()
            time.sleep(idle_s)
            share = (cpu_s(daemon.pid) - before) / (time.monotonic() - began_s)
            peak = max(peak, peak_rss_mb(daemon.pid))
        progress(1.0)
        return median(took), peak, share
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(settings: Settings, folder: Path, pictures: str) -> Path:
    """A settings file for a dry run that shares nothing with the door of this machine but how it decides."""
    lines = [
        f"state_dir = {json.dumps(str(folder / 'state'))}",
        f"run_dir = {json.dumps(str(folder / 'run'))}",
        f"models_dir = {json.dumps(str(settings.models_folder))}",
        "[camera]",
        f"source = {json.dumps(f'replay:{folder / pictures}?loop=1&fps=30')}",
        "[door]",
        'driver = "recording"',
        "[log]",
        'format = "json"',
    ]
    for table in _CARRIED:
        values = getattr(settings, table).model_dump(by_alias=True)
        lines += [f"[{table}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items() if v is not None)]
    config = folder / f"{pictures}.toml"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config


def _enrol(config: Path, model: str) -> None:
    """1,000 random templates into the gallery of that settings file."""
    settings = load_settings(config, environ={})
    store = open_gallery(settings, open_keys(settings, create=True))
    try:
        for person in random_people(TEMPLATES, model):
            store.put(person)
    finally:
        store.close()
