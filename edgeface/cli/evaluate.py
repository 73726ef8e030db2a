"""`edgeface eval`: recognition and spoof detection on your own pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeface.app import wiring, wiring_tools
from edgeface.app.rules import budget_of, rules_of
from edgeface.app.settings import Settings, load_settings
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_table, say

app = typer.Typer(help="Measure recognition and spoof detection on your own pictures.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(exists=False, help="Pictures, a folder for each person.")]


@app.command(
    epilog=examples(
        "edgeface eval recognition --images lfw --json", "edgeface eval recognition --images lfw --pairs pairs.txt"
    )
)
def recognition(
    images: Annotated[Path, typer.Option(help="DIR/<identity>/*: a folder for each person.")],
    pairs: Annotated[Path | None, typer.Option(help="Pairs in LFW's format, for ten-fold accuracy.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well faces are told apart: the whole path, detection to embedding, all pairs of pictures."""
    from edgeface.app.evaluate.recognition import evaluate_recognition

    models = _models(load_settings(config))
    with _bar("pictures") as progress:
        report = evaluate_recognition(models, images, read=wiring_tools.read_photo, pairs=pairs, progress=progress)
    _name_unreadable(report.unreadable)
    _print(report.to_dict(), as_json)


@app.command(epilog=examples("edgeface eval identification --gallery staff --probes visits --strangers others"))
def identification(
    gallery: Annotated[Path, typer.Option(help="Who is enrolled: DIR/<identity>/*.")],
    probes: Annotated[Path, typer.Option(help="Other pictures of the same people: DIR/<identity>/*.")],
    strangers: Annotated[Path, typer.Option(help="Pictures of anybody else.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure who is missed (FNIR) and who is let in wrongly (FPIR) at the threshold that the error budget gives."""
    from edgeface.app.evaluate.identification import evaluate_identification

    settings = load_settings(config)
    opened = wiring.open_vision(settings, stills=True)
    rule = wiring.identity_rule(settings, opened)
    with _bar("pictures") as progress:
        report = evaluate_identification(
            wiring_tools.eval_models(opened),
            gallery,
            probes,
            strangers,
            read=wiring_tools.read_photo,
            curve=rule.curve,
            budget=budget_of(settings),
            min_margin=rule.min_margin,
            frames_needed=rule.needed,
            window=rule.window,
            progress=progress,
        )
    _name_unreadable(report.unreadable)
    _print(report.to_dict(), as_json)


@app.command(epilog=examples("edgeface eval spoof --live people --attack attacks --json"))
def spoof(
    live: Annotated[Path, typer.Option(help="Pictures and clips of living people.")],
    attack: Annotated[Path, typer.Option(help="Prints, screens …; a folder in it for each kind.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many attacks are accepted (APCER) and how many people refused (BPCER), with 95 % bounds.

    A clip is one decision, an image too."""
    from edgeface.app.evaluate.spoof import evaluate_spoof

    settings = load_settings(config)
    models = _models(settings)
    with _bar("pictures and clips") as progress:
        report = evaluate_spoof(
            models,
            live,
            attack,
            read=wiring_tools.read_photo,
            open_clip=wiring_tools.open_clip,
            rule=rules_of(settings).liveness.spoof,
            progress=progress,
        )
    _name_unreadable(report.unreadable)
    _print(report.to_dict(), as_json)


def _models(settings: Settings) -> Any:
    return wiring_tools.eval_models(wiring.open_vision(settings, stills=True))


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def _name_unreadable(unreadable: Any) -> None:
    for one in unreadable:
        say(f"{one.path}: {one.sentence}")


def _print(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        print_table(("measured", "value"), _flat(report))


def _flat(report: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in report.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key} ")
        else:
            shown = "not measurable" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
            yield prefix + key, shown
