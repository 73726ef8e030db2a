"""The door process's loop in this process, on a relay that can fail and a uid that may not enter."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.doord import Client, grant_id

from edgeface.domain.door import DoorMachine
from edgeface.domain.errors import DoorUnavailable
from edgeface.doord.host import Listener, Watchdogs, boot_s
from edgeface.doord.server import DoorServer


class Relay:
    """Notes its levels; `broken` makes the next energise fail, as a vanished chip does."""

    def __init__(self) -> None:
        self.levels = [False]
        self.broken = False

    def energise(self) -> None:
        if self.broken:
            raise DoorUnavailable("GPIO 17 can't be driven: no such device.")
        self.levels.append(True)

    def lock(self) -> None:
        self.levels.append(False)

    def close(self) -> None:
        self.lock()


class Signals:
    """StopSignals without signals, which only a main thread may have."""

    def __init__(self) -> None:
        self.stopping = False
        self.wake, self._waker = socket.socketpair()

    def stop(self) -> None:
        self.stopping = True
        self._waker.send(b".")

    def drain(self) -> None:
        self.wake.recv(64)

    def close(self) -> None:
        self.wake.close()
        self._waker.close()


class Running:
    def __init__(self, path: Path, uids: frozenset[int]) -> None:
        self.path, self.relay, self.signals = path, Relay(), Signals()
        self.error: DoorUnavailable | None = None
        self._listener, self._watchdogs = Listener(path), Watchdogs()
        machine = DoorMachine(10_000, boot_s())
        self.server = DoorServer(self.relay, machine, self._listener, uids, self.signals, self._watchdogs)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.server.run()
        except DoorUnavailable as error:
            self.error = error

    def close(self) -> None:
        if self.thread.is_alive():
            self.signals.stop()
        self.thread.join(20)
        self._listener.close()
        self._watchdogs.close()
        self.signals.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    server = Running(tmp_path / "door.sock", frozenset({os.getuid()}))
    yield server
    server.close()


def test_a_relay_that_fails_refuses_the_grant_locks_and_ends_the_process(running: Running) -> None:
    running.relay.broken = True
    with Client(running.path) as client:
        answer = client.ask(op="grant", id=grant_id(), pulse_ms=1000)
        assert (answer["ok"], answer["code"]) == (False, "fault")
        assert client.to_the_end() == []
    running.thread.join(20)
    assert running.error is not None
    assert running.relay.levels[-1] is False
    assert True not in running.relay.levels


def test_a_user_who_is_not_allowed_is_turned_away_unread(tmp_path: Path) -> None:
    """The kernel says who the peer is; what it wrote is never looked at."""
    stranger = Running(tmp_path / "door.sock", frozenset({os.getuid() + 1}))
    try:
        with Client(stranger.path) as client:
            answer = client.receive()
            assert answer is not None
            assert (answer["ok"], answer["code"]) == (False, "not_allowed")
            assert client.receive() is None
        assert stranger.server.refused == {"not_allowed": 1}
        assert True not in stranger.relay.levels
    finally:
        stranger.close()


def test_a_client_that_never_says_a_word_makes_room(running: Running) -> None:
    """Silence counts from the connection on."""
    with Client(running.path) as mute:
        assert mute.to_the_end() == []
    with Client(running.path) as client:
        assert client.ask(op="hello")["ok"] is True


def test_a_grant_whose_client_left_is_not_carried_out(tmp_path: Path) -> None:
    """It may have waited in the socket while this process was held up; nobody stands behind it any more."""
    listener = Listener(tmp_path / "door.sock")
    with Client(tmp_path / "door.sock") as client:
        client.send(op="grant", id=grant_id(), pulse_ms=5000)
    relay, signals, watchdogs = Relay(), Signals(), Watchdogs()
    turns = iter([False] * 5)
    server = DoorServer(
        relay,
        DoorMachine(10_000, boot_s()),
        listener,
        frozenset({os.getuid()}),
        signals,
        watchdogs,
        lambda: next(turns, True),
    )
    server.run()
    assert True not in relay.levels
    listener.close()
    watchdogs.close()
    signals.close()


def test_stopping_locks_a_running_pulse(running: Running) -> None:
    with Client(running.path) as client:
        assert client.ask(op="grant", id=grant_id(), pulse_ms=9000)["ok"] is True
        assert running.relay.levels[-1] is True
        running.signals.stop()
        causes = [message.get("cause") for message in client.to_the_end()]
    assert causes[-1] == "stopping"
    assert running.relay.levels[-1] is False
