"""What a door is told of its site, as a list of steps that is always the same; and what must be there after each."""

from __future__ import annotations

import copy
import hashlib
import random
from dataclasses import dataclass, field
from typing import Any

from support.people import person, same

from edgeface.adapters.gallery.site import SiteMemory
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.domain.shards import Gone, Held
from edgeface.domain.site_change import SiteChange, StoredPerson

NAMES = ("roster", "manifest", "epochs", "mode", "forwarded")


@dataclass
class State:
    """`people`: id -> (number, seq, content); `gone`: id -> erased; `owed`: id -> (destroyed, wrapping key's
    generation, told)."""

    people: dict[str, tuple[int, int, bytes]] = field(default_factory=dict)
    gone: dict[str, bool] = field(default_factory=dict)
    values: dict[str, bytes] = field(default_factory=dict)
    owed: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    generation: int = 1

    def complaint(self, gallery: SqliteGallery, memory: SiteMemory) -> str | None:
        """What is not as this says; None where nothing is."""
        check = gallery.check()
        if not check.sound:
            return f"damage: {check}"
        there = {p.id: p for p in gallery.people()}
        if there.keys() != self.people.keys():
            return f"people: {len(there)}, not {len(self.people)}"
        for one, (number, seq, _) in self.people.items():
            if not same(there[one], person(number, seq=seq, templates=1)):
                return f"{one} is there by half"
        held: dict[str, Held | Gone] = {i: Held(seq, content) for i, (_, seq, content) in self.people.items()}
        if dict(memory.entries()) != {**held, **{i: Gone(erased) for i, erased in self.gone.items()}}:
            return "the entries of the digests disagree with the people"
        if not all(gallery.removed(one) for one in self.gone):
            return "somebody who was removed could come back"
        if memory.read() != self.values:
            return "the site's values"
        owed = {o.record: (o.destroyed_s, o.rotated) for o in memory.owed()}
        wanted = {
            i: (at, generation < self.generation)
            for i, (at, generation, told) in self.owed.items()
            if not told or generation < self.generation
        }
        if owed != wanted or gallery.wrapping_key().generation != self.generation:
            return f"receipts: {owed}, not {wanted}"
        return None


@dataclass(frozen=True)
class Step:
    """`change` None: `what` is renew, told, or forget."""

    what: str
    change: SiteChange | None
    after: State

    def do(self, gallery: SqliteGallery, memory: SiteMemory) -> None:
        if self.change is not None:
            memory.commit(self.change)
        elif self.what == "renew":
            gallery.renew()
        elif self.what == "forget":
            memory.forget()
        else:
            record, rotated = self.what.split()
            memory.receipted(record, rotated == "rotated")


def plan(seed: int, length: int) -> list[Step]:
    rng, state, number = random.Random(seed), State(), 0
    steps: list[Step] = []
    for i in range(length):
        state = copy.deepcopy(state)
        roll = rng.random()
        due = [o for o in state.owed.items() if not o[1][2] or o[1][1] < state.generation]
        if i == length - 1:
            what, change, state = "forget", None, State(generation=state.generation + 1)
        elif i % 5 == 4:
            what, change = "renew", None
            state.generation += 1
        elif due and roll < 0.3:
            record, (at, generation, _) = rng.choice(due)
            rotated = generation < state.generation
            what, change = f"{record} {'rotated' if rotated else 'destroyed'}", None
            if rotated:
                del state.owed[record]
            else:
                state.owed[record] = (at, generation, True)
        else:
            change, number = _change(rng, state, number, 1000 + i)
            what = "change"
        steps.append(Step(what, change, state))
    return steps


def _change(rng: random.Random, state: State, number: int, at_s: int) -> tuple[SiteChange, int]:
    removals = []
    for one in rng.sample(sorted(state.people), min(len(state.people), rng.choice((0, 0, 1, 2)))):
        removals.append((one, rng.random() < 0.6))
    if rng.random() < 0.2:  # of somebody who never was here
        removals.append((hashlib.sha256(b"stranger %d" % at_s).hexdigest()[:32], True))
    revoked = [i for i, erased in state.gone.items() if not erased]
    if revoked and rng.random() < 0.3:
        removals.append((rng.choice(revoked), True))
    for one, erased in removals:
        state.people.pop(one, None)
        state.gone[one] = erased or state.gone.get(one, False)
        if erased:
            state.owed[one] = (at_s, state.generation, False)
    puts: list[StoredPerson] = []
    for _ in range(rng.randint(0, 3)):
        known = list(state.people.values())
        if known and rng.random() < 0.3:
            chosen, seq, _content = rng.choice(known)
            seq += 1
        else:
            number += 1
            chosen, seq = number, 1
        who = person(chosen, seq=seq, templates=1)
        if any(p.person.id == who.id for p in puts):
            continue
        content = hashlib.sha256(b"%d %d" % (chosen, seq)).digest()
        puts.append(StoredPerson(who, content))
        state.people[who.id] = (chosen, seq, content)
    values: dict[str, Any] = {}
    for name in rng.sample(NAMES, rng.randint(0, 2)):
        values[name] = None if rng.random() < 0.2 else rng.randbytes(rng.choice((3, 700, 5000)))
    state.values = {n: v for n, v in {**state.values, **values}.items() if v is not None}
    turned = rng.randbytes(32) if rng.random() < 0.2 else None
    return SiteChange(tuple(puts), tuple(removals), values, turned, at_s), number
