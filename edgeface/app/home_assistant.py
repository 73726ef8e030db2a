"""This door in Home Assistant: announced when the link comes up and when Home Assistant says that it is there, its
state retained as it changes, its events as they happen, its wishes heard. Everything goes over the site's link; what
can't be sent is not kept: Home Assistant is told how things are, the site what was."""

from __future__ import annotations

import random
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edgeface.app.home_assistant_view import DoorWatch
from edgeface.app.remote_commands import RemoteCommands
from edgeface.domain.errors import LinkBusy, LinkUnavailable
from edgeface.domain.events import DoorLocked, DoorUnlocked, Event
from edgeface.domain.home_assistant import Bucket, Publication, View, Wish
from edgeface.ports import Clock, Inbound, Link, LinkDown, LinkUp, SubscriptionAnswered

TURN_S = 0.25  # how late a state is that no event announces
BIRTH_S = 3.0  # doors of a site that hear of Home Assistant's start answer within this, each when it likes
EVENTS = 64  # that wait to be said
WISHES = 8
AT_ONCE, PER_S = 20, 1.0  # events
STATES_AT_ONCE, STATES_PER_S = 6, 0.5  # of one topic; the newest state goes out when there is room again


class Messages(Protocol):
    """adapters.link.homeassistant.HomeAssistantMessages."""

    @property
    def birth_topic(self) -> str: ...

    @property
    def command_topic(self) -> str: ...

    def discovery(self, name: str, session: str) -> Publication: ...

    def leftovers(self, name: str) -> Publication: ...

    def removal(self) -> list[Publication]: ...

    def states(self, view: View) -> list[Publication]: ...

    def event(self, fact: Mapping[str, object], name: str | None = None) -> Publication | None: ...

    def wish(self, payload: bytes) -> Wish | None: ...


class HomeAssistant:
    """`take` is called by the site's worker with whatever comes over the link, `heard` by any thread with what was
    recorded; `work` is a worker of its own. `name`: what the door is called; `person`: somebody's name for an event,
    None where no names are wanted; `gone`: to be said before it is announced for the first time, `announced` is called
    then."""

    def __init__(
        self,
        link: Link,
        messages: Messages,
        watch: DoorWatch,
        commands: RemoteCommands,
        clock: Clock,
        name: Callable[[], str],
        person: Callable[[Event], str | None] = lambda _: None,
        gone: Sequence[Publication] = (),
        announced: Callable[[], None] = lambda: None,
        rng: random.Random | None = None,
    ) -> None:
        self._link, self._messages, self._watch, self._commands = link, messages, watch, commands
        self._clock, self._name, self._person, self._rng = clock, name, person, rng or random.Random()
        self._session = ""  # another one for each connection; empty: there is none
        self._born_at_s: float | None = None  # when Home Assistant's start is answered
        self._announced = ("", "")  # name and session
        self._gone, self._tell_announced = list(gone), announced
        self._said: dict[str, bytes] = {}  # topic -> what is retained there
        self._rooms: dict[str, Bucket] = {}
        self._room = Bucket(AT_ONCE, PER_S)
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._wishes: deque[tuple[bytes, bool, str]] = deque(maxlen=WISHES)
        self._poked = threading.Event()
        self._number = 0
        self.unsaid = 0  # events that were too many

    def status(self) -> dict[str, object]:
        return {
            "announced": bool(self._session) and self._announced[1] == self._session,
            "may_unlock": self._commands.allowed,
            "events_left_out": self.unsaid,
        }

    def begin(self) -> None:
        """Before the link is started. The command topic is listened to also where no command is allowed: who tries is
        to be seen in the log."""
        self._link.subscribe(self._messages.birth_topic)
        self._link.subscribe(self._messages.command_topic)

    # -- what comes in: the site's worker ---------------------------------------------------------------------------

    def take(self, item: Inbound | None) -> bool:
        """Whether it was for Home Assistant's sake alone."""
        if item is None or isinstance(item, SubscriptionAnswered):
            return False
        if isinstance(item, (LinkUp, LinkDown)):
            self._session = secrets.token_hex(8) if isinstance(item, LinkUp) else ""
            self._poked.set()
            return False
        if item.topic == self._messages.birth_topic:
            if item.payload == b"online" and self._born_at_s is None:
                self._born_at_s = self._clock.monotonic_s() + self._rng.uniform(0.0, BIRTH_S)
        elif item.topic == self._messages.command_topic:
            if item.payload:  # nothing: a retained one was cleared
                self._wishes.append((item.payload, item.retained, self._session))
                self._poked.set()
        else:
            return False
        item.done()
        return True

    def heard(self, event: Event) -> None:
        """Quick."""
        if self._session:
            self._events.append(event)
            self._poked.set()

    # -- what goes out: its own worker --------------------------------------------------------------------------------

    def work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._poked.wait(TURN_S)
            self._poked.clear()
            self.turn()

    def turn(self) -> None:
        """Everything that is due. Raises StorageError."""
        while self._wishes:
            payload, retained, session = self._wishes.popleft()
            self._commands.ask(
                self._messages.wish(payload), session if session == self._session else "", retained=retained
            )
        session = self._session
        if not session:
            self._events.clear()
            return
        if not self._announce(session):
            return
        while self._events:
            self._say_event(self._events.popleft())
        self._say_states(self._watch.look())

    def _announce(self, session: str) -> bool:
        """Whether Home Assistant knows what there is."""
        now, name = self._clock.monotonic_s(), self._name()
        born = self._born_at_s is not None and now >= self._born_at_s
        if not born and self._announced == (name, session):
            return True
        first = self._announced == ("", "")
        leftovers = [*self._gone, self._messages.leftovers(name)] if first else []
        if not all(self._say(one) for one in [*leftovers, self._messages.discovery(name, session)]):
            return False
        if first:
            self._tell_announced()
        if born or self._announced[1] != session:  # a broker may have lost what it retained
            self._said.clear()
        self._announced = (name, session)
        if born:
            self._born_at_s = None
        return True

    def _say_event(self, event: Event) -> None:
        view = self._watch.after(event) if isinstance(event, (DoorUnlocked, DoorLocked)) else None
        if view is not None:
            self._say_states(view)  # also a pulse that is over before anybody looks
        said = self._messages.event(event.to_dict(), self._person(event))
        if said is None:
            return
        if self._room.take(self._clock.monotonic_s()):
            self._say(said)
        else:
            self.unsaid += 1

    def _say_states(self, view: View) -> None:
        now = self._clock.monotonic_s()
        for state in self._messages.states(view):
            if self._said.get(state.topic) == state.payload:
                continue
            room = self._rooms.setdefault(state.topic, Bucket(STATES_AT_ONCE, STATES_PER_S))
            if room.take(now) and self._say(state):
                self._said[state.topic] = state.payload

    def _say(self, what: Publication) -> bool:
        self._number += 1
        try:
            self._link.publish(what.topic, what.payload, message_id=f"ha-{self._number}", retain=what.retain)
        except (LinkUnavailable, LinkBusy):
            return False
        return True


class Withdrawal:
    """Where Home Assistant was told of this door and no longer is to be: takes it away there, once."""

    def __init__(self, link: Link, messages: Messages, done: Callable[[], None]) -> None:
        self._link, self._messages, self._done = link, messages, done
        self._due = self._sent = self._over = False
        self._waiting: set[str] = set()  # for the broker's acknowledgement
        self._poked = threading.Event()

    def begin(self) -> None:
        self._link.unsubscribe(self._messages.birth_topic)
        self._link.unsubscribe(self._messages.command_topic)

    def take(self, item: Inbound | None) -> bool:
        if isinstance(item, LinkUp):
            self._due = True
            self._poked.set()
        if item is None or isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
            return False
        left = item.topic in (self._messages.birth_topic, self._messages.command_topic)
        if left:  # in the session
            item.done()
        return left

    def heard(self, event: Event) -> None:
        pass

    def work(self, stop: threading.Event) -> None:
        while not stop.is_set() and not self._over:
            self._poked.wait(TURN_S)
            self._poked.clear()
            self.turn()
        stop.wait()

    def turn(self) -> None:
        """Raises StorageError."""
        if self._due:
            self._due = False
            gone = {f"ha-gone-{number}": one for number, one in enumerate(self._messages.removal())}
            self._waiting = set(gone)
            try:
                for name, one in gone.items():
                    self._link.publish(
                        one.topic, one.payload, message_id=name, retain=True, on_acknowledged=self._acknowledged
                    )
            except (LinkUnavailable, LinkBusy):
                self._due = True  # once more; it changes nothing
                return
            self._sent = True
        elif self._sent and not self._waiting and not self._over:
            self._done()
            self._over = True

    def _acknowledged(self, message_id: str) -> None:
        self._waiting.discard(message_id)
        self._poked.set()
