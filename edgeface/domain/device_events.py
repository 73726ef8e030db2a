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


@dataclass(frozen=True, slots=True)
class RemoteCommand(Event):
    """Other software, which signs nothing, asked for the door: `source` home_assistant, `op` lock or unlock; `op` is
    empty where it can't be told. Written down before it is carried out. `code`: why it was not done. `unsaid`: how many
    were refused without a word since the last such event, because too many came."""

    kind: ClassVar[str] = "remote_command"
    op: str
    source: str
    done: bool
    code: str = ""
    unsaid: int = 0


ALARM_NAMES = ("overheating", "power", "disk_low", "clock", "vision_hung", "camera_hung", "safe_mode")
