"""New settings for a running daemon: what can change while somebody stands before the door does, the rest is named and
waits for the next start. Settings that make no sense change nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from edgeface.app import settings_help
from edgeface.app.people import IdentityRule
from edgeface.app.rules import Rules, rules_of
from edgeface.app.settings import Settings
from edgeface.domain.device_events import SettingsRefused, SettingsReloaded
from edgeface.domain.errors import ControlError, EdgefaceError
from edgeface.domain.events import Event
from edgeface.ports import Clock

# Tables that nothing but rules is made of, and the keys of others that are no more than a number to the daemon. What is
# not named here waits for a start: a setting that is forgotten is refused, not half in force.
LIVE_TABLES = ("quality", "liveness", "matching", "decision", "lockout", "log", "metrics", "health")
LIVE_KEYS = (
    "schedule",
    "time_zone",
    "door.pulse_ms",
    "door.free_schedule",
    "door.first_person_in",
    "reader.valid_s",
    "reader.patience_s",
    "reader.step_up",
)
ANSWER_S = 10.0


def can_change_live(key: str) -> bool:
    return key in LIVE_KEYS or key.partition(".")[0] in LIVE_TABLES


@dataclass(frozen=True, slots=True)
class Change:
    """`settings` are those in force, with the values of `changed` taken over; `refused` keep theirs."""

    settings: Settings
    changed: tuple[str, ...]
    refused: tuple[str, ...]


def change_of(before: Settings, wanted: Settings) -> Change:
    """Raises ConfigError where the values that can be taken over and those that stay do not fit together."""
    old, new = before.model_dump(by_alias=True), wanted.model_dump(by_alias=True)
    changed: list[str] = []
    refused: list[str] = []
    for key in settings_help.fields(Settings):
        value = settings_help.get(new, key)
        if value == settings_help.get(old, key):
            continue
        if can_change_live(key):
            changed.append(key)
            _put(old, key, value)
        else:
            refused.append(key)
    try:
        return Change(Settings(**old), tuple(changed), tuple(refused))
    except ValidationError as error:
        raise settings_help.explain_refusal(error, Settings, {}) from None


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *groups, last = key.split(".")
    for group in groups:
        values = values[group]
    values[last] = value


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes new settings over; each is called with what it needs, in the main thread."""

    rules: Callable[[Rules], None]
    identity: Callable[[IdentityRule], None]
    settings: Callable[[Settings], None]


class Reloads:
    """`read` gives the settings as they are on the disk now, `identity` the rule that they mean with the models in use.
    `ask` is for a signal's handler and for other threads; `tick` belongs to the main thread and does it."""

    def __init__(
        self,
        in_force: Settings,
        read: Callable[[], Settings],
        identity: Callable[[Settings], IdentityRule],
        taker: Taker,
        record: Callable[[list[Event]], None],
        clock: Clock,
    ) -> None:
        self._in_force, self._read, self._identity = in_force, read, identity
        self._taker, self._record, self._clock = taker, record, clock
        self._asked = False
        self._waiting: list[Future[Change]] = []

    def ask(self) -> None:
        """No more than a note: a signal's handler may call it."""
        self._asked = True

    def wait(self) -> Change:
        """Asks, and waits for the main thread to have done it. Raises ConfigError: then nothing has changed."""
        answer: Future[Change] = Future()
        self._waiting.append(answer)
        self._asked = True
        try:
            return answer.result(ANSWER_S)
        except NotInTime:
            raise ControlError("The daemon did not take the settings over in time.", "See its log.") from None

    def tick(self) -> None:
        if not self._asked:
            return
        self._asked = False
        waiting, self._waiting = self._waiting, []
        try:
            change = self._take_over()
        except EdgefaceError as e:
            self._record([SettingsRefused(self._clock.monotonic_s(), str(e))])
            for answer in waiting:
                answer.set_exception(e)
            return
        told = SettingsReloaded(self._clock.monotonic_s(), ", ".join(change.changed), ", ".join(change.refused))
        self._record([told])
        for answer in waiting:
            answer.set_result(change)

    def _take_over(self) -> Change:
        """Everything that may fail comes before anything that takes effect."""
        change = change_of(self._in_force, self._read())
        rules, identity = rules_of(change.settings), self._identity(change.settings)
        if change.changed:
            self._taker.identity(identity)  # reads the gallery, and may fail: first
            self._taker.rules(rules)
            self._in_force = change.settings
            self._taker.settings(change.settings)
        return change
