"""`edgeface admin status`: how each door is."""

from __future__ import annotations

import typer

from edgeface.cli.admin_common import PassphraseOption, SiteOption, ask_status, desk_of, open_home, say_published
from edgeface.cli.output import JsonOption, examples, print_json, print_table, say
from edgeface.cli.people import show_time

STATUS_EXAMPLES = examples("edgeface admin status", "edgeface admin status --json")
SETTLE_S = 0.6  # for what the broker retains to come in


def status(site: SiteOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Show each door: online, in step or how far behind, its model, and what is wrong.

    Ends with 1 where a door is not in step."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        reached = say_published(desk)
        desk.pass_time(SETTLE_S)
        doors = ask_status(desk)
    if as_json:
        print_json({"site": home.info.name, "broker": reached, "doors": doors})
    elif not doors:
        say("The site has no doors yet: edgeface admin device add OFFER")
    else:
        print_table(("door", "online", "state", "people", "manifest", "model", "reported", "alarms"), map(_row, doors))
    if not all(d["in_step"] for d in doors):
        raise typer.Exit(1)


def _row(door: dict[str, object]) -> tuple[object, ...]:
    online = {True: "yes", False: "no", None: "unknown"}[door["online"]]  # type: ignore[index]
    behind = f"{door['behind']} changes behind" if door["behind"] else f"{door['shards_behind']} shards to come"
    alarms = door["alarms"]
    return (
        door["name"],
        online,
        "in step" if door["in_step"] else behind,
        door["people"],
        door["manifest"],
        door["model"],
        show_time(float(str(door["reported_s"])) or None),
        "; ".join(map(str, alarms)) if isinstance(alarms, list) else "",
    )
