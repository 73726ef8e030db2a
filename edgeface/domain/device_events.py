"""Events of the device itself that are neither about a person nor about the door: alarms that begin and end by
themselves, changes of the settings, renewals of the gallery's wrapping key. Serialised as all others (events.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeface.domain.events import Event


@dataclass(frozen=True, slots=True)
class SettingsReloaded(Event):
    """`changed`: the keys whose new values are in force; `refused`: those that wait for the next start; both with
    commas between them. Values are not written down: an address may carry a password."""

    kind: ClassVar[str] = "settings_reloaded"
    changed: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class SettingsRefused(Event):
    """The settings could not be used; those in force stay."""

    kind: ClassVar[str] = "settings_refused"
    detail: str


@dataclass(frozen=True, slots=True)
class WrappingKeyRenewed(Event):
    """The key that wraps the key of everybody in the gallery; the one before is destroyed."""

    kind: ClassVar[str] = "wrapping_key_renewed"
    generation: int


@dataclass(frozen=True, slots=True)
class AlarmStarted(Event):
    """`alarm` is one of ALARM_NAMES; `detail` a sentence: what is the case, and what to do."""

    kind: ClassVar[str] = "alarm_started"
    alarm: str
    detail: str


@dataclass(frozen=True, slots=True)
class AlarmEnded(Event):
    kind: ClassVar[str] = "alarm_ended"
    alarm: str
    after_s: float


ALARM_NAMES = ("overheating", "power", "disk_low", "clock", "vision_hung", "camera_hung", "safe_mode")
