"""The demo's processes: a simulated board and the daemon itself, in a folder that is gone afterwards. Nothing here
reaches into them: people are enrolled by `edgeface enroll`, the daemon is `edgeface run`, and what happened is read
from its control socket and from the board's log of edges."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.app.demo.ending import unwound_by_signals
from edgeface.app.settings import environment_of_a_fresh_machine
from edgeface.domain.errors import EdgefaceError

EDGEFACE = [sys.executable, "-m", "edgeface"]
PIN = 17
START_S = 20.0  # a Pi 4 with a cold card loads everything in a quarter of this
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Stage:
    """The folder of one demo. Paths of Unix sockets are short: 108 bytes are all that the kernel allows."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "edgeface.toml"

    @property
    def edge_log(self) -> Path:
        return self.folder / "edges.jsonl"

    @property
    def daemon_log(self) -> Path:
        return self.folder / "daemon.log"

    @property
    def control_socket(self) -> Path:
        return self.folder / "control.sock"

    def write_config(self, source: str, settings: Mapping[str, Mapping[str, object]]) -> None:
        """`settings` are tables over the demo's own: the camera's source, a simulated board, this folder."""
        tables: dict[str, dict[str, object]] = {
            "camera": {"source": source},
            "door": {"driver": "simboard", "pin": PIN, "start_process": True},
            "log": {"format": "json"},
        }
        for name, table in settings.items():
            tables.setdefault(name, {}).update(table)
        lines = [f"state_dir = {_toml(str(self.folder / 'state'))}", f"run_dir = {_toml(str(self.folder))}"]
        for name, values in tables.items():
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def edges(self) -> list[tuple[float, int]]:
        """(monotonic time, level) of the relay's pin, as the board saw it."""
        if not self.edge_log.exists():
            return []
        lines = [json.loads(line) for line in self.edge_log.read_text().splitlines() if line.endswith("}")]
        return [(float(e["t_s"]), int(e["level"])) for e in lines if e["pin"] == PIN]

    def edgeface(self, *arguments: str) -> dict[str, Any]:
        """Runs an `edgeface` command at this door to its end and returns its JSON. Raises EdgefaceError with what it
        said."""
        return self.json_of(*arguments, "--config", str(self.config), "--json")

    def json_of(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run(*arguments))
        return answer

    def run(self, *arguments: str) -> str:
        """The same for any command, its whole command line given; returns what it wrote."""
        done = subprocess.run(
            [*EDGEFACE, *arguments],
            capture_output=True, text=True, check=False, env=environment_of_a_fresh_machine(),
        )  # fmt: skip
        if done.returncode != 0:
            raise EdgefaceError(f"`edgeface {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def board(stage: Stage) -> Iterator[None]:
    """The simulated board, while the context lasts, and no longer than this process, whatever ends that."""
    path = stage.folder / "board.sock"
    with unwound_by_signals():
        process = subprocess.Popen(
            [
                sys.executable, "-m", "edgeface.adapters.door.simboard",
                "--socket", str(path), "--log", str(stage.edge_log), "--pins", str(PIN),
                "--die-with-parent", "--parent-pid", str(os.getpid()),
            ],
            stdin=subprocess.DEVNULL, env=environment_of_a_fresh_machine(),
        )  # fmt: skip
        try:
            _wait_for(lambda: _listens(path, socket.SOCK_SEQPACKET), process, "The simulated board")
            yield
        finally:
            end(process)


@contextmanager
def daemon(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """`edgeface run`, once it answers at its control socket; no longer than this process, as the board."""
    with ExitStack() as stack:
        stack.enter_context(unwound_by_signals())
        log = stack.enter_context(stage.daemon_log.open("wb"))
        process = subprocess.Popen(
            [*EDGEFACE, "run", "--config", str(stage.config), "--parent-pid", str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment_of_a_fresh_machine(),
        )  # fmt: skip
        try:
            _wait_for(lambda: _listens(stage.control_socket), process, "The daemon", stage.daemon_log)
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Politely, then not."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """A socket's file is there a moment before anybody listens at it."""
    with socket.socket(socket.AF_UNIX, kind) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _wait_for(there: Callable[[], bool], process: subprocess.Popen[bytes], who: str, log: Path | None = None) -> None:
    until = time.monotonic() + START_S
    while not there():
        if process.poll() is not None or time.monotonic() > until:
            said = _tail(log) if log is not None else ""
            raise EdgefaceError(f"{who} did not start. {said}".strip())
        time.sleep(0.02)


def _tail(log: Path) -> str:
    found = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
    return "It said: " + " / ".join(found) if found else ""


def _toml(value: object) -> str:
    """Strings, numbers, booleans and lists of them: JSON's writing of those is TOML's too."""
    return json.dumps(os.fspath(value) if isinstance(value, os.PathLike) else value, ensure_ascii=False)
