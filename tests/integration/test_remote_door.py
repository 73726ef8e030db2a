"""The daemon's end of the door socket against door processes that misbehave: late, mute, busy, gone."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.doord import Client, Doord, grant_id
from support.simboard import Simboard, wait_for

from edgeface.adapters.door import wire
from edgeface.adapters.door.remote import RemoteDoor
from edgeface.domain.errors import DoorUnavailable
from edgeface.domain.events import DoorLocked, DoorProcessLost, DoorProcessRecovered, DoorUnlocked, Event


class ScriptedDoord:
    """Answers hello and ping; what it does with anything else is the test's. Notes every packet but the pings."""

    def __init__(self, path: Path, on_request: Callable[[socket.socket, dict[str, object]], None]) -> None:
        self.heard: list[dict[str, object]] = []
        self.connections = 0
        self._on_request = on_request
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(4)
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while packet := connection.recv(2000):
                    message = wire.decode(packet)
                    if message["op"] == "hello":
                        connection.send(wire.encode({"re": "hello", "ok": True, "max_pulse_ms": 5000}))
                    elif message["op"] == "ping":
                        connection.send(wire.encode({"re": "ping", "ok": True}))
                    else:
                        self.heard.append(message)
                        self._on_request(connection, message)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., tuple[ScriptedDoord, RemoteDoor]]]:
    made: list[ScriptedDoord | RemoteDoor] = []

    def make(
        on_request: Callable[[socket.socket, dict[str, object]], None], reply_timeout_s: float = 0.1
    ) -> tuple[ScriptedDoord, RemoteDoor]:
        server = ScriptedDoord(tmp_path / "door.sock", on_request)
        door = RemoteDoor(tmp_path / "door.sock", connect_timeout_s=10, reply_timeout_s=reply_timeout_s)
        made.extend([door, server])
        return server, door

    yield make
    for each in made:
        each.close()


def test_a_late_answer_is_not_the_next_grants(scripted: Callable[..., tuple[ScriptedDoord, RemoteDoor]]) -> None:
    """The connection of the grant that timed out is given up; the door process locks, and its answer goes nowhere."""
    late: list[tuple[socket.socket, dict[str, object]]] = []

    def hold_back(connection: socket.socket, message: dict[str, object]) -> None:
        late.append((connection, message))
        if len(late) == 2:  # the second grant is asked: now the first one's answer comes, wherever it can
            for held, asked in late[:1]:
                answer = wire.encode({"re": "grant", "ok": True, "id": asked["id"]})
                for way in (held, connection):
                    try:
                        way.send(answer)
                    except OSError:
                        pass

    server, door = scripted(hold_back)
    for _ in range(2):
        assert door.wait_connected(20)
        with pytest.raises(DoorUnavailable, match="no answer to grant"):
            door.grant(grant_id(), 1000)
        wait_for(lambda: not door.connected, "the connection is given up")
    wait_for(lambda: door.connected, "it connects again")
    assert len(server.heard) == 2, "no grant is repeated"
    assert server.connections == 3


def test_a_grant_is_never_repeated_after_a_reconnection(
    scripted: Callable[..., tuple[ScriptedDoord, RemoteDoor]],
) -> None:
    def hang_up(connection: socket.socket, message: dict[str, object]) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    server, door = scripted(hang_up, reply_timeout_s=20)
    with pytest.raises(DoorUnavailable):
        door.grant(grant_id(), 1000)
    wait_for(lambda: server.connections == 2 and door.connected, "it connects again")
    assert len(server.heard) == 1


def test_a_door_process_that_stops_answering_is_given_up(tmp_path: Path) -> None:
    """It accepts and says hello, then nothing: not even the pings."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "door.sock"))
        listener.listen(4)
        door = RemoteDoor(tmp_path / "door.sock", connect_timeout_s=10, heartbeat_s=0.05)
        connection, _ = listener.accept()
        connection.send(wire.encode({"re": "hello", "ok": True, "max_pulse_ms": 5000}))
        assert door.wait_connected(20)
        wait_for(lambda: not door.connected, "it gives up")
        door.close()
        connection.close()
    assert [type(event) for event in door.poll_events()] == [DoorProcessLost]


def test_without_a_door_process_every_request_is_one_clear_sentence(tmp_path: Path) -> None:
    door = RemoteDoor(tmp_path / "none.sock", connect_timeout_s=0.1)
    for request in (lambda: door.grant(grant_id(), 100), door.lock, door.status):
        with pytest.raises(DoorUnavailable, match=r"none\.sock") as caught:
            request()
        assert caught.value.advice
    wait_for(lambda: any(isinstance(event, DoorProcessLost) for event in door.poll_events()), "it is reported")
    door.close()


def test_a_hung_daemon_opens_nothing_and_keeps_nothing_open(tmp_path: Path) -> None:
    """The heartbeat's thread lives, the watchdog says the rest doesn't: the pulse ends, and grants are refused."""
    alive = threading.Event()
    alive.set()
    with Simboard(tmp_path) as board, Doord(tmp_path, board) as doord:
        door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10, alive=alive.is_set)
        door.grant(grant_id(), 9000)
        alive.clear()
        board.wait_level(0)
        with pytest.raises(DoorUnavailable, match="hangs"):
            door.grant(grant_id(), 9000)
        alive.set()
        assert door.wait_connected(20)
        door.grant(grant_id(), 100)
        board.wait_level(0)
        assert len(board.pulses()) == 2
        door.close()


def test_a_watchdog_that_fails_counts_as_a_daemon_that_hangs(tmp_path: Path) -> None:
    def broken() -> bool:
        raise RuntimeError("the watchdog is broken")

    door = RemoteDoor(tmp_path / "door.sock", connect_timeout_s=0.1, alive=broken)
    with pytest.raises(DoorUnavailable):
        door.grant(grant_id(), 100)
    door.close()


def test_the_second_daemon_is_told_that_the_door_is_busy(tmp_path: Path) -> None:
    with Simboard(tmp_path) as board, Doord(tmp_path, board) as doord:
        first = RemoteDoor(doord.socket, connect_timeout_s=10)
        assert first.wait_connected(20)
        second = RemoteDoor(doord.socket, connect_timeout_s=1)
        with pytest.raises(DoorUnavailable, match="another client controls this door"):
            second.status()
        assert first.status().locked
        second.close()
        first.close()


def test_events_pair_up_across_a_lost_door_process(tmp_path: Path) -> None:
    """Whoever reads the log sees that the door was locked, although the process that knew is gone."""
    events: list[Event] = []
    with Simboard(tmp_path) as board, Doord(tmp_path, board, guarded=True) as doord:
        door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
        name = grant_id()
        door.grant(name, 9000)
        os.kill(doord.pid, signal.SIGKILL)

        def recovered() -> bool:
            events.extend(door.poll_events())
            return any(isinstance(event, DoorProcessRecovered) for event in events)

        wait_for(recovered, "it recovers")
        door.close()
    unlocked, lost, locked, _ = events
    assert isinstance(unlocked, DoorUnlocked)
    assert isinstance(lost, DoorProcessLost)
    assert locked == DoorLocked(locked.t_s, "relocked", name)
    assert [event.t_s for event in events] == sorted(event.t_s for event in events)


def test_nonsense_from_the_door_process_ends_the_connection(
    scripted: Callable[..., tuple[ScriptedDoord, RemoteDoor]],
) -> None:
    def babble(connection: socket.socket, message: dict[str, object]) -> None:
        connection.send(b"\xff\x00")

    server, door = scripted(babble, reply_timeout_s=20)
    with pytest.raises(DoorUnavailable):
        door.status()
    wait_for(lambda: server.connections == 2, "it connects again")


def test_closing_locks(tmp_path: Path) -> None:
    with Simboard(tmp_path) as board, Doord(tmp_path, board) as doord:
        door = RemoteDoor(doord.socket, connect_timeout_s=10, reply_timeout_s=10)
        door.grant(grant_id(), 9000)
        door.close()
        board.wait_level(0)
        with Client(doord.socket) as client:
            assert client.ask(op="status")["locked"] is True
