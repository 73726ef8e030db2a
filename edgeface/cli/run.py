"""`edgeface run`: the daemon in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeface.app import logs, wiring, wiring_safe
from edgeface.app.daemon import Daemon, Service
from edgeface.app.observing import Observer
from edgeface.app.reloading import Reloads, Taker
from edgeface.app.safe_mode import SafeMode
from edgeface.app.settings import Loaded, Settings, read_settings
from edgeface.app.wiring_metrics import Exports
from edgeface.app.wiring_parts import Parts
from edgeface.cli.output import ConfigOption, examples
from edgeface.cli.starting import require_startable
from edgeface.control.operations import operations
from edgeface.control.safe_operations import safe_operations
from edgeface.control.server import ControlServer, Operation, group_id, refuse_second
from edgeface.domain.errors import CameraError, ConfigError, EdgefaceError, KeyRejected, LinkUnavailable
from edgeface.domain.events import Event

FOR_A_PERSON = (KeyRejected.exit_code, ConfigError.exit_code)  # starting again mends none of these
app = typer.Typer(help="Run the door: camera, decision, relay.")


@app.command(
    epilog=examples("edgeface run", "edgeface run --config door.toml", "EDGEFACE_CAMERA__SOURCE=auto edgeface run")
)
def run(
    config: ConfigOption = None,
    parent_pid: Annotated[int, typer.Option(hidden=True, help="End with this parent process.")] = 0,
) -> None:
    """Run the door: camera, decision, relay.

    In the foreground, until Ctrl-C or SIGTERM; systemd starts it the same way. Without systemd it starts the door
    process itself, under a guard that locks when that dies. A recording as camera ends it."""
    if parent_pid:
        wiring.end_with_parent(parent_pid)
    loaded = read_settings(config)
    settings = loaded.settings
    require_startable(settings)
    refuse_second(settings.control_socket)
    logs.setup(settings.log.format, settings.log.level)
    starts = wiring_safe.start_count(settings)
    starts.begin()
    try:
        if 0 < settings.health.safe_mode_starts <= starts.failed:
            if not _safe_mode(settings, starts.failed):
                starts.lasted()
                return
            loaded = read_settings(config)  # somebody may have mended them meanwhile
        daemon = _build(loaded, config)
        daemon.lasted = starts.lasted
        daemon.run()
    except EdgefaceError as e:
        if e.exit_code in FOR_A_PERSON:
            starts.does_not_count()
        raise
    starts.lasted()


def _safe_mode(settings: Settings, failed_starts: int) -> bool:
    """Whether it is time to try again."""
    parts = wiring_safe.build_safe(settings, [lambda event: logs.log_event(logs.logger("door"), event)])
    return SafeMode(parts, failed_starts, lambda safe: [_control(settings, safe_operations(safe))]).run()


def _control(settings: Settings, found: dict[str, Operation]) -> ControlServer:
    faults = logs.logger("control")
    return ControlServer(
        settings.control_socket,
        found,
        group=group_id(settings.control.group),
        on_fault=lambda e: faults.error("request failed", exc_info=e),
    )


def _say_home_assistant(settings: Settings, of_a_site: bool) -> None:
    log = logs.logger("home assistant")
    if not of_a_site:
        log.warning("off", sentence="Home Assistant is told nothing: this door belongs to no site (edgeface pair).")
    elif settings.home_assistant.remote_unlock:
        log.warning(
            "remote unlock", sentence="Home Assistant may unlock this door: whoever may write to its topic on the "
            "broker can do that.",
        )  # fmt: skip


def _build(loaded: Loaded, config: Path | None) -> Daemon:
    settings = loaded.settings
    log, camera_log, metrics = logs.logger("door"), logs.logger("camera"), logs.logger("metrics")
    link_log = logs.logger("link")
    exports: list[Exports] = []
    parts: list[Parts] = []

    def told(event: Event) -> None:
        decided = bool(parts) and "track" in event.to_dict()
        timings = {stage: s * 1000 for stage, s in parts[0].loop.timings.items()} if decided else None
        logs.log_event(log, event, scores=settings.audit.scores, timings_ms=timings)

    def report(level: str, error: CameraError) -> None:
        (camera_log.warning if level == "warning" else camera_log.debug)("camera", sentence=str(error))

    def link_report(level: str, error: LinkUnavailable | None) -> None:
        say = {"warning": link_log.warning, "info": link_log.info}.get(level, link_log.debug)
        say("link", sentence="connected to the broker" if error is None else str(error))

    parts.append(wiring.build(settings, [told], report, link_report))
    if settings.home_assistant.enabled:
        _say_home_assistant(settings, parts[0].site is not None)

    def unexported(sentence: str) -> None:
        metrics.warning("metrics", sentence=sentence)

    def services(daemon: Daemon) -> list[Service]:
        exports.append(Exports(settings, Observer(daemon).metrics, unexported))
        return [
            exports[0],
            _control(settings, operations(daemon)),
        ]

    daemon = Daemon(parts[0], services)

    def take_over(changed: Settings) -> None:
        logs.setup(changed.log.format, changed.log.level)
        daemon.take_over(changed)
        exports[0].change(changed)

    daemon.reloads = Reloads(
        settings,
        lambda: read_settings(loaded.file or config).settings,  # a file that is gone is an error, and no defaults
        lambda changed: wiring.identity_rule(changed, parts[0].models),
        Taker(parts[0].loop.change, parts[0].gallery.change, take_over),
        parts[0].recorder.record,
        parts[0].clock,
    )
    return daemon
