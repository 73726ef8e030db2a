"""Named workers: a thread each, started in order, restarted within a budget, stopped in reverse order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edgeface.domain.errors import ConfigError, ModelError, SourceError
from edgeface.ports import Clock

Work = Callable[[threading.Event], None]  # returns when the event is set, or when its work is done

RESTARTS = 5  # a fault that comes back five times within the window won't go away by a sixth restart
WINDOW_S = 60.0
FIRST_PAUSE_S = 0.1  # long enough not to spin, short enough that a door deciding again takes no notice
LAST_PAUSE_S = 5.0
LONG_PAUSE_S = 30.0  # for what the door can do without
HOPELESS = (ConfigError, SourceError, ModelError)  # the same tomorrow: trying again helps nobody
JOIN_S = 5.0  # a worker that doesn't end in this time is left behind; the process ends and takes it along


@dataclass(frozen=True, slots=True)
class WorkerFailed:
    name: str
    error: BaseException
    gave_up: bool


class Worker:
    """Runs `work` again when it raises, at most RESTARTS times a window; `on_failure` hears of each failure."""

    def __init__(
        self,
        name: str,
        work: Work,
        clock: Clock,
        on_failure: Callable[[WorkerFailed], None],
        *,
        vital: bool = True,
    ) -> None:
        """`vital` False: the door works without it, so it is begun again for ever, with longer pauses."""
        self.name, self._vital = name, vital
        self._work, self._clock, self._on_failure = work, clock, on_failure
        self._stop = threading.Event()
        self._failures: deque[float] = deque()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work(self._stop)
                return
            except Exception as e:
                pause = None if self._vital and isinstance(e, HOPELESS) else self._record()
                self._on_failure(WorkerFailed(self.name, e, pause is None))
                if pause is None:
                    return
                self._stop.wait(pause)

    def _record(self) -> float | None:
        """The pause before the next try, None when the budget is spent."""
        now = self._clock.monotonic_s()
        self._failures.append(now)
        while self._failures and now - self._failures[0] > WINDOW_S:
            self._failures.popleft()
        if len(self._failures) > RESTARTS:
            return None if self._vital else LONG_PAUSE_S
        return float(min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** (len(self._failures) - 1)))
