"""`edgeface admin status`: how each door is."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeface.admin.status import DoorStatus
from edgeface.cli import admin_events
from edgeface.cli.admin_common import PassphraseOption, SiteOption, ask_status, desk_of, open_home, say_published
from edgeface.cli.output import JsonOption, examples, print_json, print_table, say

EXAMPLES = examples("edgeface admin status", "edgeface admin status --watch", "edgeface admin status --json")
SETTLE_S = 0.6  # for what the broker retains to come in


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Live, until Ctrl-C.")] = False,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each door: online, in step or how far behind, its model, and what is wrong.

    Ends with 1 where a door is not in step."""
    home = open_home(site, passphrase_file)
    if watch:
        admin_events.watch(home)
    with desk_of(home) as desk:
        reached = say_published(desk)
        desk.pass_time(SETTLE_S)
        doors = ask_status(desk)
    if as_json:
        print_json({"site": home.info.name, "broker": reached, "doors": doors})
    elif not doors:
        say("The site has no doors yet: edgeface admin device add OFFER")
    else:
        print_table(admin_events.COLUMNS, [admin_events.row(_status(d)) for d in doors])
    if not all(d["in_step"] for d in doors):
        raise typer.Exit(1)


def _status(door: dict[str, object]) -> DoorStatus:
    return DoorStatus(**door)  # type: ignore[arg-type]
