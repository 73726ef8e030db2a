"""However a demo ends, it leaves nothing: its folder holds a device key and people's templates."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

POLITE = (signal.SIGTERM, signal.SIGHUP)
# Waits for its parent's end of the pipe to close, which the kernel does where the parent was killed; then removes the
# folder, and again, because the processes that end with the demo may write into it once more.
_REMOVE = 'trap "" HUP INT TERM; read -r _; for n in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1"; sleep 1; done 2>/dev/null'


@contextmanager
def unwound_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the process like Ctrl-C does: every context is left, and the exit code is 128 + n. A
    signal that was ignored (nohup) stays ignored. In another thread than the main one it changes nothing."""

    def unwind(number: int, _: FrameType | None) -> None:
        for each in POLITE:
            signal.signal(each, signal.SIG_IGN)  # once is enough: what follows is the tidying
        raise SystemExit(128 + number)

    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in POLITE:
                if signal.getsignal(number) is signal.SIG_DFL:
                    stack.callback(signal.signal, number, signal.signal(number, unwind))
        yield


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder that is gone afterwards, also where this process is killed by a signal that nobody can catch."""
    with unwound_by_signals():
        folder = tempfile.mkdtemp(prefix=prefix)
        remover = None
        try:
            remover = subprocess.Popen(
                ["/bin/sh", "-c", _REMOVE, "sh", folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # neither Ctrl-C nor the terminal's end are meant for it
            )
            yield Path(folder)
        finally:
            shutil.rmtree(folder)
            if remover is not None:
                remover.kill()
                remover.communicate()
