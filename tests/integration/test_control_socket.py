"""The control socket as other processes meet it: a real Unix socket, good clients and bad ones.

That a stranger's process is refused can't be tried by one user alone; what the check says of given credentials is."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading

import pytest

from edgeface.control import protocol
from edgeface.control import server as server_module
from edgeface.control.client import ControlClient, is_running
from edgeface.control.server import MAX_CLIENTS, ControlServer, group_id
from edgeface.domain.errors import ConfigError, ControlError, StorageError

WAIT_S = 20.0


class Stage:
    def __init__(self, path) -> None:
        self.path = path
        self.faults: list = []
        self.closed = threading.Event()
        self.release = threading.Event()
        self.server = ControlServer(path, self._operations(), on_fault=self.faults.append)

    def _operations(self):
        return {
            "echo": lambda arguments: arguments,
            "refuse": self._refuse,
            "break": lambda arguments: 1 // 0,
            "count": lambda arguments: iter(range(3)),
            "forever": self._forever,
            "big": lambda arguments: "x" * 1_000_000,
            "wait": lambda arguments: self.release.wait(WAIT_S),
        }

    def _refuse(self, arguments):
        raise StorageError("The disk is full.", "Free space.")

    def _forever(self, arguments):
        try:
            while not self.release.wait(0.01):
                yield None
        finally:
            self.closed.set()


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path / "run" / "control.sock")
    made.server.start()
    yield made
    made.release.set()
    made.server.stop()


def raw(stage) -> socket.socket:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(WAIT_S)
    s.connect(str(stage.path))
    return s


def answer(s: socket.socket) -> dict:
    with s.makefile("rb") as lines:
        return json.loads(lines.readline())


def ask(stage, line: bytes) -> dict:
    with raw(stage) as s:
        s.sendall(line)
        return answer(s)


def test_requests_are_answered_one_after_the_other(stage):
    with ControlClient(stage.path) as client:
        assert client.call("echo", word="Grüße", n=1) == {"word": "Grüße", "n": 1}
        assert client.call("echo") == {}
        assert len(client.call("big")) == 1_000_000


def test_a_refusal_reaches_the_client_with_its_advice_and_exit_code(stage):
    with ControlClient(stage.path) as client:
        with pytest.raises(ControlError) as caught:
            client.call("refuse")
        assert (caught.value.message, caught.value.advice) == ("The disk is full.", "Free space.")
        assert caught.value.exit_code == StorageError.exit_code
        assert client.call("echo") == {}


def test_a_fault_of_the_daemon_is_answered_reported_and_survived(stage):
    with ControlClient(stage.path) as client:
        with pytest.raises(ControlError, match="The daemon failed at this request"):
            client.call("break")
        assert isinstance(stage.faults[0], ZeroDivisionError)
        assert client.call("echo") == {}


def test_an_unknown_operation_is_refused_with_those_there_are(stage):
    told = ask(stage, protocol.encode_request(7, "open_sesame", {}))
    assert (told["id"], told["ok"], told["code"]) == (7, False, "ControlError")
    assert "open_sesame" in told["message"]
    assert "echo" in told["advice"]


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"\n",
        b"\xff\xfe\n",
        b"[" * 30_000 + b"\n",
        b'{"a":' * 10_000 + b"\n",
        b"[]\n",
        b'"text"\n',
        b"null\n",
        b"1\n",
        b'{"v":1,"op":"echo"}\n',
        b'{"v":1,"id":"1","op":"echo"}\n',
        b'{"v":1,"id":true,"op":"echo"}\n',
        b'{"v":1,"id":1.5,"op":"echo"}\n',
        b'{"id":1,"op":"echo"}\n',
        b'{"v":2,"id":1,"op":"echo"}\n',
        b'{"v":true,"id":1,"op":"echo"}\n',
        b'{"v":1,"id":1}\n',
        b'{"v":1,"id":1,"op":null}\n',
        b'{"v":1,"id":1,"op":["echo"]}\n',
        b'{"v":1,"id":' + b"9" * 5000 + b',"op":"echo"}\n',
        b'{"v":1,"id":1,"op":"\\ud800"}\n',
    ],
)
def test_a_line_that_is_no_request_is_refused_and_the_connection_goes_on(stage, line):
    with raw(stage) as s, s.makefile("rb") as lines:
        s.sendall(line)
        told = json.loads(lines.readline())
        assert told["ok"] is False
        assert told["message"]
        s.sendall(protocol.encode_request(2, "echo", {}))
        assert json.loads(lines.readline()) == {"v": 1, "id": 2, "ok": True, "result": {}}
    assert stage.faults == []


def test_a_line_that_is_too_long_is_refused_and_ends_the_connection(stage):
    with raw(stage) as s, s.makefile("rb") as lines:
        try:
            s.sendall(b'{"v":1,"id":1,"op":"echo","a":"' + b"x" * protocol.MAX_REQUEST_BYTES + b'"}\n')
            told = json.loads(lines.readline())
            assert "longer than 65536 bytes" in told["message"]
            assert lines.readline() == b""
        except ConnectionError:
            pass  # closed while we were still talking
    assert ask(stage, protocol.encode_request(1, "echo", {}))["ok"]


def test_the_longest_line_that_is_allowed_is_answered(stage):
    frame = len(protocol.encode_request(1, "echo", {"a": ""}))
    text = "x" * (protocol.MAX_REQUEST_BYTES - frame)
    assert ask(stage, protocol.encode_request(1, "echo", {"a": text}))["result"] == {"a": text}


def test_half_a_line_from_a_client_that_leaves_does_no_harm(stage):
    with raw(stage) as s:
        s.sendall(b'{"v":1,"id":1,"op":"ec')
    assert ask(stage, protocol.encode_request(1, "echo", {}))["ok"]


def test_a_slow_client_keeps_nobody_waiting(stage):
    """One that sends a byte and stops, one that doesn't read its answer: others are served."""
    with raw(stage) as half, raw(stage) as deaf:
        half.sendall(b"{")
        for n in range(20):
            deaf.sendall(protocol.encode_request(n, "big", {}))
        with ControlClient(stage.path) as client:
            assert client.call("echo", n=1) == {"n": 1}
        half.sendall(protocol.encode_request(1, "echo", {})[1:])
        assert answer(half)["ok"]


def test_too_many_clients_are_turned_away_and_served_once_others_leave(stage):
    clients = [raw(stage) for _ in range(MAX_CLIENTS)]
    for s in clients:
        s.sendall(protocol.encode_request(1, "echo", {}))
        assert answer(s)["ok"]
    with raw(stage) as late:
        assert answer(late)["message"] == "Too many clients."
        assert late.recv(1) == b""
    for s in clients:
        s.close()
    for _ in range(1000):
        with raw(stage) as again:
            again.sendall(protocol.encode_request(1, "echo", {}))
            if answer(again)["ok"]:
                return
    pytest.fail("the places of those who left stay taken")


def test_a_stream_gives_an_answer_a_line_and_goes_on_to_the_next_request(stage):
    with raw(stage) as s, s.makefile("rb") as lines:
        s.sendall(protocol.encode_request(5, "count", {}) + protocol.encode_request(6, "echo", {}))
        told = [json.loads(lines.readline()) for _ in range(4)]
        assert [(t["id"], t["result"]) for t in told] == [(5, 0), (5, 1), (5, 2), (6, {})]


def test_a_stream_ends_when_its_client_leaves(stage):
    with ControlClient(stage.path) as client:
        heard = client.stream("forever")
        assert next(heard) is None
    assert stage.closed.wait(WAIT_S)


def test_stop_ends_waiting_clients_and_removes_the_socket(stage):
    client = ControlClient(stage.path, WAIT_S)
    heard = client.stream("forever")
    next(heard)
    stage.server.stop()
    with pytest.raises(ControlError):
        list(heard)
    client.close()
    assert not stage.path.exists()
    assert not is_running(stage.path)
    stage.server.stop()  # idempotent


def test_the_socket_is_closed_to_others_from_the_start(stage):
    assert stat.S_IMODE(stage.path.stat().st_mode) == 0o660


def test_a_second_daemon_is_refused_and_the_first_goes_on(stage):
    second = Stage(stage.path)
    with pytest.raises(ControlError, match="Another edgeface is running"):
        second.server.start()
    second.server.stop()
    assert ask(stage, protocol.encode_request(1, "echo", {}))["ok"]


def test_a_socket_that_a_dead_daemon_left_behind_is_replaced(tmp_path):
    path = tmp_path / "control.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    assert path.exists()
    assert not is_running(path)
    stage = Stage(path)
    stage.server.start()
    assert is_running(path)
    stage.server.stop()


def test_a_file_that_is_no_socket_is_never_removed(tmp_path):
    """A setting with a wrong path must not cost a file."""
    path = tmp_path / "gallery.db"
    path.write_text("precious")
    with pytest.raises(ControlError, match="no socket"):
        Stage(path).server.start()
    assert path.read_text() == "precious"


def test_a_path_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError):
        Stage(tmp_path / "file" / "control.sock").server.start()
    with pytest.raises(ControlError):
        Stage(tmp_path / ("x" * 150)).server.start()


def test_running_out_of_file_descriptors_does_not_end_the_service(stage, monkeypatch):
    """A door runs for months: a moment without descriptors must not cost the control socket for good."""

    class Starved:
        def __init__(self, listener) -> None:
            self.listener, self.left = listener, 3

        def accept(self):
            if self.left:
                self.left -= 1
                raise OSError(24, "Too many open files")
            return self.listener.accept()

    monkeypatch.setattr(server_module, "ACCEPT_PAUSE_S", 0.0)
    starved = Starved(stage.server._socket)
    stage.server._socket, real = starved, stage.server._socket
    real.settimeout(WAIT_S)
    threading.Thread(target=stage.server._accept, args=(starved,), daemon=True).start()
    for _ in range(5):  # the first thread may take one connection more
        assert ask(stage, protocol.encode_request(1, "echo", {}))["ok"]
    assert starved.left == 0
    stage.server._socket = real


class Peer:
    """A connection whose other end has these credentials."""

    def __init__(self, uid: int, gid: int) -> None:
        self.credentials = (1, uid, gid)

    def getsockopt(self, level, option, size):
        import struct

        return struct.pack("3i", *self.credentials)


def test_root_ourselves_and_the_group_may_and_nobody_else(tmp_path):
    nobody = 65_534
    server = ControlServer(tmp_path / "s", {}, group=4242)
    assert server._may(Peer(0, 0))
    assert server._may(Peer(os.getuid(), nobody))
    assert server._may(Peer(nobody, 4242))
    assert not server._may(Peer(nobody, nobody))
    alone = ControlServer(tmp_path / "s", {})
    assert not alone._may(Peer(nobody, 4242))


def test_a_peer_that_may_not_is_told_so_before_anything_is_read(stage, monkeypatch):
    monkeypatch.setattr(stage.server, "_may", lambda client: False)
    with raw(stage) as s:
        assert answer(s)["message"] == "This user may not control the door."


def test_an_unknown_group_is_a_configuration_error():
    assert group_id("") is None
    assert group_id("root") == 0
    with pytest.raises(ConfigError, match="no-such-group"):
        group_id("no-such-group")


# -- the client --------------------------------------------------------------------------------------------------


def test_without_a_daemon_the_client_says_how_to_start_one(tmp_path):
    with pytest.raises(ControlError, match="edgeface run"):
        ControlClient(tmp_path / "nothing.sock")
    assert not is_running(tmp_path / "nothing.sock")


@pytest.mark.parametrize(
    "line", [b"\xff\n", b"[]\n", b"hello\n", b'{"ok":false,"exit_code":"x"}\n', b"[" * 9999 + b"\n", b""]
)
def test_answers_that_are_none_are_an_error_with_a_sentence(tmp_path, line):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "other.sock"))
    listener.listen(1)
    with ControlClient(tmp_path / "other.sock", WAIT_S) as client:
        peer, _ = listener.accept()
        peer.sendall(line)
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(ControlError) as caught:
            client.call("status")
        assert caught.value.message.endswith(".")
        assert caught.value.exit_code == 69
        peer.close()
    listener.close()


def test_a_daemon_that_never_answers_is_given_up(stage):
    with ControlClient(stage.path, timeout_s=0.05) as client, pytest.raises(ControlError, match="in time"):
        client.call("wait")
