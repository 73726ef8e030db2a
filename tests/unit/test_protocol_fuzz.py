"""Whatever comes over the wire is refused, or is exactly one of the messages that were signed. `make torture` goes on
for its share of the time, and for at least a million cases where that is enough."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import protocol as p
from support.protocol_refused import all_refused

from edgeface.adapters.link import codec as c
from edgeface.adapters.link import person, wire
from edgeface.domain.refusal import MessageRefused

GOOD = p.examples()
MESSAGES = {(e.spec.number, e.message) for e in GOOD}
CORPUS = [(e.spec, e.message) for e in GOOD] + [(r.spec, r.message) for r in all_refused() if len(r.message) < 8192]
SPECIAL = [
    0x00,
    0x01,
    0x17,
    0x18,
    0x1B,
    0x20,
    0x3B,
    0x40,
    0x5B,
    0x5F,
    0x7F,
    0x80,
    0x9B,
    0x9F,
    0xA0,
    0xBB,
    0xBF,
    0xC0,
    0xD9,
]
SPECIAL += [0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFF]


def flip(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def special(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.choice(SPECIAL)


def insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randint(1, 9))


def delete(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randint(1, 9)]


def cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def copy(rng: random.Random, data: bytearray) -> None:
    a, b, n = rng.randrange(len(data)), rng.randrange(len(data)), rng.randint(1, 70)
    data[b : b + n] = data[a : a + n]


def splice(rng: random.Random, data: bytearray) -> None:
    other = rng.choice(CORPUS)[1] or b"\0"
    at = rng.randrange(len(data))
    data[at:] = other[rng.randrange(len(other)) :]


MUTATIONS: list[Callable[[random.Random, bytearray], None]] = [flip, flip, special, insert, delete, cut, copy, splice]


def mutated(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if out:
            rng.choice(MUTATIONS)(rng, out)
    return bytes(out)


def one_message(rng: random.Random) -> None:
    """A mutated message, or a sound one as another kind, to its receiver: nothing but a refusal, unless it came out
    as it was."""
    spec, data = rng.choice(CORPUS)
    if rng.random() < 0.05:
        spec = rng.choice(c.ALL)
    else:
        data = mutated(rng, data)
    try:
        p.accept(spec, data)
    except MessageRefused:
        return
    assert (spec.number, data) in MESSAGES, f"accepted as {spec.name}: {data.hex()}"


def one_body(rng: random.Random) -> None:
    """A mutated body, as if somebody with the key had signed it: refused, or the only encoding of what it says."""
    e = rng.choice(GOOD)
    body = mutated(rng, c.split(e.message, e.spec.limit).body)
    try:
        raw = wire.decode(body, e.spec.limit)
        value = e.spec.struct.from_wire(raw)
    except MessageRefused:
        return
    if e.spec is c.PERSON:  # rounding to float16 twice may not give the same: its fields are looked at alone
        assert wire.encode(person.WIRE.to_wire(person.WIRE.from_wire(raw))) == body
    else:
        assert wire.encode(e.spec.struct.to_wire(value)) == body, body.hex()


def one_blob(rng: random.Random) -> None:
    """Random bytes, as they are or in the shape of a message."""
    data = rng.randbytes(rng.randint(0, 300))
    spec = rng.choice(c.ALL)
    shape = rng.randrange(3)
    if shape == 1:
        data = b"\x01\x85" + data
    elif shape == 2:
        data = b"\x01" + wire.encode([spec.number, bytes.fromhex(p.SITE), bytes.fromhex(p.ADMIN.id), data, bytes(64)])
    with pytest.raises(MessageRefused):
        p.accept(spec, data)


def campaign(seed: int, cases: int) -> None:
    rng = random.Random(seed)
    for _ in range(cases):
        rng.choices((one_message, one_body, one_blob), (5, 4, 1))[0](rng)


def test_a_few_thousand_altered_messages_are_all_refused() -> None:
    campaign(1, 4000)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_by_every_kind(data: bytes) -> None:
    for spec in c.ALL:
        with pytest.raises(MessageRefused):
            p.accept(spec, data)


@pytest.mark.parametrize("e", GOOD, ids=lambda e: e.name)
def test_no_flipped_bit_is_accepted(e: p.Example) -> None:
    """Every bit of one kind; of the others some hundred, spread over all of it. The vectors have more."""
    bits = 8 * len(e.message)
    some = range(0, bits, 1 if e.spec is c.REMOVAL else bits // 199)
    for bit in some:
        data = bytearray(e.message)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(MessageRefused):
            p.accept(e.spec, bytes(data))


@pytest.mark.torture
def test_a_long_campaign_of_altered_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """EDGEFACE_TORTURE_S seconds: at 3,200 cases a second on a busy core, a million take five minutes."""
    until = time.monotonic() + float(os.environ.get("EDGEFACE_TORTURE_S", "600"))
    seed = int.from_bytes(os.urandom(4), "big")
    begun, cases = time.monotonic(), 0
    while time.monotonic() < until:
        campaign(seed + cases, 10_000)
        cases += 10_000
    spent_s = time.monotonic() - begun
    with capsys.disabled():
        print(f"\n{cases} cases from seed {seed}, {cases / spent_s:.0f} a second")  # noqa: T201
