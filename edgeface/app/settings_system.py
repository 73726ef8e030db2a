"""What can be set about how the daemon is watched, and how it looks after its machine."""

from __future__ import annotations

from pydantic import BaseModel

from edgeface.app.settings_fields import Group, Number, OptionalPath, Whole, setting


class Metrics(BaseModel):
    model_config = Group
    port: Whole = setting(
        0, "Port on which Prometheus finds the metrics, on this machine alone (127.0.0.1); 0: none.", ge=0, le=65_535
    )
    textfile: OptionalPath = setting(
        None, "File for the textfile collector of node_exporter, as /var/lib/node_exporter/edgeface.prom; unset: none."
    )
    interval_s: Number = setting(15.0, "How often that file is written.", "s", ge=1, le=3600)


class Health(BaseModel):
    model_config = Group
    hot_c: Number = setting(80.0, "From this temperature on fewer pictures are looked at.", "°C", ge=40, le=120)
    hot_fps: Number = setting(5.0, "Pictures that an overheated board looks at.", "1/s", ge=4, le=30)
    disk_low_mb: Whole = setting(64, "Less free disk than this is an alarm; 0: none.", "MiB", ge=0, le=65_536)
    safe_mode_starts: Whole = setting(
        5, "After so many starts in a row that did not last, it starts locked and without recognition; 0: never.",
        ge=0, le=100,
    )  # fmt: skip
    lasting_min: Number = setting(5.0, "A start that has gone well for so long has lasted.", "minutes", gt=0, le=1440)
    safe_mode_min: Number = setting(15.0, "How long safe mode waits before it tries again.", "minutes", gt=0, le=10_080)
