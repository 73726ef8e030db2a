"""`edgeface admin door`: commands to one door, and the mode of the whole site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from edgeface.admin import admins
from edgeface.admin.commands import command_door
from edgeface.admin.devices import find_device
from edgeface.admin.home import Home
from edgeface.cli.admin_common import PassphraseOption, SiteOption, desk_of, now_s, open_home, say_published
from edgeface.cli.output import examples, say
from edgeface.domain.errors import DoorError
from edgeface.domain.messages import ModeState, SiteMode
from edgeface.domain.messages_door import CommandOp

app = typer.Typer(help="Unlock, lock down and release doors.", no_args_is_help=True)
Door = Annotated[str, typer.Argument(metavar="DOOR", help="A door's name, id, or the id's beginning.")]
Doors = Annotated[str | None, typer.Argument(metavar="[DOOR]", help="A door's name or id; or --all.")]
All = Annotated[bool, typer.Option("--all", help="The whole site: kept, also for doors that are away.")]


@dataclass(frozen=True)
class _Wish:
    op: CommandOp
    done: str
    mode: SiteMode | None = None


@app.command(epilog=examples("edgeface admin door unlock front", "edgeface admin door unlock front --seconds 8"))
def unlock(
    door: Door,
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="For how long; 0: the door's own setting.")] = 0,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Unlock one door for a moment."""
    _command(door, _Wish(CommandOp.UNLOCK, "is unlocked"), open_home(site, passphrase_file), round(seconds * 1000))


@app.command(epilog=examples("edgeface admin door lockdown front", "edgeface admin door lockdown --all"))
def lockdown(
    door: Doors = None, everywhere: All = False, site: SiteOption = None, passphrase_file: PassphraseOption = None
) -> None:
    """Lock a door or the site down: nobody gets in."""
    _either(
        door,
        everywhere,
        _Wish(CommandOp.LOCKDOWN, "is locked down", SiteMode.LOCKDOWN),
        open_home(site, passphrase_file),
    )


@app.command(epilog=examples("edgeface admin door release front", "edgeface admin door release --all"))
def release(
    door: Doors = None, everywhere: All = False, site: SiteOption = None, passphrase_file: PassphraseOption = None
) -> None:
    """End a lockdown."""
    _either(
        door, everywhere, _Wish(CommandOp.RELEASE, "is released", SiteMode.NORMAL), open_home(site, passphrase_file)
    )


def _either(door: str | None, everywhere: bool, wish: _Wish, home: Home) -> None:
    if everywhere == (door is not None):
        raise typer.BadParameter("Name one door, or give --all.")
    if door is not None:
        _command(door, wish, home)
        return
    assert wish.mode is not None
    with desk_of(home) as desk:
        standing = desk.mode[0].version if desk.mode else 0
        admins.set_mode(desk, home, ModeState(standing + 1, wish.mode, now_s()))
        say_published(desk)
    say(f"The site {wish.done}: every door that is online hears it now, the others when they come.")


def _command(name: str, wish: _Wish, home: Home, pulse_ms: int = 0) -> None:
    with desk_of(home) as desk:
        roster = desk.roster
        device = find_device(roster, name)
    reply = command_door(home, roster, device, wish.op, pulse_ms)
    if not reply.done:
        raise DoorError(reply.message or f"{device.name} refused ({reply.code}).", "See: edgeface admin status.")
    say(f"{device.name} {wish.done}.")
