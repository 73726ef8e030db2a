"""A command to one door: ask for a nonce, sign the command over it, hear what came of it. Good once, for 10 s."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from edgeface.adapters.link import codec, topics
from edgeface.admin.desk import Connect, connect
from edgeface.admin.home import Home
from edgeface.domain.errors import LinkBusy, LinkUnavailable
from edgeface.domain.messages_door import Command, CommandAsk, CommandNonce, CommandOp, CommandReply
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import Device, Roster
from edgeface.ports import Link, LinkDown, LinkUp, SubscriptionAnswered

ANSWER_S = 10.0
TURN_S = 60.0


def command_door(
    home: Home, roster: Roster, device: Device, op: CommandOp, pulse_ms: int = 0, connect: Connect = connect
) -> CommandReply:
    """What the door answered. Raises LinkUnavailable where it doesn't, LinkBusy."""
    with home.lock("admin", TURN_S) as got:
        if not got:
            raise LinkBusy("Another command of this admin is at work.", "Wait for it, or end it.")
        link = connect(home, "admin", False)
        try:
            return _Talk(home, roster, device, link).say(op, pulse_ms)
        finally:
            link.close()


class _Talk:
    def __init__(self, home: Home, roster: Roster, device: Device, link: Link) -> None:
        self._home, self._device, self._link = home, device, link
        self._trust = codec.Trust(home.root_public, roster)
        self._keys = home.admin()
        self._answered: set[str] = set()

    def say(self, op: CommandOp, pulse_ms: int) -> CommandReply:
        site, to = self._home.site, self._device.id
        hear = [topics.of_device(site, to, name) for name in ("cmd/nonce", "cmd/reply")]
        for topic in hear:
            self._link.subscribe(topic)
        self._link.start()
        self._hear(lambda _topic, _payload: None, lambda: self._answered >= set(hear), "The broker doesn't answer.")
        ask = os.urandom(16).hex()
        nonces: list[CommandNonce] = []
        replies: list[CommandReply] = []

        def take(topic: str, payload: bytes) -> None:
            if topic == hear[0]:
                nonce = codec.open_signed(codec.COMMAND_NONCE, payload, self._trust)
                if nonce.signer == to and (nonce.value.ask, nonce.value.admin) == (ask, self._keys.id):
                    nonces.append(nonce.value)
            elif topic == hear[1]:
                reply = codec.open_signed(codec.COMMAND_REPLY, payload, self._trust)
                if reply.signer == to and nonces and reply.value.nonce == nonces[0].nonce:
                    replies.append(reply.value)

        away = f"{self._device.name} doesn't answer: it is away, or it doesn't know you as an operator."
        self._send("cmd/ask", codec.sign(codec.COMMAND_ASK, CommandAsk(ask, to), site, self._keys))
        self._hear(take, lambda: bool(nonces), away)
        command = Command(to, nonces[0].nonce, op, pulse_ms)
        self._send("cmd/run", codec.sign(codec.COMMAND, command, site, self._keys))
        self._hear(take, lambda: bool(replies), f"{self._device.name} didn't say what came of it: look.")
        return replies[0]

    def _send(self, name: str, raw: bytes) -> None:
        topic = topics.of_device(self._home.site, self._device.id, name)
        self._link.publish(topic, raw, message_id=os.urandom(8).hex(), timeout_s=ANSWER_S)

    def _hear(self, take: Callable[[str, bytes], None], until: Callable[[], bool], otherwise: str) -> None:
        by_s = time.monotonic() + ANSWER_S
        while not until():
            if time.monotonic() > by_s:
                status = self._link.status()
                raise LinkUnavailable(status.fault or otherwise, "See: edgeface admin status.")
            item = self._link.receive(0.2)
            if isinstance(item, SubscriptionAnswered):
                self._answered.add(item.topic_filter)
            elif item is not None and not isinstance(item, (LinkUp, LinkDown)):
                try:
                    take(item.topic, item.payload)
                except MessageRefused:
                    pass  # nobody but the door is listened to
                item.done()
