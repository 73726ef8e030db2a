"""What all commands share: options, tables, JSON, errors in plain words, exit codes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edgeface.domain.errors import EdgefaceError

CRASHED = 1
USAGE = 2
INTERRUPTED = 130  # what a shell reports for Ctrl-C

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file (default: $EDGEFACE_CONFIG, else /etc/edgeface/edgeface.toml)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def examples(*lines: str) -> str:
    """The epilog of a command's help: every command shows how it is used."""
    return "\n\n".join(("Examples:" if len(lines) > 1 else "Example:", *lines))


def print_json(data: object) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def print_json_line(data: object) -> None:
    """One JSON object on one line of stdout, at once: for streams."""
    typer.echo(json.dumps(data, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table for people. Cells are plain text: what somebody named himself is not markup, and moves no cursor."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from edgeface.app.logs import clean_text

    table = Table(title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean_text("" if cell is None else str(cell), keep="\n")) for cell in row))
    # Where nobody reads along, lines are not folded to the width of a terminal that is not there.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def say(sentence: str) -> None:
    """For people, beside the data: on stderr, so that stdout stays clean."""
    typer.echo(sentence, err=True)


def fail(error: EdgefaceError) -> NoReturn:
    """What happened and what to do, on stderr; ends with the error's exit code."""
    reasons: Any = getattr(error, "reasons", ())
    typer.echo(f"edgeface: {error.message}", err=True)
    for source, sentence in reasons:
        typer.echo(f"  {source}: {sentence}", err=True)
    if error.advice and [sentence for _, sentence in reasons] != [error.advice]:  # of a single picture it was said
        typer.echo(f"  {error.advice}", err=True)
    raise SystemExit(error.exit_code)


def crash(error: BaseException, debug: bool) -> NoReturn:
    """A fault of the program itself: one sentence, the traceback in a file (or here, where somebody is debugging)."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    where = None if debug else _write_aside(trace)
    if where is None:
        typer.echo(trace, err=True, nl=False)
    typer.echo(f"edgeface: that was not foreseen ({type(error).__name__}: {str(error)[:200]}).", err=True)
    if where is not None:
        typer.echo(f"  Please report it with {where}, or see it with edgeface --debug …", err=True)
    raise SystemExit(CRASHED)


def _write_aside(trace: str) -> str | None:
    try:
        handle, path = tempfile.mkstemp(prefix="edgeface-", suffix=".txt")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(trace)
    except OSError:
        return None
    return path
