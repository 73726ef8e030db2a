"""A door's view of its site: what it has, what it waits for, and what it refuses. Takes messages that are verified
already, in whatever order, and says what to make durable; pure, so that it can be tested with every order.

- Roster, manifest and site mode never go back.
- A removal counts at once and for good.
- A record waits until all of its shard is what the newest manifest says; a shard is taken whole or not.
- What can't be read yet, for want of the epoch's key, is held aside, bounded.

Whatever is only waiting may be lost: the broker retains it, and `wanted_shards` says what to ask for again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgeface.domain.held_aside import HeldAside
from edgeface.domain.messages import SHARDS, Manifest, ModeState, Removal, SiteMode
from edgeface.domain.refusal import Refusal
from edgeface.domain.roster import Role, Roster
from edgeface.domain.shards import Gone, Held, Shards, manifest_digest, shard_of
from edgeface.domain.site_steps import (
    Arrival,
    AskAgain,
    Effect,
    EnterEpoch,
    KeepManifest,
    KeepMode,
    KeepRoster,
    Put,
    Remove,
    SavedSite,
    Standing,
    Step,
)

MAX_WAITING = 65_536  # records; at 2 KiB each the most that a new door keeps in memory at once
LATER_KEPT = 4  # states of one person that run ahead of the manifest
_STRICTNESS = {SiteMode.FREE_ACCESS: 0, SiteMode.NORMAL: 1, SiteMode.LOCKDOWN: 2}


@dataclass
class _Waiting:
    """Records that no manifest covers yet, by id and then by seq."""

    limit: int
    by_id: dict[str, dict[int, Arrival]] = field(default_factory=dict)
    shards: list[set[str]] = field(default_factory=lambda: [set() for _ in range(SHARDS)])
    count: int = 0


class DoorSite:
    """Not thread-safe. If an effect can't be made durable, throw this away and make it anew from what is."""

    def __init__(self, device: str, saved: SavedSite, max_waiting: int = MAX_WAITING) -> None:
        self.device = device
        self.roster = saved.roster
        self.roster_hash = saved.roster_hash
        self.manifest = saved.manifest
        self.manifest_hash = saved.manifest_hash
        self.mode = saved.mode
        self.epoch = saved.epoch
        self._epochs = set(saved.epochs)
        self._roster_floor = saved.roster_floor
        self._manifest_floor = saved.manifest_floor
        self._waiting = _Waiting(max_waiting)
        self._aside = HeldAside()
        self._behind: set[int] = set()  # shards that are not as the manifest says …
        self._unsure = set(range(SHARDS))  # … save these, which changed since
        self.shards = Shards()
        for record_id, entry in saved.entries:
            self.shards.set(record_id, entry)

    # -- state that never goes back -------------------------------------------------------------------------------

    def take_roster(self, roster: Roster, hash_: bytes) -> Step:
        standing = self.roster.version if self.roster else 0
        refusal = _behind(roster.version, hash_, standing, self.roster_hash, self._roster_floor)
        if refusal is not None or roster.version == standing:
            return Step(refusal=refusal)
        self.roster, self.roster_hash = roster, hash_
        for arrivals in list(self._waiting.by_id.values()):
            for arrival in list(arrivals.values()):
                if Role.ENROL not in roster.roles(arrival.by):
                    self._forget(arrival.id, arrival.seq)
        return Step((KeepRoster(roster, hash_), *self._settle(), AskAgain()))

    def take_manifest(self, manifest: Manifest, hash_: bytes) -> Step:
        standing = self.manifest.version if self.manifest else 0
        refusal = _behind(manifest.version, hash_, standing, self.manifest_hash, self._manifest_floor)
        if refusal is None and self.manifest is not None and manifest.epoch < self.manifest.epoch:
            refusal = Refusal.ROLLED_BACK
        if refusal is not None or manifest.version == standing:
            return Step(refusal=refusal)
        self.manifest, self.manifest_hash = manifest, hash_
        self._unsure.update(range(SHARDS))
        removals = [e for i in manifest.revoked for e in self._remove(i, erased=False)]
        return Step((KeepManifest(manifest, hash_), *removals, *self._settle()))

    def take_mode(self, mode: ModeState) -> Step:
        """Of two with the same version, which two operators may sign at the same time, the stricter one stands at
        every door, whichever came first."""
        if self.mode is not None:
            standing = (self.mode.version, _STRICTNESS[self.mode.mode])
            coming = (mode.version, _STRICTNESS[mode.mode])
            if coming == standing:
                return Step()
            if coming < standing:
                same = mode.version == self.mode.version
                return Step(refusal=Refusal.CONFLICT if same else Refusal.REPLAYED)
        self.mode = mode
        return Step((KeepMode(mode),))

    # -- people -----------------------------------------------------------------------------------------------------

    def take_removal(self, removal: Removal) -> Step:
        effects = self._remove(removal.id, removal.erased)
        return Step((*effects, *self._settle([shard_of(removal.id)]))) if effects else Step()

    def take_record(self, arrival: Arrival) -> Step:
        entry = self.shards.get(arrival.id)
        if isinstance(entry, Gone):
            return Step(refusal=Refusal.REMOVED)
        if entry is not None and arrival.seq <= entry.seq:
            if arrival.seq < entry.seq:
                return Step(refusal=Refusal.REPLAYED)
            return Step(refusal=None if arrival.content == entry.content else Refusal.CONFLICT)
        if self.roster is None or Role.ENROL not in self.roster.roles(arrival.by):
            return Step(refusal=Refusal.NOT_ALLOWED)
        waiting = self._waiting.by_id.setdefault(arrival.id, {})
        known = waiting.get(arrival.seq)
        if known is not None and known.content == arrival.content and known.since <= arrival.since:
            return Step()
        if known is not None and known.content != arrival.content and known.since >= arrival.since:
            return Step(refusal=Refusal.CONFLICT)
        if known is None and self._waiting.count >= self._waiting.limit and not self._make_room(shard_of(arrival.id)):
            if not waiting:
                del self._waiting.by_id[arrival.id]
            return Step(refusal=Refusal.OVERFLOW)
        self._waiting.count += known is None
        waiting[arrival.seq] = arrival
        number = shard_of(arrival.id)
        self._waiting.shards[number].add(arrival.id)
        self._thin(arrival.id)
        return Step(self._settle([number]))

    # -- keys -------------------------------------------------------------------------------------------------------

    def take_epoch(self, epoch: int) -> Step:
        """The key of this epoch is here."""
        if epoch in self._epochs:
            return Step()
        if epoch < self.epoch:
            return Step(refusal=Refusal.WRONG_EPOCH)
        self._epochs.add(epoch)
        return Step(self._settle(), released=self._aside.release(epoch))

    def hold_aside(self, epoch: int, message: bytes) -> Step:
        """A record whose epoch's key isn't here. Wrong_epoch for one that is over."""
        if epoch < self.epoch:
            return Step(refusal=Refusal.WRONG_EPOCH)
        self._aside.hold(epoch, message)
        return Step()

    def has_key(self, epoch: int) -> bool:
        return epoch in self._epochs

    # -- where it stands ----------------------------------------------------------------------------------------------

    def wanted_shards(self) -> frozenset[int]:
        """Those to be subscribed to. Let a moment pass before doing so: the log usually brings it by itself, and a
        removal that runs ahead of its manifest shows here until that comes. Where one stays wanted, subscribe again;
        a few at a time, the lowest first, bound what waits in memory."""
        if self.manifest is None:
            return frozenset()
        for number in self._unsure:
            if self._differs(number, self.manifest.digests):
                self._behind.add(number)
            else:
                self._behind.discard(number)
        self._unsure.clear()
        return frozenset(self._behind)

    def _differs(self, number: int, digests: bytes) -> bool:
        return self.shards.digest(number) != manifest_digest(digests, number)

    def standing(self) -> Standing:
        manifest, roster = self.manifest, self.roster
        behind = len(self.wanted_shards()) if manifest else SHARDS
        lacks_key = manifest is None or manifest.epoch not in self._epochs
        lacks_roster = roster is None or (manifest is not None and roster.version < manifest.roster)
        member = self.member
        return Standing(
            in_step=not behind and not lacks_key and not lacks_roster and member,
            member=member,
            manifest=manifest.version if manifest else 0,
            roster=roster.version if roster else 0,
            epoch=self.epoch,
            mode=self.mode.version if self.mode else 0,
            people=self.shards.count,
            shards_behind=behind,
            waiting=self._waiting.count,
            held_aside=len(self._aside),
            lacks_key=lacks_key,
            lacks_roster=lacks_roster,
        )

    @property
    def member(self) -> bool:
        """False once a roster is here that this device isn't in: it was removed."""
        return self.roster is None or self.roster.device(self.device) is not None

    # -- inside -------------------------------------------------------------------------------------------------------

    def _remove(self, record_id: str, erased: bool) -> tuple[Effect, ...]:
        entry = self.shards.get(record_id)
        if isinstance(entry, Gone) and (entry.erased or not erased):
            return ()
        self._set(record_id, Gone(erased))
        for seq in list(self._waiting.by_id.get(record_id, ())):
            self._forget(record_id, seq)
        return (Remove(record_id, erased, known=isinstance(entry, Held)),)

    def _set(self, record_id: str, entry: Held | Gone) -> None:
        self.shards.set(record_id, entry)
        self._unsure.add(shard_of(record_id))

    def _settle(self, numbers: Iterable[int] = range(SHARDS)) -> tuple[Effect, ...]:
        """Takes every shard that is complete, then the epoch if all are."""
        manifest, roster = self.manifest, self.roster
        if manifest is None or roster is None or roster.version < manifest.roster:
            return ()
        effects: list[Effect] = []
        for number in numbers:
            wanted = manifest_digest(manifest.digests, number)
            if self._waiting.shards[number] and self.shards.digest(number) != wanted:
                effects += self._take_shard(number, wanted, manifest.version)
        if manifest.epoch <= self.epoch or manifest.epoch not in self._epochs:
            return tuple(effects)
        if not any(self._differs(n, manifest.digests) for n in range(SHARDS)):
            self.epoch = manifest.epoch
            self._epochs = {e for e in self._epochs if e >= self.epoch}
            self._aside.drop_before(self.epoch)
            effects.append(EnterEpoch(self.epoch))
        return tuple(effects)

    def _take_shard(self, number: int, wanted: bytes, version: int) -> list[Effect]:
        waiting = self._waiting.by_id
        covered = {
            i: max(seqs) for i in self._waiting.shards[number] if (seqs := _covered(waiting[i].values(), version))
        }
        chosen = {i: waiting[i][seq] for i, seq in covered.items()}
        if (
            not chosen
            or self.shards.digest_with(number, {i: Held(a.seq, a.content) for i, a in chosen.items()}) != wanted
        ):
            return []
        for i, arrival in chosen.items():
            self._set(i, Held(arrival.seq, arrival.content))
            for seq in [s for s in waiting[i] if s <= arrival.seq]:
                self._forget(i, seq)
        return [Put(a) for a in chosen.values()]

    def _thin(self, record_id: str) -> None:
        """Of the states that the newest manifest covers only the highest counts, and of later ones a few are kept."""
        version = self.manifest.version if self.manifest else 0
        arrivals = self._waiting.by_id[record_id]
        covered = sorted(_covered(arrivals.values(), version))
        later = sorted(set(arrivals) - set(covered))
        for seq in [*covered[:-1], *later[:-LATER_KEPT]]:
            self._forget(record_id, seq)

    def _make_room(self, number: int) -> bool:
        """Lower shards displace higher ones, so that the lowest one that is wanted always gets on."""
        last = max((n for n in range(SHARDS) if self._waiting.shards[n]), default=number)
        if last <= number:
            return False
        displaced = next(iter(self._waiting.shards[last]))
        self._forget(displaced, max(self._waiting.by_id[displaced]))
        return True

    def _forget(self, record_id: str, seq: int) -> None:
        arrivals = self._waiting.by_id[record_id]
        del arrivals[seq]
        self._waiting.count -= 1
        if not arrivals:
            del self._waiting.by_id[record_id]
            self._waiting.shards[shard_of(record_id)].discard(record_id)


def _covered(arrivals: Iterable[Arrival], version: int) -> list[int]:
    return [a.seq for a in arrivals if a.since <= version]


def _behind(version: int, hash_: bytes, standing: int, standing_hash: bytes, floor: int) -> Refusal | None:
    if version < max(standing, floor):
        return Refusal.ROLLED_BACK
    return Refusal.CONFLICT if version == standing and hash_ != standing_hash else None
