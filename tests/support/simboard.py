"""Runs the simulated board as the process it is, and judges its log of edges."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edgeface.adapters.door import wire


@dataclass(frozen=True, slots=True)
class Edge:
    t_s: float
    pin: int
    level: int
    owner_pid: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """`end_s` is None where the pin is still at its active level."""

    start_s: float
    end_s: float | None

    @property
    def length_s(self) -> float:
        assert self.end_s is not None, "the pulse never ended"
        return self.end_s - self.start_s


class Simboard:
    """A context manager; `folder` should be short, a socket's path has 108 bytes."""

    def __init__(self, folder: Path, pins: str = "17") -> None:
        self.socket, self.log = folder / "board.sock", folder / "edges.jsonl"
        self._pins = pins
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Simboard:
        command = [sys.executable, "-m", "edgeface.adapters.door.simboard", "--die-with-parent", "--pins", self._pins]
        self._process = subprocess.Popen([*command, "--socket", str(self.socket), "--log", str(self.log)])
        wait_for(lambda: self.log.exists() and self.socket.exists() and self._answers(), "the board starts")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        """The board breaks."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ask(self, **message: object) -> dict[str, object]:
        """One request to the board, as a technician's hand on the pin."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(10)
            client.connect(str(self.socket))
            client.send(wire.encode(message))
            return wire.decode(client.recv(wire.MAX_PACKET + 1))

    def level(self, pin: int = 17) -> int:
        level = self.ask(op="read", pin=pin)["level"]
        assert isinstance(level, int)
        return level

    def owner_pid(self, pin: int = 17) -> int:
        """0 where nobody owns it."""
        owner = self.ask(op="read", pin=pin)["owner_pid"]
        assert isinstance(owner, int)
        return owner

    def edges(self, pin: int = 17) -> list[Edge]:
        edges = [Edge(**json.loads(line)) for line in self.log.read_text().splitlines()]
        return [edge for edge in edges if edge.pin == pin]

    def pulses(self, pin: int = 17, active: int = 1) -> list[Pulse]:
        pulses: list[Pulse] = []
        for edge in self.edges(pin):
            if edge.level == active:
                pulses.append(Pulse(edge.t_s, None))
            elif pulses:
                pulses[-1] = Pulse(pulses[-1].start_s, edge.t_s)
        return pulses

    def wait_level(self, level: int, pin: int = 17, timeout_s: float = 20.0) -> None:
        wait_for(lambda: self.level(pin) == level, f"pin {pin} reaches level {level}", timeout_s)

    def _answers(self) -> bool:
        try:
            self.ask(op="read", pin=0)
        except OSError:
            return False
        return True


def wait_for(condition: object, what: str, timeout_s: float = 20.0) -> None:
    """Polls; the limit only ends a test that would hang."""
    assert callable(condition)
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, f"{what}: not within {timeout_s:g} s"
        time.sleep(0.005)
