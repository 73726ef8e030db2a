"""What the commands about people share: opening the gallery beside or without a running daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from edgeface.app import wiring, wiring_reader, wiring_site
from edgeface.app.recorder import Recorder
from edgeface.app.settings import Settings
from edgeface.cli.output import say
from edgeface.control.client import ControlClient, is_running
from edgeface.domain.errors import ControlError, EndOfStream, EnrolmentError, PersonUnknown
from edgeface.domain.types import Person
from edgeface.ports import Clock, FactorHasher, GalleryStore


@dataclass(frozen=True, slots=True)
class Office:
    """The gallery and the audit log, open for changes. A daemon that runs sees a change within half a second by
    itself; it is told at once where it answers."""

    store: GalleryStore
    recorder: Recorder
    clock: Clock
    hasher: FactorHasher


def refuse_at_a_site(settings: Settings) -> None:
    """Before anything else is opened. Raises EnrolmentError where this door's people are a site's."""
    if settings.gallery_path.exists():
        keys = wiring.open_keys(settings, create=False)
        store = wiring.open_gallery(settings, keys)
        try:
            wiring_site.refuse_local(settings, store, keys)
        finally:
            store.close()


@contextmanager
def open_office(
    settings: Settings, *, create: bool, at_a_site: Callable[[], EnrolmentError] | None = None
) -> Iterator[Office]:
    """Raises `at_a_site` at the door of a site (None: that people are enrolled elsewhere)."""
    keys = wiring.open_keys(settings, create=create)
    store = wiring.open_gallery(settings, keys)
    try:
        wiring_site.refuse_local(settings, store, keys, at_a_site)
        audit = wiring.open_audit(settings, keys)
        try:
            clock = wiring.system_clock()
            yield Office(store, Recorder(audit, clock, []), clock, wiring_reader.factor_hasher(keys))
        finally:
            audit.close()
    finally:
        store.close()
    with suppress(ControlError):  # it looks by itself soon
        if is_running(settings.control_socket):
            with ControlClient(settings.control_socket) as client:
                client.call("gallery.reload")


@contextmanager
def open_store(settings: Settings) -> Iterator[GalleryStore]:
    """For reading."""
    store = wiring.open_gallery(settings, wiring.open_keys(settings, create=False))
    try:
        yield store
    finally:
        store.close()


def find_id(store: GalleryStore, who: str) -> tuple[str, str]:
    """(record id, name) by id, by the id's beginning (six digits or more) or by name. A damaged record has no name, nor
    has one that was removed, which its whole id alone finds. Raises PersonUnknown, also where several fit."""
    known = [(p.id, p.name) for p in store.people()] + [(record, "") for record in store.damaged()]
    fitting = [k for k in known if k[0] == who] or [
        k
        for k in known
        if (k[1] and k[1].casefold() == who.casefold()) or (len(who) >= 6 and k[0].startswith(who.lower()))
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(record for record, _ in fitting)
        raise PersonUnknown(f"{who} fits {len(fitting)} people.", f"Name one by id: {ids}.")
    if store.removed(who):
        return who, ""
    raise PersonUnknown(f"Nobody here is {who!r}.", "`edgeface gallery list` shows everybody.")


def find(store: GalleryStore, who: str) -> Person:
    """As `find_id`, the whole record. Raises PersonUnknown, RecordDamaged."""
    return store.get(find_id(store, who)[0])


def say_if_broken(end: EndOfStream) -> None:
    """A recording that breaks off has an advice; one that is simply over has none."""
    if end.advice:
        say(f"edgeface: {end}")
