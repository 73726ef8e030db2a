"""Serves the control socket: a thread that accepts, a thread for each client, and a table of operations."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from edgeface.control import protocol
from edgeface.domain.errors import ConfigError, ControlError, EdgefaceError

Operation = Callable[[dict[str, Any]], Any]  # returns a result, or an iterator of results (a stream)

MAX_CLIENTS = 16  # a console and a few terminals; beyond that somebody is at odds with us
ACCEPT_PAUSE_S = 0.1
IDLE_S = 300.0  # a client that says nothing for so long has gone


class ControlServer:
    """`operations` maps an op's name to what does it. Errors of the tree are answered; any other is answered as a
    fault of the daemon's and passed to `on_fault`, and the connection goes on."""

    def __init__(
        self,
        path: Path,
        operations: dict[str, Operation],
        *,
        group: int | None = None,
        on_fault: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._path, self._operations, self._group, self._on_fault = path, operations, group, on_fault
        self._socket: socket.socket | None = None
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Raises ControlError where another daemon listens at that path already, or the path can't be made."""
        refuse_second(self._path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self._path.exists() and not self._path.is_socket():
                raise FileExistsError(errno.EEXIST, "a file that is no socket is in its place")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            before = os.umask(0o117)  # 0660 from the first moment on
            try:
                listener.bind(str(self._path))
            finally:
                os.umask(before)
            if self._group is not None:
                os.chown(self._path, -1, self._group)
        except OSError as e:
            listener.close()
            raise ControlError(
                f"The control socket {self._path} can't be made ({e.strerror or e}).",
                "Give another control.socket, or the right to write there.",
            ) from None
        listener.listen(MAX_CLIENTS)
        self._socket = listener
        threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True).start()

    def stop(self) -> None:
        listener, self._socket = self._socket, None
        if listener is None:
            return
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._path.unlink(missing_ok=True)

    def _accept(self, listener: socket.socket) -> None:
        while self._socket is listener:
            try:
                client, _ = listener.accept()
            except OSError:  # stopped; or no file descriptor is free, and one may be soon
                time.sleep(ACCEPT_PAUSE_S)
                continue
            with self._lock:
                full = len(self._clients) >= MAX_CLIENTS
                if not full:
                    self._clients.add(client)
            if full or not self._may(client):
                why = "Too many clients." if full else "This user may not control the door."
                with contextlib.suppress(OSError):
                    client.sendall(protocol.encode_error(None, ControlError(why)))
                self._forget(client)
                continue
            client.settimeout(IDLE_S)
            threading.Thread(target=self._serve, args=(client,), name="control-client", daemon=True).start()

    def _may(self, client: socket.socket) -> bool:
        """Root, our own user, and members of the socket's group: the file's mode lets no others in, this is the
        second bolt for a lax folder."""
        size = struct.calcsize("3i")
        _, uid, gid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return uid in (0, os.getuid()) or gid == self._group or self._in_group(uid)

    def _in_group(self, uid: int) -> bool:
        if self._group is None:
            return False
        import grp
        import pwd

        try:
            return pwd.getpwuid(uid).pw_name in grp.getgrgid(self._group).gr_mem
        except KeyError:
            return False

    def _forget(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.discard(client)
        client.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client.makefile("rb") as lines:
                for line in _requests(lines):
                    self._answer(client, line)
        except (OSError, _Gone):
            pass  # nobody is left to be told
        except ControlError as e:
            with contextlib.suppress(OSError):
                client.sendall(protocol.encode_error(None, e))
        finally:
            self._forget(client)

    def _answer(self, client: socket.socket, line: bytes) -> None:
        request_id: int | None = None
        try:
            request = protocol.decode_request(line)
            request_id = request.id
            operation = self._operations.get(request.op)
            if operation is None:
                known = ", ".join(sorted(self._operations))
                raise ControlError(f"There is no operation {request.op[:40]!r}.", f"There are: {known}.")
            result = operation(request.arguments)
            for item in result if isinstance(result, Iterator) else (result,):
                _send(client, protocol.encode_result(request_id, item))
        except _Gone:
            raise
        except protocol.BadRequest as e:
            _send(client, protocol.encode_error(e.request_id, e))
        except EdgefaceError as e:
            _send(client, protocol.encode_error(request_id, e))
        except Exception as e:
            self._on_fault(e)
            fault = ControlError("The daemon failed at this request.", "See its log; the door is not affected.")
            _send(client, protocol.encode_error(request_id, fault))


class _Gone(Exception):
    """The client closed its end. (An OSError of an operation's own must not be mistaken for that.)"""


def _send(client: socket.socket, line: bytes) -> None:
    try:
        client.sendall(line)
    except OSError:
        raise _Gone from None


def _requests(lines: BinaryIO) -> Iterator[bytes]:
    while line := lines.readline(protocol.MAX_REQUEST_BYTES + 1):
        if len(line) > protocol.MAX_REQUEST_BYTES:
            raise ControlError(f"A request is longer than {protocol.MAX_REQUEST_BYTES} bytes.", "Send less.")
        if not line.endswith(b"\n"):
            return
        yield line


def refuse_second(path: Path) -> None:
    """Raises ControlError where a daemon listens at `path` already."""
    from edgeface.control.client import is_running

    if is_running(path):
        raise ControlError(
            f"Another edgeface is running: it answers at {path}.",
            "Stop it first, or give this one another run_dir and state_dir.",
        )


def group_id(name: str) -> int | None:
    """The group that may use the socket; None for none. Raises ConfigError where there is no such group."""
    if not name:
        return None
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(
            f"The group {name} in control.group does not exist.", f"Make it with `groupadd {name}`, or leave it empty."
        ) from None
