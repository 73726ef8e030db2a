"""`edgeface admin seal`: an enrolment with photos for the site's agent, as one message."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from edgeface.admin import enrolments
from edgeface.cli.admin_common import PassphraseOption, SiteOption, desk_of, now_s, open_home, say_published
from edgeface.cli.admin_models import photo_templates
from edgeface.cli.admin_records import bounds, read_photos, words
from edgeface.cli.output import ConfigOption, examples, print_json
from edgeface.domain.messages import PhotoEnrolment

EXAMPLES = examples(
    'edgeface admin seal --photo ada.jpg --name "Ada Lovelace" --output ada.msg',
    'edgeface admin seal --photo ada.jpg --name "Ada Lovelace" --send',
)


def seal(
    photo: Annotated[list[Path], typer.Option(help="A photo of this person alone (JPEG or PNG); may be repeated.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the message here.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it now, and wait for the agent's answer.")] = False,
    doors: Annotated[list[str] | None, typer.Option(help="Doors, separated by commas; none: every door.")] = None,
    groups: Annotated[list[str] | None, typer.Option(help="Groups, separated by commas.")] = None,
    valid_from: Annotated[str | None, typer.Option(help="From when, as 2026-12-01.")] = None,
    valid_to: Annotated[str | None, typer.Option(help="Until when, that moment excluded.")] = None,
    schedule: Annotated[str, typer.Option(help="A schedule of the doors' settings.")] = "always",
    record: Annotated[str | None, typer.Option(help="The record's id, 32 hex digits; default: a random one.")] = None,
    config: ConfigOption = None,
    saw: Annotated[int, typer.Option(min=0, help="The seq of the record that this one changes.")] = 0,
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Seal an enrolment with photos to the site's agent, which makes the template: no models are needed here.

    Prints the topic to publish the message on (QoS 1, not retained) and the id that the answer will carry."""
    if (output is None) == (not send):
        raise typer.BadParameter("Give --output or --send.")
    home = open_home(site, passphrase_file)
    begin, end = bounds(valid_from, valid_to)
    wanted = PhotoEnrolment(
        record=record or secrets.token_hex(16),
        name=name,
        photos=tuple(data for _, data in read_photos(photo)),
        saw=saw,
        groups=words(groups),
        doors=words(doors),
        schedule=schedule,
        valid_from_ms=None if begin is None else round(begin * 1000),
        valid_to_ms=None if end is None else round(end * 1000),
        at_s=now_s(),
    )
    with desk_of(home, photo_templates(config)) as desk:
        if output is not None:
            sealed = enrolments.seal(home, desk.roster, wanted)
            enrolments.write(output, sealed.message)
            print_json({"topic": sealed.topic, "id": sealed.id, "record": wanted.record, "file": str(output)})
            return
        reply = desk.enrol(wanted)
        say_published(desk)
    print_json({"record": wanted.record, "seq": reply.version, "reasons": [list(r) for r in reply.reasons]})
