"""What a scene expects against what happened: pure, so that the judge itself can be tried with cases that must fail.

All times are seconds from the scene's first frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeface.app.demo.stalls import Stall, stood_still_s
from edgeface.domain.story import Expected

DECISIONS = ("access_granted", "access_denied", "spoof_refused")
ADMIN_DID = {"enrol": "person_enrolled", "revoke": "person_removed"}  # what the door says of it
HINT = "hint"  # the kind of `Happened` that says what the person is told; its field `hint` is a quality issue or reason
LONGER_MS = 100  # a pulse may outlast its length by this: the design's promise
SHORTER_MS = 50


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the daemon, with its fields."""

    t_s: float
    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pulse:
    """One closing of the relay, by the board's own log. `off_s` None: it never opened again."""

    on_s: float
    off_s: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """`after_ms`: from the first frame of evidence to the decision, and for a grant to the relay. `faults` is empty
    where the row holds."""

    name: str
    expected: str
    happened: str
    after_ms: int | None
    pulse_ms: int | None
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.faults


def pulses_of(edges: Sequence[tuple[float, int]], closed_level: int = 1) -> list[Pulse]:
    """From the board's edges (t_s, level), in order."""
    pulses: list[Pulse] = []
    on: float | None = None
    for t_s, level in edges:
        if level == closed_level and on is None:
            on = t_s
        elif level != closed_level and on is not None:
            pulses.append(Pulse(on, t_s))
            on = None
    return [*pulses, Pulse(on, None)] if on is not None else pulses


def judge(
    acts: Sequence[Expected],
    events: Sequence[Happened],
    pulses: Sequence[Pulse],
    pulse_ms: int,
    stalls: Sequence[Stall] = (),
) -> list[Row]:
    """A row for each act, and one for whatever happened outside them (a decision or a pulse between two acts). A pulse
    may be off by the time that the machine itself stood still while it lasted."""
    rows = [_row(act, events, pulses, pulse_ms, stalls) for act in acts]
    stray = [e for e in events if e.kind in DECISIONS and not any(a.start_s <= e.t_s < a.end_s for a in acts)]
    loose = [p for p in pulses if not any(a.start_s <= p.on_s < a.end_s for a in acts)]
    if stray or loose:
        told = ", ".join([*(f"{e.kind} at {e.t_s:.1f} s" for e in stray), *(f"relay at {p.on_s:.1f} s" for p in loose)])
        rows.append(Row("between the acts", "nothing", told, None, None, (f"unexpected: {told}",)))
    return rows


def during(act: Expected, events: Sequence[Happened]) -> list[Happened]:
    """What happened in it; what an admin did is shown in his own act alone."""
    found = [e for e in events if act.start_s <= e.t_s < act.end_s]
    return [e for e in found if act.admin or e.kind not in ADMIN_DID.values()]


def _row(
    act: Expected, events: Sequence[Happened], pulses: Sequence[Pulse], pulse_ms: int, stalls: Sequence[Stall]
) -> Row:
    came = during(act, events)
    closings = [p for p in pulses if act.start_s <= p.on_s < act.end_s]
    decisions = [e for e in came if e.kind in DECISIONS]
    allowed = {act.expect, *act.accept} - {"nothing"}
    faults: list[str] = []
    first = next((e for e in decisions if e.kind == act.expect), decisions[0] if decisions else None)
    if act.expect != "nothing" and (first is None or first.kind != act.expect):
        faults.append(f"{act.expect} did not come")
    faults += [f"{e.kind} was not expected" for e in decisions if e.kind not in allowed and not _still_there(e, first)]
    faults += _wrong_fields(act, decisions)
    faults += [f"{kind} did not come" for kind in act.also if not any(e.kind == kind for e in came)]
    done = ADMIN_DID.get(act.admin, "")
    known = next((e for e in came if e.kind == done and e.fields.get("person") == act.person), None)
    if done and known is None:
        faults.append(f"{done} did not come")
    if act.hint and not any(e.kind == HINT and e.fields.get("hint") == act.hint for e in came):
        faults.append(f"nobody was told: {act.hint}")
    faults += _wrong_pulses(act, closings, decisions, pulse_ms, stalls)
    pulse = closings[0] if closings else None
    return Row(
        name=act.name,
        expected=" + ".join(_expected(act, done)),
        happened=_told(came),
        after_ms=_after_ms(act, first or known, pulse),
        pulse_ms=None if pulse is None or pulse.off_s is None else round((pulse.off_s - pulse.on_s) * 1000),
        faults=tuple(dict.fromkeys(faults)),
    )


def _expected(act: Expected, done: str) -> list[str]:
    besides = [*([done] if done else []), *act.also, *([f"told {act.hint}"] if act.hint else [])]
    return besides if done and act.expect == "nothing" else [act.expect, *besides]


def _still_there(event: Happened, granted: Happened | None) -> bool:
    """Let in, lost from sight and seen again: told so, and not let in a second time. Nothing is wrong with that."""
    if granted is None or granted.kind != "access_granted" or event.t_s < granted.t_s:
        return False
    fields = event.fields
    same = fields.get("person") == granted.fields.get("person") is not None
    return same and event.kind == "access_denied" and fields.get("reason") == "cooldown"


def _wrong_fields(act: Expected, decisions: Sequence[Happened]) -> list[str]:
    faults = []
    for event in decisions:
        if event.kind != act.expect:
            continue
        if act.person and event.fields.get("person") != act.person:
            faults.append("it was somebody else")
        if act.reason and event.fields.get("reason") != act.reason:
            faults.append(f"the reason was {event.fields.get('reason')}, not {act.reason}")
    return faults


def _wrong_pulses(
    act: Expected, closings: Sequence[Pulse], decisions: Sequence[Happened], pulse_ms: int, stalls: Sequence[Stall]
) -> list[str]:
    granted = sum(e.kind == "access_granted" for e in decisions)
    if act.expect != "access_granted":
        return ["the relay closed"] * bool(closings)
    if len(closings) != 1 or granted != 1:
        return [f"the relay closed {len(closings)} times for {granted} grants, not once for one"]
    pulse = closings[0]
    if any(e.kind == "access_granted" and pulse.on_s < e.t_s for e in decisions):
        return ["the relay closed before the grant"]
    if pulse.off_s is None:
        return ["the relay never opened again"]
    length_ms = (pulse.off_s - pulse.on_s) * 1000
    still_ms = stood_still_s(stalls, pulse.on_s - SHORTER_MS / 1000, pulse.off_s) * 1000
    if not pulse_ms - SHORTER_MS - still_ms <= length_ms <= pulse_ms + LONGER_MS + still_ms:
        return [f"the pulse took {length_ms:.0f} ms instead of {pulse_ms}"]
    return []


def _after_ms(act: Expected, event: Happened | None, pulse: Pulse | None) -> int | None:
    if event is None:
        return None
    if event.kind == ADMIN_DID["revoke"]:  # from the admin's command
        return round((event.t_s - act.start_s) * 1000)
    if event.kind == ADMIN_DID["enrol"]:  # the door wasn't there yet
        return None
    evidence_ms = int(event.fields.get("evidence_ms") or 0)
    if event.kind != "access_granted" or pulse is None:
        return evidence_ms
    return evidence_ms + max(0, round((pulse.on_s - event.t_s) * 1000))


def _told(came: Sequence[Happened]) -> str:
    """Kinds with their reasons, each once, with how often."""
    seen: dict[str, int] = {}
    for event in came:
        if event.kind in (*DECISIONS, *ADMIN_DID.values(), "tailgating_seen", "lockout_started"):
            reason = event.fields.get("reason")
            text = f"{event.kind} ({reason})" if reason and reason != "spoof" else event.kind
            seen[text] = seen.get(text, 0) + 1
    return ", ".join(f"{text} x{n}" if n > 1 else text for text, n in seen.items()) or "nothing"
