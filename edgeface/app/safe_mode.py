"""Where the daemon goes after starts that did not last: no camera, no models, nobody is let in by face. The door
process runs (exit button, fire, lockdown), the control socket answers, an alarm says so. After a while it tries
again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from edgeface import __version__
from edgeface.app.health import Alarms
from edgeface.app.wiring_safe import WORKER, SafeParts
from edgeface.domain.errors import DoorError
from edgeface.domain.events import DaemonStarted, DaemonStopped

TICK_S = 0.1


class Service(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...


class SafeMode:
    """`run` ends with True where it is time to try again, with False where it was told to stop."""

    def __init__(
        self, parts: SafeParts, failed_starts: int, services: Callable[[SafeMode], Sequence[Service]] = lambda _: ()
    ) -> None:
        self.parts = parts
        self.started_s = parts.clock.monotonic_s()
        self.alarms = Alarms(parts.recorder.record, parts.clock)
        self.sentence = (
            f"Safe mode: {failed_starts} starts in a row did not last {parts.settings.health.lasting_min:g} minutes. "
            "The door is locked and nobody is recognised. See the log for why; `systemctl restart edgeface` tries "
            f"again at once, otherwise it does so by itself after {parts.settings.health.safe_mode_min:g} minutes."
        )
        self._services = list(services(self))
        self._cause: str | None = None
        self._wake = threading.Event()
        self._keeper = threading.Thread(target=self._keep_door, name="door process", daemon=True)

    def stop(self, cause: str) -> None:
        self._cause = self._cause or cause
        self._wake.set()

    def run(self) -> bool:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it reads the settings anew when it tries again
        p = self.parts
        until_s = self.started_s + p.settings.health.safe_mode_min * 60
        try:
            p.recorder.record([DaemonStarted(self.started_s, __version__, 0, 0)])
            self.alarms.set("safe_mode", self.sentence)
            self._keeper.start()
            for service in self._services:
                service.start()
            p.systemd.ready("safe mode: locked, no recognition")
            while self._cause is None and p.clock.monotonic_s() < until_s:
                self._wake.wait(TICK_S)
                self._tick()
        finally:
            self._end()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
        return self._cause is None

    def _signalled(self, number: int, _: object) -> None:
        self._cause = self._cause or signal.Signals(number).name

    def _tick(self) -> None:
        p = self.parts
        p.recorder.record(p.door.poll_events())
        p.recorder.retry()
        p.watchdog.progress(WORKER)
        p.systemd.feed(p.watchdog)

    def _keep_door(self) -> None:
        if self.parts.process is not None:
            self.parts.process.keep(self._wake, lambda _: None)

    def _end(self) -> None:
        p = self.parts
        if self._cause is not None:
            p.systemd.stopping()
        self._wake.set()
        p.stream.close()
        for service in reversed(self._services):
            service.stop()
        try:
            p.door.lock()
        except DoorError:
            pass  # gone, and then locked; or a fire input holds it open
        p.door.close()
        p.recorder.record(p.door.poll_events())
        if self._keeper.is_alive():
            self._keeper.join(5.0)
        if p.process is not None:
            p.process.stop()
        self.alarms.set("safe_mode", None)
        p.recorder.record([DaemonStopped(p.clock.monotonic_s(), self._cause or "tries again")])
        p.audit.close()
