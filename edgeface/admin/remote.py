"""An admin without the agent on his machine: signed, sealed requests over the broker, and the answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from edgeface.adapters.link import codec, topics
from edgeface.admin.answers import checked
from edgeface.admin.home import Home
from edgeface.domain.errors import LinkError, LinkUnavailable
from edgeface.domain.messages import ModeState, PhotoEnrolment, Reply, Request
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import Party, Roster
from edgeface.ports import Link, LinkDown, LinkUp, SubscriptionAnswered

CONNECT_S = 15.0
ANSWER_S = 20.0


class RemoteDesk:
    """Requests over the broker, to an agent elsewhere. Not thread-safe."""

    def __init__(self, home: Home, link: Link, now_s: Callable[[], int]) -> None:
        self._home, self._link, self._now_s = home, link, now_s
        self._keys = home.admin()
        self._roster: Roster | None = None
        self._replies: dict[str, Reply] = {}
        self._mode: tuple[ModeState, str] | None = None
        self._raw_mode = b""

    def begin(self) -> None:
        """Raises LinkUnavailable where broker or roster can't be had."""
        site = self._home.site
        self._link.subscribe(topics.of_site(site, "mode"))
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

    @property
    def mode(self) -> tuple[ModeState, str] | None:
        return self._mode

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
        return checked(self._replies.pop(request))

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
            payload, topic = self._raw_mode, topics.of_site(self._site, "mode")
        if topic == topics.of_site(self._site, "mode"):
            self._raw_mode = payload
            if payload and self._roster is not None:
                mode = codec.open_signed(codec.MODE, payload, codec.Trust(self._home.root_public, self._roster))
                if self._mode is None or mode.value.version >= self._mode[0].version:
                    self._mode = (mode.value, mode.signer)
            return
        trust = codec.Trust(self._home.root_public, self.roster)
        outer, reply = codec.open_reply(payload, self._keys, trust)
        self._replies[outer.value.id] = reply
