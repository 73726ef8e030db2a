"""The daemon's end of the door socket: implements ports.Door. A thread of its own keeps the connection and the
heartbeat; it never repeats a grant."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edgeface.adapters.door.card_reader import READINGS
from edgeface.adapters.door.link import Link, clean
from edgeface.adapters.door.reported import event_of
from edgeface.adapters.door.wire import PING_EVERY_S
from edgeface.domain.errors import DoorUnavailable, GrantRefused
from edgeface.domain.events import DoorLocked, DoorProcessLost, DoorProcessRecovered, DoorUnlocked, Event
from edgeface.ports import DoorStatus

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
_UNREAD_EVENTS = 4096  # far beyond what a loop that lives leaves unread


class RemoteDoor:
    """`alive` is the daemon's own watchdog: when it says False the connection ends, which locks, and none is made until
    it says True, so that a hung vision thread can't keep a door open by a heartbeat thread that still runs. The first
    calls wait up to `connect_timeout_s` for the first connection; later ones fail at once while there is none."""

    def __init__(
        self,
        socket_path: Path | str,
        connect_timeout_s: float = 2.0,
        reply_timeout_s: float = 0.5,
        heartbeat_s: float = PING_EVERY_S,
        alive: Callable[[], bool] = lambda: True,
        read: Callable[[dict[str, object]], None] = lambda _: None,
    ) -> None:
        self._path = str(socket_path)
        self._connect_s, self._reply_s, self._heartbeat_s = connect_timeout_s, reply_timeout_s, heartbeat_s
        self._alive, self._read = alive, read
        self._asking = threading.Lock()  # one request at a time
        self._state = threading.Condition()  # guards what follows
        self._link: Link | None = None
        self._settled = False  # connected once, or the first wait is over
        self._closed = False
        self._lost = False  # DoorProcessLost was reported
        self._why = "it was not reached yet"
        self._open_grant: str | None = None  # unlocked as far as we were told
        self._events: deque[Event] = deque(maxlen=_UNREAD_EVENTS)
        self._born_s = time.monotonic()
        self._thread = threading.Thread(target=self._keep_connected, name="door-link", daemon=True)
        self._thread.start()

    # -- ports.Door -------------------------------------------------------------------------------------------

    def grant(self, grant_id: str, pulse_ms: int, *, test: bool = False) -> None:
        if not self._is_alive():
            raise DoorUnavailable("The daemon's own watchdog says that it hangs.", "Nothing is opened meanwhile.")
        self._ask_or_refused({"op": "grant", "id": grant_id, "pulse_ms": pulse_ms, "test": test})

    def lock(self) -> None:
        self._ask_ok({"op": "lock"})

    def status(self) -> DoorStatus:
        answer = self._ask_ok({"op": "status"})
        grant_id, alarms = answer.get("grant_id"), answer.get("alarms")
        return DoorStatus(
            locked=answer.get("locked") is True,
            mode=clean(answer.get("mode")),
            grant_id=grant_id if isinstance(grant_id, str) else None,
            detail=clean(answer.get("detail")),
            held_by=_text(answer.get("held_by")),
            contact=_text(answer.get("contact")),
            alarms=tuple(clean(a) for a in alarms) if isinstance(alarms, list) else (),
        )

    def send_card(self, card: tuple[int, int, int]) -> None:
        self._ask_or_refused({"op": "card_out", "card": list(card)})

    def set_mode(self, mode: str) -> None:
        self._ask_or_refused({"op": "mode", "mode": mode})

    def free(self, for_ms: int, first_person: bool) -> None:
        self._ask_or_refused({"op": "free", "for_ms": for_ms, "first_person": first_person})

    def show(self, signal: str) -> None:
        self._ask_ok({"op": "show", "signal": signal})

    def poll_events(self) -> list[Event]:
        with self._state:
            events = list(self._events)
            self._events.clear()
        return events

    def close(self) -> None:
        """Idempotent. A running pulse ends: the door process locks when its client leaves."""
        with self._state:
            self._closed = True
            link = self._link
            self._state.notify_all()
        if link is not None:
            link.abandon("the daemon closed it")
        if self._thread is not threading.current_thread():
            self._thread.join(self._connect_s + 1.0)

    # -- beyond the port --------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        with self._state:
            return self._link is not None

    def wait_connected(self, timeout_s: float) -> bool:
        with self._state:
            return self._state.wait_for(lambda: self._link is not None or self._closed, timeout_s) and not self._closed

    # -- inside -----------------------------------------------------------------------------------------------

    def _ask_or_refused(self, message: dict[str, object]) -> None:
        answer = self._ask(message)
        if answer.get("ok") is not True:
            why = clean(answer.get("message")) or "no reason given"
            what = {"grant": "grant", "card_out": "number for the controller"}.get(str(message["op"]), "change of mode")
            raise GrantRefused(clean(answer.get("code")) or "fault", f"The door refused the {what}: {why}.")

    def _ask_ok(self, message: dict[str, object]) -> dict[str, object]:
        answer = self._ask(message)
        if answer.get("ok") is not True:
            raise DoorUnavailable(f"The door process refused: {clean(answer.get('message'))}.", "See its log.")
        return answer

    def _ask(self, message: dict[str, object]) -> dict[str, object]:
        with self._asking:
            with self._state:
                first_wait_s = max(0.0, self._born_s + self._connect_s - time.monotonic())
                self._state.wait_for(lambda: self._link is not None or self._settled or self._closed, first_wait_s)
                link, why = self._link, "this client is closed" if self._closed else self._why
            if link is None or self._closed:
                raise DoorUnavailable(f"No connection to the door process: {why}.", "Is edgeface-doord running?")
            return link.ask(message, self._reply_s)

    def _is_alive(self) -> bool:
        try:
            return self._alive()
        except Exception:  # a watchdog that fails is a daemon that is not well
            return False

    def _keep_connected(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closed:
            try:
                if not self._is_alive():
                    raise DoorUnavailable("the daemon's own watchdog says that it hangs")
                link = Link.connect(self._path, self._connect_s)
            except DoorUnavailable as error:
                self._tell_lost(error.message, only_after_grace=True)
            else:
                if self._tell_connected(link):
                    pause_s = FIRST_PAUSE_S
                    why = link.serve(self._heartbeat_s, self._is_alive, self._take_event)
                    self._tell_lost(f"the connection to the door process ended: {why}")
            with self._state:
                self._state.wait_for(lambda: self._closed, pause_s * random.uniform(0.75, 1.25))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _tell_connected(self, link: Link) -> bool:
        now_s = time.monotonic()
        with self._state:
            if self._closed:
                link.abandon("the daemon closed it")
                link.serve(self._heartbeat_s, self._is_alive, self._take_event)
                return False
            self._link, self._settled = link, True
            if self._open_grant is not None:  # whatever ended the last connection locked; that report never reached us
                self._events.append(DoorLocked(now_s, "relocked", self._open_grant))
                self._open_grant = None
            if self._lost:
                self._lost = False
                self._events.append(DoorProcessRecovered(now_s))
            self._state.notify_all()
        return True

    def _tell_lost(self, why: str, only_after_grace: bool = False) -> None:
        now_s = time.monotonic()
        with self._state:
            self._link, self._why = None, why
            if self._closed or (only_after_grace and not self._settled and now_s < self._born_s + self._connect_s):
                return
            self._settled = True
            if not self._lost:
                self._lost = True
                self._events.append(DoorProcessLost(now_s, why))
            self._state.notify_all()

    def _take_event(self, message: dict[str, object]) -> None:
        if message.get("event") in READINGS:  # secrets: they go to their reader and into no log
            self._read(message)
            return
        event = event_of(message)
        if event is None:
            return
        with self._state:
            if isinstance(event, DoorUnlocked) and event.grant_id:  # it ends with the connection; the others do not
                self._open_grant = event.grant_id
            elif isinstance(event, DoorLocked):
                self._open_grant = None
            self._events.append(event)


def _text(value: object) -> str | None:
    return clean(value) if isinstance(value, str) else None
