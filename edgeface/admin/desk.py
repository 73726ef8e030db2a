"""How a command reaches the agent: the one that runs as a service, over the broker; or, for a single admin, one that
lives inside the command, on the same journal. The commands don't see the difference."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from edgeface.adapters.link import codec, limits, topics
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.link.upkeep import Limits
from edgeface.admin.agent import Agent
from edgeface.admin.home import AGENT, Home
from edgeface.admin.requests import Templates
from edgeface.admin.state import SiteState
from edgeface.domain.errors import EdgefaceError, LinkBusy, LinkError, LinkUnavailable
from edgeface.domain.messages import PhotoEnrolment, Reply, Request
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import Party, Roster
from edgeface.ports import Link, LinkDown, LinkUp, SubscriptionAnswered

CONNECT_S = 15.0
ANSWER_S = 20.0
TURN_S = 60.0  # for another command of the same admin to end
SERVICE, COMMAND = "service", "command"
_LARGEST = limits.MAX_TO_AGENT + 64 * 1024

# (the site, the name of a certificate in tls/, whether the broker keeps its session) -> a link that isn't started
Connect = Callable[[Home, str, bool], Link]


class RequestRefused(EdgefaceError):
    """The agent said no. `code` is a word of docs/protocol.md, section 5, or the operation's own."""

    exit_code = 65

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.message or f"The agent refused this ({reply.code}).", _ADVICE.get(reply.code, ""))
        self.code, self.reasons = reply.code, reply.reasons


_ADVICE = {
    "stale": "Somebody else changed it; look again and repeat the command.",
    "not_allowed": "Ask the owner for the role: edgeface admin admin add.",
    "removed": "Enrol the person anew.",
}


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

    def ask(self, request: Request) -> Reply:
        reply = self.agent.requests.execute(self.home.info.admin, request)
        self.agent.step(0.0)
        return _checked(reply)

    def enrol(self, wanted: PhotoEnrolment) -> Reply:
        return _checked(self.agent.requests.enrol(self.home.info.admin, wanted, self.agent.sign_person))

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


class RemoteDesk:
    """Requests over the broker, to an agent elsewhere. Not thread-safe."""

    def __init__(self, home: Home, link: Link, now_s: Callable[[], int]) -> None:
        self._home, self._link, self._now_s = home, link, now_s
        self._keys = home.admin()
        self._roster: Roster | None = None
        self._replies: dict[str, Reply] = {}

    def begin(self) -> None:
        """Raises LinkUnavailable where broker or roster can't be had."""
        site = self._home.site
        self._link.subscribe(topics.of_site(site, "roster"))
        self._link.subscribe(topics.of_admin(site, "reply", self._keys.id))
        self._link.start()
        if not self._until(lambda: self._roster is not None, CONNECT_S):
            status = self._link.status()
            raise LinkUnavailable(
                status.fault or "The broker has no roster of this site.",
                "" if status.fault else "Start the site's agent: edgeface admin agent.",
            )

    @property
    def roster(self) -> Roster:
        assert self._roster is not None
        return self._roster

    def ask(self, request: Request) -> Reply:
        return self._send("request", request, lambda i, to: codec.sign_request(request, i, to, self._site, self._keys))

    def enrol(self, wanted: PhotoEnrolment) -> Reply:
        return self._send("enrol", wanted, lambda i, to: codec.sign_enrolment(wanted, i, to, self._site, self._keys))

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        delivery = self._link.publish(topic, payload, message_id=os.urandom(8).hex(), retain=retain, timeout_s=5.0)
        delivery.wait(5.0)

    def flush(self, timeout_s: float) -> bool:
        return self._link.status().connected

    def pass_time(self, seconds: float) -> None:
        self._until(lambda: False, seconds)

    @property
    def _site(self) -> str:
        return self._home.site

    def _send(self, name: str, _body: object, sealed: Callable[[str, Party], bytes]) -> Reply:
        if not self.roster.agents:
            raise LinkError("This site has no agent.", "Ask its owner.")
        request = os.urandom(16).hex()
        message = sealed(request, self.roster.agents[0])
        topic = topics.of_admin(self._site, name, self._keys.id)
        self._link.publish(topic, message, message_id=request, timeout_s=5.0)
        if not self._until(lambda: request in self._replies, ANSWER_S):
            raise LinkUnavailable(
                "The site's agent doesn't answer.", "Whether it took the request is unknown: look, then repeat it."
            )
        return _checked(self._replies.pop(request))

    def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        by_s = time.monotonic() + timeout_s
        while not condition():
            left = by_s - time.monotonic()
            if left <= 0:
                return False
            item = self._link.receive(min(left, 0.2))
            if item is None or isinstance(item, (LinkUp, LinkDown, SubscriptionAnswered)):
                continue
            try:
                self._take(item.topic, item.payload)
            except MessageRefused:
                pass  # nobody's word is taken but the root's and the agent's
            item.done()
        return True

    def _take(self, topic: str, payload: bytes) -> None:
        if topic == topics.of_site(self._site, "roster"):
            roster = codec.open_roster(payload, self._home.root_public).value
            if self._roster is None or roster.version > self._roster.version:
                self._roster = roster
            return
        trust = codec.Trust(self._home.root_public, self.roster)
        outer, reply = codec.open_reply(payload, self._keys, trust)
        self._replies[outer.value.id] = reply


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


def _checked(reply: Reply) -> Reply:
    if not reply.done:
        raise RequestRefused(reply)
    return reply
