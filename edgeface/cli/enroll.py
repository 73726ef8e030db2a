"""`edgeface enroll`: a person, from the door's camera, photos or a clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeface.app import wiring, wiring_tools
from edgeface.app.enrolment import ENOUGH_FRAMES, Enroller, Offered, Source
from edgeface.app.people import LiveGallery
from edgeface.app.registration import NewPerson, register
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings, load_settings
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, say
from edgeface.cli.people import find, open_office, open_store, refuse_at_a_site, say_if_broken
from edgeface.cli.times import parse_time
from edgeface.control.client import ControlClient, is_running
from edgeface.domain.errors import CameraError, EndOfStream, EnrolmentError
from edgeface.domain.types import Frame

app = typer.Typer(help="Enrol a person from the camera, photos or a clip.")

CLIP_STEP = 3  # every third frame of a clip: neighbours look alike
READ_S = 2.0


@app.command(
    epilog=examples(
        'edgeface enroll "Ada Lovelace"',
        'edgeface enroll "Ada Lovelace" --photo ada.jpg --photo ada-glasses.jpg',
        'edgeface enroll "Ada Lovelace" --clip ada.mp4 --schedule office --valid-to 2027-06-30',
    )
)
def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's name.")],
    photo: Annotated[list[Path] | None, typer.Option(help="A photo with this person alone; may be repeated.")] = None,
    clip: Annotated[Path | None, typer.Option(help="A video of this person alone.")] = None,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="How long the camera looks, at most.")] = 10,
    group: Annotated[list[str] | None, typer.Option(help="A group; may be repeated.")] = None,
    door: Annotated[list[str] | None, typer.Option(help="A door that may be entered; none: every door.")] = None,
    schedule: Annotated[str, typer.Option(help="When the person may enter: a schedule of the settings.")] = "always",
    valid_from: Annotated[str | None, typer.Option(help="From when, as 2026-12-01 (UTC without a zone).")] = None,
    valid_to: Annotated[str | None, typer.Option(help="Until when, that moment excluded.")] = None,
    replaces: Annotated[
        str | None, typer.Option("--replace", metavar="ID", help="The record whose place this one takes.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a person from the camera, photos or a clip.

    Poor pictures are refused with what to do better; so is a face that is enrolled already, and from the camera or a
    clip a picture of a face. Nothing is stored but templates, encrypted."""
    if photo and clip:
        raise typer.BadParameter("Give photos or a clip, not both.")
    settings = load_settings(config)
    refuse_at_a_site(settings)
    known = rules_of(settings).timetable.names
    if schedule not in known:
        raise EnrolmentError(f"There is no schedule {schedule!r}.", f"The settings have: {', '.join(known)}.")
    person = NewPerson(
        name=name,
        groups=tuple(group or ()),
        doors=tuple(door or ()),
        schedule=schedule,
        valid_from_s=parse_time(valid_from, "--valid-from"),
        valid_to_s=parse_time(valid_to, "--valid-to"),
        replaces=replaces,
    )
    if not photo and clip is None and is_running(settings.control_socket):
        told = _by_daemon(settings, person, seconds)
    else:
        told = _here(settings, person, _Pictures(settings, photo or [], clip, seconds))
    _report(told, as_json)


class _Pictures:
    """Where the pictures come from, one (name, frame or pixels) after the other."""

    def __init__(self, settings: Settings, photos: list[Path], clip: Path | None, seconds: float) -> None:
        self.settings, self.photos, self.clip, self.seconds = settings, photos, clip, seconds
        self.source: Source = "photo" if photos else "clip" if clip else "camera"

    def frames(self) -> Iterator[tuple[str, Frame]]:
        if self.clip is not None:
            settings = self.settings.model_copy(
                update={"camera": self.settings.camera.model_copy(update={"source": f"replay:{self.clip}"})}
            )
            camera, step, limit_s = wiring.open_camera(settings, realtime=False), CLIP_STEP, float("inf")
        else:
            camera, step, limit_s = wiring.open_camera(self.settings), 1, self.seconds
        camera.open()
        try:
            first: float | None = None
            while True:
                frame = camera.read(READ_S)
                first = frame.captured_s if first is None else first
                if frame.captured_s - first > limit_s:
                    return
                if frame.index % step == 0:
                    yield f"frame {frame.index}", frame
        except EndOfStream as end:
            say_if_broken(end)
        finally:
            camera.close()


def _here(settings: Settings, person: NewPerson, pictures: _Pictures) -> dict[str, Any]:
    """With the models in this process."""
    if person.replaces is not None:  # before any work, and by name or the id's beginning too
        with open_store(settings) as store:
            person = replace(person, replaces=find(store, person.replaces).id)
    photos = [(str(p), wiring_tools.read_photo(p)) for p in pictures.photos]  # a wrong path first
    rules = rules_of(settings)
    models = wiring.open_vision(settings, stills=pictures.source == "photo")
    enroller = Enroller(wiring.vision_of(models), rules.quality, rules.liveness.spoof, pictures.source)
    if photos:
        for name, pixels in photos:
            enroller.offer(pixels, name)
    else:
        _watch(enroller, pictures)
    with open_office(settings, create=True) as office:
        gallery = LiveGallery(office.store, models.embedder.model, wiring.identity_rule(settings, models), office.clock)
        enrolled = enroller.finish(gallery.now, person.replaces)
        return register(person, enrolled, office.store, office.clock, office.recorder).to_dict()


def _watch(enroller: Enroller, pictures: _Pictures) -> None:
    progress = _progress()
    with progress:
        bar = progress.add_task("Please look at the camera.", total=ENOUGH_FRAMES)
        try:
            for name, frame in pictures.frames():
                offered = enroller.offer(frame.pixels, name, frame.captured_s)
                _show(progress, bar, offered, enroller.accepted)
                if enroller.enough:
                    return
        except CameraError:
            if enroller.accepted == 0:
                raise


def _by_daemon(settings: Settings, person: NewPerson, seconds: float) -> dict[str, Any]:
    """The daemon has the camera; it looks, and the door stays locked meanwhile."""
    fields = {
        "name": person.name,
        "groups": list(person.groups),
        "doors": list(person.doors),
        "schedule": person.schedule,
        "valid_from_s": person.valid_from_s,
        "valid_to_s": person.valid_to_s,
        "replaces": person.replaces,
    }
    given = {k: v for k, v in fields.items() if v is not None}
    progress = _progress()
    with progress, ControlClient(settings.control_socket, timeout_s=seconds + 30) as client:
        bar = progress.add_task("Please look at the camera.", total=ENOUGH_FRAMES)
        for answer in client.stream("enrol", seconds=seconds, **given):
            if "person" in answer:
                return dict(answer["person"])
            _show(progress, bar, Offered("", answer["accepted"], answer["reason"]), answer["so_far"])
    raise EnrolmentError("The daemon ended the enrolment without a record.", "See its log.")


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    return Progress(
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _show(progress: Any, bar: Any, offered: Offered, accepted: int) -> None:
    advice = "Good. Turn your head a little to each side." if offered.accepted else offered.reason
    progress.update(bar, completed=accepted, description=advice)


def _report(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    refused = {r["reason"] for r in told["refused"]}
    pictures = f"{told['accepted']} of {told['accepted'] + len(told['refused'])} pictures were good enough"
    say(f"{told['name']} is enrolled as {told['id']} with {told['templates']} template(s); {pictures}.")
    for reason in sorted(refused):
        say(f"  refused: {reason}")
    for warning in told["warnings"]:
        say(f"  note: {warning}")
