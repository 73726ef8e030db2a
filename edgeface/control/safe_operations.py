"""What the control socket can do in safe mode: see, lock, set the mode, stop. The answers have the form of
operations.py's, so that the same commands show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgeface import __version__
from edgeface.app.safe_mode import SafeMode
from edgeface.control.operations import MODES, door_status, only
from edgeface.control.server import Operation
from edgeface.domain.errors import ControlError


def safe_operations(safe: SafeMode) -> dict[str, Operation]:
    o = SafeOperations(safe)
    return {"status": o.status, "events": o.events, "door.lock": o.lock, "door.mode": o.mode, "stop": o.stop}


class SafeOperations:
    def __init__(self, safe: SafeMode) -> None:
        self._safe, self._parts = safe, safe.parts

    def status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments)
        p = self._parts
        return {
            "version": __version__,
            "door_name": p.settings.door_name,
            "uptime_s": round(p.clock.monotonic_s() - self._safe.started_s, 1),
            "camera": {
                "ok": False, "name": "not opened in safe mode", "size": None, "fps": None, "frames": 0,
                "not_looked_at": 0, "looked_at_too_late": 0, "first_frame_s": None,
            },
            "door": door_status(p.door),
            "gallery": {"people": 0, "templates": 0, "of_other_models": 0, "damaged": {}},
            "models": {},
            "threshold": {"value": None, "sentence": self._safe.sentence},
            "audit_fault": p.recorder.fault,
            "alarms": dict(self._safe.alarms.standing),
            "hint": None,
        }  # fmt: skip

    def events(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        only(arguments, "since")
        since = arguments.get("since")
        if since is not None and (type(since) is not int or since < 0):
            raise ControlError("`since` must be the number of an event, 0 for all that are still known.")
        heard = self._parts.stream.listen(since)
        return ({"n": None, "event": None} if i is None else {"n": i[0], "event": i[1].to_dict()} for i in heard)

    def lock(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments)
        self._parts.door.lock()
        return {"locked": True}

    def mode(self, arguments: dict[str, Any]) -> dict[str, Any]:
        only(arguments, "mode")
        mode = arguments.get("mode")
        if not isinstance(mode, str) or mode not in MODES:
            raise ControlError(f"`mode` must be one of {', '.join(MODES)}.")
        self._parts.door.set_mode(mode)
        return {"mode": mode}

    def stop(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        only(arguments)

        def answered() -> Iterator[dict[str, Any]]:
            yield {"stopping": True}
            self._safe.stop("asked to")

        return answered()
