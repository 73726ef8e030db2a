"""`edgeface bench`: the shape of its numbers, never their size: a busy machine fails no test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest

from edgeface.app.bench import daemon, frames, matching, pictures, run
from edgeface.app.bench.processes import cpu_s, environment, peak_rss_mb
from edgeface.app.bench.report import Frames, Report, Spread
from edgeface.app.settings import load_settings
from edgeface.app.wiring import open_vision
from edgeface.app.wiring_tools import build_replay
from edgeface.domain.errors import ConfigError, EdgefaceError, SourceError

SETTINGS = load_settings(environ={})
STAGES = {"detect", "quality", "landmarks", "spoof", "embed", "match", "liveness", "decide"}


@pytest.fixture(scope="module")
def visitor() -> list[Any]:
    pytest.importorskip("skimage", reason="the portrait comes with scikit-image")
    return pictures.visitor(SETTINGS, None)


@pytest.fixture(scope="module")
def report(visitor: list[Any]) -> dict[str, Any]:
    return run.run(SETTINGS, count=25, with_daemon=False).to_dict()  # type: ignore[return-value]


def test_every_frame_runs_all_stages_and_the_numbers_agree(report: dict[str, Any]) -> None:
    """Every stage is there with rising percentiles, and the ratio is that of the frame to the floor."""
    assert set(report["stages"]) >= STAGES
    for spread in (*report["stages"].values(), report["frame"]):
        assert 0 < spread["p50_ms"] <= spread["p95_ms"] <= spread["p99_ms"]
    assert report["frames"] == 25
    assert report["ratio_to_floor"] == pytest.approx(report["frame"]["p50_ms"] / report["floor_ms"], abs=0.01)
    assert report["fps"] == pytest.approx(1000 / report["frame"]["p50_ms"], abs=0.06, rel=0.001)
    assert set(report["bare_models"]) == {"detect", "landmarks", "spoof", "embed"}


def test_the_report_has_the_promised_keys(report: dict[str, Any]) -> None:
    """Also where the daemon was left out: those are null."""
    promised = {
        "machine",
        "stages",
        "frame",
        "floor_ms",
        "ratio_to_floor",
        "fps",
        "startup_s",
        "peak_rss_mb",
        "match_ms",
    }
    assert promised <= set(report)
    assert report["startup_s"] is None
    assert set(report["match_ms"]) == {"100", "10000", "100000"}
    assert all(ms > 0 for ms in report["match_ms"].values())
    assert report["machine"]["cores"] >= 1


def test_the_real_daemon_is_started_decides_and_is_left_idle(visitor: list[Any]) -> None:
    """One start: it comes to a decision about an unknown visitor, and ends when it is told to."""
    took_s, rss_mb, share = daemon.measure(
        SETTINGS,
        open_vision(SETTINGS).embedder.model,
        visitor[:10],
        pictures.empty(SETTINGS)[:10],
        starts=1,
        busy_s=0.0,
        settle_s=0.5,
        idle_s=0.5,
    )
    assert took_s > 0
    assert rss_mb > 10
    assert share >= 0


def test_a_daemon_that_cannot_run_says_why(tmp_path: Any) -> None:
    """Its own last sentence reaches whoever measures."""
    config = tmp_path / "broken.toml"
    config.write_text("[door]\npin = 'no number'\n", encoding="utf-8")
    with daemon._running(config) as started, pytest.raises(EdgefaceError, match="ended before"):
        started.wait_for(daemon.DECISIONS)


def test_pictures_without_a_face_are_refused_with_a_sentence() -> None:
    """An empty doorway measures nothing that was asked for."""
    models = open_vision(SETTINGS)
    replay = build_replay(SETTINGS, models, [], lambda _event: None, frames.START, 1)
    with pytest.raises(SourceError, match="good enough"):
        frames.measure(replay, models.networks, pictures.empty(SETTINGS), 20)


@pytest.mark.parametrize(("source", "error"), [("nonsense", ConfigError), ("replay:/nowhere/at/all.mp4", SourceError)])
def test_a_source_that_is_none_is_refused(source: str, error: type[Exception]) -> None:
    """As everywhere else: what is wrong with it is said."""
    with pytest.raises(error):
        pictures.visitor(SETTINGS, source)


def test_bitmaps_are_read_back_as_they_were_written(tmp_path: Any) -> None:
    """Also where a row is no multiple of four bytes; there and back again, without the ends twice."""
    shots = [np.random.default_rng(i).integers(0, 256, (7, 5, 3), np.uint8) for i in range(3)]
    pictures.write_folder(shots, tmp_path / "shots")
    found = [cv2.imread(str(p)) for p in sorted((tmp_path / "shots").iterdir())]
    assert len(found) == 4
    for picture, shot in zip(found, [*shots, shots[1]], strict=True):
        assert np.array_equal(picture, shot)


def test_match_times_are_measured_for_every_size() -> None:
    """Each size that was asked for, above zero."""
    assert all(ms > 0 for ms in matching.measure_here((20, 200), repeats=5).values())


def test_what_proc_says_about_this_process() -> None:
    """This very process has used memory and time."""
    assert peak_rss_mb(os.getpid()) > 10
    assert cpu_s(os.getpid()) > 0


def test_a_daemon_under_measurement_gets_no_settings_of_this_door(monkeypatch: Any) -> None:
    """A measurement must never talk to the real door process or use its gallery."""
    monkeypatch.setenv("EDGEFACE_DOOR__DRIVER", "gpiozero")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    assert not {k for k in environment() if k.startswith("EDGEFACE_") or k == "NOTIFY_SOCKET"}


def test_targets_say_what_was_met() -> None:
    """Measured values beside their targets; what was not measured is neither met nor missed."""
    spread = Spread.of([0.010, 0.011, 0.012])
    timed = Frames(3, {}, spread, {}, Spread.of([0.010] * 3))
    told = {what: met for what, _, _, met in Report({}, timed, 1.2, None, 0.5, {100: 1.0}).targets()}
    assert list(told.values()) == [True, True, None, True, False]


def test_the_command_prints_json_alone_on_stdout(visitor: list[Any]) -> None:
    """As a script sees it."""
    done = subprocess.run(
        [sys.executable, "-m", "edgeface", "bench", "--json", "--frames", "20", "--without-daemon"],
        env=environment(), capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 20
