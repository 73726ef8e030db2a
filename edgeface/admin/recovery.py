"""A journal out of a backup knows the keys, but not the people: they come back from the records that the broker
retains, each under this agent's own signature and an admin's. Until that is done nothing is published."""

from __future__ import annotations

from collections.abc import Callable

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.journal_rows import RecordRow, RemovalRow
from edgeface.admin import status
from edgeface.admin.state import SiteState
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.shards import Gone, Held
from edgeface.ports import ReceivedMessage

QUIET_STEPS = 8  # so many turns in a row without a message: the broker has sent what it has
PENDING = "recovering"


class Recovery:
    """Not thread-safe."""

    def __init__(self, state: SiteState, report: Callable[[str, str], None]) -> None:
        self._state, self._report = state, report
        self._quiet = 0
        self._unreadable = 0
        self._floor = state.journal.number("floor")

    def filter(self) -> str:
        return f"{topics.ROOT}/{self._state.site}/gallery/+/+"

    def take(self, message: ReceivedMessage) -> None:
        """Raises MessageRefused."""
        self._quiet = 0
        if not message.payload:
            return
        topic = topics.parse(message.topic)
        state = self._state
        if topic.name == "gallery":
            if codec.split(message.payload, codec.RECORD.limit).kind == codec.REMOVAL.number:
                self._removal(message.payload)
            else:
                self._record(message.payload)
        elif topic.name == "roster":
            state.adopt(message.payload)
        elif topic.name == "mode":
            state.take_mode(message.payload)
        elif topic.name == "manifest":
            manifest = codec.open_signed(codec.MANIFEST, message.payload, state.trust).value
            self._floor = max(self._floor, manifest.version)
        elif topic.name == "receipt" and topic.device is not None:
            receipt = status.read_receipt(message.payload, topic.device, state.trust)
            self._floor = max(self._floor, receipt.manifest)
            state.confirm(topic.device, receipt, message.payload)

    def turn(self, idle: bool) -> bool:
        """Whether it is over: the broker said nothing for a while."""
        self._quiet = self._quiet + 1 if idle else 0
        if self._quiet < QUIET_STEPS:
            return False
        state = self._state
        with state.change():
            state.journal.set("floor", b"%d" % self._floor)
            state.journal.set("changed", b"1")
            state.journal.set(PENDING, b"0")
        state.refill()
        self._report("note", f"{state.shards.count} people were taken over from the broker.")
        if self._unreadable:
            self._report(
                "error",
                f"{self._unreadable} records are sealed with a key that is newer than the backup: enrol these anew.",
            )
        return True

    def _record(self, raw: bytes) -> None:
        state = self._state
        record = codec.open_signed(codec.RECORD, raw, state.trust).value
        if record.epoch not in state.epochs:
            self._unreadable += 1
            return
        try:
            person = codec.open_record(record, state.epochs[record.epoch], state.trust)
        except MessageRefused:
            self._unreadable += 1
            raise
        row = RecordRow(record.id, record.seq, person.hash, record.by, record.since, record.epoch, raw)
        self._floor = max(self._floor, record.since)
        entry = state.shards.get(row.id)
        if entry is None or (isinstance(entry, Held) and entry.seq < row.seq):
            state.journal.put_record(row)
            state.shards.set(row.id, Held(row.seq, row.content))

    def _removal(self, raw: bytes) -> None:
        signed = codec.open_signed(codec.REMOVAL, raw, self._state.trust)
        if signed.signer == self._state.agent.id:
            removal = signed.value
            row = RemovalRow(removal.id, removal.seq, removal.erased, self._floor, False, raw)
            self._state.journal.put_removal(row)
            self._state.shards.set(removal.id, Gone(removal.erased))
        else:
            self._state.remove(signed.value.id, signed.value.erased)
