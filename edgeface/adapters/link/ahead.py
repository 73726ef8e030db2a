"""A whole gallery comes in at once: its records are opened ahead, in a process beside (opener.py), a few at a time.
Nothing else changes: order, acknowledgement and every check are as without it; and what that process refuses, or can't
do because it died, is opened here."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.door_messages import DoorMessages
from edgeface.adapters.link.frame import Trust
from edgeface.adapters.link.opener import Found, Keys
from edgeface.domain.messages import EpochKeys, SealedRecord
from edgeface.domain.roster import Roster
from edgeface.domain.site_change import Opened
from edgeface.ports import Delivery, Inbound, LinkDown, LinkStatus, LinkUp, SubscriptionAnswered
from edgeface.ports import Link as LinkPort

AT_ONCE = 10  # half of what a broker has on its way to a client: the other half comes meanwhile
ENOUGH = 4  # fewer are opened here
BULK = 100  # so many records without a rest are worth a process
REST_S = 10.0  # without records it ends
ANSWER_S = 10.0
_RECORDS = ("gallery", "gallery-log")


class Opener:
    """The process beside. Not thread-safe; making it doesn't wait for it."""

    def __init__(self) -> None:
        ours, theirs = Pipe()
        isolated = ["-I"] if sys.flags.isolated else []
        command = [sys.executable, *isolated, "-m", "edgeface.adapters.link.opener", str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._pipe: Connection = ours
        self._ready = False
        self._keys: Keys | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Raises OSError, EOFError where it has died."""
        if not self._ready and self._pipe.poll(0):
            self._ready = self._pipe.recv() == "ready"
        return self._ready

    def ask(self, raws: Sequence[bytes], keys: Keys) -> None:
        """Raises OSError where it died."""
        if keys != self._keys:
            self._pipe.send(keys)
            self._keys = keys
        self._pipe.send(list(raws))

    def answer(self) -> list[Found | None]:
        """To what was asked last. Raises OSError, EOFError where it died or hangs."""
        if not self._pipe.poll(ANSWER_S):
            raise TimeoutError("the process that opens records does not answer")
        found: list[Found | None] = self._pipe.recv()
        return found

    def close(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True, slots=True)
class _Known:
    """Opened ahead, with what; `raw` is the message itself."""

    raw: bytes
    keys: Keys
    found: Found


class AheadMessages(DoorMessages):
    """What was looked at ahead is known when it is opened. Not thread-safe."""

    def __init__(self, root: bytes, keys: codec.PartyKeys, make: Callable[[], Opener] = Opener) -> None:
        super().__init__(root, keys)
        self._make = make
        self._opener: Opener | None = None
        self._gave_up = False
        self._roster: Roster | None = None
        self._epoch: EpochKeys | None = None
        self._asked: tuple[Keys, Sequence[bytes]] | None = None
        self._known: dict[int, _Known] = {}  # by id of the message's bytes
        self._current: tuple[SealedRecord, _Known] | None = None

    def open(self, topic: str, payload: bytes, retained: bool, roster: Roster | None) -> Opened | None:
        known = self._known.pop(id(payload), None)
        self._roster, self._current = roster, None
        if known is None or known.raw is not payload or known.keys.roster is not roster:
            return super().open(topic, payload, retained, roster)
        where, found = topics.parse(topic), known.found
        if where.site != self.site or where.record not in (None, found.record.id):
            return super().open(topic, payload, retained, roster)  # it says what is wrong
        self._current = found.record, known
        return Opened(found.record, found.signer, found.hash, payload, retained)

    def open_person(self, record: SealedRecord, keys: EpochKeys, roster: Roster | None) -> Opened:
        self._epoch, current, self._current = keys, self._current, None
        if current is None or current[0] is not record:
            return super().open_person(record, keys, roster)
        known = current[1]
        if known.keys.epoch != keys or known.keys.roster is not roster:
            whole = codec.open_signed(codec.RECORD, known.raw, Trust(self._root, roster))
            return super().open_person(whole.value, keys, roster)
        return Opened(known.found.person, known.found.admin, known.found.content, b"", False)

    def look_ahead(self, records: Sequence[bytes]) -> None:
        """Has them opened beside; without effect until a first one was opened here, which tells with what."""
        if self._gave_up or self._roster is None or self._epoch is None:
            return
        keys = Keys(self._root, self._roster, self._epoch)
        try:
            self._opener = self._opener or self._make()
            if self._opener.ready:
                self._opener.ask(records, keys)
                self._asked = keys, records
        except (OSError, EOFError):
            self._give_up()

    def take_in(self) -> None:
        """What was looked at ahead, once it is there; those before it were opened."""
        self._known.clear()
        if self._asked is None or self._opener is None:
            return
        (keys, records), self._asked = self._asked, None
        try:
            for raw, found in zip(records, self._opener.answer(), strict=True):
                if found is not None:
                    self._known[id(raw)] = _Known(raw, keys, found)
        except (OSError, EOFError):
            self._give_up()

    def _give_up(self) -> None:
        self._gave_up = True
        self.rest()

    def rest(self) -> None:
        """Nothing comes any more."""
        self._known.clear()
        self._asked = None
        if self._opener is not None:
            self._opener.close()
            self._opener = None


class AheadLink:
    """A link whose records are looked at ahead. One consumer, as every link."""

    def __init__(self, link: LinkPort, messages: AheadMessages, clock: Callable[[], float] = time.monotonic) -> None:
        self._link, self._messages, self._clock = link, messages, clock
        self._next: deque[Inbound] = deque()
        self._after: list[Inbound] = []  # behind those: looked at ahead meanwhile
        self._records, self._last_s = 0, 0.0

    def receive(self, timeout_s: float) -> Inbound | None:
        if not self._next and self._after:
            self._messages.take_in()
            self._next.extend(self._after)
            self._look_ahead()
        if self._next:
            return self._next.popleft()
        item = self._link.receive(timeout_s)
        if _record(item) is not None:
            self._records, self._last_s = self._records + 1, self._clock()
            if self._records >= BULK:
                self._look_ahead()
        elif self._records and self._clock() - self._last_s > REST_S:
            self._records = 0
            self._messages.rest()
        return item

    def _look_ahead(self) -> None:
        """At what has come in behind those that are next, as far as it is records alone."""
        self._after = []
        records: list[bytes] = []
        while len(records) < AT_ONCE and (item := self._link.receive(0.0)) is not None:
            self._after.append(item)
            record = _record(item)
            if record is None:
                break
            records.append(record)
        if records:
            self._records, self._last_s = self._records + len(records), self._clock()
        if len(records) >= ENOUGH:
            self._messages.look_ahead(records)

    def start(self) -> None:
        self._link.start()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        message_id: str,
        retain: bool = False,
        timeout_s: float = 0.0,
        on_acknowledged: Callable[[str], None] | None = None,
    ) -> Delivery:
        return self._link.publish(
            topic, payload, message_id=message_id, retain=retain, timeout_s=timeout_s, on_acknowledged=on_acknowledged
        )

    def subscribe(self, topic_filter: str) -> None:
        self._link.subscribe(topic_filter)

    def unsubscribe(self, topic_filter: str) -> None:
        self._link.unsubscribe(topic_filter)

    def status(self) -> LinkStatus:
        status = self._link.status()
        ahead = len(self._next) + len(self._after)
        return replace(status, waiting_in=status.waiting_in + ahead) if ahead else status

    def close(self) -> None:
        self._messages.rest()
        self._link.close()


def _record(item: Inbound | None) -> bytes | None:
    """Its bytes, where it may be one: whatever else lies at those topics is refused by whoever opens it."""
    if item is None or isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
        return None
    levels = item.topic.split("/", 4)
    return item.payload if len(levels) > 3 and levels[3] in _RECORDS else None
