"""Linux: a process that must not outlive its parent, nor wait for the models to leave it a core."""

from __future__ import annotations

import contextlib
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int = 0) -> None:
    """SIGTERM to this process when its parent dies; at once where `parent_pid` is given and has died already.
    Precisely: when the *thread* that started it ends, so parents start it from a thread that lasts."""
    import ctypes  # only here: its closures want memory that is writable and executable, which the sandbox denies

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if parent_pid and orphaned(parent_pid):
        os.kill(os.getpid(), signal.SIGTERM)


def go_first() -> None:
    """A higher priority for this process and its children, where this user may; else as it is."""
    with contextlib.suppress(OSError):
        os.nice(-10)


def orphaned(parent_pid: int) -> bool:
    """True once the parent with this pid is gone; also catches one that died before `die_with_parent`."""
    return os.getppid() != parent_pid
