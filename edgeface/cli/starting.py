"""What must hold before the daemon starts anything: `edgeface run` and `edgeface config check` ask the same."""

from __future__ import annotations

from edgeface.app import wiring, wiring_door
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings
from edgeface.control.server import group_id


def require_startable(settings: Settings) -> None:
    """What of the settings only shows beyond their own form. Opens neither the camera nor the door. Raises
    ConfigError, SourceError."""
    rules_of(settings)
    wiring.open_camera(settings)  # only made, not opened
    wiring_door.require_right_pins(settings)
    group_id(settings.control.group)
