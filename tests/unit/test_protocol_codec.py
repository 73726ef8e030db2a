"""Messages there and back: what is made is taken, costs what it may, and says the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import protocol as p

from edgeface.adapters.link import codec as c
from edgeface.adapters.link import limits, wire
from edgeface.adapters.link.person import PERSON_STRUCT
from edgeface.domain import messages as m
from edgeface.domain import messages_door as md
from edgeface.domain.refusal import SENTENCES, MessageRefused, Refusal
from edgeface.domain.roster import ADMIN_ROLES, Device, Party, Role, Roster
from edgeface.domain.types import Factors, Person, SecondFactor, Template

NEW = "11" * 16


def unit(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    v = np.random.default_rng(seed).normal(size=128)
    return (v / np.linalg.norm(v)).astype(np.float32)


def roster_of(doors: int) -> Roster:
    keys = ((os.urandom(32), os.urandom(32)) for _ in range(doors))
    devices = tuple(Device(f"door number {n}", e, x, n + 1, n + 1) for n, (e, x) in enumerate(keys))
    return replace(p.ROSTER, devices=devices)


def test_a_record_with_three_templates_takes_less_than_2_kib() -> None:
    templates = tuple(Template(unit(n), "mobilefacenet-arcface-int8-1.2", "photo", 0.87) for n in range(3))
    person = p.person(
        name="Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine",
        templates=templates,
        groups=("staff", "facilities", "night shift"),
        doors=("front door", "back door", "archive"),
        notes={"badge": "0190612", "department": "Facility management"},
    )
    record = p.record(p.signed_person(person))
    assert len(record) < 1500
    assert len(record) <= 2048


@given(st.integers(0, 2**31), st.integers(0, 2**31), st.floats(0, 1))
def test_sixteen_bits_change_no_cosine_by_a_thousandth(a: int, b: int, mixed: float) -> None:
    """For strangers and for two views of one face."""
    first = unit(a)
    second = mixed * first + (1 - mixed) * unit(b)
    second = (second / np.linalg.norm(second)).astype(np.float32)
    person = p.person(templates=(Template(first, "m"), Template(second, "m")))
    sent = PERSON_STRUCT.from_wire(PERSON_STRUCT.to_wire(m.PersonContent(person, bytes(16))))
    one, two = (t.vector for t in sent.person.templates)
    assert abs(float(one @ two) - float(first @ second)) < 1e-3
    assert abs(float(one @ first) - 1) < 1e-5
    assert abs(float(np.linalg.norm(one)) - 1) < 1e-6


words = st.lists(st.sampled_from(["staff", "front door", "Küche", "x" * 128]), max_size=4).map(tuple)
times = st.none() | st.integers(-(10**12), 10**13).map(lambda ms: ms / 1000)
people = st.builds(
    Person,
    id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    name=st.sampled_from(["A", "Ærøskøbing 村上", "n" * 128]),
    templates=st.lists(
        st.builds(
            Template,
            vector=st.integers(0, 99).map(unit),
            model=st.sampled_from(["one", "two", "three"]),
            source=st.sampled_from(["", "camera", "photo", "clip", "import"]),
            quality=st.integers(0, 1000).map(lambda q: q / 1000),
        ),
        min_size=1,
        max_size=16,
    ).map(tuple),
    seq=st.integers(1, 2**53 - 1),
    groups=words,
    doors=words,
    schedule=st.sampled_from(["always", "nights"]),
    valid_from_s=times,
    valid_to_s=times,
    enrolled_s=st.integers(0, 10**12).map(lambda ms: ms / 1000),
    notes=st.dictionaries(st.sampled_from(["a", "b", "ß"]), st.sampled_from(["", "line\none", "tab\t"])),
)


@settings(max_examples=50)
@given(people)
def test_a_person_comes_out_of_a_record_as_it_went_in(person: Person) -> None:
    signed = p.signed_person(person)
    sealed = c.open_signed(c.RECORD, p.record(signed), p.TRUST)
    back = c.open_record(sealed.value, p.EPOCH, p.TRUST)
    assert back.hash == signed.hash
    found = back.value.person
    assert replace(found, templates=()) == replace(person, templates=())
    for there, here in zip(found.templates, person.templates, strict=True):
        assert (there.model, there.source, there.quality) == (here.model, here.source, here.quality)
        assert there.vector.dtype == np.float32
        assert not there.vector.flags.writeable


def test_a_person_with_a_pin_is_not_sent_without_it() -> None:
    """Version 1 has no place for it; left out in silence, a second factor would be gone."""
    for factors in (Factors(second=SecondFactor.ALWAYS), Factors(cards=("ab" * 32,)), Factors(wiegand=(26, 1, 2))):
        with pytest.raises(MessageRefused) as refused:
            p.signed_person(p.person(factors=factors))
        assert refused.value.refusal is Refusal.MALFORMED


def test_an_admins_signature_outlives_the_epoch_and_the_admin() -> None:
    """Sealed anew for another epoch, and signed anew by another admin, the content's hash stays."""
    first = p.signed_person(by=p.REMOVED)
    third = m.EpochKeys(3, p.fixed("K(3)"), p.fixed("seed 3"))
    resealed = c.seal_record(first, third, p.SITE, p.AGENT, 43)
    record = c.open_signed(c.RECORD, resealed, p.EARLIER).value
    assert c.open_record(record, third, p.EARLIER).hash == first.hash
    with pytest.raises(MessageRefused) as refused:
        c.open_record(record, third, p.TRUST)
    assert refused.value.refusal is Refusal.REVOKED_SIGNER
    again = c.open_signed(c.PERSON, c.sign(c.PERSON, first.value, p.SITE, p.ADMIN), p.TRUST)
    assert again.hash == first.hash
    assert again.signer == p.ADMIN.id


def test_every_record_is_sealed_with_a_nonce_of_its_own() -> None:
    signed = p.signed_person()
    made = {c.seal_record(signed, p.EPOCH, p.SITE, p.AGENT, 42) for _ in range(20)}
    nonces = {c.open_signed(c.RECORD, data, p.TRUST).value.nonce for data in made}
    assert len(nonces) == 20


def test_keys_reach_their_device_alone() -> None:
    keys = c.new_epoch(9)
    for signer in (p.AGENT, p.ROOT):
        data = c.sign_grant(keys, p.ROSTER.devices[0], p.SITE, signer)
        assert c.open_grant(data, p.DEVICE, p.TRUST) == keys
        assert keys.key not in data
        with pytest.raises(MessageRefused) as refused:
            c.open_grant(data, p.SECOND, p.TRUST)
        assert refused.value.refusal is Refusal.WRONG_RECIPIENT
    assert "key=" not in repr(keys)
    assert p.fixed("root").hex() not in repr(p.ROOT)


def test_requests_and_replies_are_for_their_readers_alone() -> None:
    agent, admin = p.ROSTER.agents[0], p.ROSTER.admins[0]
    asked = m.Request(m.RequestOp.LIST, cursor=p.RECORD_ID, limit=100)
    data = c.sign_request(asked, NEW, agent, p.SITE, p.ADMIN)
    outer, body = c.open_request(data, p.AGENT, p.TRUST)
    assert (body, outer.value.id, outer.signer) == (asked, NEW, p.ADMIN.id)
    c.require_role(p.ROSTER, outer.signer, body.op)
    answered = m.Reply(True, version=5, items=(p.signed_person().raw,), cursor=p.RECORD_ID)
    reply = c.sign_reply(answered, NEW, admin, p.SITE, p.AGENT)
    assert c.open_reply(reply, p.ADMIN, p.TRUST)[1] == answered
    assert p.person().name.encode() not in data + reply
    photos = replace(p.ENROLMENT, photos=(os.urandom(400_000),) * 5)
    data = c.sign_enrolment(photos, NEW, agent, p.SITE, p.ADMIN)
    assert c.open_enrolment(data, p.AGENT, p.TRUST)[1] == photos
    for opens in (
        lambda: c.open_request(c.sign_request(asked, NEW, agent, p.SITE, p.ADMIN), p.SECOND, p.TRUST),
        lambda: c.open_reply(reply, p.AUDITOR, p.TRUST),
    ):
        with pytest.raises(MessageRefused) as refused:
            opens()
        assert refused.value.refusal is Refusal.WRONG_RECIPIENT


@pytest.mark.parametrize("op", m.RequestOp)
def test_what_an_admin_may_ask_follows_from_his_roles(op: m.RequestOp) -> None:
    for role in ADMIN_ROLES:
        roster = replace(p.ROSTER, admins=(p.party("x", p.ADMIN, role),))
        if role in c.REQUEST_ROLES[op]:
            c.require_role(roster, p.ADMIN.id, op)
        else:
            with pytest.raises(MessageRefused, match="role"):
                c.require_role(roster, p.ADMIN.id, op)
    with pytest.raises(MessageRefused):
        c.require_role(p.ROSTER, p.AGENT.id, op)


def test_a_site_of_a_thousand_doors_fits() -> None:
    roster = roster_of(1000)
    data = c.sign(c.ROSTER, roster, p.SITE, p.ROOT)
    assert len(data) < 140_000
    assert c.open_roster(data, p.ROOT.public).value == roster
    ids = tuple(sorted(os.urandom(16).hex() for _ in range(limits.MAX_REVOKED)))
    full = replace(p.manifest(), revoked=ids)
    assert c.open_signed(c.MANIFEST, c.sign(c.MANIFEST, full, p.SITE, p.AGENT), p.TRUST).value == full
    with pytest.raises(MessageRefused):
        c.sign(c.MANIFEST, replace(full, revoked=(*ids, "f" * 32)), p.SITE, p.AGENT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: p.signed_person(p.person(name="")),
        lambda: p.signed_person(p.person(name="two\nlines")),
        lambda: p.signed_person(p.person(id="5F" * 16)),
        lambda: p.signed_person(p.person(seq=0)),
        lambda: p.signed_person(p.person(enrolled_s=float("inf"))),
        lambda: p.signed_person(p.person(valid_to_s=float("nan"))),
        lambda: p.signed_person(p.person(templates=(Template(unit(1) * 2, "m"),))),
        lambda: p.signed_person(p.person(templates=(Template(unit(1)[:64], "m"),))),
        lambda: p.signed_person(p.person(templates=(Template(unit(1), "m", quality=1.5),))),
        lambda: p.signed_person(p.person(templates=(Template(unit(1) * np.float32(1e6), "m"),))),
        lambda: p.signed_person(p.person(templates=())),
        lambda: c.sign(c.ROSTER, replace(p.ROSTER, admins=(p.party("x", p.ADMIN, Role.OWNER),)), p.SITE, p.ROOT),
        lambda: c.sign(c.COMMAND, md.Command(p.DEVICE.id, b"short", md.CommandOp.LOCK), p.SITE, p.ADMIN),
    ],
)
def test_what_the_protocol_has_no_room_for_is_not_sent(make: Callable[[], object]) -> None:
    with pytest.raises(MessageRefused):
        make()


def test_a_person_too_large_is_refused_before_it_is_sent() -> None:
    with pytest.raises(MessageRefused) as refused:
        p.signed_person(p.person(groups=("g" * 128,) * 256, doors=("d" * 128,) * 256))
    assert refused.value.refusal is Refusal.TOO_LARGE


def test_a_key_that_is_none_is_refused() -> None:
    weak = Party("agent", bytes(32), bytes(32))
    with pytest.raises(MessageRefused):
        c.sign_request(m.Request(m.RequestOp.STATUS), NEW, weak, p.SITE, p.ADMIN)


def test_nothing_is_taken_before_there_is_a_roster_but_the_roster() -> None:
    trust = c.Trust(p.ROOT.public)
    for e in p.examples():
        if e.name in ("roster", "pairing-offer", "pairing-answer"):
            p.accept(e.spec, e.message, trust)
            continue
        with pytest.raises(MessageRefused) as refused:
            p.accept(e.spec, e.message, trust)
        assert refused.value.refusal is Refusal.UNKNOWN_SIGNER


def test_pairing_by_text_forgives_how_it_was_copied() -> None:
    text = c.offer_text(p.offer())
    assert len(text) < 500
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:")
    spaced = "\n".join(text.lower()[i : i + 40] for i in range(0, len(text), 40))
    assert c.open_offer(c.offer_from_text(f"  {spaced} \r\n")).signer == p.DEVICE.id
    for wrong in ("", "hello", text[:-1] + "1", text[:-3], "EDGEFACE1:", text.replace("A", "B", 1)):
        with pytest.raises(MessageRefused):
            c.open_offer(c.offer_from_text(wrong))


def test_a_device_takes_an_answer_of_the_site_in_its_technicians_hand() -> None:
    answer = c.open_answer(p.answer(), p.DEVICE)
    assert answer.signer == p.SITE
    assert c.open_roster(answer.value.roster, answer.value.root).value == p.ROSTER
    assert c.open_grant(answer.value.grant, p.DEVICE, p.TRUST) == p.EPOCH
    with pytest.raises(MessageRefused):
        c.open_answer(p.answer(), p.DEVICE, p.OTHER_ROOT.public)
    with pytest.raises(MessageRefused):
        c.open_answer(p.offer(), p.DEVICE)


scalars = st.integers(-(2**53), 2**53) | st.binary(max_size=40) | st.text(max_size=20) | st.booleans()
flat = st.lists(scalars, max_size=4) | st.dictionaries(st.integers(0, 23), scalars, max_size=4)
nested = st.lists(flat | scalars, max_size=4) | st.dictionaries(st.integers(0, 23), flat | scalars, max_size=4)


@given(scalars | flat | nested)
def test_one_value_has_one_encoding(value: object) -> None:
    data = wire.encode(value)
    assert wire.decode(data, 4096) == value
    for altered in (data + b"\0", data[:-1]):
        with pytest.raises(MessageRefused):
            wire.decode(altered, 4096)


def test_nesting_and_numbers_of_values_are_bounded_before_anything_is_built() -> None:
    wire.decode(b"\x81" * 6 + b"\0", 4096)
    for data in (b"\x81" * 7 + b"\0", b"\xa1\0" * 7 + b"\0", wire.encode([0] * 65_536), b"\xbb" + b"\x7f" * 8, b"\xf6"):
        with pytest.raises(MessageRefused) as refused:
            wire.decode(data, 1 << 20)
        assert refused.value.refusal is Refusal.MALFORMED


def test_every_refusal_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Refusal)
    assert all(s.endswith(".") for s in SENTENCES.values())
    assert str(MessageRefused(Refusal.TOO_LARGE, "9 bytes")).endswith("(9 bytes)")
