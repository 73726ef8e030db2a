"""How a command reaches the agent: the one that runs as a service, over the broker; or, for a single admin, one that
lives inside the command, on the same journal. The commands don't see the difference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from edgeface.adapters.link import limits
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.link.upkeep import Limits
from edgeface.admin.agent import Agent
from edgeface.admin.answers import checked
from edgeface.admin.home import AGENT, Home
from edgeface.admin.remote import RemoteDesk
from edgeface.admin.requests import Templates
from edgeface.admin.state import SiteState
from edgeface.domain.errors import LinkBusy
from edgeface.domain.messages import ModeState, PhotoEnrolment, Reply, Request
from edgeface.domain.roster import Roster
from edgeface.ports import Link

TURN_S = 60.0  # for another command of the same admin to end
SERVICE, COMMAND = "service", "command"
_LARGEST = limits.MAX_TO_AGENT + 64 * 1024

# (the site, the name of a certificate in tls/, whether the broker keeps its session) -> a link that isn't started
Connect = Callable[[Home, str, bool], Link]


def connect(home: Home, name: str, keep: bool) -> Link:
    info = home.info
    target = Target(
        info.broker_host, info.broker_port, name, home.tls(name), clean_session=not keep, largest_in=_LARGEST
    )
    return MqttLink(target, limits=Limits(largest_out=_LARGEST))


class Desk(Protocol):
    """`published` is False where the broker isn't reached: then what was done is durable here and goes out later."""

    @property
    def roster(self) -> Roster: ...

    @property
    def mode(self) -> tuple[ModeState, str] | None:
        """The site mode that stands, and who signed it."""
        ...

    def ask(self, request: Request) -> Reply:
        """Raises RequestRefused, LinkError."""
        ...

    def enrol(self, wanted: PhotoEnrolment) -> Reply: ...

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Straight to the broker, under the admin's own name, where the agent need not be waited for."""
        ...

    def flush(self, timeout_s: float) -> bool: ...

    def pass_time(self, seconds: float) -> None:
        """Lets the agent inside this command work."""
        ...


@dataclass
class OwnDesk:
    """The agent inside this command."""

    home: Home
    agent: Agent
    link: Link

    @property
    def roster(self) -> Roster:
        return self.agent.state.roster

    @property
    def mode(self) -> tuple[ModeState, str] | None:
        mode = self.agent.state.mode
        return None if mode is None else mode[:2]

    def ask(self, request: Request) -> Reply:
        reply = self.agent.requests.execute(self.home.info.admin, request)
        self.agent.step(0.0)
        return checked(reply)

    def enrol(self, wanted: PhotoEnrolment) -> Reply:
        return checked(self.agent.requests.enrol(self.home.info.admin, wanted, self.agent.intake.sign_person))

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """The agent itself is here: nothing is to go round it."""

    def flush(self, timeout_s: float) -> bool:
        by_s = time.monotonic() + timeout_s
        while not (self.agent.settled and self.agent.ready):
            if time.monotonic() > by_s:
                return False
            self.agent.step(0.05)
        return True

    def pass_time(self, seconds: float) -> None:
        by_s = time.monotonic() + seconds
        while (left := by_s - time.monotonic()) > 0:
            self.agent.step(min(left, 0.1))


@contextmanager
def open_desk(
    home: Home,
    now_s: Callable[[], int],
    *,
    templates: Templates | None = None,
    connect: Connect = connect,
    report: Callable[[str, str], None] = lambda _level, _sentence: None,
) -> Iterator[Desk]:
    """Waits for its turn where another command of this admin runs. Raises LinkUnavailable, LinkBusy, KeyRejected."""
    if home.info.owner:
        by_s = time.monotonic() + TURN_S
        while time.monotonic() < by_s:
            with home.lock(AGENT, 0.2, COMMAND) as got:
                if got:
                    with _own_desk(home, now_s, templates, connect, report) as desk:
                        yield desk
                    return
            if home.lock_note(AGENT) == SERVICE:
                break
    with home.lock("admin", TURN_S, COMMAND) as got:
        if not got:
            raise LinkBusy("Another command of this admin is at work.", "Wait for it, or end it.")
        link = connect(home, "admin", False)
        desk_over = RemoteDesk(home, link, now_s)
        try:
            desk_over.begin()
            yield desk_over
        finally:
            link.close()


@contextmanager
def _own_desk(
    home: Home,
    now_s: Callable[[], int],
    templates: Templates | None,
    connect: Connect,
    report: Callable[[str, str], None],
) -> Iterator[OwnDesk]:
    with open_agent(home, now_s, connect, templates=templates, report=report) as (agent, link):
        yield OwnDesk(home, agent, link)


@contextmanager
def open_agent(
    home: Home,
    now_s: Callable[[], int],
    connect: Connect = connect,
    *,
    templates: Templates | None = None,
    report: Callable[[str, str], None] = lambda _level, _sentence: None,
) -> Iterator[tuple[Agent, Link]]:
    """Whoever calls this holds the lock."""
    keys = home.agent()
    journal = home.journal()
    try:
        link = connect(home, AGENT, True)
        agent = Agent(
            SiteState(journal, home.root_public, keys, now_s), keys, link, now_s, templates=templates, report=report
        )
        agent.start()
        try:
            yield agent, link
        finally:
            link.close()
    finally:
        journal.close()
