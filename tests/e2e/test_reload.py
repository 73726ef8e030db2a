"""The real daemon reads its settings anew: by SIGHUP, and by the command."""

from __future__ import annotations

import signal

from support.device import Device
from support.simboard import Simboard
from support.visits import Visit, write_scene

FAST = {"decision": {"cooldown_s": 0.5}, "lockout": {"failures": 100}}


def test_reloaded_live_refused_by_name_and_the_last_good_ones_kept(enrolled: Device, board: Simboard) -> None:
    """One daemon, from the first to the last: pulse, refusal, nonsense, a file that is gone."""
    write_scene(enrolled.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
    camera = {"source": "replay:scene.toml", "loop": True}
    enrolled.write({**FAST, "door": {"pulse_ms": 400}, "camera": camera})
    with enrolled.run() as daemon:
        board.wait_level(1, timeout_s=60)
        board.wait_level(0)
        pid = daemon.process.pid

        enrolled.write({**FAST, "door": {"pulse_ms": 900, "pin": 5}, "camera": camera})
        daemon.process.send_signal(signal.SIGHUP)
        told = daemon.wait_event("settings_reloaded")
        assert (told["changed"], told["refused"]) == ("door.pulse_ms", "door.pin")
        granted = daemon.wait_event("access_granted", after_seq=told["seq"])
        unlocked = daemon.wait_event("door_unlocked", after_seq=granted["seq"])
        assert unlocked["pulse_ms"] == 900

        used, good = enrolled.config, enrolled.folder / "good.toml"
        good.write_text(used.read_text())
        used.write_text(good.read_text().replace("pulse_ms = 900", 'pulse_ms = "long"'))
        said = enrolled.edgeface("config", "reload")
        assert said.code == 78, said.err
        enrolled.config = good  # what this test itself reads the log by
        daemon.process.send_signal(signal.SIGHUP)
        refused = daemon.wait_event("settings_refused")
        assert "pulse_ms" in refused["detail"]

        used.unlink()
        daemon.process.send_signal(signal.SIGHUP)
        gone = daemon.wait_event("settings_refused", after_seq=refused["seq"])
        assert "can't be read" in gone["detail"]
        granted = daemon.wait_event("access_granted", after_seq=gone["seq"])
        assert daemon.wait_event("door_unlocked", after_seq=granted["seq"])["pulse_ms"] == 900

        enrolled.config = used
        enrolled.write({**FAST, "door": {"pulse_ms": 500}, "camera": camera})
        said = enrolled.edgeface("config", "reload", "--json")
        assert (said.code, said.json) == (0, {"changed": ["door.pulse_ms"], "refused": []})
        assert daemon.process.pid == pid
        assert daemon.end() == 0
