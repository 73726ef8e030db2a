"""Where events go: the durable audit log first, then whoever listens (the log, the control socket, the demo)."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, Full, Queue

from edgeface.domain.errors import StorageError
from edgeface.domain.events import Event, StorageFault, StorageRecovered
from edgeface.ports import AuditLog, Clock

PENDING = 10_000  # events kept in memory while the disk refuses: a busy day of a door
BACKLOG = 256  # what a new listener can ask for again
LISTENER_QUEUE = 1024  # a listener that falls further behind than this is dropped: it must not cost the door memory

Listener = Callable[[Event], None]


class EventStream:
    """Fans events out. A slow listener loses its place, never the daemon's time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._recent: deque[tuple[int, Event]] = deque(maxlen=BACKLOG)
        self._queues: list[Queue[tuple[int, Event] | None]] = []
        self._closed = False

    def publish(self, event: Event) -> None:
        with self._lock:
            self._number += 1
            item = (self._number, event)
            self._recent.append(item)
            for queue in list(self._queues):
                try:
                    queue.put_nowait(item)
                except Full:
                    self._queues.remove(queue)

    @property
    def longest_queue(self) -> int:
        """How far the slowest listener is behind."""
        with self._lock:
            return max((queue.qsize() for queue in self._queues), default=0)

    def recent(self) -> list[tuple[int, Event]]:
        with self._lock:
            return list(self._recent)

    def listen(self, since: int | None = None) -> Iterator[tuple[int, Event] | None]:
        """(number, event) as they come, those after `since` first (None: from now on); None once a second while
        nothing happens, so that the caller notices a client that has gone. Ends with `close`."""
        queue: Queue[tuple[int, Event] | None] = Queue(LISTENER_QUEUE)
        with self._lock:
            backlog = [item for item in self._recent if since is not None and item[0] > since]
            self._queues.append(queue)
        return self._drain(queue, backlog)

    def _drain(
        self, queue: Queue[tuple[int, Event] | None], backlog: list[tuple[int, Event]]
    ) -> Iterator[tuple[int, Event] | None]:
        try:
            yield from backlog
            while not self._closed:
                try:
                    yield queue.get(timeout=1.0)
                except Empty:
                    yield None
                    if queue not in self._queues:
                        return
        finally:
            with self._lock:
                if queue in self._queues:
                    self._queues.remove(queue)

    def close(self) -> None:
        self._closed = True


class Recorder:
    """Durable first. What the disk refuses is kept in memory and tried again with the next event; a grant is
    recorded by `record_before`, which raises instead: nothing opens that can't be recorded. Thread-safe."""

    def __init__(self, audit: AuditLog, clock: Clock, listeners: Sequence[Listener]) -> None:
        self._audit, self._clock, self._listeners = audit, clock, tuple(listeners)
        self._lock = threading.Lock()
        self._pending: deque[Event] = deque(maxlen=PENDING)
        self._fault: str | None = None

    @property
    def fault(self) -> str | None:
        """The sentence of the storage fault that lasts, None while all is durable."""
        return self._fault

    @property
    def pending(self) -> int:
        """Events that the disk has not taken yet."""
        return len(self._pending)

    def record(self, events: Iterable[Event]) -> None:
        events = list(events)
        if not events and not self._pending and self._fault is None:
            return
        with self._lock:
            news = self._append(events)
        self._tell([*events, *news])

    def retry(self) -> None:
        """Tries again what the disk refused, where there is any."""
        self.record([])

    def record_before(self, event: Event) -> None:
        """Durable when this returns. Raises StorageError, and then `event` is not recorded and nobody is told."""
        with self._lock:
            batch = [*self._pending, event]
            error: StorageError | None = None
            try:
                self._audit.append(batch)
            except StorageError as e:
                error, news = e, self._failed(e)
            else:
                self._pending.clear()
                news = [event, *self._recovered()]
        self._tell(news)
        if error is not None:
            raise error

    def _append(self, events: list[Event]) -> list[Event]:
        batch = [*self._pending, *events]
        try:
            self._audit.append(batch)
        except StorageError as e:
            self._pending.extend(events)
            return self._failed(e)
        self._pending.clear()
        return self._recovered()

    def _failed(self, error: StorageError) -> list[Event]:
        first, self._fault = self._fault is None, str(error)
        if not first:
            return []
        fault = StorageFault(self._clock.monotonic_s(), detail=error.message)
        self._pending.append(fault)
        return [fault]

    def _recovered(self) -> list[Event]:
        if self._fault is None:
            return []
        event = StorageRecovered(self._clock.monotonic_s())
        try:
            self._audit.append([event])
        except StorageError as e:  # not recovered after all
            self._fault = str(e)
            return []
        self._fault = None
        return [event]

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            for listener in self._listeners:
                with contextlib.suppress(Exception):  # a log or a screen that fails must not cost the door its work
                    listener(event)
