"""Within a day after a person was removed the key that wrapped his or her key is destroyed too: the worker that sees to
it. It costs the writing of the whole gallery, so a day's removals share one, at a time when nobody is at the door.

What is owed stands in the gallery's file; since when is counted three ways, and the first to say so counts. By this
process's monotonic clock; by the wall clock, for a board that was asleep (one that was set back, or is in 1970, says
nothing, and one that jumps ahead only makes it early); and what an earlier process left is due soon: nobody knows how
long the device was off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from edgeface.app.logs import logger
from edgeface.app.recorder import Recorder
from edgeface.domain.device_events import WrappingKeyRenewed
from edgeface.domain.errors import EdgefaceError
from edgeface.domain.gallery_keys import WrappingKey
from edgeface.ports import Clock

LOOK_S = 60.0
GATHER_S = 4 * 3600.0  # what is removed in this time shares a renewal, and a bulk removal is over by then
LATEST_S = 18 * 3600.0  # from here on it is done whoever stands at the door: a day is promised
GRACE_S = 900.0  # after a start, for a moment without anybody
RETRY_S = 900.0  # after a full disk


class Renewable(Protocol):
    """adapters.gallery.store.SqliteGallery."""

    def wrapping_key(self) -> WrappingKey: ...

    def renew(self) -> WrappingKey: ...

    def erase_traces(self) -> None: ...


def renew(store: Renewable, recorder: Recorder, clock: Clock) -> WrappingKey:
    """Done and recorded. Raises StorageError; TracesRemain where it is in force and recorded all the same."""
    before = store.wrapping_key().generation
    try:
        return store.renew()
    finally:
        generation = store.wrapping_key().generation
        if generation > before:
            recorder.record([WrappingKeyRenewed(clock.monotonic_s(), generation)])


class KeyRenewal:
    """`store` is the daemon's own, and only asked: what takes seconds is done through another one (`opened`), so that
    nobody waits for it. `in_view`: whether somebody is at the door now; `renewed` is told of each renewal, also of one
    that a command beside the daemon made."""

    def __init__(
        self,
        store: Renewable,
        opened: Callable[[], AbstractContextManager[Renewable]],
        recorder: Recorder,
        clock: Clock,
        in_view: Callable[[], bool],
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._opened, self._recorder, self._clock = store, opened, recorder, clock
        self._in_view, self._renewed = in_view, renewed
        self._log = logger("gallery")
        self._first_look = True
        self._generation: int | None = None
        self._owed_from_s: float | None = None  # monotonic
        self._not_before_s = float("-inf")
        self._told = False

    def work(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Does what is due. A disk that refuses is told once and tried again."""
        now = self._clock.monotonic_s()
        if now < self._not_before_s:
            return
        try:
            self._look(now)
        except EdgefaceError as e:
            self._not_before_s = now + RETRY_S
            (self._log.debug if self._told else self._log.warning)("wrapping key", sentence=str(e))
            self._told = True
        else:
            self._told = False

    def _look(self, now: float) -> None:
        state = self._store.wrapping_key()
        if self._generation is None:
            self._generation = state.generation
        if self._due(state, now):
            with self._opened() as store:
                state = renew(store, self._recorder, self._clock)
        elif state.traces:
            with self._opened() as store:
                store.erase_traces()  # no change has come since that would have done it
        if state.generation > self._generation:
            self._renewed()
        self._generation = state.generation
        if not _owes(state):
            self._owed_from_s = None
        self._first_look = False

    def _due(self, state: WrappingKey, now: float) -> bool:
        if not _owes(state):
            return False
        if self._owed_from_s is None:
            self._owed_from_s = now - (LATEST_S - GRACE_S) if self._first_look else now
        age_s = now - self._owed_from_s
        if state.owed_since_s and self._clock.is_set():
            age_s = max(age_s, self._clock.utc().timestamp() - state.owed_since_s)
        return age_s >= LATEST_S or (age_s >= GATHER_S and not self._in_view())


def _owes(state: WrappingKey) -> bool:
    """A gallery of before there were keys that can be destroyed owes one too."""
    return state.owed_since_s is not None or state.generation == 0
