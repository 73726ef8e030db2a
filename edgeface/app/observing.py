"""All that can be known about the running daemon, as one report and as metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from edgeface import __version__
from edgeface.app.measures import Measured
from edgeface.domain.errors import EdgefaceError
from edgeface.domain.measures import Distribution, Metric, Sample

if TYPE_CHECKING:
    from edgeface.app.daemon import Daemon


class Observer:
    """Reads alone; from any thread."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self._parts = daemon, daemon.parts

    # -- for people: `edgeface top` --------------------------------------------------------------------------------

    def report(self) -> dict[str, Any]:
        """Counters since the start; who asks twice has the rates. JSON's types."""
        d, p = self._daemon, self._parts
        measured, people, machine = p.measures.now(), p.gallery.now.people, d.machine.latest
        now_s = p.clock.monotonic_s()

        def name(person: str | None) -> str | None:
            known = None if person is None else people.get(person)
            return person if known is None else known.name

        return {
            "t_s": round(now_s, 3),
            "frames": d.frames,
            "not_looked_at": d.slot.replaced,
            "looked_at_too_late": p.loop.late_frames,
            "stages": {stage: _dumped(found) for stage, found in measured.stages.items()},
            "grant_age": _dumped(measured.grant_age),
            "decisions": dict(measured.decisions),
            "camera_faults": dict(measured.camera_faults),
            "last": [
                {"ago_s": round(now_s - x.t_s, 1), "decision": x.decision, "person": name(x.person),
                 "evidence_ms": x.evidence_ms}
                for x in measured.last
            ],
            "queues": self._queues(),
            "machine": {
                "temperature_c": machine.temperature_c,
                "throttled": None if machine.throttled is None else list(machine.throttled),
                "disk_free_bytes": machine.disk_free_bytes,
                "rss_bytes": machine.rss_bytes,
            },
        }  # fmt: skip

    def _queues(self) -> dict[str, int]:
        return {
            "frames": int(self._daemon.slot.waiting),
            "audit": self._parts.recorder.pending,
            "listeners": self._parts.stream.longest_queue,
        }

    # -- for Prometheus ----------------------------------------------------------------------------------------------

    def metrics(self) -> list[Metric]:
        measured = self._parts.measures.now()
        return [*self._of_decisions(measured), *self._of_camera(measured), *self._of_device()]

    def _of_decisions(self, m: Measured) -> list[Metric]:
        return [
            Metric(
                "edgeface_stage_seconds", "Time that one stage took in one frame.", "histogram",
                tuple(Sample(found, (stage,)) for stage, found in sorted(m.stages.items())), ("stage",),
            ),
            Metric(
                "edgeface_grant_frame_age_seconds", "Age of the frame when the relay had moved.", "histogram",
                (Sample(m.grant_age),),
            ),
            _counted("edgeface_decisions", "Decisions: granted, and denials by their reason.", m.decisions, "reason"),
            _counted("edgeface_events", "Events by their kind.", m.events, "event"),
        ]  # fmt: skip

    def _of_camera(self, m: Measured) -> list[Metric]:
        d = self._daemon
        return [
            _gauge("edgeface_camera_ok", "1 while pictures come.", d.camera_ok),
            _counter("edgeface_frames", "Frames that were looked at.", d.frames),
            _counter("edgeface_frames_replaced", "Frames that a newer one replaced.", d.slot.replaced),
            _counter("edgeface_frames_late", "Frames judged too late to decide on.", self._parts.loop.late_frames),
            _counted("edgeface_camera_faults", "How often the camera was lost, by fault.", m.camera_faults, "fault"),
        ]

    def _of_device(self) -> list[Metric]:
        d, p = self._daemon, self._parts
        now, machine = p.gallery.now, d.machine.latest
        version = Sample(1.0, (__version__,))
        queues = tuple(Sample(float(n), (queue,)) for queue, n in self._queues().items())
        found = [
            Metric("edgeface_build_info", "The version that runs.", "gauge", (version,), ("version",)),
            _gauge("edgeface_uptime_seconds", "Since the daemon's start.", p.clock.monotonic_s() - d.started_s),
            Metric("edgeface_queue_depth", "What waits in each queue.", "gauge", queues, ("queue",)),
            _gauge("edgeface_gallery_people", "People in force.", len(now.people)),
            _gauge("edgeface_gallery_templates", "Templates in force.", now.matrix.templates),
            _gauge("edgeface_gallery_damaged", "Records that do not authenticate.", len(now.damaged)),
            _gauge("edgeface_gallery_version", "Rises with every change of the gallery.", now.version),
            _gauge("edgeface_audit_ok", "1 while the audit log is durable.", p.recorder.fault is None),
            _standing("edgeface_alarm", "Alarms of the device that stand.", d.alarms.standing),
            *self._of_door(),
        ]
        known = {
            "edgeface_temperature_celsius": ("The hottest thermal zone.", machine.temperature_c),
            "edgeface_disk_free_bytes": ("Free for the state folder.", machine.disk_free_bytes),
            "edgeface_resident_memory_bytes": ("The daemon's memory.", machine.rss_bytes),
            "edgeface_throttled": (
                "Limits of the firmware that are in force.",
                None if machine.throttled is None else len(machine.throttled),
            ),
        }
        return found + [_gauge(key, told, value) for key, (told, value) in known.items() if value is not None]

    def _of_door(self) -> list[Metric]:
        reachable = _gauge("edgeface_door_reachable", "1 while the door process answers.", True)
        try:
            status = self._parts.door.status()
        except EdgefaceError:
            return [_gauge(reachable.name, reachable.help, False)]
        return [
            reachable,
            _gauge("edgeface_door_locked", "1 while the door is locked.", status.locked),
            _standing("edgeface_door_alarm", "Alarms of the door that stand.", status.alarms),
        ]


def _gauge(name: str, told: str, value: float) -> Metric:
    return Metric(name, told, "gauge", (Sample(float(value)),))


def _counter(name: str, told: str, value: float) -> Metric:
    return Metric(name, told, "counter", (Sample(float(value)),))


def _standing(name: str, told: str, alarms: Iterable[str]) -> Metric:
    return Metric(name, told, "gauge", tuple(Sample(1.0, (alarm,)) for alarm in alarms), ("alarm",))


def _counted(name: str, told: str, counts: Any, label: str) -> Metric:
    samples = tuple(Sample(float(n), (key,)) for key, n in sorted(counts.items()))
    return Metric(name, told, "counter", samples, (label,))


def _dumped(found: Distribution) -> dict[str, Any]:
    return {"bounds_s": list(found.bounds), "counts": list(found.counts), "total_s": round(found.total, 6)}
