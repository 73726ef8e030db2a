"""`edgeface doctor`: is this door fit to be left alone?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeface.app import wiring_tools
from edgeface.app.doctor.bundle import write_bundle
from edgeface.app.doctor.examine import examine
from edgeface.app.doctor.finding import Context, Finding
from edgeface.app.settings import Settings, read_settings
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, say
from edgeface.cli.starting import require_startable
from edgeface.control.client import ControlClient, is_running
from edgeface.domain.errors import EdgefaceError

app = typer.Typer(help="Check the whole door: what is fine, what is not, and what to do.")

SIGNS = {"fine": ("✓", "green"), "note": ("!", "yellow"), "wrong": ("✗", "bold red"), "unknown": ("?", "dim")}


@app.command(
    epilog=examples("edgeface doctor", "edgeface doctor --json", "edgeface doctor --bundle /media/usb/support.tar.gz")
)
def doctor(
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a support file: no keys, faces, names or passwords in it."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the whole door: what is fine, what is not, and what to do.

    Beside a running daemon it asks it; without one it looks at the camera itself. Nothing is changed, no relay moves.
    Ends with 1 where something is wrong."""
    loaded = read_settings(config)
    with _asking(loaded.settings) as ask:
        context = Context(loaded.settings, wiring_tools.inspection(), ask)
        findings = list(_shown(_all(context), as_json))
        if bundle is not None:
            files = write_bundle(bundle, context, loaded, findings, wiring_tools.journal)
            say(f"{bundle} holds {', '.join(files)}. Read it before you send it.")
    counts = Counter(f.state for f in findings)
    if as_json:
        print_json({"ok": not counts["wrong"], "counts": counts, "findings": [asdict(f) for f in findings]})
    else:
        say(f"{counts['fine']} fine, {counts['note']} to know, {counts['wrong']} wrong, {counts['unknown']} unknown.")
    if counts["wrong"]:
        raise typer.Exit(1)


def _all(context: Context) -> Iterator[Finding]:
    try:
        require_startable(context.settings)
        yield Finding("settings", "settings", "fine", "The settings are sound.")
    except EdgefaceError as e:
        yield Finding("settings", "settings", "wrong", e.message, e.advice)
    yield from examine(context)


@contextmanager
def _asking(settings: Settings) -> Iterator[Callable[[str], Any] | None]:
    """How the daemon is asked, where one runs."""
    if not is_running(settings.control_socket):
        yield None
        return
    with ControlClient(settings.control_socket) as client:
        yield client.call


def _shown(findings: Iterator[Finding], quiet: bool) -> Iterator[Finding]:
    """Each as it is found: the camera takes its seconds."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console, group = Console(width=None if sys.stdout.isatty() else 200, highlight=False), ""
    for finding in findings:
        if not quiet:
            if finding.group != group:
                group = finding.group
                console.print(Text(group, style="bold"))
            sign, style = SIGNS[finding.state]
            line = Text.assemble((sign, style), " ", (f"{finding.name}: ", "dim"), finding.sentence)
            console.print(Padding(line, (0, 0, 0, 2)))
            if finding.advice:
                console.print(Padding(Text(f"→ {finding.advice}", style="italic"), (0, 0, 0, 6)))
        yield finding
