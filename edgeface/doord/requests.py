"""A request of the client, put to the state machine. Pure."""

from __future__ import annotations

from dataclasses import replace

from edgeface.domain.door import DoorMachine, Outcome, Refusal, Refused
from edgeface.doord import protocol

_HARMLESS = (protocol.Hello, protocol.Ping, protocol.StatusAsked, protocol.LockAsked)


def put(machine: DoorMachine, request: protocol.Request, now_s: float, stale: bool) -> Outcome:
    """`stale`: it queued while this process was held up, so what it wants may be over."""
    if stale and not isinstance(request, _HARMLESS):
        late = Refusal(Refused.NOT_ALLOWED, "the door process was held up: this request may be stale")
        return replace(machine.heard(now_s), refusal=late)
    if isinstance(request, protocol.GrantAsked):
        return machine.grant(request.grant_id, request.pulse_ms, now_s, test=request.test)
    if isinstance(request, protocol.FreeAsked):
        return machine.free(request.for_ms, request.first_person, now_s)
    if isinstance(request, protocol.ShowAsked):
        return machine.show(request.signal, now_s)
    outcome = machine.heard(now_s)
    if outcome.drop_client:
        return outcome
    if isinstance(request, protocol.CardOutAsked) and machine.locked:
        return replace(outcome, refusal=Refusal(Refused.NOT_ALLOWED, "no number goes out while the door is locked"))
    if isinstance(request, protocol.LockAsked):
        return outcome.then(machine.lock("requested", now_s))
    if isinstance(request, protocol.ModeAsked):
        return outcome.then(machine.set_mode(request.mode, now_s))
    return outcome
