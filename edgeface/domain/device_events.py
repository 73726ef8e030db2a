"""Events of the device itself that are neither about a person nor about the door: alarms that begin and end by
themselves, and changes of the settings. Serialised as all others (events.py)."""

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
