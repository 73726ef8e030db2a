"""`edgeface admin key`: the gallery's key."""

from __future__ import annotations

import typer

from edgeface.admin.desk import OwnDesk
from edgeface.admin.devices import Owner
from edgeface.cli.admin_common import PassphraseOption, SiteOption, desk_of, now, open_home, say_published, shipped_acl
from edgeface.cli.output import examples, say

app = typer.Typer(help="Renew the gallery's key.", no_args_is_help=True)


@app.callback()
def group() -> None:
    pass  # one command only, and still a group


@app.command(epilog=examples("edgeface admin key rotate"))
def rotate(site: SiteOption = None, passphrase_file: PassphraseOption = None) -> None:
    """Renew the gallery's key and the matching matrix on every door. Interrupted, it goes on with the next command."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        epoch = Owner(home, desk, shipped_acl(), now).rotate()
        say_published(desk)
        over = not (isinstance(desk, OwnDesk) and desk.agent.state.rotating)
    say(f"The gallery is in epoch {epoch}{'' if over else ' as soon as every record is sealed anew'}.")
    say("Doors that are away go over when they come. The backup was renewed: copy it to its other place.")
