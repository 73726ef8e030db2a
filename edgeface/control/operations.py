"""What the control socket can do with a running daemon (docs/design.md, 10.5). Arguments come from another process:
each is checked here before anything is done with it."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Iterator
from typing import Any

from edgeface import __version__
from edgeface.app import wiring, wiring_tools
from edgeface.app.daemon import Daemon
from edgeface.app.enrolment import Enroller
from edgeface.app.observing import Observer
from edgeface.app.registration import NewPerson, register
from edgeface.app.view import View
from edgeface.app.wiring_site import not_here
from edgeface.control.server import Operation
from edgeface.domain.door_rules import Mode
from edgeface.domain.errors import ControlError, DoorError, EdgefaceError
from edgeface.domain.events import DoorTested, DoorTestRefused
from edgeface.domain.types import Frame
from edgeface.ports import Door

MODES = tuple(mode.value for mode in Mode)
MAX_ENROL_S = 60.0
VIEW_WIDTH = 1280


def operations(daemon: Daemon) -> dict[str, Operation]:
    o = Operations(daemon)
    return {
        "status": o.status,
        "measures": o.measures,
        "events": o.events,
        "view": o.view,
        "door.test": o.door_test,
        "door.lock": o.door_lock,
        "door.mode": o.door_mode,
        "enrol": o.enrol,
        "gallery.reload": o.gallery_reload,
        "settings.reload": o.settings_reload,
        "stop": o.stop,
    }


class Operations:
    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self._parts = daemon, daemon.parts
        self._enrolling = threading.Lock()

    def status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments)
        d, p = self._daemon, self._parts
        snapshot, info, view = p.gallery.now, p.camera.info, p.loop.latest
        now = p.clock.monotonic_s()
        return {
            "version": __version__,
            "door_name": p.settings.door_name,
            "uptime_s": round(now - d.started_s, 1),
            "camera": {
                "ok": d.camera_ok,
                "name": None if info is None else info.name,
                "size": None if info is None else [info.width, info.height],
                "fps": None if info is None else info.fps,
                "frames": d.frames,
                "not_looked_at": d.slot.replaced,
                "looked_at_too_late": p.loop.late_frames,
                "first_frame_s": d.first_frame_s,
            },
            "door": door_status(p.door),
            "gallery": {
                "people": len(snapshot.people),
                "templates": snapshot.matrix.templates,
                "of_other_models": snapshot.matrix.left_out,
                "damaged": dict(snapshot.damaged),
            },
            "models": {m.role: m.id for m in p.models.manifest.models if m.default},
            "threshold": {"value": snapshot.choice.threshold, "sentence": snapshot.choice.sentence},
            "audit_fault": p.recorder.fault,
            "site": None if p.site is None else p.site.status(),
            "alarms": dict(d.alarms.standing),
            "hint": None if view is None else view.hint,
        }

    def measures(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Counters since the start; two readings give the rates."""
        only(arguments)
        return Observer(self._daemon).report()

    def events(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A stream; an answer with event null about once a second while nothing happens."""
        only(arguments, "since")
        since = arguments.get("since")
        if since is not None and (type(since) is not int or since < 0):
            raise ControlError("`since` must be the number of an event, 0 for all that are still known.")
        heard = self._parts.stream.listen(since)
        return ({"n": None, "event": None} if i is None else {"n": i[0], "event": i[1].to_dict()} for i in heard)

    def view(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments, "max_width")
        width = arguments.get("max_width", 640)
        if type(width) is not int or not 16 <= width <= VIEW_WIDTH:
            raise ControlError(f"`max_width` must be a number of pixels from 16 to {VIEW_WIDTH}.")
        view = self._parts.loop.latest
        if view is None:
            raise ControlError("There is no picture yet.", "Is the camera there? `edgeface door status` says.")
        return {
            "t_s": view.frame.captured_s,
            "size": [view.frame.width, view.frame.height],
            "jpeg": base64.b64encode(wiring_tools.encode_jpeg(view.frame.pixels, width)).decode(),
            "tracks": _tracks(view),
            "hint": view.hint,
        }

    def door_test(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """One pulse, audited before it begins, as a grant is."""
        only(arguments, "pulse_ms")
        p = self._parts
        pulse_ms, longest = arguments.get("pulse_ms", 500), p.settings.door.max_pulse_ms
        if type(pulse_ms) is not int or not 1 <= pulse_ms <= longest:
            raise ControlError(
                f"`pulse_ms` must be a whole number of milliseconds from 1 to {longest}.",
                "door.max_pulse_ms in the settings is the longest.",
            )
        grant_id = secrets.token_hex(16)
        p.recorder.record_before(DoorTested(p.clock.monotonic_s(), grant_id, pulse_ms))
        try:
            p.door.grant(grant_id, pulse_ms, test=True)
        except DoorError as e:
            p.recorder.record([DoorTestRefused(p.clock.monotonic_s(), grant_id, e.message)])
            raise
        return {"grant_id": grant_id, "pulse_ms": pulse_ms}

    def door_lock(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments)
        self._parts.door.lock()
        return {"locked": True}

    def door_mode(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Kept by the door process until it is changed; its event goes to the audit log."""
        only(arguments, "mode")
        mode = arguments.get("mode")
        if not isinstance(mode, str) or mode not in MODES:
            raise ControlError(f"`mode` must be one of {', '.join(MODES)}.")
        self._parts.door.set_mode(mode)
        return {"mode": mode}

    def gallery_reload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments)
        self._daemon.refresh_gallery()
        snapshot = self._parts.gallery.now
        return {"people": len(snapshot.people), "templates": snapshot.matrix.templates}

    def settings_reload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments)
        reloads = self._daemon.reloads
        if reloads is None:
            raise ControlError("This daemon has no settings to read anew.")
        change = reloads.wait()
        return {"changed": list(change.changed), "refused": list(change.refused)}

    def stop(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answers first: stopping closes every connection."""
        only(arguments)

        def answered() -> Iterator[dict[str, Any]]:
            yield {"stopping": True}
            self._daemon.stop("asked to")

        return answered()

    def enrol(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A stream: what became of each picture, then the record. One enrolment at a time; the door decides nothing
        meanwhile, and stays locked."""
        person, seconds = NewPerson.from_message(arguments)
        if self._parts.site is not None:
            raise not_here()
        if not 1.0 <= seconds <= MAX_ENROL_S:
            raise ControlError(f"`seconds` must be from 1 to {MAX_ENROL_S:g}.")
        if person.replaces is not None:
            if re.fullmatch("[0-9a-f]{32}", person.replaces) is None:
                raise ControlError("`replaces` must be a record's id: 32 hexadecimal digits.")
            self._parts.store.get(person.replaces)  # a wrong id is said before somebody stands there for nothing
        if not self._enrolling.acquire(blocking=False):
            raise ControlError("Somebody is being enrolled at this door already.", "Wait until that is done.")
        return self._enrol(person, seconds)

    def _enrol(self, person: NewPerson, seconds: float) -> Iterator[dict[str, Any]]:
        from queue import Empty, Queue

        frames: Queue[Frame] = Queue(2)  # the newest few: an enroller that is slower than the camera skips frames
        p = self._parts
        rules = p.loop.rules
        enroller = Enroller(wiring.vision_of(p.models), rules.quality, rules.liveness.spoof, "camera")

        def hook(frame: Frame) -> None:
            if not frames.full():
                frames.put_nowait(frame)

        try:
            self._daemon.frame_hook = hook
            until = p.clock.monotonic_s() + seconds
            while p.clock.monotonic_s() < until and not enroller.enough:
                try:
                    frame = frames.get(timeout=0.5)
                except Empty:
                    continue
                offered = enroller.offer(frame.pixels, f"frame {frame.index}", frame.captured_s)
                yield {"accepted": offered.accepted, "reason": offered.reason, "so_far": enroller.accepted}
            registered = register(person, enroller.finish(p.gallery.now, person.replaces), p.store, p.clock, p.recorder)
            self._daemon.refresh_gallery()
            yield {"person": registered.to_dict()}
        finally:
            self._daemon.frame_hook = None
            self._enrolling.release()


def door_status(door: Door) -> dict[str, Any]:
    try:
        s = door.status()
    except EdgefaceError as e:
        return {"reachable": False, "detail": str(e)}
    return {
        "reachable": True, "locked": s.locked, "mode": s.mode, "grant_id": s.grant_id, "detail": s.detail,
        "held_by": s.held_by, "contact": s.contact, "alarms": list(s.alarms),
    }  # fmt: skip


def only(arguments: dict[str, Any], *known: str) -> None:
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        named = ", ".join(known) or "none"
        raise ControlError(f"The argument {unknown[0][:40]!r} is unknown here.", f"Known: {named}.")


def _tracks(view: View) -> list[dict[str, Any]]:
    return [
        {
            "id": t.id,
            "box": [round(v, 1) for v in (t.face.box.x1, t.face.box.y1, t.face.box.x2, t.face.box.y2)],
            "visible": t.visible,
            "subject": t.id == view.subject,
        }
        for t in view.tracks
    ]
