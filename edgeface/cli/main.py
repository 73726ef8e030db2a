"""`edgeface`: the list of commands. A group's module is imported when it is used, so that `edgeface --help` is quick
on a small board; what each does is written here a second time, and a test compares the two."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from edgeface.cli import output
from edgeface.domain.errors import EdgefaceError

# name -> (module, the first line of its help), in the order in which a technician needs them
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Run the door: camera, decision, relay."),
    "demo": ("demo", "Show the whole daemon at work on a virtual camera."),
    "enroll": ("enroll", "Enrol a person from the camera, photos or a clip."),
    "gallery": ("gallery", "See, remove and export the enrolled people."),
    "door": ("door", "Test, lock and look at the door."),
    "pair": ("pair", "Join this door to a site, see which one, leave it."),
    "top": ("top", "Watch the running door live."),
    "doctor": ("doctor", "Check the whole door: what is fine, what is not, and what to do."),
    "config": ("config", "Check, explain, show and reload the settings."),
    "replay": ("replay", "Run the door's own loop over recorded input."),
    "audit": ("audit", "List, verify and export what happened at the door."),
    "bench": ("bench", "Measure speed and memory on this machine."),
    "eval": ("evaluate", "Measure recognition and spoof detection on your own pictures."),
    "admin": ("admin", "Run a site over MQTT: people, doors, admins, keys."),
    "version": ("version", "Print the version."),
}


class LazyGroup(TyperGroup):
    """Lists every command, imports the one that is called."""

    listing = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: TyperCommand(name, help=summary) for name, (_, summary) in COMMANDS.items()}

    def get_command(self, ctx: Any, name: str) -> Any:
        if self.listing or name not in COMMANDS:
            return self.commands.get(name)
        module, _ = COMMANDS[name]
        group = importlib.import_module(f"edgeface.cli.{module}").app
        group._add_completion = False  # `edgeface` itself offers it, once
        command = typer.main.get_command(group)
        command.name = name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._while_listing(super().format_help, ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        return self._while_listing(super().shell_complete, ctx, incomplete)

    def _while_listing(self, act: Any, *arguments: Any) -> Any:
        self.listing = True
        try:
            return act(*arguments)
        finally:
            self.listing = False


app = typer.Typer(
    name="edgeface",
    cls=LazyGroup,
    help="A door that recognises faces, on the device alone.",
    epilog=output.examples("edgeface demo", "edgeface enroll Ada --photo ada.jpg", "edgeface run --config door.toml"),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from edgeface import __version__

        typer.echo(f"edgeface {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of faults.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass  # `main` looks for --debug itself: a fault may come before it is parsed


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Ends with one of the exit codes of docs/design.md, section 10.6."""
    # The products here are small: a BLAS with threads loses more by waking them than they save, memory too.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Other packages' pydantic plugins have no business in a door's settings, and looking for them takes a while.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in takewhile(lambda argument: argument.startswith("-"), given)
    try:
        typer.main.get_command(app).main(given, prog_name="edgeface")
    except EdgefaceError as error:
        if debug:
            output.crash(error, debug)
        output.fail(error)
    except BrokenPipeError:
        # `edgeface audit list | head`: the reader has had enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(output.INTERRUPTED) from None
    except Exception as error:
        output.crash(error, debug)


if __name__ == "__main__":
    main()
