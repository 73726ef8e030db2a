"""The only file that names concrete adapters: settings in, running parts out. Tests come in here too, with fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from random import SystemRandom
from typing import TYPE_CHECKING

from edgeface.app.courtesy import Courtesy
from edgeface.app.desk import Desk
from edgeface.app.door_loop import DoorLoop
from edgeface.app.known_time import known_utc_s
from edgeface.app.measures import Measures
from edgeface.app.people import IdentityRule, LiveGallery
from edgeface.app.recorder import EventStream, Listener, Recorder
from edgeface.app.renewal import KeyRenewal
from edgeface.app.rules import Rules, budget_of, rules_of
from edgeface.app.settings import Settings
from edgeface.app.view import Vision
from edgeface.app.wiring_parts import Parts
from edgeface.app.wiring_reader import door_reader, factor_hasher, open_readers
from edgeface.domain.calibration import FmrCurve
from edgeface.domain.errors import CameraError, EndOfStream, LinkUnavailable, ModelError, SourceError
from edgeface.domain.types import Floats, Pixels
from edgeface.ports import Camera, Clock, Door

if TYPE_CHECKING:
    from edgeface.adapters.camera.reconnect import ResilientCamera
    from edgeface.adapters.door.card_reader import DoorReader
    from edgeface.adapters.door.process import DoorProcess
    from edgeface.adapters.gallery.keys import DeviceKeys
    from edgeface.adapters.gallery.store import SqliteGallery
    from edgeface.adapters.system.audit import FileAudit
    from edgeface.adapters.system.audit_reader import AuditReader
    from edgeface.adapters.vision.bundle import VisionModels
    from edgeface.app.wiring_site import Site

DETECTORS = {"short": "blazeface-short", "full": "blazeface-full"}  # prefixes of the manifest's ids
PROGRESS_S = 4.0  # a worker that turns its loop in seconds; a frame on the slowest board takes a tenth of one


# -- one part each --------------------------------------------------------------------------------------------------


def open_vision(settings: Settings, *, stills: bool = False) -> VisionModels:
    """Loads the four models, where the manifest and every file in it are the pinned ones; `stills`: for photos, where a
    face that one range misses is looked for by the other too. Raises ModelError."""
    import cv2

    from edgeface.adapters.vision.bundle import load_vision
    from edgeface.adapters.vision.trusted import load_pinned

    cv2.setNumThreads(settings.vision.threads)  # OpenCV's own pool would wake every core for each small warp
    prefix = DETECTORS[settings.vision.detector]
    manifest = load_pinned(settings.models_folder)
    ids = [m.id for m in manifest.models if m.role == "detector" and m.id.startswith(prefix)]
    if not ids:
        raise ModelError(f"There is no {settings.vision.detector} range detector in {settings.models_folder}.")
    return load_vision(
        manifest,
        detector=ids[0],
        min_score=settings.vision.min_face_score,
        threads=settings.vision.threads,
        other_detectors=[m.id for m in manifest.models if m.role == "detector" and m.id != ids[0]] if stills else (),
    )


def vision_of(models: VisionModels) -> Vision:
    return Vision(models.detector, models.landmarks, models.spoof, models.embedder)


def identity_rule(settings: Settings, models: VisionModels) -> IdentityRule:
    """Raises ModelError where the embedder was never calibrated: no threshold can be derived then."""
    spec = models.manifest.pick("embedder", models.embedder.model)
    if spec.calibration is None:
        raise ModelError(f"The embedding model {spec.id} has no calibration.", "Use a model that was measured.")
    return IdentityRule(
        curve=FmrCurve(spec.calibration.fmr, spec.calibration.threshold, spec.calibration.measured_to),
        budget=budget_of(settings),
        fixed_threshold=settings.matching.fixed_threshold,
        min_margin=settings.matching.min_margin,
        needed=settings.decision.agree_frames,
        window=settings.decision.window_frames,
    )


def open_keys(settings: Settings, *, create: bool) -> DeviceKeys:
    """Raises KeyRejected, StorageError."""
    from edgeface.adapters.gallery.keys import DeviceKeys

    if create:
        return DeviceKeys.load_or_create(settings.key_file, protects=(settings.gallery_path, settings.audit_folder))
    return DeviceKeys.load(settings.key_file)


def open_gallery(settings: Settings, keys: DeviceKeys, clock: Clock | None = None) -> SqliteGallery:
    from edgeface.adapters.gallery.store import SqliteGallery

    clock = clock or system_clock()
    return SqliteGallery(settings.gallery_path, keys, utc_s=lambda: known_utc_s(clock))


def open_audit(settings: Settings, keys: DeviceKeys) -> FileAudit:
    from edgeface.adapters.system.audit import FileAudit
    from edgeface.adapters.system.host import Host

    return FileAudit(
        settings.audit_folder,
        keys=keys,
        clock=system_clock(),
        boot_id=Host().boot_id(),
        reserve_bytes=settings.audit.reserve_mb << 20,
        max_bytes=settings.audit.max_mb << 20,
        include_scores=settings.audit.scores,
    )


def audit_reader(settings: Settings, keys: DeviceKeys) -> AuditReader:
    from edgeface.adapters.system.audit_reader import AuditReader

    return AuditReader(settings.audit_folder, keys)


def system_clock(floor: datetime | None = None) -> Clock:
    """`floor`: a time that has been already; a clock that shows less is not set."""
    from edgeface.adapters.system.clock import SystemClock

    return SystemClock(floor)


def open_camera(
    settings: Settings, *, realtime: bool = True, on_break: Callable[[EndOfStream], None] | None = None
) -> Camera:
    """The camera of the settings, not yet opened; `on_break` hears of a looped recording that breaks off. Raises
    ConfigError, SourceError."""
    from edgeface.adapters.camera.sources import open_source

    camera = settings.camera
    return open_source(
        camera.source,
        width=camera.width,
        height=camera.height,
        fps=None if camera.source.startswith("replay:") else camera.fps,
        exposure=camera.exposure,
        realtime=realtime,
        loop=camera.loop,
        seed=camera.seed,
        find_face=lambda pixels: _landmarks_in(settings, pixels),
        on_break=on_break,
    )


def _landmarks_in(settings: Settings, pixels: Pixels) -> Floats:
    """(468, 3) landmarks of the face in a scene's portrait. Raises SourceError where there is none."""
    models = open_vision(settings, stills=True)
    faces = models.detector.detect(pixels)
    if not faces:
        raise SourceError("There is no face in the scene's portrait.", "Give a portrait that shows one face.")
    return models.landmarks.landmarks(pixels, max(faces, key=lambda f: f.eye_distance_px)).points


def resilient_camera(settings: Settings, report: Callable[[str, CameraError], None]) -> ResilientCamera:
    from edgeface.adapters.camera.reconnect import ResilientCamera

    def opened() -> Camera:
        return open_camera(settings, on_break=lambda end: report("warning", end))

    return ResilientCamera(opened, stall_limit_s=settings.camera.stall_s, report=report)


def door_process(settings: Settings) -> DoorProcess:
    """The guard with the door process, not yet started."""
    from edgeface.adapters.door.process import DoorProcess
    from edgeface.app.wiring_door import fittings_of, relay_of

    more = fittings_of(settings).to_args()
    return DoorProcess(relay_of(settings), settings.door_socket, settings.door.max_pulse_ms, more)


def end_with_parent(parent_pid: int) -> None:
    """SIGTERM for this process once that parent, which started it, is gone."""
    from edgeface.adapters.door.lifeline import die_with_parent

    die_with_parent(parent_pid)


def open_door(
    settings: Settings,
    clock: Clock,
    alive: Callable[[], bool] = lambda: True,
    reader: DoorReader | None = None,
) -> Door:
    """The client of the door process; a dry run's door where the driver is `recording`. `reader` hears what the door
    process's lines read."""
    if settings.door.driver == "recording":
        from edgeface.adapters.door.recording import RecordingDoor

        return RecordingDoor(clock, settings.door.max_pulse_ms)
    from edgeface.adapters.door.remote import RemoteDoor

    if reader is None:
        return RemoteDoor(settings.door_socket, alive=alive)
    door = RemoteDoor(settings.door_socket, alive=alive, read=reader.heard)
    reader.connected = lambda: door.connected
    return door


# -- the whole --------------------------------------------------------------------------------------------------------


def build(
    settings: Settings,
    listeners: Iterable[Listener],
    report: Callable[[str, CameraError], None],
    link_report: Callable[[str, LinkUnavailable | None], None] = lambda _level, _error: None,
) -> Parts:
    """Everything but threads. Raises what any part raises: a daemon that can't be safe doesn't start."""
    rules = rules_of(settings)
    open_camera(settings)  # only made, not opened: a source that means nothing is said before anything starts
    process = door_process(settings) if starts_door(settings) else None
    try:
        if process is not None:
            process.launch()  # it comes up while the models are loaded
        return _build(settings, listeners, report, rules, process, link_report)
    except BaseException:
        if process is not None:
            process.stop()
        raise


def _build(
    settings: Settings,
    listeners: Iterable[Listener],
    report: Callable[[str, CameraError], None],
    rules: Rules,
    process: DoorProcess | None,
    link_report: Callable[[str, LinkUnavailable | None], None],
) -> Parts:
    from edgeface.adapters.system.host import Host
    from edgeface.adapters.system.watchdog import ProgressWatchdog, Systemd, SystemdNotifier
    from edgeface.app.wiring_home import build_home
    from edgeface.app.wiring_site import build_site, tell_site

    stream, measures, models, host = EventStream(), Measures(), open_vision(settings), Host()
    keys = open_keys(settings, create=True)
    clock = system_clock(audit_reader(settings, keys).newest_time())
    store, audit = open_gallery(settings, keys, clock), open_audit(settings, keys)
    courtesy, rule = Courtesy(), identity_rule(settings, models)
    gallery = LiveGallery(store, models.embedder.model, rule, clock, courtesy.give_way)
    sites: list[Site] = []
    recorder = Recorder(audit, clock, [stream.publish, measures.event, tell_site(sites), *listeners])
    watchdog = ProgressWatchdog(["camera", "vision"], PROGRESS_S, clock)
    if process is not None:
        process.wait_ready()
    lines = door_reader(settings)
    door = open_door(settings, clock, lambda: "vision" not in watchdog.late(clock.monotonic_s()), lines)
    desk = Desk(gallery, recorder, clock, rules.policy.factors, factor_hasher(keys))
    loop = DoorLoop(vision_of(models), gallery, door, recorder, clock, rules, SystemRandom(), desk=desk)
    site = build_site(
        settings, store, keys, gallery, door, recorder, audit, clock, models.embedder.model, loop.named,
        link_report, lambda: asdict(host.status(settings.state_dir)), courtesy.give_way,
    )  # fmt: skip
    if site is not None:
        loop.gate = site.gate
        site.home = build_home(settings, site, loop, gallery, door, recorder, clock, host.temperature_c)
        sites.append(site)
    renewal = KeyRenewal(
        store, lambda: closing(open_gallery(settings, keys, clock)), recorder, clock,
        lambda: bool((view := loop.latest) and view.tracks), site.reports.erasures_due if site else lambda: None,
    )  # fmt: skip
    return Parts(
        settings, clock, models, store, audit, gallery, stream, recorder, watchdog, Systemd(SystemdNotifier()),
        process, door, resilient_camera(settings, report), loop, measures, host, site, courtesy,
        open_readers(settings, lines), renewal,
    )  # fmt: skip


def starts_door(settings: Settings) -> bool:
    return settings.door.driver != "recording" and settings.starts_door_process
