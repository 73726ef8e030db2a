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
