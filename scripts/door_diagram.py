"""The door's states as a diagram (Mermaid), drawn by exploring the real state machine: every state that can be reached
is tried with everything that can happen. `python scripts/door_diagram.py docs/operations.md` puts it into the page."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edgeface.domain.door import DoorMachine, DoorRule, Input, Mode

BEGIN, END = "<!-- door diagram: python scripts/door_diagram.py docs/operations.md -->", "<!-- end of door diagram -->"
PULSE_MS, LEASE_MS = 3000, 30_000
NAMES = {
    "locked": "Locked",
    "lockdown": "Lockdown",
    "grant": "Granted",
    "exit_request": "Exit",
    "exit_request_in_lockdown": "Exit in lockdown",
    "free_access": "Free access",
    "fire": "Fire",
    "fault": "Fault",
}


class Rig:
    """One machine on a virtual clock, and what may happen to it."""

    def __init__(self) -> None:
        inputs = {Input.FIRE: 0, Input.REX: 0}
        self.m = DoorMachine(10_000, 0.0, silence_ms=10**9, rule=DoorRule(rex_pulse_ms=PULSE_MS), inputs=inputs)
        self.now_s, self.grants, self.fire = 0.0, 0, False
        self.m.start()
        self._sense()

    def _sense(self, rex: bool = False) -> None:
        self.now_s += 0.01
        self.m.sense({Input.FIRE: self.fire, Input.REX: rex}, self.now_s)

    def grant(self) -> None:
        self.grants += 1
        self.m.grant(f"{self.grants:032x}", PULSE_MS, self.now_s)

    def exit(self) -> None:
        self._sense(True)
        self._sense(False)

    def fire_begins(self) -> None:
        self.fire = True
        self._sense()

    def fire_ends(self) -> None:
        self.fire = False
        self._sense()

    def time_passes(self) -> None:
        self.now_s += LEASE_MS / 1000 + 1
        self.m.tick(self.now_s)

    def schedule_opens(self) -> None:
        self.m.free(LEASE_MS, False, self.now_s)

    def locked_by_hand(self) -> None:
        self.m.lock("requested", self.now_s)

    def daemon_dies(self) -> None:
        self.m.client_gone(self.now_s)

    def lockdown(self) -> None:
        self.m.set_mode(Mode.LOCKDOWN, self.now_s)

    def normal(self) -> None:
        self.m.set_mode(Mode.NORMAL, self.now_s)

    def free_access(self) -> None:
        self.m.set_mode(Mode.FREE_ACCESS, self.now_s)


EVENTS: dict[str, Callable[[Rig], None]] = {
    "grant": Rig.grant,
    "request to exit": Rig.exit,
    "its time is over": Rig.time_passes,
    "lock": Rig.locked_by_hand,
    "the daemon dies": Rig.daemon_dies,
    "schedule": Rig.schedule_opens,
    "mode free_access": Rig.free_access,
    "mode normal": Rig.normal,
    "mode lockdown": Rig.lockdown,
    "fire": Rig.fire_begins,
    "fire ends": Rig.fire_ends,
}


def explore() -> dict[tuple[str, str], list[str]]:
    """(state, state after) -> the events that lead there; breadth first, so that each state is met by its shortest
    story. Events that leave a state as it is are left out."""
    stories: dict[str, tuple[str, ...]] = {}
    queue: deque[tuple[str, ...]] = deque([()])
    edges: dict[tuple[str, str], list[str]] = {}
    while queue:
        story = queue.popleft()
        before = _play(story)
        if before in stories:
            continue
        stories[before] = story
        for event in EVENTS:
            after = _play((*story, event))
            if after != before:
                edges.setdefault((before, after), []).append(event)
                queue.append((*story, event))
    return edges


def _play(story: tuple[str, ...]) -> str:
    rig = Rig()
    for event in story:
        EVENTS[event](rig)
    if rig.m.state == "free_access" and rig.m.mode is Mode.NORMAL:
        return "Free by schedule"
    return NAMES[rig.m.state]


def mermaid() -> str:
    """Where several events do the same they share an arrow."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> Locked"]
    states = sorted({state for edge in explore() for state in edge})
    lines += [f'    state "{s}" as {_id(s)}' for s in states if _id(s) != s]
    for (before, after), events in explore().items():
        lines.append(f"    {_id(before)} --> {_id(after)}: {', '.join(events)}")
    lines += ["    note right of Fire: when it ends, the mode that was set is in force again"]
    return "\n".join([*lines, "```"])


def _id(state: str) -> str:
    return state.replace(" ", "_")


def put_into(page: str) -> str:
    """The page with the diagram of now between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{mermaid()}\n{END}{after}"


if __name__ == "__main__":
    if len(sys.argv) == 2:
        path = Path(sys.argv[1])
        path.write_text(put_into(path.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(mermaid())
