"""The whole benchmark, one part after the other: nothing is measured while something else is."""

from __future__ import annotations

from collections.abc import Callable

from edgeface.app.bench import daemon, frames, matching, pictures
from edgeface.app.bench.machine import machine
from edgeface.app.bench.report import Report
from edgeface.app.settings import Settings
from edgeface.app.wiring import open_vision
from edgeface.app.wiring_tools import build_replay

FRAMES = 300
DAEMON_PICTURES = 30  # a second of them, shown over and over
STEPS = ("drawing the input", "frames", "matching", "start, memory and idle door")

Progress = Callable[[str, float], None]
"""(one of STEPS, how far it is, 0 to 1)"""


def run(
    settings: Settings,
    *,
    count: int = FRAMES,
    source: str | None = None,
    with_daemon: bool = True,
    progress: Progress = lambda _step, _done: None,
) -> Report:
    """`source`: a camera source that shows a person, None: the built-in portrait. Raises what reading it raises,
    ConfigError, ModelError, and EdgefaceError where the daemon doesn't run."""
    host = machine()  # before this loads the machine itself
    visitor = pictures.visitor(settings, source)
    progress(STEPS[0], 0.5)
    empty = pictures.empty(settings)
    progress(STEPS[0], 1.0)
    models = open_vision(settings)
    strangers = matching.random_people(frames.TEMPLATES, models.embedder.model)
    replay = build_replay(settings, models, strangers, lambda _event: None, frames.START, 1)
    timed = frames.measure(replay, models.networks, visitor, count, lambda done: progress(STEPS[1], done))
    match_ms = matching.measure()
    progress(STEPS[2], 1.0)
    startup_s = peak_rss_mb = idle_share = None
    if with_daemon:
        startup_s, peak_rss_mb, idle_share = daemon.measure(
            settings,
            models.embedder.model,
            visitor[:DAEMON_PICTURES],
            empty[:DAEMON_PICTURES],
            lambda done: progress(STEPS[3], done),
        )
    return Report(host, timed, startup_s, peak_rss_mb, idle_share, match_ms)
