"""`edgeface admin site`: a site's beginning, and its restoration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeface.admin import admins, creation, home_assistant
from edgeface.admin.devices import Owner, read_offer, write_answer
from edgeface.admin.home import Home
from edgeface.cli.admin_common import (
    PassphraseOption,
    SiteOption,
    desk_of,
    now,
    open_home,
    read_passphrase,
    say_broker,
    shipped_acl,
    site_folder,
)
from edgeface.cli.output import JsonOption, examples, print_json, print_table, say
from edgeface.domain.errors import SourceError
from edgeface.domain.roster import short_code

app = typer.Typer(help="Make, see and restore a site.", no_args_is_help=True)


@app.command(
    epilog=examples(
        'edgeface admin site create "Headquarters" --broker mqtt.example --admin Ann',
        'edgeface admin site create "Headquarters" --broker 192.0.2.7 --broker mqtt.local --passphrase',
    )
)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the site is called.")],
    broker: Annotated[
        list[str], typer.Option(help="The broker's host name or address; may be repeated, the first is what doors use.")
    ],
    admin: Annotated[str, typer.Option(help="Your own name, for the others to see.")] = "owner",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The broker's port.")] = 8883,
    photos: Annotated[
        bool, typer.Option("--photos", help="Let the agent make records from photos that other software sends.")
    ] = False,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Keep the keys under a passphrase.")] = False,
    passphrase_file: PassphraseOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a site: its keys, its broker's certificates, and a sealed backup.

    The recovery code is shown once. Whoever has it and the backup has the site; without it a lost folder is lost."""
    said = read_passphrase(passphrase_file, confirm=True) if passphrase or passphrase_file else None
    code = creation.new_code()
    wanted = creation.Wanted(name, admin, tuple(broker), port, photos)
    home = creation.create(site_folder(site), wanted, creation.read_code(code), said, shipped_acl(), now())
    told = _told(home) | {"recovery_code": code, "backup": str(home.folder / creation.BACKUP)}
    if as_json:
        print_json(told)
        return
    print_table(("", ""), told.items())
    say("Write the recovery code down now: it is not kept. Copy the backup to another place.")
    say(f"Copy {home.broker_folder}/* to the broker's /etc/mosquitto/edgeface/ and restart it; then:")
    say("  edgeface admin device add OFFER")


@app.command(epilog=examples("edgeface admin site show", "edgeface admin site show --json"))
def show(site: SiteOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Show what this folder is: the site, its code, its broker, and who you are there."""
    told = _told(open_home(site, passphrase_file))
    if as_json:
        print_json(told)
    else:
        print_table(("", ""), told.items())


@app.command(epilog=examples("edgeface admin site restore backup --site ~/restored"))
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="The backup that `site create` wrote.")],
    code_file: Annotated[
        Path | None, typer.Option("--code-file", help="Read the recovery code from this file instead of asking.")
    ] = None,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Keep the keys under a passphrase.")] = False,
    passphrase_file: PassphraseOption = None,
    site: SiteOption = None,
) -> None:
    """Make a lost site's folder anew from its backup; the people come back from what the broker retains.

    Nothing may use the old folder any more: two agents would write over each other."""
    try:
        data = backup.read_bytes()
        text = code_file.read_text(encoding="utf-8") if code_file else typer.prompt("Recovery code", err=True)
    except OSError as e:
        raise SourceError(f"{e.filename} can't be read: {e.strerror}.", "Check the path.") from e
    said = read_passphrase(passphrase_file, confirm=True) if passphrase or passphrase_file else None
    home = creation.restore(site_folder(site), data, creation.read_code(text), said, shipped_acl(), now())
    say(f"{home.info.name} is restored in {home.folder}.")
    say("Now run `edgeface admin status`: it takes the people over from the broker.")


@app.command(epilog=examples("edgeface admin site join Bob --offer bob.offer"))
def join(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your own name, for the others to see.")],
    offer: Annotated[Path, typer.Option(help="The file for the site's owner.")] = Path("admin.offer"),
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Keep the keys under a passphrase.")] = False,
    passphrase_file: PassphraseOption = None,
    site: SiteOption = None,
) -> None:
    """Become an admin of somebody's site: make keys here, and an offer for its owner."""
    said = read_passphrase(passphrase_file, confirm=True) if passphrase or passphrase_file else None
    made = admins.join(site_folder(site), name, said, int(now().timestamp()))
    write_answer(offer, made)
    say(f"Give {offer} to the owner, and this code by another way: {short_code(read_offer(str(offer)).signer)}")


@app.command(epilog=examples("edgeface admin site accept bob.answer"))
def accept(
    answer: Annotated[Path, typer.Argument(metavar="ANSWER", help="What the owner's `admin admin add` wrote.")],
    site: SiteOption = None,
) -> None:
    """Take the owner's answer: this folder is then the site's."""
    joined = admins.accept(site_folder(site), answer)
    say(f"You may {', '.join(r.value for r in joined.roles)} at {joined.home.info.name}.")
    say(f"Its code is {joined.site_code}: compare it with the owner's `edgeface admin site show`.")


@app.command(
    "home-assistant",
    epilog=examples(
        "edgeface admin site home-assistant --out home-assistant",
        "edgeface admin site home-assistant --out home-assistant --unlock",
        "edgeface admin site home-assistant --off",
    ),
)
def let_home_assistant(
    out: Annotated[Path, typer.Option(help="Folder for its certificate and key.")] = Path("home-assistant"),
    unlock: Annotated[
        bool, typer.Option("--unlock", help="It may send commands to locks; each door's settings must allow it too.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="Take its rights and its certificates back.")] = False,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Let Home Assistant use the site's broker: its certificate, and its rights there.

    It sees what doors with `home_assistant.enabled` tell it. It signs nothing: with --unlock whoever controls Home
    Assistant or the broker can open the doors that allow it."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        owner = Owner(home, desk, shipped_acl(), now)
        files = [] if off else home_assistant.allow(owner, out, unlock=unlock)
        if off:
            home_assistant.forbid(owner)
    if off:
        say("Home Assistant has no rights at the broker any more.")
        say_broker(home, "acl", "crl.pem", until="it still connects")
        return
    say(f"Home Assistant may {'see the doors and unlock them' if unlock else 'see the doors'}.")
    say_broker(home, "acl", until="it hears nothing there")
    say(f"In Home Assistant's MQTT integration: broker {home.info.broker_host}, port {home.info.broker_port}; and")
    say(f"  {files[0].name} (CA), {files[1].name} (client certificate), {files[2].name} (client key) of {out}.")
    wanted = ", remote_unlock = true" if unlock else ""
    say(f"At each door that it is to see: [home_assistant] enabled = true{wanted}; then restart edgeface there.")


def _told(home: Home) -> dict[str, object]:
    info = home.info
    return {
        "site": info.name,
        "code": short_code(info.site),
        "id": info.site,
        "broker": f"{info.broker_host}:{info.broker_port}",
        "you": info.admin_name,
        "your code": short_code(info.admin),
        "owner": "yes" if info.owner else "no",
        "folder": str(home.folder),
    }
