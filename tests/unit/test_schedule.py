"""Windows in local time, over midnight and over daylight saving; closed days; validity."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.errors import ConfigError
from edgeface.domain.schedule import Schedule, Timetable, Window, allows, needs_clock, time_zone, validity
from edgeface.domain.types import DenialReason, Person

BERLIN = time_zone("Europe/Berlin")
OFFICE = Schedule("office", (Window.parse(["mon", "tue", "wed", "thu", "fri"], "08:00", "18:00"),), BERLIN)
NIGHT = Schedule("night", (Window.parse(["Friday"], "22:00", "06:00"),), BERLIN)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-11-23T07:00", True),  # Monday 08:00 in winter
        ("2026-11-23T06:59", False),
        ("2026-11-23T16:59", True),
        ("2026-11-23T17:00", False),  # the end is excluded
        ("2026-07-20T06:00", True),  # Monday 08:00 in summer
        ("2026-07-20T05:59", False),
        ("2026-11-22T10:00", False),  # Sunday
    ],
)
def test_windows_follow_the_wall_clock(at: str, open_: bool) -> None:
    """08:00 is 08:00 in winter and in summer."""
    assert allows(OFFICE, utc(at)) is open_


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-11-20T20:59", False),  # Friday 21:59
        ("2026-11-20T21:00", True),
        ("2026-11-21T04:59", True),  # Saturday 05:59
        ("2026-11-21T05:00", False),
        ("2026-11-21T21:30", False),  # Saturday night is not Friday night
        ("2026-11-20T04:00", False),  # Friday morning belongs to Thursday
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins(at: str, open_: bool) -> None:
    """Friday's night ends on Saturday morning."""
    assert allows(NIGHT, utc(at)) is open_


def test_the_hours_that_daylight_saving_moves() -> None:
    """Spring skips 02:00 to 03:00, autumn has it twice: both ends of the clock stay where the wall clock says."""
    sunday = Schedule("s", (Window.parse(["sun"], "02:00", "03:00"),), BERLIN)
    spring = [utc("2026-03-29T00:00") + timedelta(minutes=10 * i) for i in range(24)]
    assert not any(allows(sunday, t) for t in spring)
    autumn = [utc("2026-10-25T00:00") + timedelta(minutes=10 * i) for i in range(18)]
    assert sum(allows(sunday, t) for t in autumn) == 12  # two hours


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC")


@settings(max_examples=200)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.integers(0, 5 * 365 * 1440).map(lambda minutes: utc("2025-01-01T00:00") + timedelta(minutes=minutes)),
)
def test_on_every_night_of_every_zone_the_wall_clock_decides(zone: str, begins: int, ends: int, at: datetime) -> None:
    """Whatever an hour that is skipped, comes twice, or moves by thirty minutes makes of UTC: a window of every day is
    open exactly while a clock on the wall there shows a time within it."""
    window = Window(frozenset(range(7)), begins, ends)
    wall = at.astimezone(time_zone(zone))
    shows = wall.hour * 60 + wall.minute
    within = begins <= shows < ends if begins < ends else shows >= begins or shows < ends
    assert allows(Schedule("s", (window,), time_zone(zone)), at) is within


@settings(max_examples=60)
@given(st.sampled_from(ZONES), st.integers(2025, 2032), st.integers(0, 364), st.integers(0, 1380))
def test_a_window_of_an_hour_is_open_an_hour_a_day_and_two_at_most(zone: str, year: int, day: int, begins: int) -> None:
    """Over any two days a window of 60 minutes is open for 0 (skipped) to 2 x 120 (comes twice) minutes, never for
    longer, and for exactly 60 a day where the clock isn't moved."""
    schedule = Schedule("s", (Window(frozenset(range(7)), begins, begins + 60),), time_zone(zone))
    start = datetime(year, 1, 1, tzinfo=timezone.utc) + timedelta(days=day)
    minutes = [start + timedelta(minutes=5 * i) for i in range(2 * 288)]
    is_open = 5 * sum(allows(schedule, t) for t in minutes)
    offsets = {t.astimezone(time_zone(zone)).utcoffset() for t in minutes}
    assert 0 <= is_open <= 240
    if len(offsets) == 1:
        assert is_open == 120


def test_closed_days() -> None:
    """Nothing is open on a closed date, and its own night doesn't run on after it."""
    friday = date(2026, 11, 20)
    closed = Schedule("night", NIGHT.windows, BERLIN, frozenset({friday}))
    assert not allows(closed, utc("2026-11-20T22:00"))
    assert not allows(closed, utc("2026-11-21T03:00"))
    saturday = Schedule("night", NIGHT.windows, BERLIN, frozenset({date(2026, 11, 21)}))
    assert allows(saturday, utc("2026-11-20T22:00"))
    assert not allows(saturday, utc("2026-11-21T03:00"))


def test_whole_days() -> None:
    """00:00 to 24:00 is the day; 06:00 to 06:00 runs round the clock."""
    day = Schedule("d", (Window.parse(["sat"], "00:00", "24:00"),), BERLIN)
    assert allows(day, utc("2026-11-20T23:00"))
    assert allows(day, utc("2026-11-21T22:59"))
    assert not allows(day, utc("2026-11-21T23:00"))
    round_ = Schedule("r", (Window.parse(["sat"], "06:00", "06:00"),), BERLIN)
    assert allows(round_, utc("2026-11-22T04:59"))
    assert not allows(round_, utc("2026-11-22T05:00"))


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 - the zone is set below
)
def test_a_window_is_what_its_minutes_say(days: set[int], begins: int, ends: int, at: datetime) -> None:
    """In UTC, where no clock moves: open exactly in [start, start + length) of one of its days."""
    schedule = Schedule("s", (Window(frozenset(days), begins, ends),), timezone.utc)
    at = at.replace(tzinfo=timezone.utc)
    length = (ends - begins) % 1440 or 1440 if ends <= begins else ends - begins
    expected = False
    for back in (0, 1):
        day = (at - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        start = day + timedelta(minutes=begins)
        expected |= day.weekday() in days and start <= at < start + timedelta(minutes=length)
    assert allows(schedule, at) is expected


def test_the_timetable_denies_what_it_does_not_know() -> None:
    """always and never are built in; an unknown name denies; only real schedules need the clock."""
    table = Timetable([OFFICE])
    monday = utc("2026-11-23T10:00")
    assert [table.allows(n, monday) for n in ("always", "never", "office", "Office", "")] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert [table.needs_clock(n) for n in ("always", "never", "office", "gone")] == [False, False, True, False]
    assert table.names == ("always", "never", "office")
    for name in ("always", "never", "office"):
        with pytest.raises(ConfigError):
            Timetable([OFFICE, Schedule(name, (), BERLIN)])


def test_validity() -> None:
    """From included, to excluded, null unbounded; a bound that is no number denies."""
    now = utc("2026-11-23T10:00")
    s = now.timestamp()

    def person(begins: float | None, ends: float | None) -> Person:
        return Person("a" * 32, "A", (), valid_from_s=begins, valid_to_s=ends)

    assert validity(person(None, None), now) is None
    assert validity(person(s, s + 1), now) is None
    assert validity(person(s + 1, None), now) is DenialReason.NOT_YET_VALID
    assert validity(person(None, s), now) is DenialReason.EXPIRED
    assert validity(person(float("nan"), None), now) is DenialReason.NOT_YET_VALID
    assert validity(person(None, float("nan")), now) is DenialReason.EXPIRED
    assert needs_clock(person(None, s), Timetable())
    assert not needs_clock(person(None, None), Timetable())


def test_naive_times_are_refused() -> None:
    """A time without its zone is a fault of the program, not a guess."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - that it is naive is the point
    with pytest.raises(ValueError):
        allows(OFFICE, naive)
    with pytest.raises(ValueError):
        validity(Person("a" * 32, "A", ()), naive)


@pytest.mark.parametrize(
    "wrong",
    [
        ([], "08:00", "09:00"),
        (["mo"], "08:00", "09:00"),
        (["mon"], "24:00", "09:00"),
        (["mon"], "8", "9"),
        (["mon"], "08:60", "9:00"),
        (["mon"], "08:00", "24:01"),
    ],
)
def test_malformed_windows_say_what_to_write(wrong: tuple[list[str], str, str]) -> None:
    """A mistake in the settings is told at start."""
    with pytest.raises(ConfigError) as caught:
        Window.parse(*wrong)
    assert caught.value.advice


@pytest.mark.parametrize("name", ["Europe/Berlinn", "", "../etc/passwd"])
def test_an_unknown_time_zone_says_what_to_do(name: str) -> None:
    """With an example of a right name."""
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        time_zone(name)
