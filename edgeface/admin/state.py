"""What stands at a site, and every change of it: the one writer. A change and what has to be published for it are one
transaction of the journal; whatever is interrupted goes on from what the journal says.

Verified messages come in; who may send them is for `requests.py` and `agent.py` to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgeface.adapters.link import codec, limits, topics
from edgeface.adapters.link.codec import PartyKeys, Signed, Trust
from edgeface.adapters.link.frame import opened
from edgeface.adapters.link.journal import Journal
from edgeface.adapters.link.journal_rows import RecordRow, RemovalRow
from edgeface.admin import publication
from edgeface.admin.publication import LAST, LATER, LOG_ROOM, NORMAL, URGENT
from edgeface.domain.errors import StorageError
from edgeface.domain.messages import EpochKeys, Manifest, ModeState, PersonContent, Removal, SiteMode
from edgeface.domain.messages_door import Receipt
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Roster
from edgeface.domain.shards import Gone, Held, Shards

_STRICTNESS = {SiteMode.FREE_ACCESS: 0, SiteMode.NORMAL: 1, SiteMode.LOCKDOWN: 2}


class SiteState:
    """Not thread-safe."""

    def __init__(self, journal: Journal, root: bytes, agent: PartyKeys, now_s: Callable[[], int]) -> None:
        self.journal, self.agent, self._root, self._now_s = journal, agent, root, now_s
        self.site = Trust(root).site
        self.presence: dict[str, bool | None] = {}  # of the doors, as they say; gone with the process
        self.load()

    def load(self) -> None:
        """From the journal. Raises StorageError where it is empty: `creation` puts the first roster in."""
        raw = self.journal.get("roster")
        if raw is None:
            raise StorageError("The site's journal holds no roster.", "Restore the site from its backup.")
        self._set_roster(codec.open_roster(raw, self._root))
        self.shards = Shards()
        for record_id, seq, content in self.journal.heads():
            self.shards.set(record_id, Held(seq, bytes(content)))
        for removal in self.journal.removals():
            self.shards.set(removal.id, Gone(removal.erased))
        self.epochs = {e: EpochKeys(e, s[:32], s[32:]) for e, s in self.journal.epochs().items()}
        own = Trust(self._root, self.roster)
        raw = self.journal.get("manifest")
        self.manifest = None if raw is None else codec.open_signed(codec.MANIFEST, raw, own)
        raw = self.journal.get("mode")
        self.mode: tuple[ModeState, str, bytes] | None = None
        if raw is not None:
            # looked at when it came; who signed it may be gone since
            standing = opened(codec.MODE, codec.split(raw, codec.MODE.limit), raw)
            self.mode = (standing.value, standing.signer, raw)

    @property
    def trust(self) -> Trust:
        return Trust(self._root, self.roster)

    @property
    def version(self) -> int:
        return self.manifest.value.version if self.manifest else 0

    @property
    def next_version(self) -> int:
        return max(self.version, self.journal.number("floor")) + 1

    @property
    def changed(self) -> bool:
        """Whether there is something that no manifest covers yet."""
        return self.journal.number("changed") == 1

    @property
    def rotating(self) -> bool:
        return self.manifest is None or self.manifest.value.epoch < self.roster.epoch

    @contextmanager
    def change(self) -> Iterator[None]:
        """A transaction; after a failure memory is as the journal is."""
        try:
            with self.journal.change():
                yield
        except BaseException:
            if not self.journal.busy:
                self.load()
            raise

    # -- people -------------------------------------------------------------------------------------------------------

    def put(self, person: Signed[PersonContent], saw: int) -> int:
        """The seq that stands now. Raises MessageRefused: removed, stale, conflict."""
        content = person.value.person
        entry = self.shards.get(content.id)
        if isinstance(entry, Gone):
            raise MessageRefused(Refusal.REMOVED)
        standing = entry.seq if entry else 0
        if entry is not None and (entry.seq, entry.content) == (content.seq, person.hash):
            return standing
        if saw != standing:
            raise MessageRefused(Refusal.STALE)
        if content.seq != saw + 1:
            raise MessageRefused(Refusal.CONFLICT, "seq isn't one above what was seen")
        with self.change():
            self._keep(person, self.next_version)
            self._mark()
        self.shards.set(content.id, Held(content.seq, person.hash))
        return content.seq

    def resign(self, person: Signed[PersonContent]) -> None:
        """Another admin's signature under the content that stands. Raises MessageRefused: removed, stale, conflict."""
        entry = self.shards.get(person.value.person.id)
        if isinstance(entry, Gone):
            raise MessageRefused(Refusal.REMOVED)
        if entry is None or entry.seq != person.value.person.seq:
            raise MessageRefused(Refusal.STALE)
        if entry.content != person.hash:
            raise MessageRefused(Refusal.CONFLICT, "another content than the one that stands")
        row = self.journal.record(person.value.person.id)
        with self.change():
            self._keep(person, row.since if row else self.next_version)

    def remove(self, record_id: str, erased: bool) -> int:
        """Final; the version of the manifest that will name it. Taken also for an id that was never here: a record of
        it may be on its way."""
        entry = self.shards.get(record_id)
        if isinstance(entry, Gone) and (entry.erased or not erased):
            known = self.journal.removal(record_id)
            return known.since if known else self.version
        seq = entry.seq + 1 if isinstance(entry, Held) else 1
        since = self.next_version
        raw = codec.sign(codec.REMOVAL, Removal(record_id, seq, erased, self._now_s()), self.site, self.agent)
        with self.change():
            self.journal.put_removal(RemovalRow(record_id, seq, erased, since, False, raw))
            self.journal.enqueue(URGENT, topics.of_site(self.site, "gallery-log"), raw, False)
            self.journal.enqueue(URGENT, topics.record(self.site, record_id), raw, True)
            self._mark()
            self.journal.set("urgent", b"1")
        self.shards.set(record_id, Gone(erased))
        self.journal.scrub()
        return since

    def person(self, record_id: str) -> Signed[PersonContent] | None:
        row = self.journal.record(record_id)
        return None if row is None else self.open_row(row)

    def open_row(self, row: RecordRow) -> Signed[PersonContent]:
        """Of an admin who may be gone from the roster since: the signature was checked when it came."""
        record = codec.open_signed(codec.RECORD, row.raw, self.trust)
        return codec.unseal_record(record.value, self.epochs[row.epoch], self.site)

    # -- roster, mode, epochs -----------------------------------------------------------------------------------------

    def adopt(self, raw: bytes) -> None:
        """A newer roster. Each door in it gets its grant; one with a higher epoch begins a rotation. Raises
        MessageRefused: rolled_back, conflict."""
        signed = codec.open_roster(raw, self._root)
        if signed.value.version < self.roster.version:
            raise MessageRefused(Refusal.ROLLED_BACK)
        if signed.value.version == self.roster.version:
            if signed.hash != self.roster_hash:
                raise MessageRefused(Refusal.CONFLICT)
            return
        if signed.value.epoch < self.roster.epoch or signed.value.agent(self.agent.id) is None:
            raise MessageRefused(Refusal.CONFLICT, "the epoch would go back, or this agent isn't in it")
        with self.change():
            self.journal.set("roster", raw)
            self._set_roster(signed)
            self.journal.enqueue(URGENT, topics.of_site(self.site, "roster"), raw, True)
            if self.roster.epoch not in self.epochs:
                self._begin_epoch(self.roster.epoch)
            publication.grant_all(self.journal, self.roster, self.epochs, self.agent)
            self._mark()

    def take_mode(self, raw: bytes, saw: int | None = None) -> bool:
        """A site mode that an operator signed; whether it is news. Raises MessageRefused: replayed, conflict, stale."""
        signed = codec.open_signed(codec.MODE, raw, self.trust)
        value = signed.value
        if self.mode is not None:
            standing, coming = _order(self.mode[0]), _order(value)
            if coming == standing and (saw is not None or signed.signer == self.mode[1]):
                return False
            if coming < standing:
                same = value.version == self.mode[0].version
                raise MessageRefused(Refusal.CONFLICT if same else Refusal.REPLAYED)
            if saw is not None and saw != self.mode[0].version:
                raise MessageRefused(Refusal.STALE)
        elif saw:
            raise MessageRefused(Refusal.STALE)
        with self.change():
            self.journal.set("mode", raw)
            self.journal.enqueue(URGENT, topics.of_site(self.site, "mode"), raw, True)
        self.mode = (value, signed.signer, raw)
        return True

    def rotate_some(self, most: int = 50) -> bool:
        """Seals some records anew under the roster's epoch; False once all of them are."""
        rows = self.journal.records_before(self.roster.epoch, most)
        if rows:
            with self.change():
                for row in rows:
                    self._keep(self.open_row(row), row.since, LATER, log=False)
        return bool(rows)

    # -- the manifest -------------------------------------------------------------------------------------------------

    def seal(self) -> bool:
        """The next manifest, where something changed or a rotation is complete."""
        complete = self.rotating and not self.journal.records_before(self.roster.epoch, 1)
        if not self.changed and not complete:
            return False
        before = self.manifest.value.epoch if self.manifest else self.roster.epoch
        epoch = self.roster.epoch if complete else before
        manifest = Manifest(
            version=self.next_version,
            epoch=epoch,
            roster=self.roster.version,
            count=self.shards.count,
            digests=self.shards.digests(),
            revoked=tuple(self.journal.unconfirmed(limits.MAX_REVOKED)),
            at_s=self._now_s(),
        )
        raw = codec.sign(codec.MANIFEST, manifest, self.site, self.agent)
        with self.change():
            rank = URGENT if self.journal.number("urgent") and not complete else NORMAL
            if complete and epoch != before:
                rank = LAST  # after the records of the new epoch
            self.journal.set("manifest", raw)
            self.journal.enqueue(rank, topics.of_site(self.site, "manifest"), raw, True)
            self.journal.set("changed", b"0")
            self.journal.set("urgent", b"0")
            if epoch != before:
                for device, old in self.journal.drop_epochs_before(epoch):
                    self.journal.enqueue(LAST, topics.grant(self.site, device, old), b"", True)
        self.manifest = codec.open_signed(codec.MANIFEST, raw, self.trust)
        if epoch != before:
            self.epochs = {e: k for e, k in self.epochs.items() if e >= epoch}
            self.journal.scrub()
        return True

    def refill(self) -> None:
        """Queues everything that the broker is to retain: it lost its database, or never had it."""
        with self.change():
            if self.changed or self.rotating:
                self.seal()
            publication.queue_all(self.journal, self.site)

    def confirm(self, device: str, receipt: Receipt, raw: bytes) -> None:
        """A door's verified receipt. A removal that every door has confirmed needs no naming any more."""
        journal = self.journal
        in_step = receipt.in_step and self.roster.device(device) is not None
        with self.change():
            journal.put_receipt(device, raw, self._now_s(), receipt.manifest, in_step)
            known = journal.receipts()
            doors = [known.get(d.id, (0, False)) for d in self.roster.devices]
            if doors and all(step for _, step in doors):
                journal.confirm_removals(min(manifest for manifest, _ in doors))

    # -- within -------------------------------------------------------------------------------------------------------

    def _set_roster(self, signed: Signed[Roster]) -> None:
        self.roster, self.roster_hash = signed.value, signed.hash

    def _mark(self) -> None:
        self.journal.set("changed", b"1")

    def _keep(self, person: Signed[PersonContent], since: int, rank: int = NORMAL, log: bool = True) -> None:
        content, keys = person.value.person, self.epochs[self.roster.epoch]
        raw = codec.seal_record(person, keys, self.site, self.agent, since)
        row = RecordRow(content.id, content.seq, person.hash, person.signer, since, keys.epoch, raw)
        self.journal.put_record(row)
        self.journal.enqueue(rank, topics.record(self.site, content.id), raw, True)
        if log and self.journal.pending_count() < LOG_ROOM:
            self.journal.enqueue(rank, topics.of_site(self.site, "gallery-log"), raw, False)

    def _begin_epoch(self, epoch: int) -> None:
        keys = codec.new_epoch(epoch)
        self.journal.put_epoch(epoch, keys.key + keys.rotation_seed)
        self.epochs[epoch] = keys


def _order(mode: ModeState) -> tuple[int, int]:
    return mode.version, _STRICTNESS[mode.mode]


def found(journal: Journal, roster: bytes, keys: EpochKeys) -> None:
    """The first roster and its epoch's keys into an empty journal."""
    with journal.change():
        journal.set("roster", roster)
        journal.put_epoch(keys.epoch, keys.key + keys.rotation_seed)
        journal.set("changed", b"1")
