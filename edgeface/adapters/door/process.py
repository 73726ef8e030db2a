"""Starts the door process under its guard, for a daemon that no systemd looks after (`edgeface run`, the demo), and
looks after the guard: whatever of the two is killed, the relay is locked at once and both are started again."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeface.adapters.door.driver import RelaySpec
from edgeface.domain.errors import DoorUnavailable

NOTICE_S = 0.05  # how late a guard that ended is noticed, at most
LET_GO_S = (
    0.3  # a door process without its guard locks and ends by itself within milliseconds; one that hangs is killed
)
LOCK_ALLOWED_S = 4.0  # a Pi Zero takes a while to load the driver
FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_AFTER_S = 0.1, 5.0, 5.0


class DoorProcess:
    """Guard and door process end, locked, when this process ends in whatever way. `more`: options of the door process
    (Fittings.to_args). Not thread-safe: between `launch` and `stop` one thread may be in `keep`, and nobody else
    anywhere."""

    def __init__(self, relay: RelaySpec, socket_path: Path, max_pulse_ms: int, more: Sequence[str] = ()) -> None:
        python = [sys.executable, *(["-I"] if sys.flags.isolated else []), "-m"]
        self._command = [*python, "edgeface.doord.guard", "--socket", str(socket_path)]
        self._command += ["--max-pulse-ms", str(max_pulse_ms), *relay.to_args(), *more]
        self._lock_command = [*python, "edgeface.doord.lock", *relay.to_args()]
        self._guard: subprocess.Popen[bytes] | None = None
        self._ready: int | None = None  # the end of a pipe that the door process writes to once it serves
        self._served = False  # this guard's door process did: it may have energised the relay
        self._in_doubt = False  # some guard's did, and nobody is known to have locked since

    def start(self, timeout_s: float = 15.0) -> None:
        """Returns once the door is served. Raises DoorUnavailable; the reason is on stderr, from the door process
        itself."""
        self.launch()
        self.wait_ready(timeout_s)

    def launch(self) -> None:
        """The first half of `start`: what follows goes on while the door process comes up. Raises OSError where this
        machine can't start a process."""
        self.stop()
        self._ready, theirs = os.pipe()
        try:
            self._guard = subprocess.Popen(
                [*self._command, "--parent-pid", str(os.getpid()), "--ready-fd", str(theirs)],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs],
                start_new_session=True,  # Ctrl-C is the daemon's to handle, in order
            )
        except BaseException:
            self._forget_pipe()
            raise
        finally:
            os.close(theirs)

    def wait_ready(self, timeout_s: float = 15.0) -> None:
        """The second half. Raises DoorUnavailable, also where nothing was launched."""
        if self._guard is None or self._ready is None:
            raise DoorUnavailable("The door process was not started.")
        told = self._hear(timeout_s)
        if self._served:
            return
        guard = self._guard
        if told:
            os.waitid(os.P_PID, guard.pid, os.WEXITED | os.WNOWAIT)
        self.stop()
        why = f"ended at once with exit code {guard.returncode}" if told else f"did not start within {timeout_s:g} s"
        raise DoorUnavailable(f"The door process {why}.", "It said why on the lines above.")

    def keep(self, stop: threading.Event, report: Callable[[str], None]) -> None:
        """Until `stop` is set, from a thread that does nothing else: a guard that is gone means a relay that nobody may
        be watching, so it is locked first, at once, and then both are started again, with growing pauses where
        that does not help. `report` hears a sentence each time."""
        pause_s, started_s = FIRST_PAUSE_S, time.monotonic()
        while not stop.wait(NOTICE_S):
            if not self._gone():
                continue
            if time.monotonic() - started_s >= HEALTHY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            self._hear(0)
            served = self._served
            self.stop()
            if self._in_doubt:
                report("The guard of the door process is gone, and the relay could not be locked; tried again at once.")
            elif served:
                report("The guard of the door process was gone; the door was locked, and both are started again.")
            else:
                report("The door process did not start; it is tried again.")
            if stop.wait(pause_s):
                return
            pause_s, started_s = min(2 * pause_s, LONGEST_PAUSE_S), time.monotonic()
            try:
                self.launch()
            except OSError as error:
                report(f"The door process can't be started: {error.strerror or error}.")

    @property
    def pid(self) -> int | None:
        """Of the guard; None where it does not run. The guard restarts the door process, its parent the guard."""
        return None if self._guard is None or _ended(self._guard.pid) else self._guard.pid

    def stop(self, timeout_s: float = 3.0) -> None:
        """Idempotent; the door is locked when this returns, also where guard or door process had been killed."""
        if self._guard is not None:
            guard, self._guard = self._guard, None
            self._hear(0)
            self._forget_pipe()
            if self._end(guard, timeout_s) and self._served:
                self._in_doubt = False  # it locked, and said so by its exit code
            elif self._in_doubt:
                self._in_doubt = not self._lock(guard.pid)
            _end_group(guard.pid)
            guard.wait()
        elif self._in_doubt:
            self._in_doubt = not self._lock()
        self._served = False

    # -- inside -----------------------------------------------------------------------------------------------

    def _hear(self, timeout_s: float) -> bool:
        """Whether the other end of the pipe said anything; its end counts too, a byte means that the door is served."""
        if self._ready is None:
            return False
        told, _, _ = select.select([self._ready], [], [], timeout_s)
        if told and os.read(self._ready, 1):
            self._served = self._in_doubt = True
            self._forget_pipe()
        return bool(told)

    def _forget_pipe(self) -> None:
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None

    def _gone(self) -> bool:
        """Without reaping: while the guard is a zombie its number names the group that the door process is in."""
        return self._guard is None or _ended(self._guard.pid)

    def _end(self, guard: subprocess.Popen[bytes], timeout_s: float) -> bool:
        """Politely, then not. Whether it ended well; it is not reaped yet, for _gone's reason."""
        os.kill(guard.pid, signal.SIGTERM)
        give_up_s = time.monotonic() + timeout_s
        while not _ended(guard.pid):
            if time.monotonic() >= give_up_s:  # then doord's PDEATHSIG locks, and we make sure
                os.kill(guard.pid, signal.SIGKILL)
                os.waitid(os.P_PID, guard.pid, os.WEXITED | os.WNOWAIT)
            time.sleep(0.002)
        result = os.waitid(os.P_PID, guard.pid, os.WEXITED | os.WNOWAIT)
        return result is not None and result.si_code == os.CLD_EXITED and result.si_status == 0

    def _lock(self, group: int = 0) -> bool:
        """By a process of its own, which leaves the pin as it stands; whether it could. It waits for a pin whose owner
        is about to end; an owner in `group` that doesn't is killed. What kills the lock command as well (the hunt
        that killed the others may not be over) is outlasted."""
        give_up_s = time.monotonic() + LOCK_ALLOWED_S
        while time.monotonic() < give_up_s:
            try:
                lock = subprocess.Popen(self._lock_command, stdin=subprocess.DEVNULL, start_new_session=True)
            except OSError:  # no memory, no process left: perhaps in a moment
                time.sleep(NOTICE_S)
                continue
            try:
                code = lock.wait(LET_GO_S)
            except subprocess.TimeoutExpired:
                if group:
                    _end_group(group)
                try:
                    code = lock.wait(max(0.0, give_up_s - time.monotonic()))
                except subprocess.TimeoutExpired:
                    lock.kill()
                    code = lock.wait()
            if code >= 0:
                return code == 0
        return False


def _ended(pid: int) -> bool:
    """Whether this child has, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _end_group(number: int) -> None:
    """The door process of a guard that is gone, where it hangs; `number` is an unreaped child's, so nobody else's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)
