"""`edgeface version`."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import typer

from edgeface import __version__
from edgeface.cli.output import JsonOption, examples, print_json

app = typer.Typer()
# What a report of a fault needs to name; found without importing any of it.
PARTS = ("numpy", "opencv-python-headless", "ai-edge-litert", "cryptography", "gpiozero", "gpiod")


@app.command(epilog=examples("edgeface version", "edgeface version --json"))
def version(as_json: JsonOption = False) -> None:
    """Print the version."""
    if not as_json:
        typer.echo(f"edgeface {__version__}")
        return
    parts = {name: _installed(name) for name in PARTS}
    python = ".".join(str(n) for n in sys.version_info[:3])
    print_json({"edgeface": __version__, "python": python, "machine": platform.machine(), "parts": parts})


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
