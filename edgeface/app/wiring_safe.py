"""wiring.py's part for starts that did not last: what safe mode runs on, and the count of such starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.app import wiring
from edgeface.app.recorder import EventStream, Listener, Recorder
from edgeface.app.settings import Settings
from edgeface.domain.errors import EdgefaceError
from edgeface.ports import AuditLog, Clock, Door

if TYPE_CHECKING:
    from edgeface.adapters.door.process import DoorProcess
    from edgeface.adapters.system.starts import StartCount
    from edgeface.adapters.system.watchdog import ProgressWatchdog, Systemd

WORKER = "safe mode"  # whose progress systemd's watchdog is fed by


@dataclass(slots=True)
class SafeParts:
    settings: Settings
    clock: Clock
    audit: AuditLog
    stream: EventStream
    recorder: Recorder
    watchdog: ProgressWatchdog
    systemd: Systemd
    process: DoorProcess | None
    door: Door


def start_count(settings: Settings) -> StartCount:
    from edgeface.adapters.system.starts import StartCount

    return StartCount(settings.state_dir / "starts.json")


def build_safe(settings: Settings, listeners: Iterable[Listener]) -> SafeParts:
    """Little, and little that can fail: neither models nor gallery nor camera are looked at."""
    from edgeface.adapters.system.watchdog import ProgressWatchdog, Systemd, SystemdNotifier

    clock = wiring.system_clock()
    process = wiring.door_process(settings) if wiring.starts_door(settings) else None
    try:
        if process is not None:
            process.launch()
        stream = EventStream()
        audit = _audit(settings, clock)
        recorder = Recorder(audit, clock, [stream.publish, *listeners])
        watchdog = ProgressWatchdog([WORKER], wiring.PROGRESS_S, clock)
        if process is not None:
            process.wait_ready()
        door = wiring.open_door(settings, clock)
    except BaseException:
        if process is not None:
            process.stop()
        raise
    return SafeParts(settings, clock, audit, stream, recorder, watchdog, Systemd(SystemdNotifier()), process, door)


def _audit(settings: Settings, clock: Clock) -> AuditLog:
    """The log on the disk; where that is what is broken, one that lasts as long as this process."""
    try:
        return wiring.open_audit(settings, wiring.open_keys(settings, create=False))
    except EdgefaceError:
        from edgeface.adapters.system.audit_memory import MemoryAudit

        return MemoryAudit(clock=clock, boot_id="safe mode")
