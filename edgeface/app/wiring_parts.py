"""What wiring.py makes of the settings: the parts that the daemon runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.app.courtesy import Courtesy
from edgeface.app.door_loop import DoorLoop
from edgeface.app.machine import Machine, UnknownMachine
from edgeface.app.measures import Measures
from edgeface.app.people import LiveGallery
from edgeface.app.readers import reader_work
from edgeface.app.recorder import EventStream, Recorder
from edgeface.app.renewal import KeyRenewal
from edgeface.app.settings import Settings
from edgeface.ports import AuditLog, Clock, Door, GalleryStore, Reader

if TYPE_CHECKING:
    from edgeface.adapters.camera.reconnect import ResilientCamera
    from edgeface.adapters.door.process import DoorProcess
    from edgeface.adapters.system.watchdog import ProgressWatchdog, Systemd
    from edgeface.adapters.vision.bundle import VisionModels
    from edgeface.app.wiring_site import Site

Work = Callable[[threading.Event], None]


@dataclass(slots=True)
class Parts:
    """What the daemon runs; opened in this order, closed in the reverse one."""

    settings: Settings
    clock: Clock
    models: VisionModels
    store: GalleryStore
    audit: AuditLog
    gallery: LiveGallery
    stream: EventStream
    recorder: Recorder
    watchdog: ProgressWatchdog
    systemd: Systemd
    process: DoorProcess | None
    door: Door
    camera: ResilientCamera
    loop: DoorLoop
    measures: Measures = field(default_factory=Measures)
    machine: Machine = field(default_factory=UnknownMachine)
    site: Site | None = None
    courtesy: Courtesy = field(default_factory=Courtesy)
    readers: Sequence[Reader] = ()
    renewal: KeyRenewal | None = None

    @property
    def side_workers(self) -> list[tuple[str, Work]]:
        """What the door does without for a while when it fails."""
        work = list(reader_work(self.readers, self.loop.desk, self.recorder, self.clock))
        if self.renewal is not None:
            work.append(("keys", self.renewal.work))
        return [*work, *(self.site.workers if self.site is not None else ())]
