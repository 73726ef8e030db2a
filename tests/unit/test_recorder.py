"""The recorder: durable first, in order, nothing lost; and the stream that others listen to."""

from __future__ import annotations

import threading

import pytest

from edgeface.adapters.system.audit_memory import MemoryAudit
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app.recorder import BACKLOG, LISTENER_QUEUE, EventStream, Recorder
from edgeface.domain.errors import StorageError
from edgeface.domain.events import CameraRecovered, DoorProcessLost, DoorProcessRecovered


def lost(n: int) -> DoorProcessLost:
    return DoorProcessLost(float(n), detail=str(n))


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.audit = MemoryAudit(clock=self.clock, boot_id="test")
        self.heard: list = []
        self.recorder = Recorder(self.audit, self.clock, [self.heard.append])

    def durable(self) -> list:
        return [line.get("detail") or line["event"] for line in self.audit.read()]


def test_listeners_hear_what_is_durable_already():
    world = World()
    seen = []
    world.recorder = Recorder(world.audit, world.clock, [lambda e: seen.append((e.detail, world.durable()))])
    world.recorder.record([lost(1), lost(2)])
    assert seen == [("1", ["1", "2"]), ("2", ["1", "2"])]


def test_what_the_disk_refuses_is_kept_and_written_in_order_once_it_works():
    world = World()
    world.recorder.record([lost(1)])
    world.audit.fail_writes()
    world.recorder.record([lost(2), lost(3)])
    world.recorder.record([lost(4)])
    assert world.durable() == ["1"]
    assert world.recorder.fault
    world.audit.fail_writes(False)
    world.recorder.record([lost(5)])
    fault = "The audit log can't be written."
    assert world.durable() == ["1", "2", "3", fault, "4", "5", "storage_recovered"]
    assert world.recorder.fault is None
    assert world.audit.verify().count == 7


def test_a_fault_is_told_once_and_so_is_its_end():
    world = World()
    world.audit.fail_writes()
    for n in range(5):
        world.recorder.record([lost(n)])
    world.audit.fail_writes(False)
    world.recorder.record([lost(5)])
    world.recorder.record([lost(6)])
    kinds = [e.kind for e in world.heard]
    assert kinds.count("storage_fault") == 1
    assert kinds.count("storage_recovered") == 1
    assert [e.detail for e in world.heard if e.kind == "door_process_lost"] == [str(n) for n in range(7)]


def test_retry_writes_what_waits_and_does_nothing_otherwise():
    world = World()
    world.recorder.retry()
    assert world.durable() == []
    world.audit.fail_writes()
    world.recorder.record([lost(1)])
    world.recorder.retry()
    assert world.recorder.fault
    world.audit.fail_writes(False)
    world.recorder.retry()
    assert world.durable() == ["1", "The audit log can't be written.", "storage_recovered"]
    assert world.recorder.fault is None


def test_record_before_raises_and_records_nothing_where_the_disk_refuses():
    """Nobody is told of it, and it does not turn up later either: what it announced did not happen."""
    world = World()
    world.audit.fail_writes()
    with pytest.raises(StorageError):
        world.recorder.record_before(lost(1))
    assert [e.kind for e in world.heard] == ["storage_fault"]
    world.audit.fail_writes(False)
    world.recorder.retry()
    assert "1" not in world.durable()


def test_record_before_writes_what_waits_first():
    world = World()
    world.audit.fail_writes()
    world.recorder.record([lost(1)])
    world.audit.fail_writes(False)
    world.recorder.record_before(lost(2))
    assert world.durable() == ["1", "The audit log can't be written.", "2", "storage_recovered"]


class FailsOnce(MemoryAudit):
    """Fails again just when the recovery is to be written."""

    left = 1

    def append(self, events):
        events = list(events)
        if [e.kind for e in events] == ["storage_recovered"] and self.left:
            self.left -= 1
            raise StorageError("The disk is full again.")
        super().append(events)


def test_a_disk_that_fails_while_its_recovery_is_recorded_has_not_recovered():
    world = World()
    world.audit = FailsOnce(clock=world.clock, boot_id="test")
    world.recorder = Recorder(world.audit, world.clock, [world.heard.append])
    world.audit.fail_writes()
    world.recorder.record([lost(1)])
    world.audit.fail_writes(False)
    world.recorder.record([lost(2)])
    assert world.recorder.fault
    assert not [e for e in world.heard if e.kind == "storage_recovered"]
    world.recorder.retry()
    assert world.recorder.fault is None
    assert world.durable()[-1] == "storage_recovered"


def test_a_listener_may_record_something_itself_even_while_the_disk_fails():
    world = World()
    again = []

    def answer(event):
        again.append(event.kind)
        if event.kind == "storage_fault":
            world.recorder.record([DoorProcessRecovered(0.0)])

    world.recorder = Recorder(world.audit, world.clock, [answer])
    world.audit.fail_writes()

    def work():
        with pytest.raises(StorageError):
            world.recorder.record_before(lost(1))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it waits for its own lock"
    assert again == ["storage_fault", "door_process_recovered"]


def test_threads_that_record_at_once_lose_nothing():
    world = World()
    threads = [
        threading.Thread(target=lambda k=k: [world.recorder.record([lost(100 * k + i)]) for i in range(50)])
        for k in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(map(int, world.durable())) == sorted(100 * k + i for k in range(4) for i in range(50))
    assert world.audit.verify().count == 200


# -- the stream --------------------------------------------------------------------------------------------------


def test_a_listener_gets_what_comes_after_the_number_it_names():
    stream = EventStream()
    for n in range(1, 4):
        stream.publish(CameraRecovered(float(n), 0.0))
    heard = stream.listen(since=1)
    assert [n for n, _ in (next(heard), next(heard))] == [2, 3]
    stream.publish(CameraRecovered(4.0, 0.0))
    assert next(heard)[0] == 4


def test_a_listener_without_a_number_hears_only_what_is_new():
    stream = EventStream()
    stream.publish(CameraRecovered(1.0, 0.0))
    heard = stream.listen()
    stream.publish(CameraRecovered(2.0, 0.0))
    assert next(heard)[0] == 2


def test_the_backlog_is_bounded():
    stream = EventStream()
    for n in range(BACKLOG + 10):
        stream.publish(CameraRecovered(float(n), 0.0))
    assert len(stream.recent()) == BACKLOG
    assert stream.recent()[0][0] == 11


def test_a_listener_that_does_not_keep_up_is_dropped_and_told_so_by_the_end():
    stream = EventStream()
    slow, awake = stream.listen(), stream.listen()
    for n in range(LISTENER_QUEUE):
        stream.publish(CameraRecovered(float(n), 0.0))
        next(awake)
    stream.publish(CameraRecovered(-1.0, 0.0))
    assert next(awake)[0] == LISTENER_QUEUE + 1
    assert sum(item is not None for item in slow) == LISTENER_QUEUE


def test_closing_ends_every_listener():
    stream = EventStream()
    heard = stream.listen()
    stream.close()
    assert list(heard) == []
