"""The door process's state machine: a pulse ends by itself, doubt locks, and nothing unlocks twice on one id."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.door import (
    REMEMBERED_GRANTS,
    DoorMachine,
    Energise,
    Locked,
    Mode,
    Outcome,
    Refused,
    Unlocked,
)
from edgeface.domain.door_events import DoorModeChanged

A = "a" * 32
B = "b" * 32


def machine(max_pulse_ms: int = 5000, silence_ms: int = 700) -> DoorMachine:
    return DoorMachine(max_pulse_ms, 0.0, silence_ms=silence_ms)


def code(outcome: Outcome) -> Refused | None:
    return None if outcome.refusal is None else outcome.refusal.code


def test_starts_locked_and_asserts_the_level() -> None:
    """The first thing the process does is to drive the relay to locked."""
    m = machine()
    assert m.start() == Outcome((Energise(False),), (Locked("starting", None),))
    assert m.locked
    assert m.next_deadline_s is None


def test_a_grant_is_one_pulse_that_ends_by_itself() -> None:
    """Unlock, know the deadline, lock at it, not before."""
    m = machine(silence_ms=10_000)
    assert m.grant(A, 3000, 10.0) == Outcome((Energise(True),), (Unlocked(A, 3000),))
    assert (m.locked, m.grant_id, m.next_deadline_s) == (False, A, 13.0)
    assert m.tick(12.999) == Outcome()
    assert m.tick(13.0) == Outcome((Energise(False),), (Locked("pulse_ended", A),))
    assert m.locked
    assert m.grant_id is None


def test_silence_ends_the_pulse_and_drops_the_client() -> None:
    """700 ms without a packet locks; a ping in between doesn't."""
    m = machine()
    m.grant(A, 3000, 0.0)
    assert m.next_deadline_s == pytest.approx(0.7)
    assert m.heard(0.5) == Outcome()
    assert m.tick(1.1) == Outcome()
    assert m.tick(1.2) == Outcome((Energise(False),), (Locked("client_silent", A),), None, True)
    assert m.next_deadline_s is None


def test_packets_that_queued_while_the_process_was_held_up_are_stale() -> None:
    """A grant that waited in the socket's buffer for seconds must not open the door for somebody who has left."""
    m = machine()
    m.heard(0.0)
    late = m.grant(A, 3000, 5.0)
    assert code(late) is Refused.NOT_ALLOWED
    assert late.drop_client
    assert m.locked
    m.heard(6.0)
    assert m.heard(9.0).drop_client


@pytest.mark.parametrize("cause", ["requested", "stopping"])
def test_lock_ends_the_pulse_and_repeats_harmlessly(cause: str) -> None:
    """A lock request always asserts the level; the fact is told once."""
    m = machine()
    m.grant(A, 3000, 0.0)
    assert m.lock(cause, 0.1) == Outcome((Energise(False),), (Locked(cause, A),))
    assert m.lock(cause, 0.2) == Outcome((Energise(False),), ())


def test_the_clients_death_and_nonsense_lock() -> None:
    """Both end the pulse; nonsense also drops the client."""
    m = machine()
    m.grant(A, 3000, 0.0)
    assert m.client_gone(0.1).facts == (Locked("client_gone", A),)
    m.grant(B, 3000, 0.2)
    assert m.nonsense(0.3) == Outcome((Energise(False),), (Locked("client_nonsense", B),), None, True)


@pytest.mark.parametrize(
    ("grant_id", "pulse_ms"),
    [("A" * 32, 100), ("a" * 31, 100), ("a" * 33, 100), ("a" * 32 + "\n", 100), (A, True), (A, 1.5), (A, "9"), (7, 9)],
)
def test_a_malformed_grant_locks_and_drops(grant_id: object, pulse_ms: object) -> None:
    """A grant of wrong form is nonsense: a running pulse ends too."""
    m = machine()
    m.grant(B, 3000, 0.0)
    out = m.grant(grant_id, pulse_ms, 0.1)
    assert code(out) is Refused.MALFORMED
    assert out.drop_client
    assert m.locked
    assert Locked("client_nonsense", B) in out.facts


@pytest.mark.parametrize("pulse_ms", [0, -1, 5001, 10**12])
def test_the_cap_refuses_rather_than_shortens(pulse_ms: int) -> None:
    """A pulse beyond the cap does not happen at all."""
    m = machine()
    assert code(m.grant(A, pulse_ms, 0.0)) is Refused.CAP_EXCEEDED
    assert m.locked


def test_a_repeated_id_is_refused_until_it_is_forgotten() -> None:
    """The last 1,024 ids are remembered; a second grant of one of them never unlocks."""
    m = machine(silence_ms=10_000)
    m.grant(A, 1, 0.0)
    for i in range(1, REMEMBERED_GRANTS):
        assert code(m.grant(f"{i:032x}", 1, float(i))) is None
    assert code(m.grant(A, 1, 2000.0)) is Refused.NOT_ALLOWED  # silent for long: dropped
    assert code(m.grant(A, 1, 2000.1)) is Refused.REPEATED_ID
    assert code(m.grant(B, 1, 2000.2)) is None
    assert code(m.grant(A, 1, 2000.3)) is None


def test_a_refused_id_is_not_used_up() -> None:
    """Only a pulse that began uses its id."""
    m = machine(silence_ms=10_000)
    m.grant(A, 1000, 0.0)
    assert code(m.grant(B, 1000, 0.5)) is Refused.PULSE_RUNNING
    assert m.next_deadline_s == 1.0  # the running pulse isn't prolonged
    m.tick(1.0)
    assert code(m.grant(B, 1000, 1.5)) is None


def test_lockdown_locks_and_refuses() -> None:
    """Lockdown stands above everything the client may ask for, until the mode changes."""
    m = machine()
    m.grant(A, 3000, 0.0)
    assert m.set_mode(Mode.LOCKDOWN, 0.1).facts == (Locked("requested", A), DoorModeChanged(0.1, "lockdown"))
    assert code(m.grant(B, 1000, 0.2)) is Refused.LOCKDOWN
    m.client_gone(0.3)
    assert m.mode is Mode.LOCKDOWN
    assert m.locked
    m.set_mode(Mode.NORMAL, 0.4)
    assert code(m.grant(B, 1000, 0.5)) is None


def test_free_access_lasts_until_it_is_ended() -> None:
    """The site's mode needs no pulse and no client; a lock that is asked for ends it."""
    m = machine(silence_ms=10_000)
    m.grant(A, 1000, 0.0)
    assert m.set_mode(Mode.FREE_ACCESS, 0.5) == Outcome((Energise(True),), (DoorModeChanged(0.5, "free_access"),))
    assert m.tick(5.0) == Outcome()
    assert not m.locked
    assert m.grant(B, 1000, 5.0) == Outcome()
    assert m.client_gone(6.0).facts == ()
    assert not m.locked
    assert m.lock("requested", 7.0).facts == (Locked("requested", None), DoorModeChanged(7.0, "normal"))
    assert m.locked
    assert m.set_mode(Mode.FREE_ACCESS, 8.0).facts == (
        Unlocked("", 0, "free_access"),
        DoorModeChanged(8.0, "free_access"),
    )


def test_a_fault_locks_and_refuses_until_cleared() -> None:
    """A pin that can't be driven: nothing is granted, and the reason is told."""
    m = machine()
    m.grant(A, 3000, 0.0)
    assert m.fault("the relay's pin is in use", 0.1).facts == (Locked("relocked", A),)
    assert code(m.grant(B, 1000, 0.2)) is Refused.FAULT
    assert m.detail == "the relay's pin is in use"
    assert code(m.set_mode(Mode.FREE_ACCESS, 0.3)) is Refused.FAULT
    m.fault_cleared()
    assert code(m.grant(B, 1000, 0.4)) is None


@pytest.mark.parametrize("now_s", [-1.0, float("nan"), float("inf"), float("-inf")])
def test_a_clock_that_can_not_be_right_locks(now_s: float) -> None:
    """Nobody knows how long the pulse has run: end it; and grant nothing at such a time."""
    m = machine()
    m.grant(A, 3000, 0.0)
    m.tick(now_s)
    assert m.locked
    m = machine()
    out = m.grant(A, 3000, now_s)
    assert code(out) is Refused.NOT_ALLOWED
    assert m.locked


@pytest.mark.parametrize("max_pulse_ms", [0, -5, 60_001])
def test_an_absurd_cap_is_refused(max_pulse_ms: int) -> None:
    """A door whose cap makes no sense does not start."""
    with pytest.raises(ValueError, match="max_pulse_ms"):
        DoorMachine(max_pulse_ms, 0.0)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["grant", "tick", "heard", "lock", "gone", "nonsense", "fault", "clear", "lockdown", "normal"]),
        st.floats(-0.3, 2.0),
        st.integers(-1, 1200),
        st.integers(0, 5),
    ),
    max_size=60,
)


def give(m: DoorMachine, what: str, now: float, grant_id: str, pulse: int) -> Outcome:
    if what == "grant":
        return m.grant(grant_id, pulse, now)
    if what in ("lockdown", "normal"):
        return m.set_mode(Mode(what), now)
    if what == "clear":
        m.fault_cleared()
        return Outcome()
    if what == "fault":
        return m.fault("broken", now)
    if what == "lock":
        return m.lock("requested", now)
    plain = {"tick": m.tick, "heard": m.heard, "gone": m.client_gone, "nonsense": m.nonsense}
    return plain[what](now)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_no_sequence_keeps_the_relay_on_beyond_its_pulse(events: list[tuple[str, float, int, int]]) -> None:
    """Whatever comes, in whatever order, with a clock that also steps back: actions agree with the state, the relay is
    on only during one granted pulse of at most the cap, each id opens at most once, lockdown and fault never open."""
    m = DoorMachine(1000, 0.0)
    m.start()
    now, on, faulty, opened = 0.0, False, False, []
    for what, step, pulse, which in events:
        now += step
        grant_id = f"{which:032x}"
        out = give(m, what, now, grant_id, pulse)
        faulty = what == "fault" or (faulty and what != "clear")
        for action in out.actions:
            on = action.on
        opened += [f.grant_id for f in out.facts if isinstance(f, Unlocked)]
        assert on == (not m.locked)
        if on:
            assert not faulty
            assert m.mode is Mode.NORMAL
            assert m.next_deadline_s is not None
            if what in {"tick", "heard", "grant"}:
                assert m.next_deadline_s - now <= 1.0 + 1e-9
    assert len(opened) == len(set(opened))
    m.tick(now + 1.0)
    assert m.locked


def test_the_module_loads_no_numpy() -> None:
    """The door process must stay small: its rules import the standard library alone."""
    check = (
        "import sys, edgeface.domain.door; sys.exit('numpy' in sys.modules or 'edgeface.domain.types' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_machine_that_was_held_up_does_not_blame_its_client() -> None:
    """Silence is counted in the door process's own running time; the pulse's deadline is not moved by it."""
    m = DoorMachine(1000, 0.0)
    m.start()
    m.heard(0.0)
    m.grant("a" * 32, 1000, 0.1)
    m.held_up(0.8)
    assert not m.tick(0.95).drop_client
    assert not m.locked
    assert m.tick(1.1).actions == (Energise(False),)
    assert m.locked
    assert m.tick(1.7).drop_client


def test_being_held_up_never_gives_a_client_more_than_the_time_that_was_lost() -> None:
    m = DoorMachine(1000, 0.0)
    m.start()
    m.heard(0.0)
    m.held_up(5.0)
    assert m.tick(5.6).drop_client is False
    assert m.tick(5.75).drop_client is True
