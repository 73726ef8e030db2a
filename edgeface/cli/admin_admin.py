"""`edgeface admin admin`: who may do what at the site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeface.admin import admins
from edgeface.admin.devices import Owner, read_offer, write_answer
from edgeface.cli.admin_common import (
    BACKUP,
    PassphraseOption,
    SiteOption,
    YesOption,
    compare_code,
    desk_of,
    now,
    now_s,
    open_home,
    people_of,
    say_broker,
    say_published,
    shipped_acl,
)
from edgeface.cli.output import JsonOption, examples, print_json, print_table, say
from edgeface.domain.roster import short_code

app = typer.Typer(help="Add, remove and list the site's admins, with their roles.", no_args_is_help=True)


@app.command(
    epilog=examples(
        "edgeface admin admin add bob.offer --role enrol --role revoke --answer bob.answer",
        "edgeface admin admin add bob.offer --role operate --code 5XR4-9K2M-77QT",
    )
)
def add(
    offer: Annotated[str, typer.Argument(metavar="OFFER", help="What `edgeface admin site join` made.")],
    role: Annotated[list[str], typer.Option(help="enrol, revoke, operate or audit; may be repeated.")],
    answer: Annotated[Path, typer.Option(help="The file for him: edgeface admin site accept.")] = Path("admin.answer"),
    name: Annotated[str | None, typer.Option(help="His name; default: what he gave himself.")] = None,
    code: Annotated[str | None, typer.Option(help="The code that he was shown; else you are asked to compare.")] = None,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    yes: YesOption = False,
) -> None:
    """Add an admin, or give one other roles."""
    roles, read = admins.read_roles(role), read_offer(offer)
    compare_code(read.signer, code, yes)
    home = open_home(site, passphrase_file)
    called = name or read.value.name
    with desk_of(home) as desk:
        owner = Owner(home, desk, shipped_acl(), now)
        write_answer(answer, admins.add(owner, read, called, roles))
        say_published(desk)
    say(f"{called} ({read.signer}) may {', '.join(r.value for r in roles)}. His answer is in {answer}.")
    say_broker(home, "acl", until="it lets nothing of him through")
    say(BACKUP)


@app.command(epilog=examples("edgeface admin admin remove Bob"))
def remove(
    who: Annotated[str, typer.Argument(metavar="WHO", help="An admin's name, id, or the id's beginning.")],
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    yes: YesOption = False,
) -> None:
    """Remove an admin; what he signed and still stands is signed by you first."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        party = admins.find_admin(desk.roster, who)
        if not yes and not typer.confirm(f"Remove {party.name} ({party.id})?", err=True):
            say("Nothing was changed.")
            raise typer.Exit(1)
        owner = Owner(home, desk, shipped_acl(), now)
        resigned = admins.remove(owner, party, people_of(desk, home), now_s())
        say_published(desk)
    say(f"{party.name} is no admin any more; {resigned} of his records are signed by you now.")
    say_broker(home, "acl", "crl.pem", until="his certificate still connects (doors and agent refuse him already)")
    say(BACKUP)


@app.command("list", epilog=examples("edgeface admin admin list", "edgeface admin admin list --json"))
def list_admins(site: SiteOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List the admins and their roles."""
    with desk_of(open_home(site, passphrase_file)) as desk:
        rows = [(a.name, a.id, short_code(a.id), [r.value for r in a.roles]) for a in desk.roster.admins]
    if as_json:
        print_json([{"name": n, "id": i, "code": c, "roles": r} for n, i, c, r in rows])
    else:
        print_table(("admin", "id", "code", "roles"), [(n, i, c, ", ".join(r)) for n, i, c, r in rows])
