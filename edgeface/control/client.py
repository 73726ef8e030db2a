"""Talks to the running daemon. Used by the CLI and, later, by the console."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeface.control import protocol
from edgeface.domain.errors import ConfigError, ControlError

LONGEST_PATH = 107  # bytes of a Unix socket's path on Linux


def _require_short(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        error = ControlError(
            f"The control socket's path {path} has {length} bytes; Linux allows {LONGEST_PATH}.",
            "Give a shorter run_dir, or a shorter control.socket.",
        )
        error.exit_code = ConfigError.exit_code
        raise error


def is_running(path: Path) -> bool:
    """True where a daemon listens at `path`. A socket file without a listener counts as not running. Raises
    ControlError."""
    _require_short(path)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(2.0)
            s.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except PermissionError:
        raise ControlError(
            f"You may not talk to the daemon at {path}.", "Run this as root, or join the group that owns the socket."
        ) from None
    except OSError as e:
        raise ControlError(f"The daemon at {path} does not answer ({e.strerror or e}).") from None
    return True


class ControlClient:
    """One connection. `call` is for one answer, `stream` for many; both raise ControlError."""

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        _require_short(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._next = 1
        try:
            self._socket.connect(str(path))
        except OSError as e:
            self._socket.close()
            raise ControlError(
                f"No daemon answers at {path} ({e.strerror or e}).",
                "Is edgeface running? Start it with `edgeface run` or `systemctl start edgeface`.",
            ) from None
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, op: str, **arguments: Any) -> Any:
        self._send(op, arguments)
        return self._receive()

    def stream(self, op: str, **arguments: Any) -> Iterator[Any]:
        self._send(op, arguments)
        self._socket.settimeout(None)
        while True:
            yield self._receive()

    def _send(self, op: str, arguments: dict[str, Any]) -> None:
        try:
            self._socket.sendall(protocol.encode_request(self._next, op, arguments))
        except OSError as e:
            raise ControlError(f"The daemon closed the connection ({e.strerror or e}).") from None
        self._next += 1

    def _receive(self) -> Any:
        try:
            line = self._lines.readline(protocol.MAX_ANSWER_BYTES)
        except TimeoutError:
            raise ControlError("The daemon did not answer in time.", "See its log.") from None
        except OSError as e:
            raise ControlError(f"The daemon closed the connection ({e.strerror or e}).") from None
        if not line.endswith(b"\n"):
            raise ControlError("The daemon closed the connection.", "It may be stopping; see its log.")
        return protocol.decode_answer(line)
