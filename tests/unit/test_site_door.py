"""A door's view of its site: whatever the broker does, it ends with what the manifest says, and never goes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sitework import (
    ADMIN,
    DOOR,
    OTHER,
    Agent,
    Disk,
    Message,
    deliver,
    hash_of,
    make_roster,
    person_id,
)

from edgeface.domain.messages import Manifest, ModeState, Removal, SiteMode
from edgeface.domain.refusal import Refusal
from edgeface.domain.shards import Gone, Held
from edgeface.domain.site import DoorSite
from edgeface.domain.site_steps import AskAgain, EnterEpoch, Put, Remove, SavedSite

acts = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 8)),
        st.tuples(st.just("remove"), st.integers(0, 8)),
        st.tuples(st.just("erase"), st.integers(0, 8)),
        st.tuples(st.sampled_from(["manifest", "roster", "rotate"]), st.just(0)),
    ),
    max_size=40,
)


def play(agent: Agent, steps: list[tuple[str, int]]) -> None:
    for number, (what, n) in enumerate(steps):
        if what == "put":
            agent.put(n, f"text {number}")
        elif what in ("remove", "erase"):
            agent.remove(n, erased=what == "erase")
        elif what == "manifest":
            agent.manifest()
        elif what == "roster":
            agent.new_roster()
        else:
            agent.rotate()
    agent.manifest()


def full_delivery(door: DoorSite, disk: Disk, agent: Agent, order: list[Message]) -> None:
    """A broker that does its part: everything that is retained, again for as long as the door asks."""
    for _ in range(3):
        for message in order:
            disk.apply(deliver(door, message))


@given(acts, st.data())
def test_any_order_loss_and_duplication_end_in_what_the_manifest_says(
    steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    agent = Agent()
    play(agent, steps)
    door, disk = DoorSite(DOOR.id, SavedSite()), Disk()
    for message in data.draw(st.lists(st.sampled_from(agent.log), max_size=60), label="what the broker delivers"):
        disk.apply(deliver(door, message))
    full_delivery(door, disk, agent, data.draw(st.permutations(list(agent.retained.values())), label="then all of it"))

    assert door.shards.digests() == agent.shards.digests()
    assert door.shards.overall() == agent.shards.overall()
    assert door.standing().in_step
    assert door.epoch == agent.epoch
    assert not door.wanted_shards()
    assert disk.people == {i: e.seq for i, e in agent.shards if isinstance(e, Held)}

    before, saved = door.standing(), dict(disk.people)
    for message in data.draw(st.lists(st.sampled_from(agent.log), max_size=60), label="replayed afterwards"):
        step = deliver(door, message)
        assert not step.effects, "a replay changed something"
    assert door.standing() == before
    assert disk.people == saved


@given(acts, acts, st.data())
def test_a_restart_anywhere_changes_nothing(
    first: list[tuple[str, int]], second: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Only what was made durable is there after it, and it still ends in step; nobody removed comes back."""
    agent = Agent()
    play(agent, first)
    door, disk = DoorSite(DOOR.id, SavedSite()), Disk()
    for message in data.draw(st.permutations(agent.log)):
        disk.apply(deliver(door, message))
    play(agent, second)
    door = restarted(door)
    for message in data.draw(st.lists(st.sampled_from(agent.log), max_size=30)):
        disk.apply(deliver(door, message))
    full_delivery(door, disk, agent, list(agent.retained.values()))
    assert door.standing().in_step
    assert door.shards.digests() == agent.shards.digests()


def restarted(door: DoorSite) -> DoorSite:
    return DoorSite(
        door.device,
        SavedSite(
            roster=door.roster,
            roster_hash=door.roster_hash,
            manifest=door.manifest,
            manifest_hash=door.manifest_hash,
            mode=door.mode,
            entries=list(door.shards),
            epochs=[e for e in range(20) if door.has_key(e)],
            epoch=door.epoch,
        ),
    )


@pytest.fixture
def agent() -> Agent:
    agent = Agent()
    agent.put(1, "one")
    agent.put(4, "four")
    agent.manifest()
    return agent


@pytest.fixture
def door(agent: Agent) -> DoorSite:
    door = DoorSite(DOOR.id, SavedSite())
    for message in agent.log:
        deliver(door, message)
    return door


def test_an_addition_waits_for_the_manifest_that_covers_it(agent: Agent, door: DoorSite) -> None:
    agent.put(7, "seven")
    assert not deliver(door, agent.log[-1]).effects
    assert door.standing().waiting == 1
    assert door.standing().in_step, "what the newest manifest says is here"
    agent.manifest()
    step = deliver(door, agent.log[-1])
    assert [e.arrival.payload for e in step.effects if isinstance(e, Put)] == ["seven"]


def test_a_removal_counts_at_once_and_for_good(agent: Agent, door: DoorSite) -> None:
    old = agent.log[2:]
    agent.remove(1)
    assert deliver(door, agent.log[-1]).effects == (Remove(person_id(1), False, True),)
    refused = [deliver(door, m).refusal for m in old if m[0] == "record"]
    assert Refusal.REMOVED in refused
    agent.manifest()
    deliver(door, agent.log[-1])
    assert door.standing().in_step
    assert door.standing().people == 1


def test_a_removal_in_the_manifest_alone_counts_at_once(agent: Agent, door: DoorSite) -> None:
    """A door that was away refuses the person with the first message that it gets."""
    agent.remove(1)
    agent.manifest()
    step = deliver(door, agent.retained["manifest"])
    assert Remove(person_id(1), False, True) in step.effects


def test_an_erasure_after_a_revocation_still_owes_its_receipt(agent: Agent, door: DoorSite) -> None:
    agent.remove(1)
    deliver(door, agent.log[-1])
    agent.remove(1, erased=True)
    assert deliver(door, agent.log[-1]).effects == (Remove(person_id(1), True, False),)
    assert not door.take_removal(Removal(person_id(1), 9)).effects, "and a revocation takes nothing of it back"
    assert door.shards.get(person_id(1)) == Gone(True)


def test_an_old_record_with_an_old_manifest_does_not_pass_for_the_new_one(agent: Agent) -> None:
    """A new door: the broker shows it an older state of a record under the newest manifest. It isn't taken."""
    old = agent.retained[person_id(1)]
    agent.put(1, "only at the back door now")
    agent.manifest()
    door = DoorSite(DOOR.id, SavedSite())
    for message in (agent.retained["roster"], agent.retained["manifest"], old, agent.retained[person_id(4)]):
        assert not [e for e in deliver(door, message).effects if isinstance(e, Put)]
    assert door.wanted_shards() == {1}
    step = deliver(door, agent.retained[person_id(1)])
    assert {e.arrival.seq for e in step.effects if isinstance(e, Put)} == {1, 2}


def test_manifest_and_roster_never_go_back(agent: Agent, door: DoorSite) -> None:
    manifest = agent.log[-1][1]
    assert isinstance(manifest, Manifest)
    assert deliver(door, agent.log[2]).refusal is Refusal.ROLLED_BACK
    assert door.take_manifest(manifest, agent.log[-1][2]).refusal is None, "the same one again is no news"
    assert door.take_manifest(replace(manifest, count=9), b"x" * 32).refusal is Refusal.CONFLICT
    agent.new_roster()
    assert AskAgain() in deliver(door, agent.log[-1]).effects
    assert deliver(door, agent.log[0]).refusal is Refusal.ROLLED_BACK
    assert door.take_roster(make_roster(2, 7), b"y" * 32).refusal is Refusal.CONFLICT
    later = replace(manifest, version=9, epoch=3)
    door.take_manifest(later, b"z" * 32)
    assert door.take_manifest(replace(later, version=10, epoch=2), b"w" * 32).refusal is Refusal.ROLLED_BACK


def test_the_floors_of_pairing_hold_from_the_start(agent: Agent) -> None:
    door = DoorSite(DOOR.id, SavedSite(roster_floor=2, manifest_floor=5))
    assert deliver(door, agent.retained["roster"]).refusal is Refusal.ROLLED_BACK
    assert deliver(door, agent.retained["manifest"]).refusal is Refusal.ROLLED_BACK


def test_a_manifest_waits_for_its_roster_with_additions_but_not_with_removals(agent: Agent) -> None:
    door = DoorSite(DOOR.id, SavedSite())
    deliver(door, agent.log[0])
    agent.new_roster()
    agent.remove(4)
    agent.manifest()
    for message in agent.retained.values():
        if message[0] != "roster":
            deliver(door, message)
    assert door.standing().lacks_roster
    assert door.standing().people == 0
    assert door.shards.get(person_id(4)) == Gone()
    deliver(door, agent.retained["roster"])
    assert door.standing().in_step


def test_what_a_removed_admin_signed_and_no_manifest_covered_is_dropped(agent: Agent, door: DoorSite) -> None:
    agent.put(5, "by bob", OTHER)
    deliver(door, agent.log[-1])
    assert door.standing().waiting == 1
    roster = make_roster(2, 1, ADMIN, revoked=(OTHER.id,))
    door.take_roster(roster, hash_of(roster))
    assert door.standing().waiting == 0
    assert deliver(door, agent.log[-1]).refusal is Refusal.NOT_ALLOWED


def test_the_same_content_signed_anew_or_under_another_epoch_changes_nothing(agent: Agent, door: DoorSite) -> None:
    arrival = agent.retained[person_id(1)][1]
    again = replace(arrival, by=OTHER.id, since=99)  # type: ignore[type-var]
    step = door.take_record(again)  # type: ignore[arg-type]
    assert not step.effects
    assert step.refusal is None
    forged = replace(again, content=b"f" * 32)  # type: ignore[type-var]
    assert door.take_record(forged).refusal is Refusal.CONFLICT  # type: ignore[arg-type]


def test_what_cannot_be_read_yet_is_held_aside_within_bounds(agent: Agent, door: DoorSite) -> None:
    assert door.hold_aside(0, b"old").refusal is Refusal.WRONG_EPOCH
    for i in range(5000):
        assert door.hold_aside(2, b"%d" % i).refusal is None
    assert door.standing().held_aside == 4096
    step = door.take_epoch(2)
    assert step.released[-1] == b"4999"
    assert len(step.released) == 4096
    assert door.standing().held_aside == 0
    big = bytes(3 << 20)
    for _ in range(5):
        door.hold_aside(3, big)
    assert door.standing().held_aside == 2


def test_an_epoch_is_entered_with_key_and_complete_gallery_alone(agent: Agent, door: DoorSite) -> None:
    assert door.epoch == 1
    agent.rotate()
    agent.put(7, "seven")
    agent.manifest()
    deliver(door, agent.retained["manifest"])
    assert door.standing().lacks_key
    assert not deliver(door, agent.retained["epoch 2"]).effects
    step = deliver(door, agent.retained[person_id(7)])
    assert EnterEpoch(2) in step.effects
    assert not door.has_key(1)
    assert door.take_epoch(1).refusal is Refusal.WRONG_EPOCH


def test_too_many_that_wait_are_refused_and_their_shard_stays_wanted() -> None:
    agent = Agent()
    for n in range(10):
        agent.put(n, "text")
    agent.manifest()
    door = DoorSite(DOOR.id, SavedSite(), max_waiting=4)
    deliver(door, agent.retained["roster"])
    refused = [deliver(door, agent.retained[person_id(n)]).refusal for n in range(10)]
    assert refused.count(Refusal.OVERFLOW) == 3
    assert door.standing().waiting == 4
    deliver(door, agent.retained["manifest"])
    for _ in range(3):
        for n in sorted(range(10), key=lambda n: n % 3):
            deliver(door, agent.retained[person_id(n)])
    assert door.standing().shards_behind == 0
    assert door.standing().people == 10


def test_more_states_ahead_of_the_manifest_than_are_kept_still_end_right(agent: Agent, door: DoorSite) -> None:
    for n in range(9):
        agent.put(1, f"change {n}")
        deliver(door, agent.log[-1])
    assert door.standing().waiting == 4
    agent.manifest()
    deliver(door, agent.log[-1])
    assert door.standing().in_step


@given(
    st.permutations([(1, SiteMode.LOCKDOWN), (2, SiteMode.NORMAL), (2, SiteMode.FREE_ACCESS), (2, SiteMode.LOCKDOWN)])
)
def test_every_door_ends_with_the_same_site_mode_in_any_order(order: list[tuple[int, SiteMode]]) -> None:
    door = DoorSite(DOOR.id, SavedSite())
    for version, mode in order:
        door.take_mode(ModeState(version, mode))
    assert door.mode == ModeState(2, SiteMode.LOCKDOWN)
    assert door.take_mode(ModeState(1, SiteMode.FREE_ACCESS)).refusal is Refusal.REPLAYED
    assert door.take_mode(ModeState(2, SiteMode.FREE_ACCESS)).refusal is Refusal.CONFLICT


def test_a_device_that_was_removed_knows_it(agent: Agent, door: DoorSite) -> None:
    assert door.standing().member
    roster = replace(make_roster(2), devices=())
    door.take_roster(roster, hash_of(roster))
    assert not door.standing().member
    assert not door.standing().in_step
