"""Starts the door process under its guard, for a daemon that no systemd looks after (`edgeface run`, the demo)."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeface.adapters.door.driver import RelaySpec
from edgeface.domain.errors import DoorUnavailable


class DoorProcess:
    """Guard and door process end, locked, when this process ends in whatever way. `more`: options of the door process
    (Fittings.to_args). Not thread-safe."""

    def __init__(self, relay: RelaySpec, socket_path: Path, max_pulse_ms: int, more: Sequence[str] = ()) -> None:
        self._socket = socket_path
        self._command = [sys.executable, *(["-I"] if sys.flags.isolated else []), "-m", "edgeface.doord.guard"]
        self._command += ["--socket", str(socket_path), "--max-pulse-ms", str(max_pulse_ms), *relay.to_args(), *more]
        self._guard: subprocess.Popen[bytes] | None = None
        self._ready: int | None = None  # the end of a pipe that the door process writes to once it serves

    def start(self, timeout_s: float = 15.0) -> None:
        """Returns once the door is served. Raises DoorUnavailable; the reason is on stderr, from the door process
        itself."""
        self.launch()
        self.wait_ready(timeout_s)

    def launch(self) -> None:
        """The first half of `start`: what follows goes on while the door process comes up."""
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
        try:
            told, _, _ = select.select([self._ready], [], [], timeout_s)
            if told and os.read(self._ready, 1):
                return
        finally:
            self._forget_pipe()
        code = self._guard.wait() if told else None
        self.stop()
        why = f"ended at once with exit code {code}" if told else f"did not start within {timeout_s:g} s"
        raise DoorUnavailable(f"The door process {why}.", "It said why on the lines above.")

    def _forget_pipe(self) -> None:
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None

    @property
    def pid(self) -> int | None:
        """Of the guard; None where it does not run. The guard restarts the door process, its parent the guard."""
        return self._guard.pid if self._guard is not None and self._guard.poll() is None else None

    def stop(self, timeout_s: float = 3.0) -> None:
        """Idempotent; the door is locked when this returns."""
        self._forget_pipe()
        if self._guard is None:
            return
        self._guard.terminate()
        try:
            self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:  # then doord's PDEATHSIG locks
            self._guard.kill()
            self._guard.wait()
        self._guard = None
