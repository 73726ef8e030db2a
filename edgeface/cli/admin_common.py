"""What the admin's commands share: the site's folder, its passphrase, the way to the agent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from edgeface.admin.desk import Desk, OwnDesk, open_desk
from edgeface.admin.home import Home
from edgeface.admin.people import People
from edgeface.admin.requests import Templates
from edgeface.app import paths
from edgeface.cli.output import say
from edgeface.domain.errors import ConfigError
from edgeface.domain.messages import Request, RequestOp
from edgeface.domain.roster import short_code

PUBLISH_S = 15.0
DOORS_S = 5.0
BACKUP = "The site's backup was renewed: copy it to its other place."
BROKER_FOLDER = "/etc/mosquitto/edgeface"  # where config/mosquitto/mosquitto.conf looks

SiteOption = Annotated[
    Path | None,
    typer.Option("--site", envvar="EDGEFACEADMIN_SITE", help="The site's folder (default: ~/.config/edgeface/site)."),
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="Read the keys' passphrase from this file instead of asking."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def site_folder(given: Path | None) -> Path:
    return given or Path.home() / ".config" / "edgeface" / "site"


def shipped_acl() -> Path:
    return paths.mosquitto_dir() / "acl"


def now() -> datetime:
    return datetime.now(timezone.utc)


def now_s() -> int:
    return int(time.time())


def open_home(site: Path | None, passphrase_file: Path | None) -> Home:
    return Home(site_folder(site), lambda: read_passphrase(passphrase_file))


def read_passphrase(file: Path | None, *, confirm: bool = False) -> bytes:
    if file is None:
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)).encode()
    try:
        return file.read_bytes().strip()
    except OSError as e:
        raise ConfigError(f"The passphrase file {file} can't be read: {e.strerror}.", "Check the path.") from e


@contextmanager
def desk_of(home: Home, templates: Templates | None = None) -> Iterator[Desk]:
    def report(level: str, sentence: str) -> None:
        if level != "warning":  # a message that was refused is the agent's business
            say(f"{level}: {sentence}")

    with open_desk(home, now_s, templates=templates, report=report) as desk:
        yield desk


def people_of(desk: Desk, home: Home) -> People:
    return People(desk, home, now_s)


def say_published(desk: Desk) -> bool:
    """Whether the broker has it; where not, that nothing is lost."""
    if desk.flush(PUBLISH_S):
        return True
    fault = desk.link.status().fault if isinstance(desk, OwnDesk) else ""
    say(f"note: the broker isn't reached. {fault}".rstrip())
    say("  It is kept in this site's journal and goes out with the next command or agent.")
    return False


def say_broker(home: Home, *files: str, until: str) -> None:
    """Which of the site's files the broker wants now, what to do there, and what is the case until then."""
    names = " ".join(str(home.broker_folder / name) for name in files)
    targets = " and ".join(f"{BROKER_FOLDER}/{name}" for name in files)
    say(f"The broker's machine wants {'this file' if len(files) == 1 else 'these files'} now; until then {until}.")
    say(f"  1. copy {names} to {targets}")
    say("  2. there: systemctl restart mosquitto   (sessions and retained messages stay; doors, agent and admins come")
    say(
        "     back by themselves. Not reload: that reads no crl.pem, and loses messages for whoever is away just then.)"
    )


def ask_status(desk: Desk) -> list[dict[str, object]]:
    reply = desk.ask(Request(RequestOp.STATUS, at_s=now_s()))
    return [json.loads(item) for item in reply.items]


def compare_code(party: str, code: str | None, yes: bool) -> None:
    """The offer is whose it says: by the code that was given, or by asking. Raises typer.BadParameter, typer.Exit."""
    shown = short_code(party)
    if code is not None:
        if code.replace("-", "").upper() != shown.replace("-", ""):
            raise typer.BadParameter(f"The offer's code is {shown}: it is somebody else's.", param_hint="--code")
    elif not yes and not typer.confirm(f"Is the code that is shown over there {shown}?", err=True):
        say("Nothing was changed.")
        raise typer.Exit(1)
