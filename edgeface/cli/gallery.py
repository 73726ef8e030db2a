"""`edgeface gallery`: see, remove, export and back up the enrolled people."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeface.app import wiring_tools
from edgeface.app.registration import unregister
from edgeface.app.settings import load_settings
from edgeface.cli import gallery_factor
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_table, say
from edgeface.cli.people import find, find_id, open_office, open_store
from edgeface.cli.times import show_time
from edgeface.domain.errors import StorageError
from edgeface.domain.types import Person

app = typer.Typer(help="See, remove and export the enrolled people.", no_args_is_help=True)
app.add_typer(gallery_factor.app, name="factor")
Who = Annotated[str, typer.Argument(metavar="WHO", help="An id, its first six digits, or a name.")]


@app.command("list", epilog=examples("edgeface gallery list", "edgeface gallery list --json"))
def list_people(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List everybody who is enrolled, and every record that is damaged.

    Ends with 65 where a record is damaged: that person is refused at the door."""
    with open_store(load_settings(config)) as store:
        people, damaged = list(store.people()), dict(store.damaged())
    if as_json:
        print_json({"people": [_summary(p) for p in people], "damaged": damaged})
    elif people:
        rows = [
            (p.id, p.name, len(p.templates), p.schedule, show_time(p.valid_to_s), show_time(p.enrolled_s))
            for p in people
        ]
        print_table(("id", "name", "templates", "schedule", "valid to", "enrolled"), rows)
    elif not damaged:
        say("Nobody is enrolled yet. Begin with: edgeface enroll NAME --photo FILE")
    if damaged:
        are = "record is" if len(damaged) == 1 else "records are"
        say(f"{len(people)} people, and {len(damaged)} {are} damaged:")
        for record, why in damaged.items():
            say(f"{record}: {why}")
        raise typer.Exit(65)


@app.command(epilog=examples('edgeface gallery show "Ada Lovelace"', "edgeface gallery show 3f09c1 --json"))
def show(who: Who, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one person's record, without the templates themselves."""
    with open_store(load_settings(config)) as store:
        person = find(store, who)
    if as_json:
        print_json(_summary(person))
    else:
        print_table(("", ""), [(k, ", ".join(map(str, v)) if isinstance(v, list) else v) for k, v in _shown(person)])


@app.command(epilog=examples('edgeface gallery remove "Ada Lovelace"', "edgeface gallery remove 3f09c1 --yes"))
def remove(
    who: Who,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a person for good: the key of the record is destroyed, and the door refuses the person at once.

    A damaged record is removed by its id, or the beginning of it. Ends with 74 where the removal is in force but its
    traces could not be overwritten yet; repeat it then by the whole id."""
    settings = load_settings(config)
    with open_store(settings) as store:
        record, name = find_id(store, who)
    shown = f"{name} ({record})" if name else f"The record {record}"
    if not yes and not typer.confirm(f"Remove {shown} for good?", err=True):
        say("Nothing was removed.")
        raise typer.Exit(1)
    with open_office(settings, create=False) as office:
        unregister(record, office.store, office.clock, office.recorder)
    if as_json:
        print_json({"removed": record, "name": name or None})
    else:
        say(f"{shown} was removed.")


@app.command(epilog=examples('edgeface gallery export "Ada Lovelace" --output ada.json'))
def export(
    who: Who,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, mode 0600; it must not exist.")],
    config: ConfigOption = None,
) -> None:
    """Export a person's own copy of the record, templates included: what the law calls a data subject's copy."""
    with open_store(load_settings(config)) as store:
        person = find(store, who)
        copy = store.export(person.id)
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(copy, stream, ensure_ascii=False, indent=2)
    except OSError as e:
        raise StorageError(f"{output} can't be written ({e.strerror}).", "Give another file.") from None
    say(f"{person.name}'s record is in {output}. It holds biometric data: hand it over sealed, then delete it.")


@app.command(epilog=examples("edgeface gallery backup /media/usb/gallery-2026-11-22.db"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, mode 0600; it must not exist.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the whole gallery into a file, also while the door is running.

    The copy is encrypted as the gallery is and works with this device's key alone; keep a copy of that key somewhere
    else. Whoever is removed later is still in it: delete old copies. Ends with 65 where a record is damaged."""
    settings = load_settings(config)
    with open_store(settings) as store:  # with the right key, or there is no sense in a copy
        wiring_tools.back_up_gallery(settings, file)
        people, damaged = sum(1 for _ in store.people()), len(store.damaged())
    if as_json:
        print_json({"file": str(file), "people": people, "damaged": damaged})
    else:
        say(f"{people} people are in {file}. Keep a copy of {settings.key_file} too, in another place: without it "
            "nobody can read them.")  # fmt: skip
    if damaged:
        say(f"{damaged} damaged records are in it as they are; `edgeface gallery list` names them.")
        raise typer.Exit(65)


@app.command(epilog=examples("edgeface gallery rotate", "edgeface gallery rotate --json"))
def rotate(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Replace the key that wraps everybody's keys, and destroy the one before: now, instead of within a day.

    After a removal the daemon does so by itself. People stay as they are; old copies of the gallery stay readable with
    the device key. Ends with 74 where the new key is in force but the old one could not be overwritten yet."""
    renewed, people = wiring_tools.renew_wrapping_key(load_settings(config))
    if as_json:
        print_json({"generation": renewed.generation, "people": people, "renewed_s": renewed.renewed_s})
    else:
        say(f"The wrapping key is number {renewed.generation} now; the keys of {people} people are wrapped by it, and "
            "the one before is destroyed.")  # fmt: skip


def _summary(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "templates": [{"model": t.model, "source": t.source, "quality": t.quality} for t in person.templates],
        "seq": person.seq,
        "groups": list(person.groups),
        "doors": list(person.doors),
        "schedule": person.schedule,
        "valid_from_s": person.valid_from_s,
        "valid_to_s": person.valid_to_s,
        "enrolled_s": person.enrolled_s,
        "factors": gallery_factor.summary(person),
    }


def _shown(person: Person) -> list[tuple[str, Any]]:
    models = sorted({t.model for t in person.templates})
    return [
        ("id", person.id),
        ("name", person.name),
        ("templates", f"{len(person.templates)} of {', '.join(models)}"),
        ("groups", ", ".join(person.groups)),
        ("doors", ", ".join(person.doors) or "every door"),
        ("schedule", person.schedule),
        ("valid from", show_time(person.valid_from_s) or "always"),
        ("valid to", show_time(person.valid_to_s) or "unbounded"),
        ("enrolled", show_time(person.enrolled_s)),
        ("factors", gallery_factor.shown(person)),
        ("changes", person.seq),
    ]
