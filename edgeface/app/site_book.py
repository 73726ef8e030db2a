"""What a door knows of its site, and keeps: the state machine (domain.site.DoorSite) with the disk under it. A method
that returns has made its effect durable; one that raises StorageError or GalleryError has none, and the book stands as
the disk does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edgeface.app.site_gate import STRICTNESS
from edgeface.domain.messages import EpochKeys, Manifest, ModeState, PersonContent, Removal, SealedRecord, SiteMode
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Roster
from edgeface.domain.shards import Gone, Held
from edgeface.domain.site import DoorSite
from edgeface.domain.site_change import Opened, OwedErasure, SiteChange, StoredPerson
from edgeface.domain.site_steps import (
    Arrival,
    AskAgain,
    EnterEpoch,
    KeepManifest,
    KeepMode,
    KeepRoster,
    Put,
    Remove,
    SavedSite,
    Step,
)


class SiteStore(Protocol):
    """adapters.gallery.site.SiteMemory."""

    def read(self) -> Mapping[str, bytes]: ...

    def entries(self) -> Iterable[tuple[str, Held | Gone]]: ...

    def commit(self, change: SiteChange) -> None: ...

    def owed(self) -> list[OwedErasure]: ...

    def receipted(self, record: str, rotated: bool) -> None: ...


class SiteMessages(Protocol):
    """adapters.link.door_messages.DoorMessages."""

    @property
    def device(self) -> str: ...

    def filters(self) -> list[str]: ...

    def retained_filters(self) -> list[str]: ...

    def shard_filter(self, number: int) -> str: ...

    def open(self, topic: str, payload: bytes, retained: bool, roster: Roster | None) -> Opened | None: ...

    def open_held(self, raw: bytes, roster: Roster | None) -> Opened: ...

    def open_person(self, record: SealedRecord, keys: EpochKeys, roster: Roster | None) -> Opened: ...

    def kept_roster(self, raw: bytes) -> tuple[Roster, bytes]: ...

    def kept_manifest(self, raw: bytes) -> tuple[Manifest, bytes]: ...

    def kept_mode(self, raw: bytes) -> ModeState: ...

    def pack_epochs(self, epochs: dict[int, EpochKeys]) -> bytes: ...

    def unpack_epochs(self, data: bytes) -> dict[int, EpochKeys]: ...

    def sign(self, value: object) -> tuple[str, bytes, bool]: ...


@dataclass
class News:
    """What became durable."""

    stored: list[tuple[str, int]] = field(default_factory=list)  # record id, templates
    removed: list[str] = field(default_factory=list)  # of those who were here
    owes_erasures: bool = False
    ask_again: bool = False
    changed: bool = False
    mode: ModeState | None = None  # a new one was kept

    def add(self, other: News) -> None:
        self.stored += other.stored
        self.removed += other.removed
        self.owes_erasures |= other.owes_erasures
        self.ask_again |= other.ask_again
        self.changed |= other.changed
        self.mode = other.mode or self.mode


class SiteBook:
    """Not thread-safe: the site's worker has it."""

    def __init__(self, messages: SiteMessages, store: SiteStore) -> None:
        """Raises StorageError, GalleryError."""
        self._messages, self._store = messages, store
        self.reload()

    def reload(self) -> None:
        """From what is durable."""
        kept, m = self._store.read(), self._messages
        self.epochs = m.unpack_epochs(kept.get("epochs", b""))
        self._seed = kept.get("rotation", b"")
        self.mode_in_effect = SiteMode(kept.get("mode-in-effect", SiteMode.NORMAL.value.encode()).decode())
        self.locked_down = kept.get("locked-down") == b"1"
        roster, roster_hash = m.kept_roster(kept["roster"]) if "roster" in kept else (None, b"")
        manifest, manifest_hash = m.kept_manifest(kept["manifest"]) if "manifest" in kept else (None, b"")
        self.site = DoorSite(
            m.device,
            SavedSite(
                roster=roster,
                roster_hash=roster_hash,
                manifest=manifest,
                manifest_hash=manifest_hash,
                mode=m.kept_mode(kept["mode"]) if "mode" in kept else None,
                entries=self._store.entries(),
                epochs=self.epochs,
                epoch=int(kept.get("epoch", b"0")),
                roster_floor=int(kept.get("roster-floor", b"0")),
                manifest_floor=int(kept.get("manifest-floor", b"0")),
            ),
        )

    def take(self, opened: Opened, at_s: int) -> News:
        """One verified message of the site's state. Raises MessageRefused, StorageError, GalleryError."""
        value = opened.value
        if isinstance(value, Roster):
            return self._finish(self.site.take_roster(value, opened.hash), opened, at_s)
        if isinstance(value, Manifest):
            return self._finish(self.site.take_manifest(value, opened.hash), opened, at_s)
        if isinstance(value, ModeState):
            return self._finish(self.site.take_mode(value), opened, at_s)
        if isinstance(value, Removal):
            return self._finish(self.site.take_removal(value), opened, at_s)
        if isinstance(value, SealedRecord):
            return self._record(opened, value, at_s)
        if isinstance(value, EpochKeys):
            return self._grant(opened, value, at_s)
        raise MessageRefused(Refusal.WRONG_KIND)

    def put_in_effect(self, mode: SiteMode) -> None:
        """The kept site mode counts from now on."""
        self._store.commit(SiteChange(values={"mode-in-effect": mode.value.encode()}))
        self.mode_in_effect = mode

    def lock_down(self, locked_down: bool) -> None:
        """This door alone."""
        self._store.commit(SiteChange(values={"locked-down": b"1" if locked_down else None}))
        self.locked_down = locked_down

    def _record(self, opened: Opened, record: SealedRecord, at_s: int) -> News:
        keys = self.epochs.get(record.epoch)
        if keys is None or not self.site.has_key(record.epoch):
            return self._finish(self.site.hold_aside(record.epoch, opened.raw), opened, at_s)
        person = self._messages.open_person(record, keys, self.site.roster)
        assert isinstance(person.value, PersonContent)
        stored = StoredPerson(person.value.person, person.hash)
        arrival = Arrival(record.id, record.seq, person.hash, person.signer, record.since, stored)
        return self._finish(self.site.take_record(arrival), opened, at_s)

    def _grant(self, opened: Opened, keys: EpochKeys, at_s: int) -> News:
        known = self.epochs.get(keys.epoch)
        if known is not None:
            if (known.key, known.rotation_seed) != (keys.key, keys.rotation_seed):
                raise MessageRefused(Refusal.CONFLICT)
            return News()
        before = dict(self.epochs)
        self.epochs[keys.epoch] = keys
        try:
            return self._finish(self.site.take_epoch(keys.epoch), opened, at_s)
        except MessageRefused:
            self.epochs = before
            raise

    def _finish(self, step: Step, opened: Opened, at_s: int) -> News:
        """Commits a step, then takes what it released."""
        if step.refusal is not None:
            raise MessageRefused(step.refusal)
        news = News()
        granted = isinstance(opened.value, EpochKeys)
        if step.effects or granted:
            change = self._change(step, opened, at_s, news)
            try:
                self._store.commit(change)
            except BaseException:
                self.reload()  # the state machine has gone on already: back to what is durable
                raise
            self._seed = change.rotation_seed or self._seed
            in_effect = change.values.get("mode-in-effect")
            if in_effect is not None:
                self.mode_in_effect = SiteMode(in_effect.decode())
            news.changed = True
        for raw in step.released:
            try:
                held = self._messages.open_held(raw, self.site.roster)
                assert isinstance(held.value, SealedRecord)
                news.add(self._record(held, held.value, at_s))
            except MessageRefused:
                continue  # it was counted as a message when it came; the broker has it still
        return news

    def _change(self, step: Step, opened: Opened, at_s: int, news: News) -> SiteChange:
        puts: list[StoredPerson] = []
        removals: list[tuple[str, bool]] = []
        values: dict[str, bytes | None] = {}
        seed: bytes | None = None
        if isinstance(opened.value, EpochKeys):
            values["epochs"] = self._messages.pack_epochs(self.epochs)
        for effect in step.effects:
            if isinstance(effect, Put):
                stored = effect.arrival.payload
                assert isinstance(stored, StoredPerson)
                puts.append(stored)
                news.stored.append((stored.person.id, len(stored.person.templates)))
            elif isinstance(effect, Remove):
                removals.append((effect.id, effect.erased))
                news.owes_erasures |= effect.erased
                if effect.known:
                    news.removed.append(effect.id)
            elif isinstance(effect, KeepRoster):
                values["roster"] = opened.raw
            elif isinstance(effect, KeepManifest):
                values["manifest"] = opened.raw
            elif isinstance(effect, KeepMode):
                values["mode"] = opened.raw
                news.mode = effect.mode
                if STRICTNESS[effect.mode.mode] > STRICTNESS[self.mode_in_effect]:
                    values["mode-in-effect"] = effect.mode.mode.value.encode()
            elif isinstance(effect, EnterEpoch):
                values["epoch"] = str(effect.epoch).encode()
                self.epochs = {e: k for e, k in self.epochs.items() if e >= effect.epoch}
                values["epochs"] = self._messages.pack_epochs(self.epochs)
                if self.epochs[effect.epoch].rotation_seed != self._seed:
                    seed = values["rotation"] = self.epochs[effect.epoch].rotation_seed
            elif isinstance(effect, AskAgain):
                news.ask_again = True
        return SiteChange(tuple(puts), tuple(removals), values, seed, at_s)
