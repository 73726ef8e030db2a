"""`edgeface audit`: list, verify and export what happened at the door."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgeface.app import wiring
from edgeface.app.settings import Settings, load_settings
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_json_line, print_table, say
from edgeface.cli.times import parse_time
from edgeface.domain.errors import GalleryError, StorageError

app = typer.Typer(help="List, verify and export what happened at the door.", no_args_is_help=True)

SinceOption = Annotated[str | None, typer.Option(help="From this date or time on, as 2026-11-22 or 2026-11-22T18:00.")]
KindOption = Annotated[list[str] | None, typer.Option("--event", help="Only this kind of event; may be repeated.")]
FIRST = ("seq", "at", "event", "person", "reason", "detail")
HIDDEN = ("prev", "hash", "boot", "t_s")


@app.command(
    "list", epilog=examples("edgeface audit list --last 20", "edgeface audit list --event access_denied --json")
)
def list_events(
    since: SinceOption = None,
    event: KindOption = None,
    last: Annotated[int, typer.Option(min=0, help="Only the last so many; 0 for all.")] = 50,
    names: Annotated[bool, typer.Option("--names", help="Show names for those who are still enrolled.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List events, the newest last. People appear by their pseudonymous id unless names are asked for."""
    settings = load_settings(config)
    entries = _entries(settings, since, event)
    entries = entries[-last:] if last else entries
    if names:
        known = _names(settings)
        entries = [{**e, "name": known.get(str(e.get("person")))} if "person" in e else e for e in entries]
    if as_json:
        for entry in entries:
            print_json_line(entry)
        return
    rows = [
        (e["seq"], str(e["at"])[:19].replace("T", " "), e["event"], e.get("name") or e.get("person") or "", _rest(e))
        for e in entries
    ]
    print_table(("number", "UTC", "event", "person", ""), rows)


@app.command(epilog=examples("edgeface audit verify"))
def verify(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Walk the whole chain of hashes. Ends with 65 and says where, if an entry was changed, removed or added."""
    settings = load_settings(config)
    verified = wiring.audit_reader(settings, wiring.open_keys(settings, create=False)).verify()
    if as_json:
        print_json(
            {
                "ok": True, "count": verified.count, "first_seq": verified.first_seq, "last_seq": verified.last_seq,
                "head": verified.head,
            }
        )  # fmt: skip
    else:
        say(f"The chain holds: {verified.count} entries, {verified.first_seq} to {verified.last_seq}.")
        say(f"Its head is {verified.head}. Note it elsewhere: with it, even a copied log can be told.")


@app.command(epilog=examples("edgeface audit export --output november.csv --since 2026-11-01"))
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, mode 0600; it must not exist.")],
    form: Annotated[
        Literal["csv", "jsonl"], typer.Option("--format", help="csv for a spreadsheet, jsonl for all.")
    ] = "csv",
    since: SinceOption = None,
    event: KindOption = None,
    config: ConfigOption = None,
) -> None:
    """Export events to a file, for a spreadsheet or an auditor."""
    entries = _entries(load_settings(config), since, event)
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as e:
        raise StorageError(f"{output} can't be written ({e.strerror}).", "Give another file.") from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
        if form == "jsonl":
            import json

            stream.writelines(json.dumps(e, ensure_ascii=False) + "\n" for e in entries)
        else:
            columns = [*FIRST, *sorted({k for e in entries for k in e} - set(FIRST))]
            writer = csv.DictWriter(stream, columns, restval="")
            writer.writeheader()
            writer.writerows({k: _cell(v) for k, v in e.items()} for e in entries)
    say(f"{len(entries)} events are in {output}.")


def _entries(settings: Settings, since: str | None, kinds: list[str] | None) -> list[dict[str, Any]]:
    from datetime import datetime, timezone

    start = parse_time(since, "--since")
    reader = wiring.audit_reader(settings, wiring.open_keys(settings, create=False))
    found = reader.read(0 if start is None else datetime.fromtimestamp(start, timezone.utc))
    return [e for e in found if not kinds or e.get("event") in kinds]


def _names(settings: Settings) -> dict[str, str]:
    from edgeface.cli.people import open_store

    try:
        with open_store(settings) as store:
            return {p.id: p.name for p in store.people()}
    except GalleryError as e:
        say(f"edgeface: {e}")
        return {}


def _rest(entry: dict[str, Any]) -> str:
    shown = {k: v for k, v in entry.items() if k not in (*FIRST[:4], *HIDDEN, "name") and v not in (None, "")}
    return "  ".join(f"{k} {v}" for k, v in shown.items())


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is given a quote first."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
