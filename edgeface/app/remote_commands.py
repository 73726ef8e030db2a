"""Wishes of other software at this door, which come unsigned over the broker: refused unless the operator allows them,
while they may be old, and where a grant would be refused; written down before they are carried out."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from edgeface.app.recorder import Recorder
from edgeface.app.site_gate import SiteGate
from edgeface.domain.device_events import RemoteCommand
from edgeface.domain.errors import DoorError, EdgefaceError, GrantRefused
from edgeface.domain.home_assistant import Bucket, Wish, objection
from edgeface.domain.messages import SiteMode
from edgeface.ports import Clock, Door

AT_ONCE, PER_S = 5, 0.2  # each one is written to the disk: a flood must not wear it out, nor push the log's past away


class RemoteCommands:
    """Belongs to one thread. `pulse_ms` is asked at each unlock."""

    def __init__(
        self,
        source: str,
        allowed: bool,
        door: Door,
        gate: SiteGate,
        recorder: Recorder,
        clock: Clock,
        pulse_ms: Callable[[], int],
    ) -> None:
        self._source, self.allowed, self._door, self._gate = source, allowed, door, gate
        self._recorder, self._clock, self._pulse_ms = recorder, clock, pulse_ms
        self._bucket = Bucket(AT_ONCE, PER_S)
        self._unsaid = 0

    def ask(self, wish: Wish | None, session: str, *, retained: bool) -> bool:
        """Whether it was carried out. `wish` None: it can't be read. `session`: of the connection that stands."""
        if not self._bucket.take(self._clock.monotonic_s()):
            self._unsaid += 1
            return False
        op = "" if wish is None else wish.op
        code = self._objection(wish, session, retained)
        if not code and wish is not None:
            try:
                self._obey(wish)
            except GrantRefused as e:
                code = e.code
            except EdgefaceError as e:
                code = "door_fault" if isinstance(e, DoorError) else "fault"
        if code:
            self._recorder.record([self._told(op, code)])
        return not code

    def _objection(self, wish: Wish | None, session: str, retained: bool) -> str:
        if not self.allowed:
            return "not_allowed"
        if retained:
            return "retained_command"
        if wish is None:
            return "malformed"
        old = objection(wish, session, self._clock.utc().timestamp(), self._clock.is_set())
        if old or wish.op == "lock":
            return old
        if not self._gate.member:
            return "removed_from_site"
        return "lockdown" if self._gate.mode is SiteMode.LOCKDOWN else ""

    def _obey(self, wish: Wish) -> None:
        """Raises GrantRefused, DoorUnavailable, StorageError."""
        if wish.op == "lock":
            self._door.lock()
            self._recorder.record([self._told("lock")])
            return
        now = self._door.status()
        if now.mode == SiteMode.LOCKDOWN.value:
            raise GrantRefused("lockdown", "The door is in lockdown.")
        if "tamper" in now.alarms:  # nobody stands before the camera for it, and somebody may be at the wires
            raise GrantRefused("tamper", "The device's case is open.")
        self._recorder.record_before(self._told("unlock"))  # nothing opens that was not recorded
        if now.locked:  # otherwise it is done; and a grant would lock a door that toggles
            self._door.grant(secrets.token_hex(16), self._pulse_ms())

    def _told(self, op: str, code: str = "") -> RemoteCommand:
        unsaid, self._unsaid = self._unsaid, 0
        return RemoteCommand(self._clock.monotonic_s(), op, self._source, not code, code, unsaid)
