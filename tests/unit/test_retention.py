"""Everything that is kept has a limit: a door runs for years."""

from __future__ import annotations

from support.doorway import Seen, enrolled
from support.running import Running

from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.recorder import BACKLOG, LISTENER_QUEUE, PENDING, EventStream, Recorder
from edgeface.domain.errors import StorageError
from edgeface.domain.events import CameraRecovered


class Refusing(MemoryAudit):
    def append(self, events) -> None:
        raise StorageError("The disk is full.")


def test_a_disk_that_refuses_for_a_year_costs_a_bounded_memory() -> None:
    clock = VirtualClock()
    recorder = Recorder(Refusing(clock=clock, boot_id="b"), clock, [])
    recorder.record([CameraRecovered(float(i), 0.0) for i in range(PENDING + 500)])
    assert recorder.pending == PENDING


def test_events_are_remembered_for_those_who_ask_up_to_a_limit() -> None:
    stream = EventStream()
    for i in range(3 * BACKLOG):
        stream.publish(CameraRecovered(float(i), 0.0))
    assert len(stream.recent()) == BACKLOG


def test_a_listener_that_does_not_read_is_dropped_and_costs_no_more() -> None:
    stream = EventStream()
    stream.listen()
    for i in range(LISTENER_QUEUE):
        stream.publish(CameraRecovered(float(i), 0.0))
    assert stream.longest_queue == LISTENER_QUEUE
    stream.publish(CameraRecovered(0.0, 0.0))
    assert stream.longest_queue == 0


def test_a_running_door_writes_no_picture(tmp_path) -> None:
    """Nor anything else beside its state."""
    running = Running(enrolled("ada"), faces=[Seen("ada")], state_dir=tmp_path / "state", run_dir=tmp_path / "run")
    running.play(lambda: running.until(lambda: running.count("access_granted") > 0))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
