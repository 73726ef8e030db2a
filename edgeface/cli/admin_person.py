"""`edgeface admin person`: the site's people."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from edgeface.admin.home import Home
from edgeface.admin.people import Listed, erasure_receipts, wait_for_doors
from edgeface.cli.admin_common import (
    DOORS_S,
    PassphraseOption,
    SiteOption,
    YesOption,
    ask_status,
    desk_of,
    now_s,
    open_home,
    people_of,
    say_published,
)
from edgeface.cli.admin_models import photo_templates
from edgeface.cli.admin_records import bound, bounds, read_photos, summary, warn_of_doors, words
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_table, say
from edgeface.cli.times import show_time
from edgeface.domain.errors import EnrolmentError, StorageError
from edgeface.domain.text import clean_text
from edgeface.domain.types import Person

app = typer.Typer(help="Enrol, change, revoke, erase and see the site's people.", no_args_is_help=True)
Who = Annotated[str, typer.Argument(metavar="WHO", help="An id, its first six digits, or a name.")]
Photos = Annotated[list[Path] | None, typer.Option("--photo", help="A photo of this person alone; may be repeated.")]
Doors = Annotated[list[str] | None, typer.Option("--doors", help="Doors, separated by commas; none: every door.")]
Groups = Annotated[list[str] | None, typer.Option("--groups", help="Groups, separated by commas.")]
From = Annotated[str | None, typer.Option("--valid-from", help="From when, as 2026-12-01 (UTC without a zone).")]
To = Annotated[str | None, typer.Option("--valid-to", help="Until when, that moment excluded.")]
Schedule = Annotated[str | None, typer.Option(help="When the person may enter: a schedule of the doors' settings.")]


@app.command(
    epilog=examples(
        'edgeface admin person add --photo ada.jpg --name "Ada Lovelace"',
        'edgeface admin person add --photo a1.jpg --photo a2.jpg --name "Ada Lovelace" --doors front,lab'
        " --groups staff --valid-to 2027-06-30 --schedule office",
    )
)
def add(
    photo: Annotated[list[Path], typer.Option(help="A photo of this person alone; may be repeated.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    doors: Doors = None,
    groups: Groups = None,
    valid_from: From = None,
    valid_to: To = None,
    schedule: Schedule = None,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a person on every door of the site, from photos. Nothing is sent but templates, encrypted."""
    home = open_home(site, passphrase_file)
    pictures = read_photos(photo)
    begin, end = bounds(valid_from, valid_to)
    if not clean_text(name, 128):
        raise EnrolmentError("A name has 1 to 128 characters and no control characters.", "Give another name.")
    with desk_of(home) as desk:
        people = people_of(desk, home)
        warn_of_doors(desk, words(doors))
        made = photo_templates(config)(pictures, [x.person for x in people.all()], None)
        person = people.add(
            Person(
                id=secrets.token_hex(16),
                name=name,
                templates=made.templates,
                groups=words(groups),
                doors=words(doors),
                schedule=schedule or "always",
                valid_from_s=begin,
                valid_to_s=end,
                enrolled_s=float(now_s()),
            )
        )
        say_published(desk)
    if as_json:
        print_json(summary(person) | {"refused": list(made.reasons), "warnings": list(made.warnings)})
        return
    say(f"{person.name} is enrolled as {person.id} with {len(person.templates)} template(s).")
    for source, reason in made.reasons:
        say(f"  refused: {source}: {reason}")
    for warning in made.warnings:
        say(f"  note: {warning}")


@app.command(
    epilog=examples(
        'edgeface admin person update "Ada Lovelace" --doors front,lab --valid-to 2027-06-30',
        "edgeface admin person update 3f09c1 --photo new.jpg",
    )
)
def update(
    who: Who,
    photo: Photos = None,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    doors: Doors = None,
    groups: Groups = None,
    valid_from: From = None,
    valid_to: To = None,
    schedule: Schedule = None,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a person's record; what isn't given stays. An empty text (--doors "") lifts a limit."""
    home = open_home(site, passphrase_file)
    pictures = read_photos(photo or [])
    with desk_of(home) as desk:
        people = people_of(desk, home)
        standing = people.find(who)
        changed = standing.person
        if pictures:
            made = photo_templates(config)(pictures, [x.person for x in people.all()], changed.id)
            changed = replace(changed, templates=made.templates)
        changed = replace(
            changed,
            name=name or changed.name,
            doors=changed.doors if doors is None else words(doors),
            groups=changed.groups if groups is None else words(groups),
            schedule=schedule or changed.schedule,
            valid_from_s=changed.valid_from_s if valid_from is None else bound(valid_from, "--valid-from"),
            valid_to_s=changed.valid_to_s if valid_to is None else bound(valid_to, "--valid-to"),
        )
        warn_of_doors(desk, changed.doors)
        changed = people.change(standing, changed)
        say_published(desk)
    if as_json:
        print_json(summary(changed))
    else:
        say(f"{changed.name} ({changed.id}) was changed.")


@app.command(epilog=examples('edgeface admin person revoke "Ada Lovelace"', "edgeface admin person revoke 3f09c1 -y"))
def revoke(
    who: Who,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Revoke a person for good, on every door; ends with 1 where a door that is online has not confirmed it."""
    _remove(open_home(site, passphrase_file), who, erase=False, yes=yes, as_json=as_json)


@app.command(epilog=examples('edgeface admin person erase "Ada Lovelace"'))
def erase(
    who: Who,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: revoked, the record's key destroyed on every door, with a signed receipt of each."""
    _remove(open_home(site, passphrase_file), who, erase=True, yes=yes, as_json=as_json)


@app.command("list", epilog=examples("edgeface admin person list", "edgeface admin person list --json"))
def list_people(site: SiteOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List everybody, and who signed the record."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        people = list(people_of(desk, home).all())
    if as_json:
        print_json([summary(x.person) | {"by": x.by, "sound": x.sound} for x in people])
    elif people:
        columns = ("id", "name", "templates", "doors", "schedule", "valid to", "by")
        print_table(columns, map(_row, people))
    else:
        say("Nobody is enrolled yet. Begin with: edgeface admin person add --photo FILE --name NAME")


@app.command(epilog=examples('edgeface admin person show "Ada Lovelace"', "edgeface admin person show 3f09c1 --json"))
def show(
    who: Who, site: SiteOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """Show one person's record, without the templates themselves."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        found = people_of(desk, home).find(who)
    told = summary(found.person) | {"by": found.by, "sound": found.sound}
    if as_json:
        print_json(told)
    else:
        print_table(("", ""), [(k, ", ".join(map(str, v)) if isinstance(v, list) else v) for k, v in told.items()])


@app.command(epilog=examples('edgeface admin person export "Ada Lovelace" --output ada.json'))
def export(
    who: Who,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, mode 0600; it must not exist.")],
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Export a person's own copy of the record, templates included: what the law calls a data subject's copy."""
    home = open_home(site, passphrase_file)
    with desk_of(home) as desk:
        person = people_of(desk, home).find(who).person
    copy = summary(person) | {
        "templates": [
            {"model": t.model, "source": t.source, "quality": t.quality, "vector": [float(x) for x in t.vector]}
            for t in person.templates
        ]
    }
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(copy, stream, ensure_ascii=False, indent=2)
    except OSError as e:
        raise StorageError(f"{output} can't be written ({e.strerror}).", "Give another file.") from None
    say(f"{person.name}'s record is in {output}. It holds biometric data: hand it over sealed, then delete it.")


def _remove(home: Home, who: str, *, erase: bool, yes: bool, as_json: bool) -> None:
    with desk_of(home) as desk:
        people = people_of(desk, home)
        person = people.find(who).person
        word = "Erase" if erase else "Revoke"
        if not yes and not typer.confirm(f"{word} {person.name} ({person.id}) for good?", err=True):
            say("Nothing was changed.")
            raise typer.Exit(1)
        version = people.remove(person, erase=erase)
        reached = say_published(desk)
        everywhere = reached and wait_for_doors(desk, lambda: ask_status(desk), version, DOORS_S)
        doors = ask_status(desk)
        receipts = erasure_receipts(desk, home, person.id) if erase else {}
    done = [str(d["name"]) for d in doors if d["in_step"] and int(str(d["manifest"])) >= version]
    open_ = [f"{d['name']} ({'online' if d['online'] else 'not online'})" for d in doors if str(d["name"]) not in done]
    if as_json:
        print_json({"person": person.id, "manifest": version, "confirmed": done, "open": open_, "receipts": receipts})
    else:
        say(f"{person.name} ({person.id}) is {'erased' if erase else 'revoked'}; manifest {version} says so.")
        say(f"  confirmed: {', '.join(done) or 'by no door yet'}")
        if erase:
            named = [str(d["name"]) for d in doors if d["id"] in receipts]
            say(f"  erasure receipts: {', '.join(named) or 'none yet; the agent keeps them as they come'}")
        if open_:
            say(f"  not yet: {', '.join(open_)}; they refuse as soon as they hear of it. See: edgeface admin status")
    if not everywhere:
        raise typer.Exit(1)


def _row(listed: Listed) -> tuple[object, ...]:
    p = listed.person
    by = listed.by if listed.sound else f"{listed.by} (counts no more)"
    return p.id, p.name, len(p.templates), ", ".join(p.doors) or "every", p.schedule, show_time(p.valid_to_s), by
