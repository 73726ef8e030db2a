"""The site's agent: takes requests, answers doors, and keeps the broker's retained state as the journal has it. One
thread; `step` does what is due. Everything that came is acknowledged to the broker after its effect is durable, and
everything that goes out waits in the journal until the broker has acknowledged it."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable

from edgeface.adapters.link import topics
from edgeface.adapters.link.codec import PartyKeys
from edgeface.adapters.link.journal_rows import PendingRow
from edgeface.admin.intake import OWN, Intake
from edgeface.admin.recovery import PENDING, Recovery
from edgeface.admin.requests import Requests, Templates
from edgeface.admin.state import SiteState
from edgeface.domain.errors import LinkBusy, LinkUnavailable
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.ports import Inbound, Link, LinkDown, LinkUp, SubscriptionAnswered

BATCH = 100  # messages handed to the link at once
BURST = 64  # messages taken in before a manifest is made for them
RETAINED_WAIT_S = 5  # for the broker to send what it retains of ours; after that it has nothing


class Agent:
    """`report(level, sentence)` hears what an operator should know: error, warning (a message refused), note. Not
    thread-safe."""

    def __init__(
        self,
        state: SiteState,
        keys: PartyKeys,
        link: Link,
        now_s: Callable[[], int],
        *,
        templates: Templates | None = None,
        report: Callable[[str, str], None] = lambda _level, _sentence: None,
    ) -> None:
        self.state, self._link, self._now_s, self._report = state, link, now_s, report
        self.requests = Requests(state, templates)
        self.intake = Intake(state, keys, link, now_s, self.requests, report)
        self.refusals: Counter[Refusal] = Counter()
        self._recovery = Recovery(state, report) if state.journal.number(PENDING) else None
        self._sent: dict[int, PendingRow] = {}
        self._acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._answered: set[str] = set()
        self._asked_s = 0
        self._filters = [*topics.agent_filters(state.site), *(topics.of_site(state.site, n) for n in OWN)]
        if self._recovery is not None:
            self._filters.append(self._recovery.filter())

    def start(self) -> None:
        for topic_filter in self._filters:
            self._link.subscribe(topic_filter)
        self._link.start()

    def step(self, timeout_s: float) -> bool:
        """Waits so long at most for something to come; whether anything was done."""
        self._settle()
        done = self.state.rotate_some() if self.state.rotating and self._recovery is None else False
        taken = self._take_in(0.0 if done or self.state.changed else timeout_s)
        if self._recovery is not None:
            if self.ready and self._recovery.turn(idle=not taken):
                self._link.unsubscribe(self._recovery.filter())
                self._filters.remove(self._recovery.filter())
                self._recovery = None
            return True
        self._check_retained()
        done = self.state.seal() or done
        return self._publish() or done or taken

    @property
    def ready(self) -> bool:
        """Connected, and every subscription answered: what was retained is here or on its way."""
        return self._link.status().connected and self._answered >= set(self._filters)

    @property
    def settled(self) -> bool:
        """Everything that stands is with the broker."""
        self._settle()
        state = self.state
        waits = state.changed or state.rotating or self._recovery is not None
        return not waits and state.journal.pending_count() == 0

    # -- what comes in ------------------------------------------------------------------------------------------------

    def _take_in(self, timeout_s: float) -> bool:
        item = self._link.receive(timeout_s)
        taken = 0
        while item is not None:
            self._take(item)
            taken += 1
            item = self._link.receive(0.0) if taken < BURST else None
        return taken > 0

    def _take(self, item: Inbound) -> None:
        if isinstance(item, LinkUp):
            self._up(item.session_resumed)
        elif isinstance(item, SubscriptionAnswered):
            if item.granted:
                self._answered.add(item.topic_filter)
            else:
                self._report("error", f"The broker refuses {item.topic_filter} to the agent: see its ACL.")
        elif not isinstance(item, LinkDown):
            try:
                (self._recovery or self.intake).take(item)
            except MessageRefused as e:
                self.refusals[e.refusal] += 1
                self._report("warning", f"A message on {item.topic[:200]!r} was refused: {e.message}")
            item.done()

    def _up(self, resumed: bool) -> None:
        """A broker that kept its sessions may have lost what it acknowledged last: it is asked what it retains."""
        self.intake.connected()
        self._asked_s = self._now_s()
        if not resumed:
            self._answered.clear()
            if self._recovery is None:
                self.state.refill()
            return
        # a session that goes on has its subscriptions; their answers may be lost with a connection that was cut at once
        self._answered.update(f for f in self._filters if self._recovery is None or f != self._recovery.filter())
        for name in OWN:
            topic = topics.of_site(self.state.site, name)
            self._link.unsubscribe(topic)
            self._link.subscribe(topic)

    def _check_retained(self) -> None:
        if self.intake.unseen and self.ready and self._now_s() - self._asked_s > RETAINED_WAIT_S:
            self.intake.unseen.clear()
            self.state.refill()

    # -- what goes out ------------------------------------------------------------------------------------------------

    def _publish(self) -> bool:
        if not self._link.status().connected:
            return False
        rows = self.state.journal.pending(BATCH, self._sent)
        for row in rows:
            try:
                self._link.publish(
                    row.topic,
                    row.payload,
                    message_id=str(row.number),
                    retain=row.retain,
                    on_acknowledged=lambda number: self._acknowledged.put(int(number)),
                )
            except (LinkBusy, LinkUnavailable):
                return False
            self._sent[row.number] = row
        return bool(rows)

    def _settle(self) -> None:
        """What the broker acknowledged since is no longer to be published."""
        rows = []
        while not self._acknowledged.empty():
            row = self._sent.pop(self._acknowledged.get(), None)
            if row is not None:
                rows.append(row)
        if rows:
            with self.state.change():
                self.state.journal.published(row.number for row in rows)
                for name in OWN:
                    topic = topics.of_site(self.state.site, name)
                    newest = [row.payload for row in rows if row.topic == topic]
                    if newest:
                        self.intake.note_acknowledged(name, newest[-1])
