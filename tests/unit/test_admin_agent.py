"""The agent under trouble: two admins at once, a rotation and the agent itself ended at any write, a broker that loses,
repeats and rolls back. Nothing acknowledged is lost, nobody who was removed comes back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.adminsite import AT, Site, make_site, memory_connect, now_s, pair, settle, someone

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.journal import Journal
from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker, Misbehaviour
from edgeface.admin.agent import Agent
from edgeface.admin.answers import RequestRefused
from edgeface.admin.desk import OwnDesk, open_agent
from edgeface.admin.remote import RemoteDesk
from edgeface.admin.requests import Made, Requests
from edgeface.domain.errors import EnrolmentError
from edgeface.domain.messages import PhotoEnrolment, Removal, Request, RequestOp
from edgeface.domain.messages_door import Beacon


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(make_site(tmp_path / "site"))


class Killed(BaseException):
    """The process ended here."""


def work(agent: Agent, rounds: int = 200) -> None:
    for _ in range(rounds):
        if not agent.step(0.0) and agent.settled:
            return
    assert agent.settled


@contextmanager
def agent_of(site: Site) -> Iterator[Agent]:
    with open_agent(site.home, now_s, memory_connect(site.broker)) as (agent, _):
        work(agent)
        yield agent


# -- requests over the broker ------------------------------------------------------------


class Talker:
    """An admin's side of the wire, by hand."""

    def __init__(self, site: Site) -> None:
        self.keys, self.site = site.home.admin(), site
        self.link = MemoryLink(site.broker, "admin by hand", largest=8 << 20)
        self.link.subscribe(topics.of_admin(site.home.site, "reply", self.keys.id))
        self.link.start()

    def send(self, agent: Agent, request: Request, request_id: str = "ab" * 16) -> bytes:
        to = agent.state.roster.agents[0]
        raw = codec.sign_request(request, request_id, to, self.site.home.site, self.keys)
        self.link.publish(topics.of_admin(self.site.home.site, "request", self.keys.id), raw, message_id="x")
        return raw

    def replies(self, agent: Agent) -> list[codec.Signed]:  # type: ignore[type-arg]
        found = []
        while (item := self.link.receive(0.0)) is not None:
            if hasattr(item, "payload"):
                found.append(codec.open_reply(item.payload, self.keys, agent.state.trust)[1])
                item.done()
        return found  # type: ignore[return-value]


def put(person, keys: codec.PartyKeys, site: str) -> Request:  # type: ignore[no-untyped-def]
    raw = codec.sign(codec.PERSON, codec_content(person), site, keys)
    return Request(RequestOp.PUT, person.seq - 1, raw, at_s=AT)


def codec_content(person):  # type: ignore[no-untyped-def]
    from edgeface.domain.messages import PersonContent

    return PersonContent(person, bytes(16))


def test_a_request_that_comes_twice_is_done_once_and_answered_alike(site: Site) -> None:
    with agent_of(site) as agent:
        talker = Talker(site)
        request = put(someone("Ada"), talker.keys, site.home.site)
        raw = talker.send(agent, request)
        work(agent)
        version = agent.state.version
        site.broker.inject(topics.of_admin(site.home.site, "request", talker.keys.id), raw)
        work(agent)
        first, second = talker.replies(agent)
        assert first == second
        assert first.done
        assert agent.state.version == version
        assert agent.state.shards.count == 1


def test_two_admins_at_once_never_overwrite_each_other(site: Site) -> None:
    """Both saw the same record; the second is told that he was late, and the first one's change stands."""
    with agent_of(site) as agent:
        talker = Talker(site)
        ada = someone("Ada")
        talker.send(agent, put(ada, talker.keys, site.home.site), "01" * 16)
        work(agent)
        one, two = someone("Ada One", id=ada.id, seq=2), someone("Ada Two", id=ada.id, seq=2)
        talker.send(agent, put(one, talker.keys, site.home.site), "02" * 16)
        talker.send(agent, put(two, talker.keys, site.home.site), "03" * 16)
        work(agent)
        answers = talker.replies(agent)
        assert [(a.done, a.code) for a in answers] == [(True, ""), (True, ""), (False, "stale")]
        found = agent.state.person(ada.id)
        assert found is not None
        assert found.value.person.name == "Ada One"


def test_a_remote_desk_goes_through_the_agent(site: Site) -> None:
    """The commands' own client, against an agent that works between its looks."""
    with agent_of(site) as agent:
        link = MemoryLink(site.broker, "remote", largest=8 << 20)
        receive = link.receive

        def working(timeout_s: float):  # type: ignore[no-untyped-def]
            agent.step(0.0)
            return receive(0.0)

        link.receive = working  # type: ignore[method-assign]
        desk = RemoteDesk(site.home, link, now_s)
        desk.begin()
        people = site.people(desk)
        ada = people.add(someone("Ada"))
        assert people.find("ada").person.id == ada.id
        people.remove(ada, erase=False)
        with pytest.raises(RequestRefused):
            people.add(ada)
        work(agent)
        assert not any("/removal/" in t for t in site.broker.retained), "the agent clears what it took over"


def test_photos_that_were_taken_before_the_agent_ended_are_not_taken_twice(tmp_path: Path) -> None:
    """Killed between the record and the answer: the broker delivers the message again, and the answer is that it is
    done. Photos that are no good come back with their reasons."""
    site = Site(make_site(tmp_path / "site", photos=True))
    seen: list[int] = []

    def templates(photos, others, replaced):  # type: ignore[no-untyped-def]
        seen.append(len(photos))
        if photos[0][1].startswith(b"bad"):
            raise EnrolmentError("Nobody was enrolled.", "", (("photo 1", "It is too dark."),))
        return Made(someone().templates, ("a note",))

    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        desk.agent.requests = Requests(desk.agent.state, templates)
        wanted = PhotoEnrolment("ab" * 16, "Ada", (bytes(64), bytes(64)), at_s=AT)
        assert desk.enrol(wanted).version == 1
        again = desk.enrol(wanted)
        assert (again.done, again.version) == (True, 1)
        assert seen == [2]
        found = desk.agent.state.person("ab" * 16)
        assert found is not None
        assert found.signer == site.home.agent().id
        with pytest.raises(RequestRefused) as caught:
            desk.enrol(PhotoEnrolment("cd" * 16, "Bob", (b"bad" + bytes(64),)))
        assert caught.value.code == "poor_quality"
        assert caught.value.reasons == (("photo 1", "It is too dark."),)


def test_an_agent_without_the_role_takes_no_photos(site: Site) -> None:
    with site.desk() as desk, pytest.raises(RequestRefused) as caught:
        desk.enrol(PhotoEnrolment("ab" * 16, "Ada", (bytes(64),)))
    assert caught.value.code == "no_models"


def test_a_removal_by_an_admin_counts_without_a_request(site: Site) -> None:
    """A revoke admin publishes the tombstone himself; the agent takes it over and signs it."""
    ada = someone("Ada")
    with agent_of(site) as agent:
        talker = Talker(site)
        talker.send(agent, put(ada, talker.keys, site.home.site))
        work(agent)
        raw = codec.sign(codec.REMOVAL, Removal(ada.id, 2, True, AT), site.home.site, talker.keys)
        talker.link.publish(topics.removal(site.home.site, ada.id), raw, message_id="r", retain=True)
        work(agent)
        assert agent.state.shards.count == 0
    retained = site.broker.retained[topics.record(site.home.site, ada.id)]
    assert codec.split(retained, 1024).signer == site.home.agent().id
    assert topics.removal(site.home.site, ada.id) not in site.broker.retained


@pytest.mark.parametrize("roles", [(), ("audit",), ("operate",), ("revoke",)])
def test_who_has_not_the_role_is_refused(site: Site, roles: tuple[str, ...]) -> None:
    from dataclasses import replace

    from edgeface.domain.roster import Party, Role

    other = codec.PartyKeys.generate()
    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        party = Party("Bob", other.ed25519, other.x25519, tuple(Role(r) for r in roles))
        site.owner(desk).publish_roster(replace(desk.roster, admins=(*desk.roster.admins, party)))
        reply = desk.agent.requests.execute(other.id, put(someone(), other, site.home.site))
        assert (reply.done, reply.code) == (False, "not_allowed")
        assert desk.agent.state.shards.count == 0


# -- interruptions ------------------------------------------------------------


class Mortal:
    """Ends the process at the n-th write of the journal, before or after it is durable."""

    def __init__(self, at: int) -> None:
        self.left = at

    @contextmanager
    def change(self, journal: Journal) -> Iterator[None]:
        with _CHANGE(journal):
            yield
            if not journal._depth > 1:
                self.left -= 1
                if self.left == 0:
                    raise Killed
        if not journal.busy:
            self.left -= 1
            if self.left == 0:
                raise Killed


_CHANGE = Journal.change


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Mortal:
    mortal = Mortal(number)
    monkeypatch.setattr(Journal, "change", lambda journal: mortal.change(journal))
    return mortal


def test_an_agent_killed_at_any_write_loses_nothing_and_resurrects_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script of changes; killed at each write in turn, begun again, and the rest done. The door that heard all of
    it ends with exactly the people who stand."""
    base = make_site(tmp_path / "base")
    eve, ada, bob = someone("Eve"), someone("Ada"), someone("Bob")

    def script(site: Site) -> None:
        with site.desk() as desk:
            people = site.people(desk)
            here = {x.person.name: x for x in people.all()}
            gone = {r.id for r in desk.agent.state.journal.removals()}  # type: ignore[attr-defined]
            for who in (eve, ada):
                if who.name not in here and who.id not in gone:
                    people.add(who)
            if eve.id not in gone:
                people.remove(eve, erase=True)
            if desk.roster.epoch == 1:
                site.owner(desk).rotate()
            if "Bob" not in here:
                people.add(bob)
            assert desk.flush(10)

    killed = 0
    for number in range(1, 80):
        if number % 2 == 0 and number % 8:
            continue  # before a write becomes durable: each; after it: some
        folder = tmp_path / f"site{number}"
        shutil.copytree(base.folder, folder)
        site = Site(type(base)(folder, lambda: b""))
        door = pair(site)
        mortal = kill_at(monkeypatch, number)
        try:
            script(site)
            over = True
        except Killed:
            over = False
            killed += 1
        monkeypatch.setattr(Journal, "change", _CHANGE)
        site.broker._online.pop("agent", None)  # a killed process says no goodbye
        site.broker._links.pop("agent", None)
        settle(door)
        script(site)
        settle(door)
        assert door.people == {ada.id, bob.id}, number
        standing = door.site.standing()
        assert standing.in_step, number
        assert standing.epoch == 2, number
        shutil.rmtree(folder)
        if over and mortal.left > 0:
            break
    else:
        raise AssertionError("the script has more writes than were tried")
    assert killed > 10


def test_a_rotation_goes_on_where_it_was_interrupted(site: Site) -> None:
    """Some records are sealed anew, then the agent ends; a revocation in the meantime doesn't wait for the rest."""
    door = pair(site)
    everybody = [someone(f"P{n}") for n in range(30)]
    with site.desk() as desk:
        for person in everybody:
            site.people(desk).add(person)
        assert desk.flush(10)
    settle(door)
    with site.desk() as desk:
        assert isinstance(desk, OwnDesk)
        state = desk.agent.state
        state.adopt(_next_epoch(site, state.roster))
        assert state.rotate_some(7)
        state.remove(everybody[3].id, False)
        assert state.seal()
        assert state.manifest is not None
        assert state.manifest.value.epoch == 1
    with agent_of(site) as agent:
        assert agent.state.manifest is not None
        assert agent.state.manifest.value.epoch == 2
        assert set(agent.state.epochs) == {2}
        assert not agent.state.journal.records_before(2, 1)
    settle(door)
    assert len(door.people) == 29
    assert door.site.standing().epoch == 2
    late = pair(site, "late")
    settle(late)
    assert late.people == door.people


def _next_epoch(site: Site, roster):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    changed = replace(roster, version=roster.version + 1, epoch=roster.epoch + 1)
    return codec.sign(codec.ROSTER, changed, site.home.site, site.home.root())


# -- the broker ------------------------------------------------------------


def test_a_broker_that_lost_everything_is_filled_again(site: Site) -> None:
    with agent_of(site) as agent:
        for n in range(5):
            agent.requests.execute(site.home.info.admin, put(someone(f"P{n}"), site.home.admin(), site.home.site))
        work(agent)
        before = dict(site.broker.retained)
        site.broker.stop(lose_database=True)
        site.broker.start()
        work(agent)
    ours = {t for t in before if "/device/" not in t}
    assert {t: site.broker.retained.get(t) for t in ours} == {t: before[t] for t in ours}


def test_a_broker_that_went_back_is_filled_again(site: Site) -> None:
    """Killed, it comes back with an old database and the sessions of then: what it acknowledged since is lost."""
    with agent_of(site) as agent:
        agent.requests.execute(site.home.info.admin, put(someone("Old"), site.home.admin(), site.home.site))
        work(agent)
        old = dict(site.broker.retained)
        agent.requests.execute(site.home.info.admin, put(someone("New"), site.home.admin(), site.home.site))
        work(agent)
        new = dict(site.broker.retained)
        site.broker.stop()
        site.broker.retained.clear()
        site.broker.retained.update(old)
        site.broker.start()
        work(agent)
        assert site.broker.retained == new


@pytest.mark.parametrize("seed", range(4))
def test_a_door_is_right_in_the_end_whatever_the_broker_drops_and_repeats(tmp_path: Path, seed: int) -> None:
    broker = MemoryBroker(misbehaviour=Misbehaviour(0.2, 0.2, 0.3, 0.1), seed=seed)
    site = Site(make_site(tmp_path / "site"), broker)
    bad = broker.misbehaviour
    broker.misbehaviour = Misbehaviour()
    door = pair(site)
    broker.misbehaviour = bad
    left = [someone(f"P{n}") for n in range(12)]
    with site.desk() as desk:
        people = site.people(desk)
        for person in left:
            people.add(person)
            settle(door, 2)
        for person in left[:4]:
            people.remove(person, erase=False)
            settle(door, 2)
        desk.pass_time(0.05)
    for _ in range(20):
        broker.release()
        settle(door, 5)
    broker.misbehaviour = Misbehaviour()
    with agent_of(site) as agent:
        agent.state.refill()
        work(agent)
        settle(door)
        assert door.people == {p.id for p in left[4:]}
        assert door.site.standing().in_step


def test_a_beacon_names_what_stands(site: Site) -> None:
    door = pair(site)
    with agent_of(site) as agent:
        agent.requests.execute(site.home.info.admin, put(someone("Ada"), site.home.admin(), site.home.site))
        heard: list[Beacon] = []
        inner = door._step

        def step(topic, payload):  # type: ignore[no-untyped-def]
            if topic.name == "beacon/answer":
                heard.append(codec.open_signed(codec.BEACON, payload, door.trust).value)
            return inner(topic, payload)

        door._step = step  # type: ignore[method-assign]
        door.ask_beacon(b"n" * 16)
        work(agent)
        settle(door)
        assert [(b.nonce, b.manifest, b.roster) for b in heard] == [
            (b"n" * 16, agent.state.version, agent.state.roster.version)
        ]
        assert heard[0].manifest_hash == door.site.manifest_hash


def test_messages_of_strangers_change_nothing_and_are_counted(site: Site) -> None:
    stranger = codec.PartyKeys.generate()
    with agent_of(site) as agent:
        mine, where = site.home.site, agent.state.version
        to = agent.state.roster.agents[0]
        forged = codec.sign_request(Request(RequestOp.LIST), "ab" * 16, to, mine, stranger)
        site.broker.inject(topics.of_admin(mine, "request", stranger.id), forged)
        gone = codec.sign(codec.REMOVAL, Removal("ab" * 16, 1), mine, stranger)
        site.broker.inject(topics.removal(mine, "ab" * 16), gone, retain=True)
        site.broker.inject(topics.of_site(mine, "mode"), b"\x01rubbish", retain=True)
        site.broker.inject(topics.of_admin(mine, "request", stranger.id), bytes(2000))
        work(agent)
        assert agent.state.version == where
        assert sum(agent.refusals.values()) == 4


def test_the_manifest_names_a_removal_until_every_door_has_it(site: Site) -> None:
    doors = [pair(site, name) for name in ("front", "back")]
    ada = someone("Ada")
    with agent_of(site) as agent:
        agent.requests.execute(site.home.info.admin, put(ada, site.home.admin(), site.home.site))
        work(agent)
        agent.state.remove(ada.id, False)
        work(agent)
        assert agent.state.manifest is not None
        assert agent.state.manifest.value.revoked == (ada.id,)
        for door in doors:
            settle(door)
            assert agent.state.journal.unconfirmed(9) == [ada.id]
            door.report()
            work(agent)
        assert agent.state.journal.unconfirmed(9) == []
