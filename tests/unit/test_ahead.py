"""Records opened ahead, in a process beside: what the door makes of them is what it would make of them itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support.opening import HereOpener
from support.people import person
from support.sitedoor import Scene
from support.siteowner import Site

from edgeface.adapters.link import ahead
from edgeface.adapters.link import codec as c
from edgeface.adapters.link.ahead import AheadMessages, Opener
from edgeface.adapters.link.opener import Keys, open_one

PEOPLE = 60


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "BULK", 5)


class Counting(HereOpener):
    pass


@pytest.fixture
def counting() -> type[Counting]:
    return type("Counted", (Counting,), {})


def filled(tmp_path: Path, opener: Any, people: int = PEOPLE) -> Scene:
    scene = Scene(tmp_path, opener=opener)
    for number in range(people):
        scene.site.put(number)
    scene.site.new_manifest()
    return scene


def test_a_whole_gallery_is_opened_ahead(tmp_path: Path, counting: type[Counting]) -> None:
    scene = filled(tmp_path, counting)
    scene.settle()
    assert scene.door.in_step
    assert len(scene.door.known()) == PEOPLE
    assert counting.opened > PEOPLE / 2
    assert scene.door.refusals() == {}
    scene.door.close()


def test_a_process_that_dies_in_the_middle_costs_nothing(tmp_path: Path, counting: type[Counting]) -> None:
    counting.die_after = 25
    scene = filled(tmp_path, counting)
    scene.settle()
    assert scene.door.in_step
    assert 0 < counting.opened <= 25
    scene.door.close()


def test_what_is_forged_among_them_is_refused_and_counted_as_ever(tmp_path: Path, counting: type[Counting]) -> None:
    scene = Scene(tmp_path, opener=counting)
    stranger, site = c.PartyKeys.generate(), scene.site
    for number in range(PEOPLE):
        site.put(number)
        who = person(1000 + number, templates=1)
        if number % 10 == 0:  # sealed and signed by the agent, but no admin vouches for it
            site.say_record(who.id, site.record(site.sign_person(who, by=stranger)))
        elif number % 10 == 5:
            raw = bytearray(site.record(site.sign_person(who)))
            raw[-1] ^= 1
            site.say_record(who.id, bytes(raw))
    site.new_manifest()
    scene.settle()
    assert len(scene.door.known()) == PEOPLE
    refusals = scene.door.refusals()
    assert refusals["bad_signature"] >= PEOPLE // 10
    assert refusals["unknown_signer"] >= PEOPLE // 10
    assert counting.opened > 0
    scene.door.close()


def test_keys_that_change_on_the_way_are_the_ones_that_count(tmp_path: Path, counting: type[Counting]) -> None:
    """Opened ahead under the roster and the epoch before, a record is opened again under those in force."""
    scene = filled(tmp_path, counting)
    site = scene.site
    scene.settle()
    site.rotate()
    site.grant(scene.door.device)
    for record, signed in site.people.items():
        site.say_record(record, site.record(signed))
    site.new_roster()
    site.new_manifest()
    for number in range(PEOPLE, PEOPLE + 20):
        site.put(number)
    site.new_manifest()
    scene.settle()
    assert scene.door.in_step
    assert scene.door.sync.status()["epoch"] == 2
    assert len(scene.door.known()) == PEOPLE + 20
    assert scene.door.refusals() == {}
    scene.door.close()


def test_a_roster_that_comes_in_between_takes_its_signers_with_it() -> None:
    """The answer was right when it was asked for; the admin is gone when it counts."""
    site, messages = Site(None), None
    messages = AheadMessages(site.root.public, c.PartyKeys.generate(), HereOpener)
    topic = f"edgeface/v1/{site.id}/gallery-log"
    raws = [site.record(site.sign_person(person(n, templates=1))) for n in range(2)]

    def take(raw: bytes) -> object:
        opened = messages.open(topic, raw, False, site.roster)
        assert opened is not None
        return messages.open_person(opened.value, site.epoch, site.roster).value  # type: ignore[arg-type]

    take(raws[0])
    messages.look_ahead([raws[1]])
    messages.take_in()
    site.admins.clear()
    site.new_roster(say=False)
    with pytest.raises(c.MessageRefused):
        take(raws[1])


def asked_and_answered(opener: Opener, raws: list[bytes], keys: Keys) -> None:
    opener.ask(raws, keys)
    opener.answer()


def test_the_process_itself_opens_records_dies_and_ends() -> None:
    site = Site(None)
    raws = [site.record(site.sign_person(person(n, templates=3))) for n in range(4)]
    keys = Keys(site.root.public, site.roster, site.epoch)
    opener = Opener()
    try:
        while not opener.ready:
            pass
        opener.ask([*raws, b"\x01nonsense"], keys)
        found = opener.answer()
        assert [f is not None for f in found] == [True] * 4 + [False]
        for raw, one in zip(raws, found, strict=False):
            here = open_one(raw, keys)
            assert one is not None
            assert here is not None
            assert (one.record, one.signer, one.hash, one.admin, one.content) == (
                here.record, here.signer, here.hash, here.admin, here.content,
            )  # fmt: skip
            assert one.person.person.id == here.person.person.id
        os.kill(opener.pid, signal.SIGKILL)
        with pytest.raises((OSError, EOFError)):
            asked_and_answered(opener, raws, keys)
    finally:
        opener.close()
    assert not Path(f"/proc/{opener.pid}").exists()


def test_it_ends_when_nothing_comes_any_more(tmp_path: Path) -> None:
    made: list[Opener] = []

    def make() -> Opener:
        made.append(Opener())
        while not made[-1].ready:
            pass
        return made[-1]

    scene = filled(tmp_path, make)
    scene.settle()
    assert scene.door.in_step
    (opener,) = made
    assert Path(f"/proc/{opener.pid}").exists()
    scene.settle(ahead.REST_S + 1)
    assert not Path(f"/proc/{opener.pid}").exists()
    scene.door.close()
