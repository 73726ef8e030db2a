"""The daemon: starts the parts in order, keeps them going, stops them in the reverse order. Three workers
(camera, vision, and one that keeps the door process alive) and the main thread, which looks after all that is not a
frame: door events, the gallery, the watchdog."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from edgeface import __version__
from edgeface.app.capture import NewestFrame, capture
from edgeface.app.door_mode import DoorMode
from edgeface.app.free_access import FreeAccess
from edgeface.app.health import Alarms, Health
from edgeface.app.logs import logger
from edgeface.app.machine import MachineWatch, Reading
from edgeface.app.reloading import Reloads
from edgeface.app.rules import timetable_of
from edgeface.app.settings import Settings
from edgeface.app.supervise import Worker, WorkerFailed
from edgeface.app.wiring_parts import Parts
from edgeface.domain.errors import DoorUnavailable, EdgefaceError
from edgeface.domain.events import (
    CameraLost,
    CameraRecovered,
    DaemonStarted,
    DaemonStopped,
    DoorProcessRecovered,
    Event,
)
from edgeface.domain.types import Decision, Frame, Grant

TICK_S = 0.1  # how late a door event is recorded; the pulse itself is the door process's business
GALLERY_SHARE = 10  # a large gallery is read again at most so many times as seldom as it takes: recognition goes first
GALLERY_S = 0.5  # how late a change of the gallery by another process is in force
TAKE_S = 0.5  # the vision thread turns at least this often, with or without a frame


class Service(Protocol):
    """Something that runs beside the loop (the control socket)."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Daemon:
    """`frame_hook`, where set, takes frames away from the door loop: an enrolment at the door's camera. The door stays
    locked meanwhile."""

    def __init__(self, parts: Parts, services: Callable[[Daemon], Sequence[Service]] = lambda _: ()) -> None:
        self.parts = parts
        self.log = logger("daemon")
        self.slot = NewestFrame()
        self.frame_hook: Callable[[Frame], None] | None = None
        self.reloads: Reloads | None = None  # where there is something to read anew
        self.started_s = parts.clock.monotonic_s()
        self.first_frame_s: float | None = None
        self.frames = 0
        self.camera_ok = False
        self.alarms = Alarms(parts.recorder.record, parts.clock)
        self.health = Health(parts.settings, self.alarms, parts.clock)
        self.machine = MachineWatch(parts.machine, parts.settings.state_dir, self._machine_read)
        self.lasted: Callable[[], None] = lambda: None  # called once, when this start has gone well for long enough
        self._has_lasted = False
        self._looked_s = float("-inf")
        self._services = list(services(self))
        self._cause: str | None = None
        self._failure: EdgefaceError | None = None
        self._wake = threading.Event()
        self._next_gallery_s = 0.0
        self._mode = DoorMode(parts.door, parts.loop, parts.site.gate if parts.site is not None else None, parts.clock)
        door = parts.settings.door
        self._free_access = FreeAccess(
            parts.door, parts.clock, parts.loop.rules.timetable, door.free_schedule, door.first_person_in
        )
        self._workers = [
            Worker("camera", self._camera_work, parts.clock, self._worker_failed),
            Worker("vision", self._vision_work, parts.clock, self._worker_failed),
            Worker("machine", self.machine.work, parts.clock, self._worker_failed),
        ]
        for name, work in parts.side_workers:
            self._workers.append(Worker(name, work, parts.clock, self._worker_failed, vital=False))
        self._door_keeper = Worker("door process", self._door_work, parts.clock, self._worker_failed)

    def run(self) -> None:
        """Until a signal, `stop`, or the end of a recording. Raises what made it end, where something did."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGHUP, self._asked_to_reload)
        try:
            self._start()
            while self._cause is None:
                self._wake.wait(TICK_S)
                self._tick()
        finally:
            self._stop()
        if self._failure is not None:
            raise self._failure

    def stop(self, cause: str) -> None:
        """Ends `run`; from any thread."""
        self._cause = self._cause or cause
        self._wake.set()

    def _signalled(self, number: int, _: object) -> None:
        """Only a note, seen within TICK_S: the handler runs inside the main thread's own wait, whose lock `stop` would
        want as well."""
        self._cause = self._cause or signal.Signals(number).name

    def _asked_to_reload(self, _: int, __: object) -> None:
        if self.reloads is not None:
            self.reloads.ask()

    def take_over(self, settings: Settings) -> None:
        """Settings that changed while this runs; by the main thread."""
        self.parts.settings = settings
        self.health.change(settings)
        door = settings.door
        self._free_access.change(timetable_of(settings), door.free_schedule, door.first_person_in)

    # -- start and stop -------------------------------------------------------------------------------------------

    def _start(self) -> None:
        parts, snapshot = self.parts, self.parts.gallery.now
        started = DaemonStarted(parts.clock.monotonic_s(), __version__, len(snapshot.people), snapshot.matrix.templates)
        parts.recorder.record([started, *parts.gallery.refused_records()])
        self.log.info("threshold", sentence=snapshot.choice.sentence)
        if snapshot.choice.warning:
            self.log.warning("threshold", sentence=snapshot.choice.warning)
        try:
            parts.door.status()  # waits for the first connection
        except DoorUnavailable as e:
            self.log.warning("door", sentence=str(e))  # stays locked; the client goes on trying
        if parts.process is not None:
            self._door_keeper.start()
        for service in self._services:
            service.start()
        if parts.site is not None:
            self._mode.ask()  # a lockdown stands before the first face is looked at
            parts.site.begin()
        for worker in self._workers:
            worker.start()
        parts.systemd.ready(f"{len(snapshot.people)} people, {snapshot.matrix.templates} templates")

    def _stop(self) -> None:
        parts = self.parts
        parts.systemd.stopping()
        parts.stream.close()
        for service in reversed(self._services):
            service.stop()
        for worker in reversed(self._workers):
            worker.stop()
        self._end_pulse()
        parts.door.close()
        self._collect_door_events()
        self._door_keeper.stop()
        if parts.process is not None:
            parts.process.stop()  # locks whatever it finds
        stopped = DaemonStopped(parts.clock.monotonic_s(), self._cause or "failure")
        parts.recorder.record([stopped])
        if parts.site is not None:
            parts.site.close()
        parts.audit.close()
        parts.store.close()

    def _end_pulse(self) -> None:
        """Closing the connection ends a pulse too, but then nobody hears of it, and the log would leave it open."""
        try:
            if self.parts.door.status().grant_id is not None:
                self.parts.door.lock()
        except DoorUnavailable:
            pass  # locked all the same: the connection is gone

    def _worker_failed(self, failed: WorkerFailed) -> None:
        foreseen = isinstance(failed.error, EdgefaceError)  # a sentence for people; anything else with its traceback
        self.log.error(
            "worker failed", worker=failed.name, gave_up=failed.gave_up, sentence=str(failed.error),
            exc_info=None if foreseen else failed.error,
        )  # fmt: skip
        if failed.name == "vision":
            self.parts.loop.camera_lost()  # what it was about to believe is void
        if failed.gave_up:
            error = failed.error
            sentence = f"The {failed.name} worker failed again and again: {error}"
            own = error if isinstance(error, EdgefaceError) else None
            self._failure = own or EdgefaceError(sentence, "See the log; the door is locked.")
            self.stop("failure")

    # -- the workers ------------------------------------------------------------------------------------------------

    def _camera_work(self, stop: threading.Event) -> None:
        parts = self.parts
        capture(parts.camera, self.slot, stop, self._camera_events, lambda: parts.watchdog.progress("camera"))

    def _vision_work(self, stop: threading.Event) -> None:
        loop, watchdog = self.parts.loop, self.parts.watchdog
        while not stop.is_set():
            frame = self.slot.take(TAKE_S)
            watchdog.progress("vision")
            if frame is None:
                if self.slot.ended:
                    self._wait_for_lock(stop)
                    self.stop("end of the recording")
                    return
                if self.frame_hook is None:
                    loop.attend_cards()  # a card needs no camera
                if not self.camera_ok and loop.latest is not None:
                    loop.camera_lost()  # what it showed last is no picture of now
                continue
            if self.first_frame_s is None:
                self.first_frame_s, self.camera_ok = frame.captured_s, True
            if 0 <= frame.captured_s - self._looked_s < self.health.period_s:
                continue  # too hot to look at all of them
            self._looked_s = frame.captured_s
            self.frames += 1
            hook = self.frame_hook
            if hook is not None:
                hook(frame)
            else:
                with self.parts.courtesy:
                    decision = loop.step(frame)
                self._measure(frame, decision)

    def _measure(self, frame: Frame, decision: Decision | None) -> None:
        granted = isinstance(decision, Grant)
        age_s = self.parts.clock.monotonic_s() - frame.captured_s if granted else None
        self.parts.measures.frame(self.parts.loop.timings, age_s)

    def _door_work(self, stop: threading.Event) -> None:
        """A thread of its own, not the tick: the main thread waits for the disk and for the door process itself, and a
        relay that lost its owner can't wait for either."""
        if self.parts.process is not None:
            self.parts.process.keep(stop, lambda sentence: self.log.error("door process", sentence=sentence))

    def _wait_for_lock(self, stop: threading.Event) -> None:
        """A recording may end in mid-pulse; its story ends when the door has locked."""
        for _ in range(self.parts.settings.door.max_pulse_ms // 100):
            self.parts.watchdog.progress("vision")
            self.parts.watchdog.progress("camera")
            try:
                if self.parts.door.status().locked or stop.wait(0.1):
                    return
            except DoorUnavailable:
                return

    def _camera_events(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, CameraLost):
                self.camera_ok = event.fault in ("black", "blinded")
            elif isinstance(event, CameraRecovered):
                self.camera_ok = True
        self.parts.recorder.record(events)

    # -- the main thread ----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self.parts.clock.monotonic_s()
        self._collect_door_events()
        if now >= self._next_gallery_s:
            self.parts.recorder.retry()
            self.refresh_gallery()
            took_s = self.parts.clock.monotonic_s() - now
            self._next_gallery_s = now + max(GALLERY_S, GALLERY_SHARE * took_s)
        if self.reloads is not None:
            self.reloads.tick()
        self._free_access.tick()
        self._mode.tick()
        if not self.slot.ended and not self._workers[0].alive:
            self.parts.watchdog.progress("camera")  # its failure is handled elsewhere; the vision still counts
        if not self.slot.ended:
            self.health.hung(self.parts.watchdog.late(now))
        self.parts.systemd.feed(self.parts.watchdog)

    def _machine_read(self, reading: Reading) -> None:
        self.health.heard(reading)
        lasting_s = self.parts.settings.health.lasting_min * 60
        if not self._has_lasted and self.parts.clock.monotonic_s() - self.started_s >= lasting_s:
            self._has_lasted = True
            self.lasted()

    def _collect_door_events(self) -> None:
        events = self.parts.door.poll_events()
        for event in events:
            self.parts.loop.door_event(event)
            if isinstance(event, DoorProcessRecovered):
                self._mode.door_process_recovered()
        self.parts.recorder.record(events)

    def refresh_gallery(self) -> None:
        """Takes over changes of the gallery; a gallery that can't be read leaves the one in force."""
        try:
            self.parts.recorder.record(self.parts.gallery.refresh())
        except EdgefaceError as e:
            self.log.warning("gallery", sentence=str(e))
