"""Runs the door process, with or without its guard, on a simulated board; and a bare client of its socket."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from support.simboard import Simboard, wait_for

from edgeface.adapters.door import wire


def grant_id() -> str:
    return secrets.token_hex(16)


class Doord:
    """`pid` is always that of the process that owns the relay, as the board knows it."""

    def __init__(self, folder: Path, board: Simboard, *more: str, guarded: bool = False) -> None:
        self.socket, self.board, self._guarded = folder / "door.sock", board, guarded
        module = "edgeface.doord.guard" if guarded else "edgeface.doord"
        self.relay_args = ["--driver", "simboard", "--pin", "17", "--board-socket", str(board.socket)]
        self.command = [sys.executable, "-m", module, "--socket", str(self.socket), *self.relay_args, *more]
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Doord:
        self.process = subprocess.Popen(self.command)
        self.wait_ready()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        wait_for(
            lambda: not self.board.runs() or self.board.owner_pid() == 0, "the door process ends with its supervisor"
        )

    @property
    def pid(self) -> int:
        return self.board.owner_pid()

    def wait_ready(self, other_than: int = 0) -> None:
        """Until a door process (not `other_than`) owns the relay and answers."""
        wait_for(lambda: self.pid not in (0, other_than) and self._answers(), "the door process serves")

    def _answers(self) -> bool:
        try:
            with Client(self.socket) as client:
                return client.ask(op="hello").get("ok") is True
        except OSError:
            return False

    def lives(self) -> bool:
        assert self.process is not None
        return self.process.poll() is None


class Client:
    """Speaks the door socket by hand: no heartbeat, no manners."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def send(self, **message: object) -> None:
        self.socket.send(wire.encode(message))

    def receive(self) -> dict[str, object] | None:
        """None at the end of the connection."""
        packet = self.socket.recv(wire.MAX_PACKET + 1)
        return wire.decode(packet) if packet else None

    def answer(self) -> dict[str, object]:
        """The next packet that is not an event."""
        while (message := self.receive()) is not None:
            if "event" not in message:
                return message
        raise ConnectionError("the door process closed the connection")

    def ask(self, **message: object) -> dict[str, object]:
        self.send(**message)
        return self.answer()

    def to_the_end(self) -> list[dict[str, object]]:
        """All that still comes until the door process closes."""
        messages = []
        while (message := self.receive()) is not None:
            messages.append(message)
        return messages


# A client as a process of its own, to be killed or stopped: the shipped adapter asks for one pulse, and stays.
CLIENT = """
import sys, time
from edgeface.adapters.door.remote import RemoteDoor
door = RemoteDoor(sys.argv[1], connect_timeout_s=10, reply_timeout_s=5)
door.grant(sys.argv[2], int(sys.argv[3]))
sys.stdout.write("granted\\n"); sys.stdout.flush()
time.sleep(60)
"""


class ClientProcess:
    def __init__(self, path: Path, pulse_ms: int) -> None:
        command = [sys.executable, "-c", CLIENT, str(path), grant_id(), str(pulse_ms)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self) -> ClientProcess:
        return self

    def wait_granted(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"granted\n"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def kill_runs(default: int = 3) -> int:
    return int(os.environ.get("EDGEFACE_KILL_RUNS", default))
