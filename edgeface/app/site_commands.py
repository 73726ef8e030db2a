"""An operator's commands to this door: a nonce for whoever asks, then one command with it. Written down before it is
carried out, as a grant is; answered with what became of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from edgeface.app.recorder import Recorder
from edgeface.domain.errors import DoorError, EdgefaceError, GrantRefused
from edgeface.domain.events import CommandRun
from edgeface.domain.messages_door import Command, CommandAsk, CommandNonce, CommandOp, CommandReply
from edgeface.domain.nonces import CommandNonces
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.site_change import Opened
from edgeface.ports import Clock, Door


class Commands:
    """Belongs to the site's worker. `lock_down` makes this door's own lockdown begin or end, durably."""

    def __init__(
        self,
        device: str,
        door: Door,
        recorder: Recorder,
        clock: Clock,
        pulse_ms: int,
        lock_down: Callable[[bool], None],
    ) -> None:
        self._device, self._door, self._recorder, self._clock = device, door, recorder, clock
        self._pulse_ms, self._lock_down = pulse_ms, lock_down
        self._nonces = CommandNonces()

    def ask(self, opened: Opened, ask: CommandAsk) -> CommandNonce:
        """Raises MessageRefused."""
        if ask.device != self._device:
            raise MessageRefused(Refusal.WRONG_RECIPIENT)
        nonce = secrets.token_bytes(16)
        self._nonces.issue(nonce, opened.signer, self._clock.monotonic_s())
        return CommandNonce(ask.id, opened.signer, nonce)

    def run(self, opened: Opened, command: Command) -> CommandReply:
        """Raises MessageRefused for one that may not be carried out; a door that can't obey says so in the reply."""
        if command.device != self._device:
            raise MessageRefused(Refusal.WRONG_RECIPIENT)
        now = self._clock.monotonic_s()
        refusal = self._nonces.take(command.nonce, opened.signer, now, retained=opened.retained)
        if refusal is not None:
            raise MessageRefused(refusal)
        try:
            self._obey(command, opened.signer)
        except GrantRefused as e:
            return self._failed(command, opened.signer, e.code, e)
        except EdgefaceError as e:
            return self._failed(command, opened.signer, "door_fault" if isinstance(e, DoorError) else "fault", e)
        return CommandReply(command.nonce, True)

    def _obey(self, command: Command, admin: str) -> None:
        done = CommandRun(self._clock.monotonic_s(), command.op.value, admin, True)
        if command.op is CommandOp.UNLOCK:
            self._recorder.record_before(done)  # nothing opens that was not recorded
            self._door.grant(secrets.token_hex(16), command.pulse_ms or self._pulse_ms)
            return
        if command.op is CommandOp.LOCK:
            self._door.lock()
        elif command.op in (CommandOp.LOCKDOWN, CommandOp.RELEASE):
            self._lock_down(command.op is CommandOp.LOCKDOWN)
        self._recorder.record([done])

    def _failed(self, command: Command, admin: str, code: str, error: EdgefaceError) -> CommandReply:
        self._recorder.record([CommandRun(self._clock.monotonic_s(), command.op.value, admin, False, code)])
        return CommandReply(command.nonce, False, code[:64], error.message[:512])
