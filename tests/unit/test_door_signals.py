"""Lights and buzzer: pure functions of what the door is and of the time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeface.domain.door import DoorMachine, Input, Mode
from edgeface.domain.door_signals import PATTERNS, Conditions, Lights, Signal, choose, lights, next_change_ms

ALL = Conditions("fire", True, True, True, True, True, True, Signal.DENIED)


def test_the_most_urgent_signal_is_shown() -> None:
    assert choose(ALL) is Signal.FIRE
    assert choose(dataclasses.replace(ALL, held_by="grant")) is Signal.FORCED_OPEN
    assert choose(Conditions(held_by="grant", asked=Signal.DENIED)) is Signal.GRANTED
    assert choose(Conditions(lockdown=True, asked=Signal.LOOK)) is Signal.LOCKDOWN
    assert choose(Conditions(asked=Signal.LOOK)) is Signal.LOOK
    assert choose(Conditions(held_by="exit_request")) is Signal.UNLOCKED
    assert choose(Conditions()) is Signal.IDLE


@pytest.mark.parametrize("signal", list(Signal))
def test_every_signal_has_a_pattern_of_its_own(signal: Signal) -> None:
    assert [PATTERNS[other] for other in Signal].count(PATTERNS[signal]) == 1


@settings(max_examples=200)
@given(st.sampled_from(Signal), st.floats(-1e6, 1e7))
def test_the_lights_stay_until_the_time_that_was_told(signal: Signal, at_ms: float) -> None:
    """So a loop that wakes at that time shows every step, and one that wakes oftener shows nothing else."""
    left_ms = next_change_ms(signal, at_ms)
    if left_ms is None:
        assert lights(signal, at_ms) == lights(signal, at_ms + 10_000)
    else:
        assert left_ms > 0
        assume(left_ms > 1e-6)  # a time of this size has no finer steps: 0.99 of less would round to the change itself
        assert lights(signal, at_ms) == lights(signal, max(0.0, at_ms) + left_ms * 0.99)


def test_granted_beeps_once_and_denied_three_times() -> None:
    def beeps(signal: Signal) -> int:
        shown = [lights(signal, ms).buzzer for ms in range(0, 5000, 10)]
        return sum(now and not before for before, now in zip([False, *shown], shown, strict=False))

    assert (beeps(Signal.GRANTED), beeps(Signal.DENIED), beeps(Signal.LOOK)) == (1, 3, 0)
    assert lights(Signal.IDLE, 0) == Lights()


def test_the_machine_says_what_applies() -> None:
    m = DoorMachine(5000, 0.0, inputs={Input.TAMPER: 0})
    assert choose(m.conditions(0.0)) is Signal.IDLE
    m.show(Signal.LOOK, 0.1)
    assert choose(m.conditions(0.2)) is Signal.LOOK
    assert choose(m.conditions(2.2)) is Signal.IDLE, "what the daemon asked for fades by itself"
    m.show(Signal.DENIED, 2.2)
    m.grant("a" * 32, 1000, 2.3)
    assert choose(m.conditions(2.3)) is Signal.GRANTED
    m.set_mode(Mode.LOCKDOWN, 2.4)
    assert choose(m.conditions(2.4)) is Signal.LOCKDOWN
    m.sense({Input.TAMPER: True}, 2.5)
    assert choose(m.conditions(2.5)) is Signal.TAMPER
    m.show(Signal.GRANTED, 2.6)
    assert m.conditions(2.6).asked is None, "the daemon can't show what is not so"
