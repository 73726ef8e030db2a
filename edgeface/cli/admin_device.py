"""`edgeface admin device`: the site's doors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeface.admin.devices import Owner, find_device, read_offer, write_answer
from edgeface.admin.home import Home
from edgeface.cli.admin_common import (
    BACKUP,
    PassphraseOption,
    SiteOption,
    YesOption,
    compare_code,
    desk_of,
    now,
    open_home,
    say_broker,
    say_published,
    shipped_acl,
)
from edgeface.cli.output import JsonOption, examples, print_json, print_table, say
from edgeface.domain.roster import short_code

app = typer.Typer(help="Add, replace, remove and list the site's doors.", no_args_is_help=True)
Offer = Annotated[str, typer.Argument(metavar="OFFER", help="What `edgeface pair` made: a file, or its text.")]
Answer = Annotated[Path, typer.Option("--answer", help="The file for the device; `edgeface pair` takes it.")]
Door = Annotated[str, typer.Argument(metavar="DOOR", help="A door's name, id, or the id's beginning.")]
CODE_HELP = "The code on the device's display; without it you are asked to compare."


@app.command(
    epilog=examples(
        "edgeface admin device add front.offer --answer front.answer",
        "edgeface admin device add front.offer --name 'front door' --code 5XR4-9K2M-77QT",
    )
)
def add(
    offer: Offer,
    answer: Answer = Path("pairing.answer"),
    name: Annotated[str | None, typer.Option(help="The door's name; default: what the device proposes.")] = None,
    code: Annotated[str | None, typer.Option(help=CODE_HELP)] = None,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    yes: YesOption = False,
) -> None:
    """Add a door: put it into the roster and write the answer that the device needs.

    Given again, it writes another answer for the same door."""
    read = read_offer(offer)
    compare_code(read.signer, code, yes)
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        made = Owner(home, desk, shipped_acl(), now).add_device(read, name or read.value.name or "door")
        write_answer(answer, made)
        say_published(desk)
    say(f"{name or read.value.name or 'door'} ({read.signer}) belongs to the site. Its answer is in {answer}.")
    say("The broker needs nothing for it: a door's rights go by its certificate, which is in the answer.")
    say(BACKUP)


@app.command(epilog=examples("edgeface admin device replace 'front door' new.offer --answer new.answer"))
def replace(
    door: Door,
    offer: Offer,
    answer: Answer = Path("pairing.answer"),
    code: Annotated[str | None, typer.Option(help=CODE_HELP)] = None,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    yes: YesOption = False,
) -> None:
    """Move a door to new hardware: it keeps its name, the old device's keys and certificate count no more."""
    read = read_offer(offer)
    compare_code(read.signer, code, yes)
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        old = find_device(desk.roster, door)
        made = Owner(home, desk, shipped_acl(), now).add_device(read, old.name, old)
        write_answer(answer, made)
        say_published(desk)
    say(f"{old.name} is {read.signer} now. Its answer is in {answer}.")
    _say_revoked(home)


@app.command(epilog=examples("edgeface admin device remove 'front door'", "edgeface admin device remove 3f09c1 --yes"))
def remove(
    door: Door, site: SiteOption = None, passphrase_file: PassphraseOption = None, yes: YesOption = False
) -> None:
    """Remove a door: a new gallery key for the others, everything encrypted anew, its certificate revoked."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        device = find_device(desk.roster, door)
        if not yes and not typer.confirm(f"Remove {device.name} ({device.id}) from the site?", err=True):
            say("Nothing was removed.")
            raise typer.Exit(1)
        Owner(home, desk, shipped_acl(), now).remove_device(device)
        say_published(desk)
    say(f"{device.name} ({device.id}) was removed.")
    _say_revoked(home)


@app.command("list", epilog=examples("edgeface admin device list", "edgeface admin device list --json"))
def list_devices(
    site: SiteOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """List the doors of the roster; `edgeface admin status` says how they are."""
    with desk_of(open_home(site, passphrase_file)) as desk:
        rows = [(d.name, d.id, short_code(d.id)) for d in desk.roster.devices]
    if as_json:
        print_json([{"name": n, "id": i, "code": c} for n, i, c in rows])
    else:
        print_table(("door", "id", "code"), rows)


def _say_revoked(home: Home) -> None:
    until = "the old device still connects (what it hears is sealed with a key that it has not)"
    say_broker(home, "crl.pem", until=until)
    say(BACKUP)
