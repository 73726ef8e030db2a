"""One demo from curtain to verdict. What is shown meanwhile is the caller's: it hears of each moment."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from edgeface.app.demo.admins import Admin
from edgeface.app.demo.ending import scratch_folder
from edgeface.app.demo.stage import STOP_S, Stage, board, daemon
from edgeface.app.demo.stalls import Stall, StallMeter
from edgeface.app.demo.verdict import HINT, Happened, Row, judge, pulses_of
from edgeface.domain.errors import ControlError, EdgefaceError
from edgeface.domain.story import Expected

PULSE_MS = 1500  # short enough for the scene, long enough to be seen
DEMO_SETTINGS: dict[str, dict[str, object]] = {
    "door": {"pulse_ms": PULSE_MS},
    # longer than she stays after a grant, so that she is let in once; over before she comes again, so that her second
    # visit is not judged by the cooldown
    "decision": {"cooldown_s": 6.0},
}
TICK_S = 0.05
ASK_HINT_EVERY = 4  # ticks


class Client(Protocol):
    """The control socket's client; given by the caller, who may know that layer."""

    def call(self, op: str, **arguments: Any) -> Any: ...

    def stream(self, op: str, **arguments: Any) -> Any: ...


@dataclass
class Moment:
    """How things stand: for a live picture. Times are seconds from the scene's first frame."""

    t_s: float = 0.0
    length_s: float = 0.0
    phase: str = "preparing"
    relay_closed: bool = False
    events: list[Happened] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    rows: list[Row]
    events: list[Happened]
    edges: list[tuple[float, int]]
    lasted_s: float
    in_time: float = 1.0
    """Share of the camera's pictures that were looked at, and not too late."""
    stood_still_s: float = 0.0
    """The longest time in which the machine itself ran nobody."""

    @property
    def ok(self) -> bool:
        return bool(self.rows) and all(row.ok for row in self.rows)


class Demo:
    """`enrolled`: name -> photo file; `acts` name people by these names."""

    def __init__(
        self,
        source: str,
        length_s: float,
        acts: Sequence[Expected],
        enrolled: dict[str, Path],
        admin: Callable[[Stage], AbstractContextManager[Admin]],
        connect: Callable[[Path], Client],
        on_moment: Callable[[Moment], None],
    ) -> None:
        self._source, self._acts, self._enrolled = source, acts, enrolled
        self._admin, self._connect, self._on_moment = admin, connect, on_moment
        self._orders: list[_Order] = []
        self._moment = Moment(length_s=length_s)
        self._raw: list[tuple[float, dict[str, Any]]] = []
        self._origin_s: float | None = None
        self._asking: Client | None = None
        self._in_time = 1.0

    def run(self) -> Outcome:
        """Raises EdgefaceError where something does not even start."""
        began_s = time.monotonic()
        with scratch_folder("edgeface-demo-") as folder:
            stage = Stage(folder)
            stage.write_config(self._source, DEMO_SETTINGS)
            self._phase("enrolling")
            with self._admin(stage) as admin:
                ids = admin.enrol(self._enrolled)
                acts = [_for_record(act, ids) for act in self._acts]
                self._orders = [_Order(act, admin) for act in acts if act.admin == "revoke"]
                self._phase("starting")
                with StallMeter() as meter, board(stage), daemon(stage) as process:
                    self._watch(stage, process)
                for order in self._orders:
                    order.finish()
                if not admin.heard:
                    acts = [replace(act, admin="") for act in acts]
            edges = self._edges(stage)
        origin = self._origin_s or 0.0
        stalls = [Stall(s.begin_s - origin, s.end_s - origin) for s in meter.stalls]
        rows = judge(acts, self._moment.events, pulses_of(edges), PULSE_MS, stalls)
        longest_s = max((s.end_s - s.begin_s for s in stalls), default=0.0)
        return Outcome(rows, self._moment.events, edges, time.monotonic() - began_s, self._in_time, longest_s)

    def _watch(self, stage: Stage, process: subprocess.Popen[bytes]) -> None:
        listener = threading.Thread(target=self._listen, args=(stage,), daemon=True)
        listener.start()
        self._origin_s = self._first_frame(stage, process)
        self._phase("playing")
        deadline = self._origin_s + self._moment.length_s + 30.0
        ticks = 0
        while process.poll() is None and time.monotonic() < deadline:
            if ticks % ASK_HINT_EVERY == 0:
                self._ask_hint(stage)
            self._update(stage)
            for order in self._orders:
                order.give(self._moment.t_s)
            ticks += 1
            time.sleep(TICK_S)
        if process.poll() is None:
            raise EdgefaceError("The daemon did not end with the scene.", "See its log.")
        listener.join(STOP_S)
        self._update(stage)
        if process.returncode != 0:
            raise EdgefaceError(
                f"The daemon ended with {process.returncode}: "
                + stage.daemon_log.read_text(encoding="utf-8", errors="replace")[-600:]
            )

    def _ask_hint(self, stage: Stage) -> None:
        """What the person at the door is told now."""
        try:
            self._asking = self._asking or self._connect(stage.control_socket)
            status = self._asking.call("status")
        except ControlError:
            self._asking = None  # the daemon ends, or is busy: asked again
            return
        camera, hint = status["camera"], status["hint"]
        looked_at, missed = int(camera["frames"]), int(camera["not_looked_at"])
        self._in_time = (looked_at - int(camera["looked_at_too_late"])) / max(1, looked_at + missed)
        if hint is not None:
            self._raw.append((time.monotonic(), {"event": HINT, "hint": hint}))

    def _listen(self, stage: Stage) -> None:
        try:
            for answer in self._connect(stage.control_socket).stream("events", since=0):
                if answer["event"] is not None:
                    self._raw.append((float(answer["event"]["t_s"]), answer["event"]))
        except ControlError:
            return  # the daemon has ended

    def _first_frame(self, stage: Stage, process: subprocess.Popen[bytes]) -> float:
        client = self._connect(stage.control_socket)
        until = time.monotonic() + 60.0
        while process.poll() is None and time.monotonic() < until:
            first = client.call("status")["camera"]["first_frame_s"]
            if first is not None:
                return float(first)
            time.sleep(0.02)
        raise EdgefaceError(
            "The virtual camera gave no picture: "
            + stage.daemon_log.read_text(encoding="utf-8", errors="replace")[-600:]
        )

    def _update(self, stage: Stage) -> None:
        origin = self._origin_s or 0.0
        self._moment.t_s = min(time.monotonic() - origin, self._moment.length_s)
        self._moment.events = [
            Happened(max(0.0, t - origin), str(e["event"]), {k: v for k, v in e.items() if k not in ("event", "t_s")})
            for t, e in list(self._raw)
        ]
        edges = stage.edges()
        self._moment.relay_closed = bool(edges) and edges[-1][1] == 1
        self._on_moment(self._moment)

    def _edges(self, stage: Stage) -> list[tuple[float, int]]:
        origin = self._origin_s or 0.0
        return [(t - origin, level) for t, level in stage.edges()]

    def _phase(self, phase: str) -> None:
        self._moment.phase = phase
        self._on_moment(self._moment)


class _Order:
    """What an admin does as an act begins; the show goes on meanwhile."""

    def __init__(self, act: Expected, admin: Admin) -> None:
        self._at_s, self._person, self._admin = act.start_s, act.person, admin
        self._thread: threading.Thread | None = None
        self._failed: EdgefaceError | None = None

    def give(self, t_s: float) -> None:
        if self._thread is None and t_s >= self._at_s:
            self._thread = threading.Thread(target=self._carry_out, name="admin")
            self._thread.start()

    def finish(self) -> None:
        """Raises what the command raised."""
        if self._thread is not None:
            self._thread.join()
        if self._failed is not None:
            raise self._failed

    def _carry_out(self) -> None:
        try:
            self._admin.revoke(self._person)
        except EdgefaceError as e:
            self._failed = e


def _for_record(act: Expected, ids: dict[str, str]) -> Expected:
    """The act with the person's record id in the place of the name."""
    return replace(act, person=ids.get(act.person, act.person))
