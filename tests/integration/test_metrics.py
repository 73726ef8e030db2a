"""The metrics as Prometheus reads them, of the real daemon: by HTTP on this machine alone, and as a file."""

from __future__ import annotations

import socket
import time
import urllib.request
from io import StringIO
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.doorway import Seen, enrolled
from support.running import Running

from edgeface.adapters.system.prometheus import PrometheusFile, PrometheusServer
from edgeface.app.observing import Observer
from edgeface.app.settings import Settings
from edgeface.app.wiring_metrics import Exports
from edgeface.cli.top import view
from edgeface.domain.errors import ConfigError
from edgeface.domain.measures import Metric, Sample

ONE = [Metric("edgeface_frames", "Frames.", "counter", (Sample(3.0),))]


def read(port: int) -> dict[str, list]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def value(families: dict[str, list], name: str, **labels: str) -> float:
    (found,) = [s.value for f in families.values() for s in f if s.name == name and labels.items() <= s.labels.items()]
    return found


def test_a_grant_shows_in_every_number_that_it_touches() -> None:
    ada, face = enrolled("ada"), Seen("ada")
    running = Running(ada, faces=[face])
    server = PrometheusServer(Observer(running.daemon).metrics, 0)
    told: dict[str, object] = {}

    def script() -> None:
        running.until(lambda: running.count("access_granted") > 0)
        running.frames_pass(5)
        before = Observer(running.daemon).report()
        running.frames_pass(5)
        now = Observer(running.daemon).report()
        server.start()
        told.update(families=read(server.port), before=before, now=now)
        server.stop()

    running.play(script)
    families, now = told["families"], told["now"]
    assert value(families, "edgeface_decisions_total", reason="granted") >= 1
    assert value(families, "edgeface_grant_frame_age_seconds_count") >= 1
    assert value(families, "edgeface_stage_seconds_count", stage="detect") >= 5
    assert value(families, "edgeface_stage_seconds_bucket", stage="detect", le="+Inf") >= 5
    assert value(families, "edgeface_camera_ok") == 1
    assert value(families, "edgeface_gallery_people") == 1
    assert value(families, "edgeface_audit_ok") == 1
    assert value(families, "edgeface_queue_depth", queue="audit") == 0
    assert value(families, "edgeface_door_reachable") == 1
    assert now["frames"] >= told["before"]["frames"] + 5
    granted = [x for x in now["last"] if x["decision"] == "granted"]
    assert granted[0]["person"] == ada.name


def test_the_port_is_open_to_this_machine_alone() -> None:
    server = PrometheusServer(lambda: ONE, 0)
    server.start()
    try:
        assert value(read(server.port), "edgeface_frames_total") == 3
        own = socket.gethostbyname(socket.gethostname())
        if own.startswith("127."):
            pytest.skip("this machine has no other address")
        with pytest.raises(OSError), socket.create_connection((own, server.port), timeout=5):
            pass
    finally:
        server.stop()


def test_a_port_that_is_taken_is_a_sentence_and_costs_the_door_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match="can't be had on port"):
            PrometheusServer(lambda: ONE, port).start()
        exports = Exports(Settings(metrics={"port": port, "textfile": tmp_path / "x.prom"}), lambda: ONE, said.append)
        exports.start()
        exports.stop()
    assert len(said) == 1
    assert "metrics.port" in said[0]


def test_the_file_is_whole_at_any_time_and_goes_with_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "edgeface.prom"
    file = PrometheusFile(lambda: ONE, path, 3600, lambda _: None)
    file.write()
    assert "edgeface_frames_total 3.0" in path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["edgeface.prom"]
    file.start()
    file.stop()
    assert not path.exists()


def test_a_file_that_cant_be_written_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    file = PrometheusFile(lambda: ONE, tmp_path / "no" / "edgeface.prom", 3600, said.append)
    file.write()
    file.write()
    assert len(said) == 1
    assert "can't be written" in said[0]


def test_an_export_follows_settings_that_are_reloaded(tmp_path: Path) -> None:
    exports, first, second = Exports(Settings(), lambda: ONE, lambda _: None), tmp_path / "a.prom", tmp_path / "b.prom"
    exports.start()
    for path in (first, second):
        exports.change(Settings(metrics={"textfile": path}))
        for _ in range(200):
            if path.exists():
                break
            time.sleep(0.05)
        assert "edgeface_frames_total" in path.read_text()
    assert not first.exists()
    exports.change(Settings())
    assert not second.exists()


def test_nothing_is_exported_unless_it_is_wanted() -> None:
    exports = Exports(Settings(), lambda: pytest.fail("nobody asked"), lambda _: None)
    exports.start()
    exports.stop()


def test_the_live_view_shows_what_stands() -> None:
    from rich.console import Console

    distribution = {"bounds_s": [0.01, 0.1], "counts": [5, 5, 0], "total_s": 0.3}
    before = {
        "t_s": 10.0, "frames": 100, "not_looked_at": 0, "looked_at_too_late": 0, "stages": {}, "decisions": {},
        "camera_faults": {}, "last": [], "queues": {"frames": 0}, "grant_age": distribution,
        "machine": {"temperature_c": None, "throttled": None, "disk_free_bytes": None, "rss_bytes": None},
    }  # fmt: skip
    now = {
        **before, "t_s": 12.0, "frames": 130, "stages": {"detect": distribution}, "decisions": {"granted": 1},
        "last": [{"ago_s": 1.0, "decision": "granted", "person": "Ada \x1b[31m", "evidence_ms": 400}],
        "camera_faults": {"stalled": 2},
        "machine": {"temperature_c": 61.2, "throttled": ["undervoltage"], "disk_free_bytes": 5 << 20,
                    "rss_bytes": 90 << 20},
    }  # fmt: skip
    status = {
        "version": "1", "door_name": "front", "uptime_s": 12.0, "audit_fault": None,
        "alarms": {"clock": "The clock is wrong."},
        "camera": {"ok": False, "name": "cam"}, "gallery": {"people": 1, "templates": 2, "damaged": {}},
        "door": {"reachable": True, "locked": False, "held_by": "fire", "mode": "normal", "alarms": ["fire"]},
    }  # fmt: skip
    console = Console(width=160, file=StringIO())
    console.print(view(status, before, now))
    shown = console.file.getvalue()
    for part in ("UNLOCKED by fire", "ALARM clock", "ALARM: fire", "NO PICTURE", "15.0 looked at", "stalled 2", "61 °C",
                 "undervoltage", "5 MiB of disk", "detect", "granted", "Ada \\x1b[31m"):  # fmt: skip
        assert part in shown, shown
