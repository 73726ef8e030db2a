"""`edgeface demo`: the whole daemon at work on a virtual camera."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeface.app import wiring_tools
from edgeface.app.demo.ending import scratch_folder
from edgeface.app.demo.show import PULSE_MS, Demo, Moment, Outcome
from edgeface.app.demo.verdict import ADMIN_DID, DECISIONS, Happened, during
from edgeface.cli.output import JsonOption, examples, print_json, say
from edgeface.control.client import ControlClient
from edgeface.domain.story import Expected

app = typer.Typer(help="Show the whole daemon at work on a virtual camera.")

SIGNS = {
    "access_granted": ("●", "bold green"),
    "access_denied": ("✕", "bold red"),
    "spoof_refused": ("▣", "bold magenta"),
    "tailgating_seen": ("⚑", "bold yellow"),
    "door_unlocked": ("◆", "green"),
    "door_locked": ("◆", "dim"),
    "lockout_started": ("⏸", "yellow"),
    "person_enrolled": ("+", "bold cyan"),
    "person_removed": ("−", "bold cyan"),
}
LONG_STILL_S = 0.1
ENOUGH_IN_TIME = 0.6  # of the pictures; with fewer the rows say more about the machine than about the door
WORDS = {
    "access_granted": "granted",
    "access_denied": "refused",
    "spoof_refused": "picture refused",
    "tailgating_seen": "tailgating",
    "door_unlocked": "relay closed",
    "door_locked": "relay open, locked",
    "lockout_started": "locked out",
    "person_enrolled": "enrolled",
    "person_removed": "revoked",
}


@app.command(epilog=examples("edgeface demo", "edgeface demo --json", "edgeface demo --scene my-door.toml"))
def demo(
    scene: Annotated[Path | None, typer.Option(help="Another scene file than the demo's own.")] = None,
    site: Annotated[
        bool | None,
        typer.Option(
            "--site/--no-site",
            help="Enrol and revoke as the admin of a site, over a Mosquitto of the demo, or at the door itself. "
            "Default: over a Mosquitto where it is installed.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the whole daemon at work on a virtual camera.

    The real daemon and its door process before a scene: a stranger, a printed photo, the enrolled person, and more.
    Ends with 0 only where every row of the table holds."""
    admin = wiring_tools.demo_admin(site)
    story = wiring_tools.load_scene(scene)
    acts = story.acts
    granted = {a.person for a in acts if a.expect == "access_granted" and a.person}
    with scratch_folder("edgeface-faces-") as folder, _screen(acts, as_json) as on_moment:
        photos = {
            a.person: wiring_tools.save_portrait(story, a.id, folder)
            for a in story.actors.values()
            if a.kind == "live" and a.person in granted
        }
        source = f"replay:{wiring_tools.scene_path(scene)}"
        outcome = Demo(source, story.length_s, acts, photos, admin, ControlClient, on_moment).run()
    if as_json:
        print_json(_as_dict(outcome))
    else:
        _print_table(outcome)
    if not outcome.ok:
        raise typer.Exit(1)


@contextmanager
def _screen(acts: Sequence[Expected], quiet: bool) -> Iterator[Any]:
    if quiet:
        yield lambda _moment: None
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=10, transient=False) as live:
        yield lambda moment: live.update(_picture(acts, moment, live.console.width))


class _Lines:
    """Where there is no terminal: each moment once, as a line."""

    def __init__(self) -> None:
        self._phase, self._shown = "", 0

    def __call__(self, moment: Moment) -> None:
        if moment.phase != self._phase:
            self._phase = moment.phase
            say(f"{moment.phase} …")
        for event in moment.events[self._shown :]:
            if event.kind in WORDS:
                say(f"{event.t_s:6.2f} s  {_words(event)}")
        self._shown = len(moment.events)


def _words(event: Happened) -> str:
    reason = event.fields.get("reason")
    word = WORDS[event.kind]
    return f"{word} ({str(reason).replace('_', ' ')})" if event.kind == "access_denied" else word


def _picture(acts: Sequence[Expected], moment: Moment, width: int) -> Any:
    """The timeline: a row for each act with its bar, what happened in it, and the door's state."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    name_width = min(2 + max(len(act.name) for act in acts), max(18, width * 3 // 8)) if acts else 0
    told_width = min(34, max(16, width // 4))
    bar_width = min(60, max(10, width - name_width - told_width - 3))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=name_width, no_wrap=True, overflow="ellipsis")
    table.add_column(width=bar_width, no_wrap=True)
    table.add_column(width=told_width, no_wrap=True, overflow="ellipsis")
    for act in acts:
        playing = act.start_s <= moment.t_s < act.end_s and moment.phase == "playing"
        name = Text(("▶ " if playing else "  ") + act.name, style="bold" if playing else "")
        came = during(act, moment.events)
        told = dict.fromkeys(
            WORDS[e.kind] for e in came if e.kind in (*DECISIONS, *ADMIN_DID.values(), "tailgating_seen")
        )
        table.add_row(name, _bar(act, came, moment, bar_width, playing), Text(", ".join(told)))
    word, style = (" OPEN ", "bold white on green") if moment.relay_closed else (" LOCKED ", "bold white on grey23")
    clock = f"   {moment.phase}, {max(0.0, moment.t_s):4.1f} of {moment.length_s:.0f} s\n"
    head = Text.assemble("edgeface demo   door ", Text(word, style=style), clock)
    legend = Text("● granted  ✕ refused  ▣ picture refused  ⚑ tailgating  ◆ relay  + − admin", style="dim")
    return Group(head, table, legend)


def _bar(act: Expected, came: list[Happened], moment: Moment, width: int, playing: bool) -> Any:
    """Where the act lies in the scene, and a sign at each event; decisions are drawn over what follows from them."""
    from rich.text import Text

    scale = width / max(moment.length_s, 1e-6)
    at = round(moment.t_s * scale)
    begin, end = round(act.start_s * scale), max(round(act.end_s * scale), round(act.start_s * scale) + 1)
    track = [("━" if i < at else "─") if begin <= i < end else " " for i in range(width)]
    styles: list[str] = ["cyan" if playing else "grey50"] * width
    for event in sorted((e for e in came if e.kind in SIGNS), key=lambda e: e.kind in DECISIONS):
        column = min(width - 1, max(0, int(event.t_s * scale)))
        track[column], styles[column] = SIGNS[event.kind]
    return Text.assemble(*((sign, style) for sign, style in zip(track, styles, strict=True)))


def _table(outcome: Outcome) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for column, justify in (("", "left"), ("in the scene", "left"), ("expected", "left"), ("happened", "left"),
                            ("after", "right"), ("relay", "right")):  # fmt: skip
        widest_word = 10 if column in ("expected", "happened") else None
        table.add_column(
            column,
            justify=justify,  # type: ignore[arg-type]
            no_wrap=column in ("", "after", "relay"),
            min_width=widest_word,
        )
    for row in outcome.rows:
        mark = Text("✓", style="bold green") if row.ok else Text("✗", style="bold red")
        table.add_row(
            mark,
            row.name,
            _in_words(row.expected),
            Text(_in_words(row.happened), style="" if row.ok else "red"),
            "" if row.after_ms is None else f"{row.after_ms} ms",
            "" if row.pulse_ms is None else f"{row.pulse_ms} ms",
        )
    return table


def _print_table(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(_table(outcome))
    for row in outcome.rows:
        if not row.ok:
            console.print(Text(f"✗ {row.name}: {_in_words('; '.join(row.faults))}.", style="red"))
    held = sum(row.ok for row in outcome.rows)
    if outcome.stood_still_s > LONG_STILL_S:
        say(f"The machine stood still for up to {outcome.stood_still_s * 1000:.0f} ms: pulses are judged without.")
    if not outcome.ok and outcome.in_time < ENOUGH_IN_TIME:
        say(
            f"Only {outcome.in_time:.0%} of the pictures were looked at in time: something else keeps this machine "
            "busy. Try again when it is idle."
        )
    say(f"{held} of {len(outcome.rows)} rows hold, in {outcome.lasted_s:.0f} s. The pulse is set to {PULSE_MS} ms.")


def _in_words(told: str) -> str:
    """Kinds of events as people say them."""
    for kind, word in WORDS.items():
        told = told.replace(kind, word)
    return told.replace("_", " ")


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    return {
        "ok": outcome.ok,
        "lasted_s": round(outcome.lasted_s, 1),
        "pulse_ms": PULSE_MS,
        "pictures_in_time": round(outcome.in_time, 3),
        "stood_still_ms": round(outcome.stood_still_s * 1000),
        "rows": [
            {
                "name": r.name,
                "ok": r.ok,
                "expected": r.expected,
                "happened": r.happened,
                "after_ms": r.after_ms,
                "relay_ms": r.pulse_ms,
                "faults": list(r.faults),
            }
            for r in outcome.rows
        ],
        "events": [{"t_s": round(e.t_s, 3), "event": e.kind, **e.fields} for e in outcome.events],
        "relay": [{"t_s": round(t, 3), "level": level} for t, level in outcome.edges],
    }
