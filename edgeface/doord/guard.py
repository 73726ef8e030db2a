"""The door process's guard where there is no systemd (`edgeface run`, the demo): takes doord's own options, starts it,
and when it dies, or its loop stops turning, kills and locks within milliseconds, because the driver is loaded already.
Then starts it anew. Ends, locked, with SIGTERM or with its own parent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from edgeface.adapters.door.driver import BUSY_RETRY_S, open_relay_patiently, preload
from edgeface.adapters.door.lifeline import go_first, orphaned
from edgeface.domain.errors import EdgefaceError
from edgeface.doord import options as doord_options
from edgeface.doord.host import StopSignals
from edgeface.doord.leaving import hold, leave
from edgeface.doord.options import Options

HUNG_AFTER_S = 0.5  # five missed turns of doord's loop; leaves half of the promised second to kill it and to lock
HELD_UP_S = 0.15
START_ALLOWED_S = 15.0  # until the first beat: a Pi Zero imports slowly, and nothing can be granted before
STOP_ALLOWED_S = 0.5
TURN_S = 0.1
FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_AFTER_S = 0.1, 1.0, 5.0  # a door that waits is of no use


class Guard:
    """One doord at a time. Single-threaded, so that a fork is safe and doord's PDEATHSIG means this process."""

    def __init__(self, options: Options, doord_args: Sequence[str], parent_pid: int, signals: StopSignals) -> None:
        self._relay, self._args, self._parent_pid, self._signals = options.relay, doord_args, parent_pid, signals
        self._ready_fd = options.ready_fd
        if self._ready_fd >= 0:
            os.set_inheritable(self._ready_fd, False)
        self._pause_s = FIRST_PAUSE_S

    def run(self) -> int:
        """doord's exit code where it could not start at all the first time, else 0."""
        preload(self._relay)
        ever_ran = False
        while not self._stopping():
            started_s = time.monotonic()
            child, beats = self._start()
            ran, why = self._watch(child, beats)
            code = self._end(child)
            os.close(beats)
            if self._stopping():
                if code != 0:
                    self._lock()
                break
            if not ran and not ever_ran:
                return code if code > 0 else 1
            ever_ran = True
            self._lock()
            _say(f"the door process {why} (exit {code}); locked, starting it again")
            self._rest(time.monotonic() - started_s)
        return 0

    def _stopping(self) -> bool:
        return self._signals.stopping or orphaned(self._parent_pid)

    def _start(self) -> tuple[subprocess.Popen[bytes], int]:
        ours, theirs = os.pipe()
        command = [sys.executable, *_interpreter_flags(), "-m", "edgeface.doord", *self._args]
        command += ["--die-with-parent", "--parent-pid", str(os.getpid()), "--beat-fd", str(theirs)]
        try:
            child = subprocess.Popen(command, pass_fds=[theirs], stdin=subprocess.DEVNULL)
        finally:
            os.close(theirs)
        return child, ours

    def _watch(self, child: subprocess.Popen[bytes], beats: int) -> tuple[bool, str]:
        """Until doord is dead, hung or no longer wanted. Whether it ever turned its loop, and what happened."""
        ran = False
        deadline_s = time.monotonic() + START_ALLOWED_S
        poll = select.poll()
        poll.register(beats, select.POLLIN)
        poll.register(self._signals.wake, select.POLLIN)
        while not self._stopping():
            began_s = time.monotonic()
            ready = poll.poll(TURN_S * 1000)
            late_s = time.monotonic() - began_s - TURN_S
            if late_s > HELD_UP_S:  # the machine was starved or paused, doord with it: it gets its time back
                deadline_s += late_s
            for fd, _ in ready:
                if fd != beats:
                    self._signals.drain()
                elif os.read(beats, 4096):
                    ran, deadline_s = True, time.monotonic() + HUNG_AFTER_S
                    self._tell_ready()
                else:  # the kernel closed the other end
                    return ran, "died"
            if time.monotonic() >= deadline_s:
                child.kill()
                return ran, "hung and was killed"
        return ran, "is not wanted any more"

    def _tell_ready(self) -> None:
        if self._ready_fd >= 0:
            with contextlib.suppress(OSError):
                os.write(self._ready_fd, b".")
            os.close(self._ready_fd)
            self._ready_fd = -1

    def _end(self, child: subprocess.Popen[bytes]) -> int:
        """Its exit code; SIGTERM lets it lock by itself, SIGKILL follows."""
        child.terminate()
        try:
            return child.wait(STOP_ALLOWED_S)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def _lock(self) -> None:
        """In a forked child: a driver that hangs or crashes can't take the guard along, and the pin is free again for
        doord at once without gpiozero's tidying (leaving.py)."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                hold(open_relay_patiently(self._relay, BUSY_RETRY_S))
                code = 0
            except EdgefaceError as error:
                _say(f"the relay could not be locked. {error}")
            finally:
                leave(code)
        give_up_s = time.monotonic() + 2 * BUSY_RETRY_S
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() >= give_up_s:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return
            time.sleep(0.002)

    def _rest(self, lived_s: float) -> None:
        if lived_s >= HEALTHY_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        until_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        while not self._stopping() and time.monotonic() < until_s:
            select.select([self._signals.wake], [], [], min(TURN_S, max(0.0, until_s - time.monotonic())))
            self._signals.drain()


def _interpreter_flags() -> list[str]:
    return ["-I"] if sys.flags.isolated else []


def _say(text: str) -> None:
    sys.stderr.write(f"edgeface-doord guard: {text}\n")
    sys.stderr.flush()


def main(argv: Sequence[str] | None = None) -> int:
    args = list(sys.argv[1:] if argv is None else argv)
    options = doord_options.parse(args, "python -m edgeface.doord.guard", __doc__)
    go_first()
    guard = Guard(options, args, options.parent_pid or os.getppid(), StopSignals())
    try:
        return guard.run()
    except EdgefaceError as error:
        _say(str(error))
        return error.exit_code


if __name__ == "__main__":
    leave(main())
