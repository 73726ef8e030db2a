"""`edgeface admin person import`: many people from a table."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeface.admin import bulk
from edgeface.cli.admin_common import (
    PassphraseOption,
    SiteOption,
    desk_of,
    now_s,
    open_home,
    people_of,
    say_published,
)
from edgeface.cli.admin_models import photo_templates
from edgeface.cli.admin_records import warn_of_doors
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json_line, say
from edgeface.cli.times import parse_time
from edgeface.domain.errors import StorageError

EXAMPLES = examples(
    "edgeface admin person import people.csv --photos pictures/",
    "edgeface admin person import people.csv --photos pictures/ --report done.csv",
)


def import_people(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV with name, photos, and what else there is.")],
    photos: Annotated[Path, typer.Option(help="The folder with the photos that the table names.")],
    report: Annotated[Path | None, typer.Option(help="Write what became of each row into this CSV file.")] = None,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol many people from a table with a folder of photos; ends with 1 where a row was refused.

    Columns: name, photos (several: separated by ;), and if wanted doors, groups, schedule, valid_from, valid_to, key.
    Interrupted or repaired, the same table is simply given again: who is enrolled already is passed over."""
    home = open_home(site, passphrase_file)
    rows = bulk.read_table(table, photos, _time)
    counted: Counter[str] = Counter()
    told: list[bulk.Outcome] = []
    try:
        with desk_of(home) as desk, _progress() as progress:
            warn_of_doors(desk, tuple(dict.fromkeys(d for row in rows for d in row.doors)))
            bar = progress.add_task("enrolling", total=len(rows))
            people, templates = people_of(desk, home), photo_templates(config)
            for outcome in bulk.enrol_all(rows, people, home.admin(), templates, now_s):
                counted[outcome.result] += 1
                told.append(outcome)
                progress.update(bar, advance=1, description=outcome.name[:30])
                _tell(outcome, as_json)
            progress.stop()
            say_published(desk)
    finally:
        if report is not None:
            _write_report(report, told)
        summary = ", ".join(f"{n} {what}" for what, n in counted.items()) or "nobody"
        say(f"{sum(counted.values())} of {len(rows)} rows: {summary}.")
    if counted["refused"]:
        raise typer.Exit(1)


def _time(text: str) -> float | None:
    try:
        return parse_time(text or None, "--valid-from")
    except typer.BadParameter as e:
        raise ValueError(e.message) from None


def _tell(outcome: bulk.Outcome, as_json: bool) -> None:
    if as_json:
        print_json_line(outcome.__dict__)
        return
    end = f": {outcome.reason}" if outcome.reason else ""
    typer.echo(f"{outcome.line}\t{outcome.result}\t{outcome.id}\t{outcome.name}{end}")
    for note in outcome.notes:
        typer.echo(f"\t\tnote: {note}")


def _write_report(path: Path, told: list[bulk.Outcome]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(("line", "name", "result", "id", "reason"))
            writer.writerows((o.line, o.name, o.result, o.id, o.reason) for o in told)
    except OSError as e:
        raise StorageError(f"The report {path} can't be written: {e.strerror}.", "Give another file.") from e


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        BarColumn(30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
