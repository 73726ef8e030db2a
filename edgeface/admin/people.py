"""People as an admin handles them: signed by him, with the version that he saw."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.frame import opened
from edgeface.admin.desk import Desk, OwnDesk
from edgeface.admin.home import Home
from edgeface.admin.requests import signed_person
from edgeface.domain.errors import GalleryError, PersonUnknown
from edgeface.domain.messages import Removal, Request, RequestOp
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.types import Person


@dataclass(frozen=True)
class Listed:
    """`by` is the name of the admin who signed; `sound` False where that signature counts no more."""

    person: Person
    by: str
    sound: bool
    raw: bytes


class People:
    """Not thread-safe. `now_s`: Unix seconds, for people alone."""

    def __init__(self, desk: Desk, home: Home, now_s: Callable[[], int]) -> None:
        self._desk, self._home, self._now_s = desk, home, now_s
        self._keys = home.admin()

    def all(self) -> Iterator[Listed]:
        """In the order of their ids."""
        cursor = None
        while True:
            reply = self._desk.ask(Request(RequestOp.LIST, cursor=cursor, at_s=self._now_s()))
            yield from (self._read(raw) for raw in reply.items)
            cursor = reply.cursor
            if cursor is None:
                return

    def find(self, who: str) -> Listed:
        """By id, its beginning (six digits or more) or name. Raises PersonUnknown, also where several fit."""
        fitting = [x for x in self.all() if _fits(x.person, who)]
        exact = [x for x in fitting if x.person.id == who.lower()]
        if len(exact or fitting) == 1:
            return (exact or fitting)[0]
        if fitting:
            raise PersonUnknown(
                f"{who} fits {len(fitting)} people.", f"Use an id: {', '.join(x.person.id for x in fitting[:8])}."
            )
        raise PersonUnknown(f"Nobody here is {who!r}.", "`edgeface admin person list` shows everybody.")

    def add(self, person: Person) -> Person:
        """`person.seq` is of no account: it is new. Raises RequestRefused."""
        return self._put(replace(person, seq=1), 0)

    def change(self, standing: Listed, changed: Person) -> Person:
        """Raises GalleryError where the standing record's own signature counts no more: signing a change would vouch
        for what nobody vouches for."""
        if not standing.sound:
            raise GalleryError(
                f"The record of {standing.person.name} is signed by nobody in the roster.", "Enrol the person anew."
            )
        return self._put(replace(changed, seq=standing.person.seq + 1), standing.person.seq)

    def remove(self, person: Person, *, erase: bool) -> int:
        """The version of the manifest that names it. The removal goes to the doors at once, agent or not. Raises
        LinkError where the agent didn't confirm: doors that are online refuse the person all the same."""
        removal = Removal(person.id, person.seq + 1, erase, self._now_s())
        raw = codec.sign(codec.REMOVAL, removal, self._home.site, self._keys)
        self._desk.publish(topics.removal(self._home.site, person.id), raw, retain=True)
        self._desk.publish(topics.of_site(self._home.site, "gallery-log"), raw, retain=False)
        request = Request(RequestOp.REMOVE, person.seq, raw, at_s=self._now_s())
        return self._desk.ask(request).version

    def resign(self, signer: str) -> int:
        """Signs what that admin signed, as it stands; how many."""
        count = 0
        for listed in list(self.all()):
            message = opened(codec.PERSON, codec.split(listed.raw, codec.PERSON.limit), listed.raw)
            if message.signer == signer:
                raw = codec.sign(codec.PERSON, message.value, self._home.site, self._keys)
                self._desk.ask(Request(RequestOp.RESIGN, message=raw, at_s=self._now_s()))
                count += 1
        return count

    def _put(self, person: Person, saw: int) -> Person:
        raw = signed_person(person, os.urandom(16), self._home.site, self._keys)
        self._desk.ask(Request(RequestOp.PUT, saw, raw, at_s=self._now_s()))
        return person

    def _read(self, raw: bytes) -> Listed:
        """The agent's word for what stands, and whether an admin's signature is under it."""
        roster = self._desk.roster
        try:
            signed = codec.open_signed(codec.PERSON, raw, codec.Trust(self._home.root_public, roster))
            sound = True
        except MessageRefused:
            signed = opened(codec.PERSON, codec.split(raw, codec.PERSON.limit), raw)
            sound = False
        by = roster.admin(signed.signer) or roster.agent(signed.signer)
        return Listed(signed.value.person, by.name if by else signed.signer, sound, raw)


def wait_for_doors(desk: Desk, ask_status: Callable[[], list[dict[str, object]]], version: int, wait_s: float) -> bool:
    """Whether every door that is online is in step with that manifest or a later one, within so long."""
    by_s = time.monotonic() + wait_s
    while True:
        doors = [d for d in ask_status() if d["online"]]
        if all(d["in_step"] and int(str(d["manifest"])) >= version for d in doors):
            return True
        if time.monotonic() >= by_s:
            return False
        desk.pass_time(0.2)


def erasure_receipts(desk: Desk, home: Home, record: str) -> dict[str, bool]:
    """Door id -> whether its wrapping key was renewed since, of those whose signed receipt the agent has. On the
    owner's machine; nothing elsewhere."""
    if isinstance(desk, OwnDesk):
        return desk.agent.state.journal.erasures(record)
    if not home.info.owner:
        return {}
    journal = home.journal()
    try:
        return journal.erasures(record)
    finally:
        journal.close()


def _fits(person: Person, who: str) -> bool:
    return (
        person.id == who.lower()
        or person.name.casefold() == who.casefold()
        or (len(who) >= 6 and person.id.startswith(who.lower()))
    )
