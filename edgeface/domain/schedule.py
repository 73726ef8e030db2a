"""When somebody may enter: weekly windows in the door's own time zone, closed days, validity. Time is an argument.

Windows are compared with the local wall clock, so 08:00 stays 08:00 when daylight saving begins or ends; the hour that
comes twice in autumn is allowed twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from edgeface.domain.errors import ConfigError
from edgeface.domain.types import DenialReason, Person

ALWAYS = "always"
NEVER = "never"
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """`days` on which it begins (0 is Monday), from and to in minutes after local midnight, `to_min` excluded. Where
    `to_min` is not above `from_min` the window runs past midnight into the next day."""

    days: frozenset[int]
    from_min: int
    to_min: int

    def __post_init__(self) -> None:
        if not self.days or not all(0 <= d <= 6 for d in self.days):
            raise ConfigError("A schedule's window needs weekdays.", f"Name them: {', '.join(DAY_NAMES)}.")
        if not (0 <= self.from_min < _DAY_MINUTES and 0 <= self.to_min <= _DAY_MINUTES):
            raise ConfigError("A schedule's window needs times of a day.", "Write them as 08:00; the end may be 24:00.")

    @classmethod
    def parse(cls, days: Iterable[str], begins: str, ends: str) -> Window:
        """From weekday names ("mon" or longer) and times "HH:MM". Raises ConfigError."""
        return cls(frozenset(_weekday(d) for d in days), _minutes(begins), _minutes(ends))


@dataclass(frozen=True, slots=True)
class Schedule:
    """`zone` is the door's time zone (`time_zone` makes one). On a closed date nothing is open, and no window that
    would begin on it runs on after midnight."""

    name: str
    windows: tuple[Window, ...]
    zone: tzinfo
    closed: frozenset[date] = frozenset()


class Timetable:
    """The schedules of the settings, with the built-in `always` and `never`."""

    def __init__(self, schedules: Iterable[Schedule] = ()) -> None:
        self._by_name: dict[str, Schedule] = {}
        for schedule in schedules:
            if schedule.name in (ALWAYS, NEVER) or schedule.name in self._by_name:
                raise ConfigError(f"The schedule {schedule.name} exists already.", "Give it another name.")
            self._by_name[schedule.name] = schedule

    @property
    def names(self) -> tuple[str, ...]:
        return (ALWAYS, NEVER, *sorted(self._by_name))

    def needs_clock(self, name: str) -> bool:
        """Whether the answer depends on the time at all."""
        return name in self._by_name

    def allows(self, name: str, utc: datetime) -> bool:
        """An unknown name denies."""
        if name == ALWAYS:
            return True
        schedule = self._by_name.get(name)
        return schedule is not None and allows(schedule, utc)


def allows(schedule: Schedule, utc: datetime) -> bool:
    """Whether the schedule is open at this moment (timezone-aware; ValueError for a naive one)."""
    if utc.tzinfo is None:
        raise ValueError("a schedule needs a time with its zone")
    local = utc.astimezone(schedule.zone)
    today, minute = local.date(), local.hour * 60 + local.minute
    yesterday = today - timedelta(days=1)
    if today in schedule.closed:
        return False
    for window in schedule.windows:
        past_midnight = window.to_min <= window.from_min
        if today.weekday() in window.days and minute >= window.from_min and (past_midnight or minute < window.to_min):
            return True
        if (
            past_midnight
            and minute < window.to_min
            and yesterday.weekday() in window.days
            and yesterday not in schedule.closed
        ):
            return True
    return False


def validity(person: Person, utc: datetime) -> DenialReason | None:
    """NOT_YET_VALID or EXPIRED, None where the record is valid; the end is excluded, and a bound that is not a number
    denies."""
    now_s = _unix_s(utc)
    if person.valid_from_s is not None and not now_s >= person.valid_from_s:
        return DenialReason.NOT_YET_VALID
    if person.valid_to_s is not None and not now_s < person.valid_to_s:
        return DenialReason.EXPIRED
    return None


def needs_clock(person: Person, timetable: Timetable) -> bool:
    """Whether this person's access depends on the wall clock."""
    bounded = person.valid_from_s is not None or person.valid_to_s is not None
    return bounded or timetable.needs_clock(person.schedule)


def time_zone(name: str) -> tzinfo:
    """A zone by its IANA name. Raises ConfigError with what to do."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"The time zone {name!r} is unknown here.",
            "Use an IANA name such as Europe/Berlin; without the system's time zone database install tzdata.",
        ) from error


def _unix_s(utc: datetime) -> float:
    if utc.tzinfo is None:
        raise ValueError("validity needs a time with its zone")
    return (utc - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()


def _weekday(name: str) -> int:
    short = name.strip().lower()[:3]
    if short not in DAY_NAMES:
        raise ConfigError(f"{name!r} is no weekday.", f"Use {', '.join(DAY_NAMES)}.")
    return DAY_NAMES.index(short)


def _minutes(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", text.strip())
    if found is None or int(found[2]) > 59 or int(found[1]) * 60 + int(found[2]) > _DAY_MINUTES:
        raise ConfigError(f"{text!r} is no time of a day.", "Write it as 08:00.")
    return int(found[1]) * 60 + int(found[2])
