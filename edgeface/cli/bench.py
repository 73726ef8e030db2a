"""`edgeface bench`: how fast is this machine, and how much memory does it take?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_table

if TYPE_CHECKING:
    from edgeface.app.bench.report import Report
    from edgeface.app.bench.run import Progress

app = typer.Typer(help="Measure speed and memory on this machine.")


@app.command(
    epilog=examples("edgeface bench", "edgeface bench --json > bench.json", "edgeface bench --source replay:me.mp4")
)
def bench(
    config: ConfigOption = None,
    frames: Annotated[int, typer.Option(min=20, max=100_000, help="How many whole frames to measure.")] = 300,
    source: Annotated[
        str | None,
        typer.Option(help="A camera or recording that shows one person (default: a portrait of the demo extra)."),
    ] = None,
    without_daemon: Annotated[
        bool, typer.Option("--without-daemon", help="Leave out start-up, memory and the idle door: a minute less.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure speed and memory on this machine.

    Whole frames with a person before the door, beside the bare models on the same inputs; the real daemon's start,
    memory and idle door; matching among many templates. Stop other work first: the load is in the report."""
    from edgeface.app.bench.run import run
    from edgeface.app.settings import load_settings

    settings = load_settings(config)
    with _progress() as progress:
        report = run(settings, count=frames, source=source, with_daemon=not without_daemon, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr where somebody looks; stdout is the report's alone."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from edgeface.app.bench.run import STEPS

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console, transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task(STEPS[0], total=len(STEPS))

        def on(step: str, done: float) -> None:
            at = STEPS.index(step)
            following = STEPS[min(at + 1, len(STEPS) - 1)] if done >= 1 else step
            bar.update(task, description=following, completed=at + done)

        yield on


def _print(report: Report) -> None:
    timed, host = report.frames, report.machine
    print_table(("", ""), [(key.replace("_", " "), value) for key, value in host.items()], "Machine")
    rows = [
        (
            name,
            *(f"{v:.2f}" for v in spread.to_dict().values()),
            f"{timed.bare[name].p50_ms:.2f}" if name in timed.bare else "",
        )
        for name, spread in timed.stages.items()
    ]
    rows.append(("frame", *(f"{v:.2f}" for v in timed.frame.to_dict().values()), f"{timed.floor.p50_ms:.2f}"))
    print_table(
        ("stage", "p50 ms", "p95 ms", "p99 ms", "bare model ms"), rows,
        f"{timed.count} frames with a person before the door: {1000 / timed.frame.p50_ms:.0f} a second",
    )  # fmt: skip
    print_table(("templates", "match ms"), [(f"{n:,}", f"{ms:.3f}") for n, ms in report.match_ms.items()])
    words = {True: "yes", False: "no", None: "not measured"}
    print_table(("", "measured", "target", "met"), [(a, b, c, words[d]) for a, b, c, d in report.targets()], "Targets")
