"""When a board is too hot, a disk too full, a supply too weak: alarms that begin, stand and end."""

from __future__ import annotations

import pytest

from edgeface.domain.condition import Condition, ConditionRule

MIB = 1 << 20


@pytest.fixture
def condition() -> Condition:
    return Condition(ConditionRule(hot_c=80, low_disk_bytes=64 * MIB))


def test_heat_ends_a_little_below_where_it_began(condition: Condition) -> None:
    stands = [condition.heat(t, ()) is not None for t in (79.9, 80, 76, 75, 74.9, 79)]
    assert stands == [False, True, True, True, False, False]


def test_the_sentence_of_an_alarm_stands_as_it_began(condition: Condition) -> None:
    first = condition.heat(85, ())
    assert first is not None
    assert "85 °C" in first
    assert condition.heat(90, ()) == first


@pytest.mark.parametrize("word", ["throttled", "soft temperature limit"])
def test_the_firmwares_word_counts_without_a_thermometer(condition: Condition, word: str) -> None:
    assert condition.heat(None, (word,))
    assert condition.heat(None, ()) is None


def test_a_sensor_that_fails_has_cooled_nothing_down(condition: Condition) -> None:
    """And heats nothing up."""
    assert condition.heat(None, None) is None
    assert condition.heat(85, None)
    assert condition.heat(None, None)
    assert condition.heat(60, None) is None


def test_a_weak_supply_is_an_alarm_of_its_own_and_no_heat(condition: Condition) -> None:
    assert condition.heat(50, ("undervoltage",)) is None
    assert condition.power(("undervoltage",))
    assert condition.power(None)
    assert condition.power(()) is None


def test_a_disk_needs_more_room_than_where_its_alarm_began(condition: Condition) -> None:
    free = [100, 63, 70, 79, 80, 64]
    assert [condition.disk(n * MIB) is not None for n in free] == [False, True, True, True, False, False]


def test_an_unreadable_disk_changes_nothing_and_zero_means_never(condition: Condition) -> None:
    assert condition.disk(1)
    assert condition.disk(None)
    condition.change(ConditionRule(low_disk_bytes=0))
    assert condition.disk(0) is None
