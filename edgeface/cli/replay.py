"""`edgeface replay`: the door's own loop over recorded input."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeface.app import wiring, wiring_tools
from edgeface.app.enrolment import Enroller
from edgeface.app.people import LiveGallery
from edgeface.app.replaying import play
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings, load_settings
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json_line, say
from edgeface.cli.people import open_store, say_if_broken
from edgeface.cli.times import parse_time
from edgeface.domain.errors import SourceError
from edgeface.domain.events import Event
from edgeface.domain.types import Person

app = typer.Typer(help="Run the door's own loop over recorded input.")

START = "2026-12-01T12:00:00"  # a moment after the release: the same input gives the same output on any day


@app.command(
    epilog=examples(
        "edgeface replay visit.mp4 --enroll Ada=ada.jpg",
        "edgeface replay frames/ --gallery /var/lib/edgeface --json",
        "edgeface replay scene.toml --seed 7 --at 2026-12-24T03:00+01:00",
    )
)
def replay(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video, a folder of pictures, or a scene file.")],
    enroll: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PHOTO", help="Who is known, by a photo; may be repeated.")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="Everybody in this gallery is known: its file, or its folder with device.key.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For challenges, and a scene's noise (else its own).")] = None,
    at: Annotated[str, typer.Option(help="The wall clock at the recording's beginning, for schedules.")] = START,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the door's own loop over recorded input, as fast as it goes, on a virtual clock, with no relay.

    Prints what the door would have done, an event a line. The same input and seed give the same output."""
    settings = _settings(load_settings(config), source, gallery, seed)
    start = datetime.fromtimestamp(parse_time(at, "--at") or 0.0, timezone.utc)
    models = wiring.open_vision(settings)
    people = _people(settings, models, enroll or [], with_gallery=gallery is not None)
    names = {p.id: p.name for p in people}

    def told(event: Event) -> None:
        line = _line(event, names)
        if as_json:
            print_json_line(line)
        else:
            typer.echo(_sentence(line))

    played = wiring_tools.build_replay(settings, models, people, told, start, seed or 0)
    frames = play(played, on_end=say_if_broken)
    if not as_json:
        say(f"{frames} frames, {len(people)} people known.")


def _settings(settings: Settings, source: str, gallery: Path | None, seed: int | None) -> Settings:
    camera = settings.camera.model_copy(
        update={"source": source if source.startswith("replay:") else f"replay:{source}", "seed": seed, "loop": False}
    )
    changes: dict[str, Any] = {"camera": camera}
    if gallery is not None:
        file = gallery / "gallery.db" if gallery.is_dir() else gallery
        if not file.is_file():
            raise SourceError(f"There is no gallery at {gallery}.", "Give its file, or its folder.")
        key = file.parent / "device.key"
        changes["gallery"] = settings.gallery.model_copy(
            update={"path": file, "key_file": key if key.exists() else settings.key_file}
        )
    return settings.model_copy(update=changes)


def _people(settings: Settings, models: Any, enroll: list[str], *, with_gallery: bool) -> list[Person]:
    people: list[Person] = []
    if with_gallery:
        with open_store(settings) as store:
            people += store.people()
            for record, why in store.damaged().items():
                say(f"{record}: {why}")
    photos: dict[str, list[Path]] = {}
    for given in enroll:
        name, equals, photo = given.partition("=")
        if not (name.strip() and equals and photo):
            raise typer.BadParameter(f"{given!r} is not NAME=PHOTO.", param_hint="--enroll")
        photos.setdefault(name.strip(), []).append(Path(photo))
    if photos:
        people += _from_photos(settings, photos)
    return people


def _from_photos(settings: Settings, photos: dict[str, list[Path]]) -> list[Person]:
    """As `edgeface enroll` does it, in memory alone."""
    rules, models = rules_of(settings), wiring.open_vision(settings, stills=True)
    nobody = LiveGallery(
        wiring_tools.memory_gallery(),
        models.embedder.model,
        wiring.identity_rule(settings, models),
        wiring.system_clock(),
    )
    people = []
    for name, paths in photos.items():
        enroller = Enroller(wiring.vision_of(models), rules.quality, rules.liveness.spoof, "photo")
        for path in paths:
            enroller.offer(wiring_tools.read_photo(path), str(path))
        enrolled = enroller.finish(nobody.now)
        for offered in enrolled.offered:
            if not offered.accepted:
                say(f"{offered.source}: {offered.reason}")
        people.append(Person(id=wiring_tools.stable_id(name), name=name, templates=enrolled.templates))
    return people


def _line(event: Event, names: dict[str, str]) -> dict[str, Any]:
    """The keys that everybody wants first; `person` is the name, `person_id` the record."""
    fields = event.to_dict()
    first: dict[str, Any] = {"t_s": fields.pop("t_s"), "event": fields.pop("event")}
    if "track" in fields or "person" in fields:
        record = fields.pop("person", None)
        score = fields.pop("score", None)
        first["person"] = None if record is None else names.get(str(record), record)
        first["reason"] = fields.pop("reason", None)
        first["score"] = round(score, 4) if isinstance(score, float) else score
        first["person_id"] = record
    return first | {k: round(v, 4) if isinstance(v, float) else v for k, v in fields.items()}


def _sentence(line: dict[str, Any]) -> str:
    from edgeface.app.logs import clean_text

    rest = {k: v for k, v in line.items() if k not in ("t_s", "event", "person_id", "grant_id") and v not in (None, "")}
    return clean_text(f"{line['t_s']:8.2f} s  {line['event']:<20} " + "  ".join(f"{k} {v}" for k, v in rest.items()))
