"""What a machine's readings mean for the door: when it is too hot, its disk too full, its power too weak. An alarm that
began ends a little below where it begins, so that it does not come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COOLER_C = 5.0  # an overheated board must cool down by so much
ROOMIER = 1.25  # a full disk must have so much more room than where the alarm began
_HOT_WORDS = ("throttled", "soft temperature limit")  # the firmware's own verdict
_POWER_WORD = "undervoltage"


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """hot_c: from here on the door looks at fewer pictures. low_disk_bytes: less free is an alarm; 0: none."""

    hot_c: float = 80.0
    low_disk_bytes: int = 64 << 20


class Condition:
    """Each method: the sentence of the alarm that stands, None where all is well. A reading that is missing (None)
    changes nothing: a sensor that fails has not cooled anything down. Not thread-safe."""

    def __init__(self, rule: ConditionRule) -> None:
        self._rule = rule
        self._hot: str | None = None
        self._low: str | None = None
        self._power: str | None = None

    def change(self, rule: ConditionRule) -> None:
        self._rule = rule

    def heat(self, temperature_c: float | None, throttled: Sequence[str] | None) -> str | None:
        limits = [word for word in throttled or () if word in _HOT_WORDS]
        if temperature_c is None and throttled is None:
            return self._hot
        limit_c = self._rule.hot_c - (COOLER_C if self._hot else 0.0)
        if limits or (temperature_c is not None and temperature_c >= limit_c):
            at = "The board" if temperature_c is None else f"The board has {temperature_c:.0f} °C and"
            if self._hot is None:
                self._hot = (
                    f"{at} is too hot: fewer pictures are looked at until it has cooled down. Everything else stays as "
                    "strict as before. Look for sun, dust and a fan that stands still."
                )
        else:
            self._hot = None
        return self._hot

    def power(self, throttled: Sequence[str] | None) -> str | None:
        if throttled is not None:
            weak = _POWER_WORD in throttled
            self._power = (
                "The supply voltage is too low: the board may stop at any time. Look at its power supply and cable."
                if weak
                else None
            )
        return self._power

    def disk(self, free_bytes: int | None) -> str | None:
        if free_bytes is None or not self._rule.low_disk_bytes:
            return self._low if self._rule.low_disk_bytes else None
        limit = self._rule.low_disk_bytes * (ROOMIER if self._low else 1.0)
        if free_bytes >= limit:
            self._low = None
        elif self._low is None:
            self._low = (
                f"The disk is nearly full: {free_bytes >> 20} MiB are free for the state folder. Make room: where "
                "nothing can be recorded any more, nobody is let in."
            )
        return self._low
