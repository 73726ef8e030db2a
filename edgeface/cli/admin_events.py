"""`edgeface admin events` and `status --watch`: what the doors tell, live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from edgeface.admin.home import Home
from edgeface.admin.status import DoorStatus
from edgeface.admin.viewer import Seen, Viewer, open_viewer
from edgeface.cli.admin_common import PassphraseOption, SiteOption, open_home
from edgeface.cli.output import JsonOption, examples, print_json_line
from edgeface.cli.times import show_time
from edgeface.domain.errors import LinkUnavailable

EXAMPLES = examples(
    "edgeface admin events --follow",
    "edgeface admin events --follow --door front --kind alarm --json",
)
CONNECT_S = 15.0
TURN_S = 0.5


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until Ctrl-C.")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="Without --follow: for how long.")] = 10,
    door: Annotated[list[str] | None, typer.Option(help="This door alone; may be repeated.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="access, door or alarm; or an event's own name.")] = None,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happens at the doors, as it happens. What happened before is in each door's audit log."""
    home = open_home(site, passphrase_file)
    with open_viewer(home) as viewer:
        begin(viewer, home)
        by_s = time.monotonic() + seconds
        while follow or time.monotonic() < by_s:
            for seen in viewer.look(TURN_S):
                if fits(seen, door or (), kind or ()):
                    _print(seen, as_json)


def begin(viewer: Viewer, home: Home) -> None:
    """Until the roster is here. Raises LinkUnavailable."""
    by_s = time.monotonic() + CONNECT_S
    while not (viewer.ready and viewer.roster is not None):
        list(viewer.look(0.1))
        if time.monotonic() > by_s:
            raise LinkUnavailable(
                viewer.fault or "The broker has no roster of this site.",
                "Is the broker's ACL this site's, and did the agent run?",
            )


def fits(seen: Seen, doors: Sequence[str], kinds: Sequence[str]) -> bool:
    named = {seen.kind, str(seen.event.get("event"))}
    return (not doors or seen.door in doors) and (not kinds or bool(named & set(kinds)))


def watch(home: Home) -> None:
    """The doors' table, live, until Ctrl-C; where nobody looks at a terminal, a line for each change."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with open_viewer(home) as viewer:
        begin(viewer, home)
        if not console.is_terminal:
            _watch_lines(viewer)
        with Live(_table(viewer), console=console, auto_refresh=False) as live:
            while True:
                list(viewer.look(TURN_S))
                live.update(_table(viewer), refresh=True)


def _watch_lines(viewer: Viewer) -> None:
    before: dict[str, DoorStatus] = {}
    while True:
        list(viewer.look(TURN_S))
        for door in viewer.doors():
            if before.get(door.id) != door:
                before[door.id] = door
                typer.echo("\t".join(map(str, row(door, viewer.alarms(door.name)))))


def row(door: DoorStatus, alarms: Sequence[str] = ()) -> tuple[object, ...]:
    online = {True: "yes", False: "no", None: "unknown"}[door.online]
    behind = f"{door.behind} changes behind" if door.behind else f"{door.shards_behind} shards to come"
    return (
        door.name,
        online,
        "in step" if door.in_step else behind,
        door.people,
        door.manifest,
        door.model,
        show_time(float(door.reported_s) or None),
        "; ".join([*door.alarms, *alarms]),
    )


COLUMNS = ("door", "online", "state", "people", "manifest", "model", "reported", "alarms")


def _table(viewer: Viewer) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for door in viewer.doors():
        table.add_row(*(Text(_clean(cell)) for cell in row(door, viewer.alarms(door.name))))
    return table


def _print(seen: Seen, as_json: bool) -> None:
    if as_json:
        print_json_line({"door": seen.door, "kind": seen.kind, **seen.event})
        return
    event = seen.event
    rest = [f"{k}={event[k]}" for k in ("person", "reason", "detail") if event.get(k)]
    line = [event.get("at", ""), seen.door, seen.kind, event.get("event", ""), *rest]
    typer.echo("  ".join(_clean(part) for part in line))


def _clean(text: object) -> str:
    """Events are not signed: what is in one moves no cursor."""
    return "".join(c if c.isprintable() else " " for c in str(text))
