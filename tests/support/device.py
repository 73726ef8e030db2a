"""A device in a folder: settings, state, the commands that a technician types, and the running daemon, all of them the
real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.simboard import wait_for

from edgeface.app import wiring
from edgeface.app.settings import load_settings
from edgeface.control.client import ControlClient, is_running

PATIENCE_S = 60.0  # only ends a test that would hang
CONFIG = {
    "camera": {"source": "replay:scene.toml"},
    "door": {"driver": "simboard", "start_process": True, "pulse_ms": 600},
    "audit": {"reserve_mb": 1, "max_mb": 8},
    "log": {"format": "json"},
    "health": {"safe_mode_starts": 0},  # tests kill it again and again, and mean to
}


@dataclass(frozen=True)
class Said:
    """What a command said and ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Device:
    """`folder` should be short: the sockets are in it."""

    def __init__(self, folder: Path, settings: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self.folder, self.config = folder, folder / "edgeface.toml"
        folder.mkdir(exist_ok=True)
        self.state, self.log = folder / "state", folder / "daemon.log"
        self.write(settings or {})

    def write(self, settings: Mapping[str, Mapping[str, object]], **top: object) -> None:
        tables: dict[str, dict[str, object]] = {name: dict(table) for name, table in CONFIG.items()}
        for name, table in settings.items():
            tables.setdefault(name, {}).update(table)
        top = {"state_dir": "state", "run_dir": ".", **top}
        lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def edgeface(self, *arguments: object, **environ: str) -> Said:
        """`edgeface ARGUMENTS --config …` as a process of its own."""
        command = [sys.executable, "-m", "edgeface", *map(str, arguments), "--config", str(self.config)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env={**os.environ, **environ}
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def audit(self, *kinds: str) -> list[dict[str, Any]]:
        """The log's entries as they are on the disk now, also while the daemon writes."""
        settings = load_settings(self.config)
        if not settings.audit_folder.exists():
            return []
        entries = wiring.audit_reader(settings, wiring.open_keys(settings, create=False)).read()
        return [e for e in entries if not kinds or e["event"] in kinds]

    @contextmanager
    def run(
        self, *, answers: bool = True, program: Sequence[str] = ("-m", "edgeface"), **environ: str
    ) -> Iterator[Running]:
        """`edgeface run`, from where it answers; it ends with the context, locked."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *program, "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environ},
            )
        running = Running(self, process)
        try:
            if answers:
                running.wait(lambda: is_running(self.folder / "control.sock"), "the daemon answers")
            yield running
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class Running:
    def __init__(self, device: Device, process: subprocess.Popen[bytes]) -> None:
        self.device, self.process = device, process

    def said(self) -> str:
        return self.device.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, condition: Any, what: str, *, alive: bool = True) -> None:
        """Polls; a daemon that ended instead says why."""

        def met() -> bool:
            if condition():
                return True
            assert not alive or self.process.poll() is None, f"{what}: the daemon ended. {self.said()[-2000:]}"
            return False

        try:
            wait_for(met, what, PATIENCE_S)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.said()[-3000:]}") from None

    def wait_event(self, kind: str, after_seq: int = 0, **fields: object) -> dict[str, Any]:
        """The first such event in the audit log after `after_seq`, waiting for it."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [
                e
                for e in self.device.audit(kind)
                if e["seq"] > after_seq and all(e.get(k) == v for k, v in fields.items())
            ]
            time.sleep(0.05)
            return bool(found)

        self.wait(there, f"{kind} {fields or ''}")
        return found[0]

    def last_seq(self) -> int:
        return max((e["seq"] for e in self.device.audit()), default=0)

    def ask(self, op: str, **arguments: Any) -> Any:
        with ControlClient(self.device.folder / "control.sock", timeout_s=PATIENCE_S) as client:
            return client.call(op, **arguments)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)
