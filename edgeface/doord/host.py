"""doord's edges to the operating system: clocks, signals, the listening socket, systemd's and the guard's watchdogs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import stat
import struct
import time
from pathlib import Path
from typing import Protocol

from edgeface.domain.errors import DoorUnavailable


def boot_s() -> float:
    """Time that a suspend counts in too: a pulse that slept through its deadline ends when the board wakes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Stopping(Protocol):
    """`stopping` ends the loop; `wake` becomes readable when it is set."""

    stopping: bool
    wake: socket.socket

    def drain(self) -> None: ...


class StopSignals:
    """SIGTERM and SIGINT set `stopping` and make `wake` readable, so that a select returns at once."""

    def __init__(self) -> None:
        self.stopping = False
        self.wake, waker = socket.socketpair()
        self.wake.setblocking(False)
        waker.setblocking(False)
        self._waker = waker
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.wake.recv(64)


def peer(connection: socket.socket) -> tuple[int, int]:
    """Process and user id of the other end, as the kernel knows them."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return pid, uid


def hung_up(connection: socket.socket) -> bool:
    """True once the peer is gone, even while packets of its are still queued: those are not carried out."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP | select.POLLHUP)
    return bool(poll.poll(0))


class Listener:
    """The listening socket and the claim to its path. A lock file, held for as long as the process lives, tells a live
    owner from a dead one without a race; the path of a dead one is taken over. Raises DoorUnavailable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._lock_fd = self._claim()
            self._clear()
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            before = os.umask(0o117)  # the socket is born with mode 0660
            try:
                self.socket.bind(str(path))
            finally:
                os.umask(before)
            self.socket.listen(4)
        except OSError as error:
            raise DoorUnavailable(
                f"The door socket {path} can't be made: {error.strerror or error}.",
                "Its folder must exist and be writable for this user, and the path must be shorter than 108 bytes.",
            ) from error

    def _claim(self) -> int:
        fd = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise self._taken() from None
        return fd

    def _clear(self) -> None:
        try:
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise DoorUnavailable(f"{self._path} exists and is not a socket.", "Move it away, or choose another.")
        except FileNotFoundError:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as probe:
            answer = probe.connect_ex(str(self._path))
        if answer in (0, errno.EAGAIN, errno.EPROTOTYPE):  # somebody listens there who doesn't know of lock files
            raise self._taken()
        self._path.unlink()

    def _taken(self) -> DoorUnavailable:
        return DoorUnavailable(
            f"Another door process is serving {self._path}.",
            f"`fuser -v {self._path}.lock` names it. Stop it, or choose another socket.",
        )

    def close(self) -> None:
        self.socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._lock_fd)


class Watchdogs:
    """Tells systemd (NOTIFY_SOCKET, sd_notify(3)) and the guard (a pipe) that the loop turns."""

    def __init__(self, beat_fd: int = -1) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._wanted = bool(os.environ.get("WATCHDOG_USEC"))
        self._beat_fd = beat_fd
        if beat_fd >= 0:
            os.set_inheritable(beat_fd, False)
            os.set_blocking(beat_fd, False)

    def ready(self) -> None:
        self._notify("READY=1\nSTATUS=The door is locked; waiting for the daemon.")

    def stopping(self) -> None:
        self._notify("STOPPING=1")

    def beat(self) -> bool:
        """False where the guard is gone."""
        if self._wanted:
            self._notify("WATCHDOG=1")
        if self._beat_fd >= 0:
            try:
                os.write(self._beat_fd, b".")
            except BlockingIOError:
                pass  # the guard is held up; it is not gone
            except OSError:
                return False
        return True

    def close(self) -> None:
        self._socket.close()

    def _notify(self, state: str) -> None:
        if self._address:
            address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
            with contextlib.suppress(OSError):  # a full queue costs one beat, not the door
                self._socket.sendto(state.encode(), address)
