"""The real daemon with its real threads, around fakes: a camera that shows scripted people, a door that records."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from structlog.testing import capture_logs
from support.doorway import MODEL, RULE, ScriptedVision, Seen, paint

from edgeface.adapters.camera.reconnect import Backoff, ResilientCamera
from edgeface.adapters.camera.recorded import RecordedCamera
from edgeface.adapters.door.recording import RecordingDoor
from edgeface.adapters.gallery.memory import MemoryGallery
from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import SystemClock
from edgeface.adapters.system.watchdog import ProgressWatchdog, RecordingNotifier, Systemd
from edgeface.adapters.vision.bundle import VisionModels
from edgeface.app.daemon import Daemon
from edgeface.app.door_loop import DoorLoop
from edgeface.app.measures import Measures
from edgeface.app.people import LiveGallery
from edgeface.app.recorder import EventStream, Recorder
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings
from edgeface.app.wiring import vision_of
from edgeface.app.wiring_parts import Parts

WAIT_S = 30.0  # how long a test waits for what must come; only a broken daemon takes it


def pictures(*faces: Seen, count: int = 4) -> list[np.ndarray]:
    """The same scene with a little noise of its own in each picture: a camera that is not frozen."""
    rng = np.random.default_rng(5)
    return [np.clip(paint(faces).astype(int) + rng.integers(-4, 5, (240, 320, 3)), 0, 255).astype(np.uint8)
            for _ in range(count)]  # fmt: skip


class Noting:
    """Calls to `name` of a part, noted in order."""

    def __init__(self, story: list[str], name: str) -> None:
        self._story, self._name = story, name

    def start(self) -> None:
        self._story.append(f"{self._name} started")

    def stop(self) -> None:
        self._story.append(f"{self._name} stopped")

    def keep(self, stop: threading.Event, _report: object) -> None:
        """As long as the daemon runs: this one needs no care."""
        stop.wait()


class Running:
    """`play` runs the daemon in this thread and `script` beside it, until the script has ended or the daemon has.
    `camera` makes what is opened; `story` has the order in which parts were opened and closed."""

    def __init__(self, *people, camera: Callable[[], object] | None = None, faces=(), services=None, **settings):
        self.story: list[str] = []
        self.events: list = []
        self.vision = ScriptedVision()
        self.vision.faces = tuple(faces)
        self.clock = SystemClock()
        self.settings = Settings(
            **{"door": {"driver": "recording", "pulse_ms": 300}, "decision": {"freshness_ms": 2000, "cooldown_s": 0.5},
               **settings}
        )  # fmt: skip
        self.door = RecordingDoor(self.clock)
        self.store = MemoryGallery(people)
        self.audit = MemoryAudit(clock=self.clock, boot_id="test")
        self.notifier = RecordingNotifier()
        self.logged: list = []
        self._script_error: BaseException | None = None
        for part, name in ((self.door, "door"), (self.store, "store"), (self.audit, "audit")):
            self._note_closing(part, name)
        v, stream, measures = self.vision, EventStream(), Measures()
        models = VisionModels(SimpleNamespace(models=()), v, v, v, v, "scripted-spoof", ())
        gallery = LiveGallery(self.store, MODEL, RULE, self.clock)
        recorder = Recorder(self.audit, self.clock, [stream.publish, measures.event, self.events.append])
        self.camera = ResilientCamera(
            camera or (lambda: self.live(*faces)), backoff=Backoff(0.05, 0.1, 0.0), max_age_s=10.0, seed=1
        )
        loop = DoorLoop(
            vision_of(models), gallery, self.door, recorder, self.clock, rules_of(self.settings), random.Random(1)
        )
        self.parts = Parts(
            self.settings, self.clock, models, self.store, self.audit, gallery, stream, recorder,
            ProgressWatchdog(["camera", "vision"], 4.0, self.clock), Systemd(self.notifier),
            Noting(self.story, "process"), self.door, self.camera, loop, measures,
        )  # fmt: skip
        self.daemon = Daemon(self.parts, services or (lambda daemon: [Noting(self.story, "service")]))

    @staticmethod
    def live(*faces: Seen, fps: float = 40.0, **options) -> RecordedCamera:
        return RecordedCamera(pictures(*faces), fps=fps, loop=True, monotonic=time.monotonic, **options)

    def _note_closing(self, part, name: str) -> None:
        close = part.close

        def noted() -> None:
            self.story.append(f"{name} closed")
            close()

        part.close = noted

    def play(self, script: Callable[[], None] = lambda: None) -> None:
        """Raises what the daemon raises, or else what the script raised."""
        before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
        thread = threading.Thread(target=self._guide, args=(script,), daemon=True)
        thread.start()
        try:
            with capture_logs() as self.logged:
                self.daemon.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            thread.join(WAIT_S)
        if self._script_error is not None:
            raise self._script_error

    def _guide(self, script: Callable[[], None]) -> None:
        try:
            self.until(lambda: self.kinds()[:1] == ["daemon_started"])
            script()
        except BaseException as e:
            self._script_error = e
        finally:
            self.daemon.stop("the test is over")

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"it never came; events so far: {self.kinds()}")
            time.sleep(0.01)

    def kinds(self) -> list[str]:
        return [e.kind for e in list(self.events)]

    def count(self, kind: str) -> int:
        return self.kinds().count(kind)

    def frames_pass(self, count: int = 10) -> None:
        """Waits until the vision has taken so many more frames."""
        at = self.daemon.frames
        self.until(lambda: self.daemon.frames >= at + count)
