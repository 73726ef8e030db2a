"""The door socket's requests and answers (docs/design.md, 10.4). Pure: bytes in, values out. Strict, because a client
that talks nonsense is not to be trusted with a door: an unknown key is nonsense too."""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.adapters.door import wire
from edgeface.domain.door import SILENCE_MS, DoorMachine, Locked, Mode, Refusal, Unlocked
from edgeface.domain.events import DoorLocked, DoorUnlocked, Event


@dataclass(frozen=True, slots=True)
class Hello:
    pass


@dataclass(frozen=True, slots=True)
class GrantAsked:
    grant_id: str
    pulse_ms: int


@dataclass(frozen=True, slots=True)
class LockAsked:
    pass


@dataclass(frozen=True, slots=True)
class StatusAsked:
    pass


@dataclass(frozen=True, slots=True)
class Ping:
    pass


@dataclass(frozen=True, slots=True)
class ModeAsked:
    mode: Mode


Request = Hello | GrantAsked | LockAsked | StatusAsked | Ping | ModeAsked
_PLAIN: dict[str, Request] = {"hello": Hello(), "lock": LockAsked(), "status": StatusAsked(), "ping": Ping()}


class Nonsense(Exception):
    """`code` is `malformed` or `unknown_op`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse(packet: bytes) -> Request:
    """Raises Nonsense. The values inside a grant are the state machine's to judge, their types are judged here."""
    try:
        message = wire.decode(packet)
    except wire.WireError as error:
        raise Nonsense("malformed", str(error)) from error
    op = message.pop("op", None)
    if not isinstance(op, str) or not (op in _PLAIN or op in ("grant", "mode")):
        raise Nonsense("unknown_op" if isinstance(op, str) else "malformed", "the op is not one of this protocol")
    if op == "mode":
        return _mode(message)
    if op != "grant":
        if message:
            raise Nonsense("malformed", f"{op} takes no arguments")
        return _PLAIN[op]
    grant_id, pulse_ms = message.pop("id", None), message.pop("pulse_ms", None)
    if message or not isinstance(grant_id, str) or type(pulse_ms) is not int:
        raise Nonsense("malformed", "a grant takes an id (text) and pulse_ms (a whole number), nothing else")
    return GrantAsked(grant_id, pulse_ms)


def _mode(message: dict[str, object]) -> ModeAsked:
    wanted = message.pop("mode", None)
    if message or wanted not in [m.value for m in Mode]:
        raise Nonsense("malformed", "mode takes one of normal, lockdown, free_access, nothing else")
    return ModeAsked(Mode(wanted))


def name_of(request: Request) -> str:
    if isinstance(request, ModeAsked):
        return "mode"
    return "grant" if isinstance(request, GrantAsked) else next(n for n, r in _PLAIN.items() if r == request)


def accepted(request: Request, machine: DoorMachine, detail: str) -> dict[str, object]:
    answer: dict[str, object] = {"re": name_of(request), "ok": True}
    if isinstance(request, GrantAsked):
        answer["id"] = request.grant_id
    elif isinstance(request, Hello):
        answer.update(max_pulse_ms=machine.max_pulse_ms, silence_ms=SILENCE_MS)
    elif isinstance(request, StatusAsked):
        answer.update(locked=machine.locked, mode=machine.mode.value, grant_id=machine.grant_id, detail=detail[:400])
    return answer


def refused(request: Request, refusal: Refusal) -> dict[str, object]:
    answer = refusal_of(refusal.code.value, refusal.message, name_of(request))
    if isinstance(request, GrantAsked):
        answer["id"] = "".join(c for c in request.grant_id[:32] if c.isalnum() and c.isascii())
    return answer


def refusal_of(code: str, message: str, answered: str | None = None) -> dict[str, object]:
    return {"re": answered, "ok": False, "code": code, "message": message[:400]}


def event_of(fact: Unlocked | Locked, t_s: float) -> Event:
    """`t_s`: monotonic time at which the relay had moved."""
    if isinstance(fact, Unlocked):
        return DoorUnlocked(t_s, fact.grant_id, fact.pulse_ms)
    return DoorLocked(t_s, fact.cause, fact.grant_id)
