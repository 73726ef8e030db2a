"""One suite over every driver's edges: falling ones alone, in order, each with its line and a monotonic time."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gpiod
import pytest
from gpiozero.pins.mock import MockFactory
from support.simboard import Simboard, wait_for

from edgeface.adapters.door.driver import MOST_EDGES, Edges, PinBusy, RelaySpec, open_edges
from edgeface.adapters.door.gpiochip import GpiochipEdges
from edgeface.adapters.door.relay import GpiozeroEdges
from edgeface.domain.errors import DoorUnavailable

LINES = (23, 24)


class BoardRig:
    def __init__(self, folder: Path) -> None:
        self.board = Simboard(folder, "17,23:1,24:1").__enter__()

    def open(self) -> Edges:
        return open_edges(RelaySpec("simboard", 17, board_socket=str(self.board.socket)), LINES)

    def pulse(self, line: int) -> None:
        for level in (0, 1):
            assert self.board.ask(op="drive", pin=LINES[line], level=level)["ok"] is True

    def end(self) -> None:
        self.board.kill()


class MockRig:
    def __init__(self, folder: Path) -> None:
        self.factory = MockFactory()

    def open(self) -> Edges:
        return GpiozeroEdges(RelaySpec("gpiozero", 17), LINES, self.factory)

    def pulse(self, line: int) -> None:
        pin = self.factory.pin(LINES[line])
        pin.drive_low()
        pin.drive_high()

    def end(self) -> None:
        self.factory.close()


class KernelRig:
    """libgpiod's request_lines, by the arguments that it got: the kernel tells the edges that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.queue: list[SimpleNamespace] = []
        self.lost, (self.ours, self.fd) = False, os.pipe()

    def open(self) -> Edges:
        def request_lines(path, config, consumer, event_buffer_size):
            (pins, settings), *_ = config.items()
            assert pins == LINES
            assert settings.edge_detection is gpiod.line.Edge.FALLING
            assert settings.event_clock is gpiod.line.Clock.MONOTONIC
            assert event_buffer_size >= 64
            self.most = event_buffer_size
            return SimpleNamespace(
                fd=self.ours, wait_edge_events=self._wait, read_edge_events=self._read, release=lambda: None
            )

        return GpiochipEdges(RelaySpec("gpiochip", 17), LINES, request_lines)

    def _wait(self, timeout):
        if self.lost:
            raise OSError(19, "No such device")
        return bool(self.queue)

    def _read(self):
        done, self.queue = self.queue[: self.most], self.queue[self.most :]
        os.read(self.ours, len(done))
        return done

    def pulse(self, line: int) -> None:
        self.queue.append(SimpleNamespace(line_offset=LINES[line], timestamp_ns=time.monotonic_ns()))
        os.write(self.fd, b".")

    def end(self) -> None:
        self.lost = True


@pytest.fixture(params=[BoardRig, MockRig, KernelRig])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator:
    made = request.param(tmp_path)
    yield made
    made.end()


def test_edges_come_in_order_with_their_line_and_time(rig) -> None:
    edges, got = rig.open(), []
    began_s = time.monotonic()
    assert edges.read() == []
    for line in (0, 1, 1, 0):
        rig.pulse(line)
    wait_for(lambda: got.extend(edges.read()) or len(got) >= 4, "the edges come")
    assert [line for line, _ in got] == [0, 1, 1, 0]
    times = [t for _, t in got]
    assert times == sorted(times)
    assert began_s <= times[0] <= times[-1] <= time.monotonic()
    edges.close()


def test_something_to_read_can_be_waited_for(rig) -> None:
    edges = rig.open()
    assert select.select([edges.fileno()], [], [], 0)[0] == []
    rig.pulse(0)
    assert select.select([edges.fileno()], [], [], 20)[0]
    edges.close()


def test_noise_without_end_does_not_hold_its_reader_up(rig) -> None:
    edges, reads = rig.open(), []
    for i in range(MOST_EDGES + 44):
        rig.pulse(i % 2)
    wait_for(lambda: reads.append(len(edges.read())) or reads[-1] == 0, "it has read what there is")
    edges.close()
    assert 0 < max(reads) <= MOST_EDGES
    assert sum(reads) <= MOST_EDGES + 44  # who doesn't read in time may lose some


def test_a_line_that_is_taken_is_refused(tmp_path: Path) -> None:
    rig = BoardRig(tmp_path)
    first = rig.open()
    with pytest.raises(PinBusy):
        rig.open()
    first.close()
    wait_for(lambda: rig.board.owner_pid(23) == 0, "the lines are free")
    again = rig.open()
    rig.end()
    with pytest.raises(DoorUnavailable):
        wait_for(lambda: again.read() == 1, "the loss is told")
    again.close()
