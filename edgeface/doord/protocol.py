"""The door socket's requests and answers (docs/design.md, 10.4). Pure: bytes in, values out. Strict, because a client
that talks nonsense is not to be trusted with a door: an unknown key is nonsense too."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeface.adapters.door import wire
from edgeface.domain.door import SILENCE_MS, DoorMachine, Locked, Mode, Refusal, Signal, Unlocked
from edgeface.domain.door_facts import Fact
from edgeface.domain.door_signals import ASKED
from edgeface.domain.events import DoorLocked, DoorUnlocked, Event
from edgeface.domain.wiegand import WiegandCard


@dataclass(frozen=True, slots=True)
class Hello:
    pass


@dataclass(frozen=True, slots=True)
class GrantAsked:
    grant_id: str
    pulse_ms: int
    test: bool = False


@dataclass(frozen=True, slots=True)
class LockAsked:
    pass


@dataclass(frozen=True, slots=True)
class ModeAsked:
    mode: Mode


@dataclass(frozen=True, slots=True)
class FreeAsked:
    for_ms: int
    first_person: bool


@dataclass(frozen=True, slots=True)
class ShowAsked:
    signal: Signal


@dataclass(frozen=True, slots=True)
class CardOutAsked:
    card: WiegandCard


@dataclass(frozen=True, slots=True)
class StatusAsked:
    pass


@dataclass(frozen=True, slots=True)
class Ping:
    pass


Request = Hello | GrantAsked | LockAsked | StatusAsked | Ping | ModeAsked | FreeAsked | ShowAsked | CardOutAsked
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
    if not isinstance(op, str) or not (op in _PLAIN or op in _WITH_ARGUMENTS):
        raise Nonsense("unknown_op" if isinstance(op, str) else "malformed", "the op is not one of this protocol")
    if op in _PLAIN:
        if message:
            raise Nonsense("malformed", f"{op} takes no arguments")
        return _PLAIN[op]
    request = _WITH_ARGUMENTS[op](message)
    if message:
        raise Nonsense("malformed", f"{op} has an argument too many")
    return request


def _grant(message: dict[str, object]) -> Request:
    grant_id, pulse_ms, test = message.pop("id", None), message.pop("pulse_ms", None), message.pop("test", False)
    if not isinstance(grant_id, str) or type(pulse_ms) is not int or not isinstance(test, bool):
        raise Nonsense("malformed", "a grant takes an id (text), pulse_ms (a whole number) and test (true or false)")
    return GrantAsked(grant_id, pulse_ms, test)


def _mode(message: dict[str, object]) -> Request:
    mode = message.pop("mode", None)
    if not isinstance(mode, str) or mode not in [m.value for m in Mode]:
        raise Nonsense("malformed", f"a mode is one of {', '.join(m.value for m in Mode)}")
    return ModeAsked(Mode(mode))


def _free(message: dict[str, object]) -> Request:
    for_ms, first_person = message.pop("for_ms", None), message.pop("first_person", None)
    if type(for_ms) is not int or not isinstance(first_person, bool):
        raise Nonsense("malformed", "free takes for_ms (a whole number) and first_person (true or false)")
    return FreeAsked(for_ms, first_person)


def _show(message: dict[str, object]) -> Request:
    signal = message.pop("signal", None)
    if signal not in [s.value for s in (*ASKED, Signal.IDLE)]:
        raise Nonsense("malformed", "a signal to show is look, denied or idle")
    return ShowAsked(Signal(signal))


def _card_out(message: dict[str, object]) -> Request:
    parts = message.pop("card", None)
    if not isinstance(parts, list) or len(parts) != 3 or any(type(p) is not int for p in parts):
        raise Nonsense("malformed", "card_out takes card: [bits, facility, number]")
    try:
        return CardOutAsked(WiegandCard(*parts))
    except ValueError as error:
        raise Nonsense("malformed", str(error)) from None


_WITH_ARGUMENTS = {"card_out": _card_out, "grant": _grant, "mode": _mode, "free": _free, "show": _show}
_NAMES: dict[type, str] = {
    CardOutAsked: "card_out", GrantAsked: "grant", ModeAsked: "mode", FreeAsked: "free", ShowAsked: "show",
}  # fmt: skip


def name_of(request: Request) -> str:
    return _NAMES.get(type(request)) or next(name for name, plain in _PLAIN.items() if plain == request)


def accepted(request: Request, machine: DoorMachine, detail: str) -> dict[str, object]:
    answer: dict[str, object] = {"re": name_of(request), "ok": True}
    if isinstance(request, GrantAsked):
        answer["id"] = request.grant_id
    elif isinstance(request, Hello):
        answer.update(max_pulse_ms=machine.max_pulse_ms, silence_ms=SILENCE_MS)
    elif isinstance(request, StatusAsked):
        answer.update(locked=machine.locked, mode=machine.mode.value, grant_id=machine.grant_id, detail=detail[:400])
        answer.update(held_by=machine.held_by, contact=machine.contact, alarms=list(machine.alarms))
    elif isinstance(request, ModeAsked):
        answer["mode"] = machine.mode.value
    return answer


def refused(request: Request, refusal: Refusal) -> dict[str, object]:
    answer = refusal_of(refusal.code.value, refusal.message, name_of(request))
    if isinstance(request, GrantAsked):
        answer["id"] = "".join(c for c in request.grant_id[:32] if c.isalnum() and c.isascii())
    return answer


def refusal_of(code: str, message: str, answered: str | None = None) -> dict[str, object]:
    return {"re": answered, "ok": False, "code": code, "message": message[:400]}


def event_of(fact: Fact, t_s: float) -> Event:
    """`t_s`: monotonic time at which the relay had moved."""
    if isinstance(fact, Unlocked):
        return DoorUnlocked(t_s, fact.grant_id, fact.pulse_ms, fact.cause)
    if isinstance(fact, Locked):
        return DoorLocked(t_s, fact.cause, fact.grant_id)
    return replace(fact, t_s=t_s)
