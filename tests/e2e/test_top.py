"""The running door, watched: by the live view and by Prometheus."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request

from support.device import Device
from support.simboard import Simboard
from support.visits import COLLINS, Visit, write_scene


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_the_real_daemon_shows_its_grant_live_and_to_prometheus(enrolled: Device, board: Simboard) -> None:
    write_scene(enrolled.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
    port, file = free_port(), enrolled.folder / "edgeface.prom"
    enrolled.write({
        "camera": {"source": "replay:scene.toml", "loop": True},
        "metrics": {"port": port, "textfile": str(file), "interval_s": 1},
    })  # fmt: skip
    with enrolled.run() as daemon:
        daemon.wait_event("access_granted")
        board.wait_level(0)
        said = enrolled.edgeface("top", "--once", "--interval", "0.5")
        assert said.code == 0, said.err
        for part in ("granted", COLLINS, "detect", "looked at a second", "MiB of disk free", "locked"):
            assert part in said.out, said.out
        found = enrolled.edgeface("top", "--json").json
        assert found["measures"]["decisions"]["granted"] >= 1
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        assert 'edgeface_decisions_total{reason="granted"}' in text
        assert "edgeface_resident_memory_bytes" in text
        assert COLLINS not in text
        daemon.wait(lambda: file.exists() and 'reason="granted"' in file.read_text(), "the file follows")
        assert daemon.end() == 0
    assert not file.exists()


def test_metrics_that_nobody_wants_are_not_even_loaded() -> None:
    code = "import sys, edgeface.cli.run; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
