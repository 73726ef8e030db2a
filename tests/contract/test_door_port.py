"""One suite over every Door: the fake on a virtual clock, and the client of the real door process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.doord import Doord, grant_id
from support.simboard import Simboard, wait_for

from edgeface.adapters.door.recording import RecordingDoor
from edgeface.adapters.door.remote import RemoteDoor
from edgeface.domain.errors import DoorUnavailable, GrantRefused
from edgeface.domain.events import DoorLocked, DoorUnlocked, Event
from edgeface.ports import Door


class VirtualClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def utc(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=timezone.utc)

    def is_set(self) -> bool:
        return True


@dataclass
class Bench:
    """A door, how to let time pass for it, and how often its relay was energised."""

    door: Door
    pass_ms: Callable[[int], None]
    pulses: Callable[[], int]
    now_s: Callable[[], float]

    def events(self, count: int) -> list[Event]:
        """Polls until that many came; reports of a door process take a moment."""
        events: list[Event] = []

        def enough() -> bool:
            events.extend(self.door.poll_events())
            return len(events) >= count

        wait_for(enough, f"{count} events come")
        return events


@pytest.fixture(params=["recording", "remote"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "recording":
        clock = VirtualClock()

        def advance(ms: int) -> None:
            clock.now_s += ms / 1000

        fake = RecordingDoor(clock, max_pulse_ms=2000)
        yield Bench(fake, advance, lambda: sum(on for _, on in fake.energised), clock.monotonic_s)
        fake.close()
        return
    with Simboard(tmp_path) as board, Doord(tmp_path, board, "--max-pulse-ms", "2000") as doord:
        remote = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
        yield Bench(remote, lambda ms: time.sleep(ms / 1000), lambda: len(board.pulses()), time.monotonic)
        remote.close()


def test_a_grant_unlocks_for_its_pulse_and_no_longer(bench: Bench) -> None:
    name = grant_id()
    before_s = bench.now_s()
    bench.door.grant(name, 200)
    assert bench.pulses() == 1
    bench.pass_ms(200)
    unlocked, locked = bench.events(2)
    assert isinstance(unlocked, DoorUnlocked)
    assert (unlocked.grant_id, unlocked.pulse_ms) == (name, 200)
    assert isinstance(locked, DoorLocked)
    assert (locked.cause, locked.grant_id) == ("pulse_ended", name)
    # The pulse's end is set before the relay moves, and no later than that: whatever a busy machine takes to move it is
    # no longer pulse. So it is measured from the asking, and the unlocking lies within it.
    assert locked.t_s - before_s >= 0.199
    assert before_s - 0.001 <= unlocked.t_s < locked.t_s <= bench.now_s()
    status = bench.door.status()
    assert (status.locked, status.mode, status.grant_id) == (True, "normal", None)


def test_status_names_the_running_grant(bench: Bench) -> None:
    name = grant_id()
    bench.door.grant(name, 2000)
    status = bench.door.status()
    assert (status.locked, status.grant_id) == (False, name)


def test_lock_ends_a_pulse(bench: Bench) -> None:
    name = grant_id()
    bench.door.grant(name, 2000)
    bench.door.lock()
    assert bench.door.status().locked
    assert [event.to_dict().get("cause") for event in bench.events(2)] == ["grant", "requested"]


def test_locking_a_locked_door_is_no_news(bench: Bench) -> None:
    bench.door.lock()
    bench.door.lock()
    bench.door.status()
    assert bench.door.poll_events() == []


@pytest.mark.parametrize("pulse_ms", [0, -1, 2001, 10**9])
def test_a_pulse_outside_its_cap_is_refused(bench: Bench, pulse_ms: int) -> None:
    with pytest.raises(GrantRefused) as caught:
        bench.door.grant(grant_id(), pulse_ms)
    assert caught.value.code == "cap_exceeded"
    assert bench.pulses() == 0


def test_an_id_opens_once(bench: Bench) -> None:
    name = grant_id()
    bench.door.grant(name, 100)
    bench.door.lock()
    with pytest.raises(GrantRefused) as caught:
        bench.door.grant(name, 100)
    assert caught.value.code == "repeated_id"
    assert bench.door.status().locked
    assert bench.pulses() == 1


def test_a_second_grant_does_not_lengthen_a_running_pulse(bench: Bench) -> None:
    first = grant_id()
    bench.door.grant(first, 2000)
    with pytest.raises(GrantRefused) as caught:
        bench.door.grant(grant_id(), 2000)
    assert caught.value.code == "pulse_running"
    assert bench.door.status().grant_id == first


def test_an_id_that_is_none_is_refused_and_locks(bench: Bench) -> None:
    bench.door.grant(grant_id(), 2000)
    with pytest.raises((GrantRefused, DoorUnavailable)):
        bench.door.grant("../../open", 2000)
    assert [event.to_dict().get("cause") for event in bench.events(2)][:2] == ["grant", "client_nonsense"]


def test_a_closed_door_opens_nothing(bench: Bench) -> None:
    bench.door.grant(grant_id(), 2000)
    bench.door.close()
    bench.door.close()
    with pytest.raises(DoorUnavailable):
        bench.door.grant(grant_id(), 100)
    with pytest.raises(DoorUnavailable):
        bench.door.status()
    assert bench.pulses() == 1


def test_threads_may_share_a_door(bench: Bench) -> None:
    """Of many that ask at once one is granted, the others are refused, and each gets its own answer."""
    outcomes: list[str] = []

    def ask() -> None:
        try:
            bench.door.grant(grant_id(), 2000)
            outcomes.append("granted")
        except GrantRefused as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["granted"] + ["pulse_running"] * 7
    assert bench.pulses() == 1
