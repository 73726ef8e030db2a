"""The door loop under random scripts: whatever comes, the relay moves only after a recorded grant, for a face that was
alive, enrolled and seen just now; and the same script gives the same story."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.doorway import Doorway, Seen, enrolled, person_id

from edgeface.app.execution import RECORD_STANDS_S

PEOPLE = ("ada", "ben")

faces = st.builds(
    Seen,
    who=st.sampled_from(["ada", "ada", "ben", "eve"]),
    x=st.sampled_from([80.0, 160.0, 240.0]),
    eyes=st.sampled_from([18.0, 40.0, 50.0]),
    spoof=st.sampled_from([0.02, 0.02, 0.3, 0.5, 0.7, 0.97]),
    presence=st.sampled_from([1.0, 1.0, 0.1]),
)
acts = st.one_of(
    st.tuples(st.just("show"), st.lists(faces, min_size=1, max_size=2, unique_by=lambda f: f.x), st.integers(1, 12)),
    st.tuples(st.just("show"), st.lists(faces, min_size=1, max_size=1), st.integers(3, 20)),
    st.tuples(st.just("empty"), st.none(), st.integers(1, 8)),
    st.tuples(st.just("gap"), st.none(), st.integers(1, 20)),
    st.tuples(st.just("back"), st.none(), st.integers(1, 5)),
    st.tuples(st.just("audit"), st.none(), st.integers(0, 1)),
    st.tuples(st.just("slow"), st.none(), st.integers(0, 1)),
    st.tuples(st.just("revoke"), st.none(), st.integers(0, 1)),
    st.tuples(st.just("mode"), st.none(), st.integers(0, 1)),
)


def play(script, check: bool = True) -> Doorway:
    doorway = Doorway(*(enrolled(name) for name in PEOPLE))
    before: list = []
    for what, shown, n in script:
        if what == "show":
            for _ in range(n):
                asked = _asked(doorway)
                doorway.step(shown)
                before.append(shown)
                if check and _asked(doorway) > asked:
                    _justified(doorway, before)
        elif what == "empty":
            doorway.show(frames=n)
        elif what == "gap":
            doorway.clock.advance(n * 0.25)
        elif what == "back":
            before.append([Seen("ada")])
            doorway.step(before[-1], captured_s=max(0.0, doorway.clock.monotonic_s() - n * 0.05))
        elif what == "audit":
            doorway.audit.fail_writes(bool(n))
        elif what == "slow":
            doorway.audit.slow_s = 0.3 * n
        elif what == "revoke":
            if person_id(PEOPLE[n]) in doorway.gallery.now.people:
                doorway.store.remove(person_id(PEOPLE[n]))
                doorway.gallery.refresh()
        elif what == "mode":
            doorway.loop.mode = ("normal", "lockdown")[n]
    return doorway


def _asked(doorway: Doorway) -> int:
    return sum(what == "asked" for what, _ in doorway.trace)


def _justified(doorway: Doorway, before: list) -> None:
    """The newest request to the door: recorded a moment before, for somebody enrolled who has stood there for three
    frames, with a good face that was no attack in all of them, in a mode that lets people in."""
    at = max(i for i, (what, _) in enumerate(doorway.trace) if what == "asked")
    records = [e for what, e in doorway.trace[:at] if what == "audit" and e.kind == "access_granted"]
    event = records[-1]
    assert event.grant_id == doorway.trace[at][1]
    assert doorway.clock.monotonic_s() - event.t_s <= RECORD_STANDS_S + 0.6  # two slow writes at most
    assert event.person in doorway.gallery.now.people
    theirs = [f for shown in before for f in shown if person_id(f.who) == event.person]
    good = [f for f in theirs if f.presence == 1.0 and f.eyes >= 24]
    assert len(good) >= 3
    assert min(f.spoof for f in good[-3:]) < 0.5
    assert any(f in good for f in before[-1]), "somebody else stands there"
    assert doorway.loop.mode == "normal"


@settings(max_examples=60)
@given(st.lists(acts, min_size=3, max_size=10))
def test_nothing_opens_without_a_recorded_grant_just_before_it(script):
    doorway = play(script)
    recorded = {e.grant_id for what, e in doorway.trace if what == "audit" and e.kind == "access_granted"}
    moved = [grant for what, grant in doorway.trace if what == "moved"]
    assert set(moved) <= recorded
    assert len(set(moved)) == len(moved) == doorway.moved
    attacked = {e.track: e.t_s for e in doorway.of("spoof_refused")}
    for granted in doorway.of("access_granted"):
        since = granted.t_s - attacked.get(granted.track, -100.0)
        assert since < 0 or since >= 3.0, "a track that was an attack a moment ago was granted"


@settings(max_examples=15)
@given(st.lists(acts, min_size=3, max_size=8))
def test_the_same_script_gives_the_same_events(script):
    one, two = play(script, check=False), play(script, check=False)
    assert [e.to_dict() for e in one.events] == [e.to_dict() for e in two.events]
    assert one.door.energised == two.door.energised


def test_scripts_of_this_kind_do_open_the_door():
    """Else the properties above would say nothing."""
    shown = [("show", [Seen("ada", x=80.0), Seen("eve", x=240.0, eyes=18.0)], 6)]
    assert play(shown).moved == 1
