"""The alarms of the device: each begins with an event and a sentence, and ends by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from edgeface.app.machine import Reading
from edgeface.app.settings import Settings
from edgeface.domain.condition import Condition, ConditionRule
from edgeface.domain.device_events import AlarmEnded, AlarmStarted
from edgeface.domain.events import Event
from edgeface.ports import Clock

HUNG = {
    "vision": "Recognition hangs: one picture takes seconds. Nobody is let in meanwhile; where it goes on, systemd "
    "starts the daemon anew. Where it comes again and again, look at the log and the board.",
    "camera": "The camera's driver hangs. Nobody is let in meanwhile; where it goes on, systemd starts the daemon "
    "anew. Where it comes again and again, look at the camera's cable.",
}
CLOCK = (
    "The clock can't be right: schedules and dates of validity refuse until it is. Let the network set it, or fit a "
    "battery."
)


class Alarms:
    """Which alarms stand. Thread-safe."""

    def __init__(self, record: Callable[[list[Event]], None], clock: Clock) -> None:
        self._record, self._clock = record, clock
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, str]] = {}

    def set(self, alarm: str, sentence: str | None) -> None:
        """Stands with this sentence, or not (None); an event for each change of that."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            stood = self._since.get(alarm)
            if (stood is None) == (sentence is None):
                return
            event: Event
            if sentence is not None:
                self._since[alarm] = (now_s, sentence)
                event = AlarmStarted(now_s, alarm, sentence)
            else:
                began_s, _ = self._since.pop(alarm)
                event = AlarmEnded(now_s, alarm, round(now_s - began_s, 1))
        self._record([event])

    @property
    def standing(self) -> Mapping[str, str]:
        """alarm -> its sentence."""
        with self._lock:
            return {alarm: sentence for alarm, (_, sentence) in self._since.items()}


class Health:
    """Turns readings into alarms, and says how fast frames may be looked at. `heard` is the machine watch's, `hung` the
    main thread's; `period_s` may be read by any."""

    def __init__(self, settings: Settings, alarms: Alarms, clock: Clock) -> None:
        self._alarms, self._clock = alarms, clock
        self._hot_period_s = 1.0 / settings.health.hot_fps
        self._condition = Condition(rule_of(settings))
        self.period_s = 0.0  # least time between two frames that are looked at

    def change(self, settings: Settings) -> None:
        """Other limits from the next reading on."""
        self._hot_period_s = 1.0 / settings.health.hot_fps
        self._condition.change(rule_of(settings))

    def heard(self, reading: Reading) -> None:
        hot = self._condition.heat(reading.temperature_c, reading.throttled)
        self.period_s = self._hot_period_s if hot else 0.0
        self._alarms.set("overheating", hot)
        self._alarms.set("power", self._condition.power(reading.throttled))
        self._alarms.set("disk_low", self._condition.disk(reading.disk_free_bytes))
        self._alarms.set("clock", None if self._clock.is_set() else CLOCK)

    def hung(self, late: Iterable[str]) -> None:
        """`late`: the workers that make no progress."""
        late = set(late)
        for worker, sentence in HUNG.items():
            self._alarms.set(f"{worker}_hung", sentence if worker in late else None)


def rule_of(settings: Settings) -> ConditionRule:
    return ConditionRule(settings.health.hot_c, settings.health.disk_low_mb << 20)
