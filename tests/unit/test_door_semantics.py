"""A door as doors are: contact, exits, fire, tamper, free access, turnstile; and what no order of events may do."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.door import DoorMachine, DoorRule, Energise, Input, Locked, Mode, Outcome, Refused, Unlocked
from edgeface.domain.door_events import (
    DoorClosed,
    DoorForcedOpen,
    DoorHeldOpen,
    DoorHeldOpenSoon,
    DoorOpened,
    ExitButtonFreed,
    ExitButtonStuck,
    ExitRequested,
    FireReleaseEnded,
    FireReleaseStarted,
    FreeAccessEnded,
    FreeAccessStarted,
    PassageMissed,
    PassageSeen,
    PassageUngranted,
    TamperEnded,
    TamperStarted,
)
from edgeface.domain.door_rules import LONGEST_LEASE_MS, GrantAction, Relock
from edgeface.domain.events import Event

IDS = [f"{n:032x}" for n in range(64)]
A, B = IDS[10], IDS[11]
RULE = DoorRule(rex_pulse_ms=2000, held_open_s=10, held_open_warning_s=4, latch_grace_ms=500, rex_stuck_s=30)


class Rig:
    """A machine whose inputs are read every 20 ms, as the door process does it."""

    def __init__(self, rule: DoorRule = RULE, mode: Mode = Mode.NORMAL, **more: object) -> None:
        debounce = dict.fromkeys(Input, 40)
        self.now_s = 0.0
        self.levels = dict.fromkeys(Input, False)
        self.m = DoorMachine(5000, 0.0, silence_ms=10**9, rule=rule, inputs=debounce, mode=mode)
        self.facts: list[object] = []
        self.edges: list[tuple[float, bool]] = []
        self._level = False
        self.take(self.m.start())
        self.run(0.2)
        self.facts.clear()

    def take(self, outcome: Outcome) -> Outcome:
        for action in outcome.actions:
            if action.on != self._level:
                self._level = action.on
                self.edges.append((round(self.now_s, 3), action.on))
        self.facts += outcome.facts
        return outcome

    def run(self, for_s: float, **levels: bool) -> list[object]:
        """Lets time pass with these inputs; what was reported meanwhile."""
        self.levels.update({Input(name): level for name, level in levels.items()})
        seen = len(self.facts)
        end_s = self.now_s + for_s
        while self.now_s < end_s - 1e-9:
            self.now_s += 0.02
            self.take(self.m.sense(self.levels, self.now_s))
        return self.facts[seen:]

    def grant(self, name: str = A, pulse_ms: int = 3000) -> Outcome:
        return self.take(self.m.grant(name, pulse_ms, self.now_s))

    def free(self, for_ms: int = 60_000, first_person: bool = False) -> Outcome:
        return self.take(self.m.free(for_ms, first_person, self.now_s))

    def mode(self, mode: Mode) -> Outcome:
        return self.take(self.m.set_mode(mode, self.now_s))


def kinds(facts: Iterable[object]) -> list[type]:
    return [type(fact) for fact in facts]


# -- the contact -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relock", "opened_locks", "closed_locks"),
    [(Relock.TIMED, False, False), (Relock.ON_OPEN, True, True), (Relock.ON_CLOSE, False, True)],
)
def test_the_pulse_ends_as_the_rule_says_when_the_door_is_used(
    relock: Relock, opened_locks: bool, closed_locks: bool
) -> None:
    rig = Rig(DoorRule(relock=relock))
    rig.grant()
    opened = rig.run(0.3, contact=True)
    assert DoorOpened in kinds(opened)
    assert rig.m.locked is opened_locks
    rig.run(0.3, contact=False)
    assert rig.m.locked is closed_locks
    rig.run(3)
    assert rig.m.locked
    assert DoorForcedOpen not in kinds(rig.facts)
    assert PassageMissed not in kinds(rig.facts)


def test_an_opening_names_the_grant_that_let_somebody_in() -> None:
    rig = Rig()
    rig.grant(A)
    assert [f.grant_id for f in rig.run(0.2, contact=True) if isinstance(f, DoorOpened)] == [A]


def test_a_locked_door_that_opens_was_forced_until_it_is_closed() -> None:
    rig = Rig()
    assert kinds(rig.run(0.2, contact=True)) == [DoorForcedOpen]
    assert rig.m.alarms == ("forced_open",)
    closed = rig.run(1, contact=False)
    assert kinds(closed) == [DoorClosed]
    assert rig.m.alarms == ()


def test_a_leaf_that_moves_just_after_the_lock_is_no_break_in() -> None:
    """Somebody pulled while the pulse ended, or the leaf bounced off its latch; a second later it is one."""
    rig = Rig()
    rig.grant(A, 1000)
    rig.run(1.2)
    assert rig.m.locked
    assert kinds(rig.run(0.2, contact=True)) == [DoorOpened]
    rig.run(0.1, contact=False)
    assert kinds(rig.run(0.2, contact=True)) == [DoorOpened]
    rig.run(1.0, contact=False)
    assert kinds(rig.run(0.2, contact=True)) == [DoorForcedOpen]


def test_a_break_in_does_not_justify_the_next_one() -> None:
    rig = Rig()
    rig.run(0.2, contact=True)
    rig.run(0.1, contact=False)
    assert DoorForcedOpen in kinds(rig.run(0.2, contact=True))


def test_a_door_held_open_warns_first_and_then_alarms_once() -> None:
    rig = Rig()
    rig.grant()
    told = rig.run(30, contact=True)
    assert [k for k in kinds(told) if k in (DoorHeldOpenSoon, DoorHeldOpen)] == [DoorHeldOpenSoon, DoorHeldOpen]
    soon, held = (next(f for f in told if isinstance(f, k)) for k in (DoorHeldOpenSoon, DoorHeldOpen))
    assert isinstance(soon, Event)
    assert isinstance(held, Event)
    assert held.t_s - soon.t_s == pytest.approx(4, abs=0.05)
    assert rig.m.alarms == ("held_open",)
    rig.run(0.2, contact=False)
    assert rig.m.alarms == ()


def test_a_door_that_everybody_may_use_may_stand_open() -> None:
    """The time begins when free access ends."""
    rig = Rig()
    rig.mode(Mode.FREE_ACCESS)
    assert DoorHeldOpen not in kinds(rig.run(60, contact=True))
    rig.mode(Mode.NORMAL)
    assert DoorHeldOpen not in kinds(rig.run(9))
    assert DoorHeldOpen in kinds(rig.run(2))


def test_a_door_found_open_at_the_start_is_no_break_in_but_may_be_held_open() -> None:
    m = DoorMachine(5000, 0.0, rule=RULE, inputs={Input.CONTACT: 0})
    assert m.sense({Input.CONTACT: True}, 0.1).facts == ()
    assert m.contact == "open"
    assert kinds(m.tick(20).facts) == [DoorHeldOpenSoon, DoorHeldOpen]


def test_a_contact_that_bounces_is_one_opening() -> None:
    rig = Rig()
    rig.grant()
    for level in (True, False, True, False):
        rig.run(0.02, contact=level)
    assert kinds(rig.run(0.2, contact=True)) == [DoorOpened]


def test_a_grant_that_nobody_used_is_told() -> None:
    rig = Rig()
    rig.grant(A, 500)
    assert [f.grant_id for f in rig.run(1) if isinstance(f, PassageMissed)] == [A]


# -- exits, fire, tamper ---------------------------------------------------------------------------------------------


def test_a_request_to_exit_needs_no_client_and_is_one_pulse() -> None:
    rig = Rig()
    told = rig.run(0.1, rex=True)
    assert kinds(told) == [ExitRequested, Unlocked]
    assert told[1] == Unlocked("", 0, "exit_request")
    assert kinds(rig.run(0.2, contact=True)) == [DoorOpened]
    rig.run(2.5)
    assert rig.m.locked, "the button is still pressed, but one press is one pulse"


def test_a_stuck_exit_button_is_an_alarm_and_no_open_door() -> None:
    rig = Rig()
    rig.run(40, rex=True)
    assert rig.m.locked
    assert rig.m.alarms == ("exit_button_stuck",)
    assert ExitButtonStuck in kinds(rig.facts)
    assert kinds(rig.run(0.2, rex=False)) == [ExitButtonFreed]


def test_a_button_that_was_pressed_before_the_process_began_opens_nothing() -> None:
    m = DoorMachine(5000, 0.0, rule=RULE, inputs={Input.REX: 0})
    assert m.sense({Input.REX: True}, 0.1) == Outcome()
    m.sense({Input.REX: False}, 0.2)
    assert kinds(m.sense({Input.REX: True}, 0.3).facts) == [ExitRequested, Unlocked]


def test_an_exit_by_the_handle_only_justifies_the_opening() -> None:
    rig = Rig(DoorRule(rex_unlocks=False, rex_pulse_ms=2000))
    told = rig.run(0.1, rex=True)
    assert [f.unlocked for f in told if isinstance(f, ExitRequested)] == [False]
    assert rig.m.locked
    assert kinds(rig.run(0.2, contact=True)) == [DoorOpened]
    assert rig.edges == []


@pytest.mark.parametrize("allowed", [True, False])
def test_lockdown_lets_out_only_where_the_rule_says_so(allowed: bool) -> None:
    rig = Rig(DoorRule(rex_in_lockdown=allowed))
    rig.mode(Mode.LOCKDOWN)
    rig.run(0.1, rex=True)
    assert rig.m.locked is not allowed
    rig.mode(Mode.NORMAL)
    assert rig.m.locked is not allowed, "a request that was refused is not carried out later"


def test_fire_stands_above_lockdown_and_lasts_while_it_is_active() -> None:
    rig = Rig()
    rig.mode(Mode.LOCKDOWN)
    assert kinds(rig.run(0.1, fire=True)) == [FireReleaseStarted, Unlocked]
    rig.run(600)
    refused = rig.take(rig.m.lock("requested", rig.now_s))
    assert refused.refusal is not None
    assert refused.refusal.code is Refused.FIRE
    rig.take(rig.m.client_gone(rig.now_s))
    rig.take(rig.m.nonsense(rig.now_s))
    rig.mode(Mode.LOCKDOWN)
    assert not rig.m.locked
    assert DoorHeldOpen not in kinds(rig.run(60, contact=True))
    told = rig.run(0.1, fire=False)
    assert kinds(told) == [FireReleaseEnded, Locked]
    assert told[1] == Locked("fire_ended", None)
    assert rig.m.mode is Mode.LOCKDOWN


def test_a_fire_at_the_start_unlocks() -> None:
    m = DoorMachine(5000, 0.0, inputs={Input.FIRE: 0}, mode=Mode.LOCKDOWN)
    m.start()
    assert m.sense({Input.FIRE: True}, 0.02).actions == (Energise(True),)


def test_tamper_is_told_when_it_begins_and_ends() -> None:
    rig = Rig()
    assert kinds(rig.run(0.2, tamper=True)) == [TamperStarted]
    assert rig.m.alarms == ("tamper",)
    assert kinds(rig.run(0.2, tamper=False)) == [TamperEnded]


# -- modes, schedule, toggle, turnstile ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(Mode))
def test_a_kept_mode_is_in_force_after_the_start(mode: Mode) -> None:
    rig = Rig(mode=mode)
    assert rig.m.mode is mode
    assert rig.m.locked is (mode is not Mode.FREE_ACCESS)
    assert (rig.grant().refusal is not None) is (mode is Mode.LOCKDOWN)


def test_stopping_locks_and_keeps_the_mode() -> None:
    rig = Rig(mode=Mode.FREE_ACCESS)
    assert rig.take(rig.m.lock("stopping", rig.now_s)).facts == (Locked("stopping", None),)
    assert rig.m.mode is Mode.FREE_ACCESS


def test_scheduled_free_access_ends_unless_it_is_renewed() -> None:
    rig = Rig()
    assert kinds(rig.free(2000).facts) == [Unlocked, FreeAccessStarted]
    rig.run(1.5)
    assert rig.free(2000).facts == ()
    rig.run(1.5)
    assert not rig.m.locked
    assert kinds(rig.run(1)) == [Locked, FreeAccessEnded]


def test_free_access_waits_for_the_first_person() -> None:
    rig = Rig()
    rig.free(first_person=True)
    assert rig.m.locked
    told = rig.grant(A, 500).facts
    assert kinds(told) == [Unlocked, FreeAccessStarted]
    assert [f.first_person for f in told if isinstance(f, FreeAccessStarted)] == [True]
    rig.run(2)
    assert rig.m.held_by == "free_access"
    rig.free(first_person=True)
    assert not rig.m.locked, "it was renewed, not begun anew"
    assert kinds(rig.free(0).facts) == [Locked, FreeAccessEnded]
    rig.free(first_person=True)
    assert rig.m.locked, "a new window waits for its own first person"


@pytest.mark.parametrize("how", ["lock", "gone", "lockdown"])
def test_scheduled_free_access_ends_with_its_client_or_by_hand(how: str) -> None:
    rig = Rig()
    rig.free()
    if how == "lock":
        rig.take(rig.m.lock("requested", rig.now_s))
        rig.free()
        assert rig.m.locked, "an operator's lock holds for the rest of the window"
        rig.free(0)
        rig.free()
        assert not rig.m.locked
    elif how == "gone":
        rig.take(rig.m.client_gone(rig.now_s))
        assert rig.m.locked
    else:
        rig.mode(Mode.LOCKDOWN)
        assert rig.m.locked
        refused = rig.free()
        assert refused.refusal is not None
        assert refused.refusal.code is Refused.LOCKDOWN


def test_trying_the_relay_is_a_pulse_whatever_a_grant_does() -> None:
    """A technician who hears it click and leaves leaves no open door behind, and no free access that has begun."""
    rig = Rig(DoorRule(grant_action=GrantAction.TOGGLE, toggle_max_s=100))
    assert rig.take(rig.m.grant(A, 500, rig.now_s, test=True)).facts == (Unlocked(A, 500, "grant"),)
    rig.run(0.6)
    assert rig.m.locked
    rig.grant(B)
    assert rig.take(rig.m.grant(IDS[12], 500, rig.now_s, test=True)).refusal is None
    rig.run(0.6)
    assert not rig.m.locked  # toggled open before, and still
    assert rig.grant(IDS[13]).facts == (Locked("toggled", B),)

    rig = Rig()
    rig.free(first_person=True)
    rig.take(rig.m.grant(A, 500, rig.now_s, test=True))
    rig.run(0.6)
    assert rig.m.locked
    rig.grant(B)
    rig.run(10)
    assert not rig.m.locked


def test_a_toggled_door_stays_unlocked_until_the_next_grant_or_its_limit() -> None:
    rig = Rig(DoorRule(grant_action=GrantAction.TOGGLE, toggle_max_s=100))
    assert rig.grant(A).facts == (Unlocked(A, 3000, "toggled"),)
    rig.run(50)
    assert rig.grant(B).facts == (Locked("toggled", A),)
    rig.grant(IDS[12])
    rig.run(101)
    assert rig.m.locked
    rig.grant(IDS[13])
    rig.take(rig.m.client_gone(rig.now_s))
    assert rig.m.locked


def test_a_turnstile_lets_one_through_for_each_grant() -> None:
    rig = Rig(DoorRule(turnstile=True))
    rig.grant(A, 5000)
    told = rig.run(0.1, passage=True)
    assert [f for f in told if isinstance(f, Locked)] == [Locked("passed", A)]
    assert [f.grant_id for f in told if isinstance(f, PassageSeen)] == [A]
    rig.run(1, passage=False)
    assert kinds(rig.run(0.1, passage=True)) == [PassageUngranted]
    rig.run(1, passage=False)
    rig.grant(B, 1000)
    assert kinds(rig.run(2)) == [Locked, PassageMissed]


@pytest.mark.parametrize("arguments", [(-1, False), (LONGEST_LEASE_MS + 1, False), (True, False), (5, 1), ("5", False)])
def test_a_malformed_lease_is_nonsense(arguments: tuple[object, object]) -> None:
    rig = Rig()
    rig.grant()
    out = rig.take(rig.m.free(*arguments, rig.now_s))
    assert out.drop_client
    assert rig.m.locked


@pytest.mark.parametrize(
    "wrong",
    [{"rex_pulse_ms": 0}, {"toggle_max_s": 0.0}, {"held_open_warning_s": 31.0}, {"latch_grace_ms": -1}],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        DoorRule(**wrong)  # type: ignore[arg-type]


# -- any order -------------------------------------------------------------------------------------------------------

RULES = st.builds(
    DoorRule,
    relock=st.sampled_from(Relock),
    grant_action=st.sampled_from(GrantAction),
    toggle_max_s=st.just(3.0),
    turnstile=st.booleans(),
    rex_pulse_ms=st.just(1000),
    rex_unlocks=st.booleans(),
    rex_in_lockdown=st.booleans(),
    held_open_s=st.just(2.0),
    held_open_warning_s=st.just(1.0),
)
PLAIN = ["grant", "sense", "sense", "tick", "lock", "gone", "nonsense", "fault", "clear", "free"]
HAPPENINGS = [*PLAIN, "lockdown", "normal", "free_access"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(HAPPENINGS),
        st.one_of(st.floats(0, 1.5), st.floats(-0.5, 0)),
        st.integers(1, 1000),
        st.sets(st.sampled_from(Input)),
    ),
    max_size=60,
)  # fmt: skip


class Oracle:
    """Why the door may be unlocked, reckoned another way: the latest end of each justification, forgotten at once when
    the clock runs backwards."""

    def __init__(self, rule: DoorRule) -> None:
        self.rule, self.pressed, self.fire, self.faulty = rule, None, False, False
        self.forget()

    def forget(self) -> None:
        self.grant_s = self.exit_s = self.lease_s = float("-inf")

    def justifies(self, m: DoorMachine, now_s: float) -> bool:
        if self.fire:
            return True
        exit_ok = self.rule.rex_unlocks and (m.mode is not Mode.LOCKDOWN or self.rule.rex_in_lockdown)
        if self.faulty:
            return False
        if exit_ok and now_s < self.exit_s:
            return True
        if m.mode is Mode.LOCKDOWN:
            return False
        return m.mode is Mode.FREE_ACCESS or now_s < max(self.grant_s, self.lease_s)


@settings(max_examples=200, deadline=None)
@given(RULES, STEPS)
def test_the_relay_is_never_energised_beyond_what_justifies_it(
    rule: DoorRule, steps: list[tuple[str, float, int, set[Input]]]
) -> None:
    """Grants, exits, fire, modes, schedule, faults, clients that come and go, a clock that steps back, in any order:
    unlocked means that something justifies it now; lockdown leaves but fire and, by rule, exits; fire always unlocks;
    and when time has passed without news only what has no length holds the door open."""
    m, oracle = DoorMachine(1000, 0.0, rule=rule, inputs=dict.fromkeys(Input, 0)), Oracle(rule)
    m.start()
    now, on, ids = 0.0, False, itertools.count()
    for what, step, ms, active in steps:
        before, now = now, now + step
        if now < before:
            oracle.forget()
        if what == "grant":
            out = m.grant(f"{next(ids):032x}", ms, now)
            if out.refusal is None:
                toggles = rule.grant_action is GrantAction.TOGGLE
                oracle.grant_s = max(oracle.grant_s, now + (rule.toggle_max_s if toggles else ms / 1000))
        elif what == "sense":
            out = m.sense({i: i in active for i in Input}, now)
            if Input.REX in active and oracle.pressed is False:
                oracle.exit_s = max(oracle.exit_s, now + rule.rex_pulse_ms / 1000)
            oracle.pressed, oracle.fire = Input.REX in active, Input.FIRE in active
        elif what == "free":
            out = m.free(ms, bool(active), now)
            if out.refusal is None:
                oracle.lease_s = max(oracle.lease_s, now + ms / 1000)
        elif what in ("lockdown", "normal", "free_access"):
            out = m.set_mode(Mode(what), now)
        elif what == "fault":
            out, oracle.faulty = m.fault("broken", now), True
        elif what == "clear":
            m.fault_cleared()
            out, oracle.faulty = m.tick(now), False
        elif what == "lock":
            out = m.lock("requested", now)
        else:
            out = {"tick": m.tick, "gone": m.client_gone, "nonsense": m.nonsense}[what](now)
        for action in out.actions:
            on = action.on
        assert on == (not m.locked)
        if on:
            assert oracle.justifies(m, now), (what, m.held_by)
        if oracle.fire:
            assert on, "fire always unlocks"
        deadline = m.next_deadline_s
        assert deadline is None or deadline > now - 1e-9, "a deadline that nothing ends would be a busy loop"
    m.tick(now + 3.1)
    assert m.locked or m.held_by == "fire" or (m.mode is Mode.FREE_ACCESS and not oracle.faulty)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_reported_and_carried_out_tell_one_story(steps: list[tuple[str, float, int, set[Input]]]) -> None:
    """Unlocked and Locked alternate exactly as the relay moves, whatever comes."""
    m = DoorMachine(1000, 0.0, inputs=dict.fromkeys(Input, 0))
    m.start()
    now, level, ids = 0.0, False, itertools.count()
    for what, step, ms, active in steps:
        now += abs(step)
        if what == "grant":
            out = m.grant(f"{next(ids):032x}", ms, now)
        elif what == "sense":
            out = m.sense({i: i in active for i in Input}, now)
        elif what in ("lockdown", "normal", "free_access"):
            out = m.set_mode(Mode(what), now)
        elif what == "free":
            out = m.free(ms, bool(active), now)
        else:
            out = m.tick(now)
        moved = []
        for action in out.actions:
            if action.on != level:
                level = action.on
                moved.append(level)
        assert [isinstance(f, Unlocked) for f in out.facts if isinstance(f, (Unlocked, Locked))] == moved
