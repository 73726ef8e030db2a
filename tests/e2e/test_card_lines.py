"""A Wiegand reader on the real door process's lines, its bits driven on the simulated board; and the whole daemon, from
a card to the relay, without a face."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.device import Device
from support.doord import Client, Doord, grant_id
from support.simboard import Simboard, wait_for

from edgeface.adapters.door import wire
from edgeface.adapters.door.card_reader import DoorReader
from edgeface.adapters.door.remote import RemoteDoor
from edgeface.domain.wiegand import KEYS, WiegandCard, encode
from edgeface.doord.card_output import PULSE_S
from edgeface.ports import Reading

pytestmark = pytest.mark.e2e

D0, D1 = 23, 24
CARD = WiegandCard(26, 12, 3456)


def send(board_socket: Path, bits: tuple[int, ...], d0: int = D0, d1: int = D1) -> None:
    """A reader's pulses, as quickly as this machine does them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(10)
        line.connect(str(board_socket))
        for bit in bits:
            for level in (0, 1):
                line.send(wire.encode({"op": "drive", "pin": d1 if bit else d0, "level": level}))
                assert wire.decode(line.recv(wire.MAX_PACKET + 1))["ok"] is True
    time.sleep(0.15)  # the pause that ends a number


def key(name: str) -> tuple[int, ...]:
    value = KEYS.index(name)
    return tuple(value >> i & 1 for i in (3, 2, 1, 0))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Simboard]:
    with Simboard(tmp_path, "17,23:1,24:1") as running:
        yield running


@pytest.fixture
def doord(tmp_path: Path, board: Simboard) -> Iterator[Doord]:
    with Doord(tmp_path, board, "--wiegand-in", f"{D0},{D1}") as running:
        yield running


def read_until(reader: DoorReader, board: Simboard, bits: tuple[tuple[int, ...], ...], kind: str) -> Reading:
    """Shows it until it is read: on a starved machine pulses may lie too far apart, as with a bad reader."""
    for _ in range(20):
        for each in bits:
            send(board.socket, each)
        while (reading := reader.read(0.5)) is not None:
            if reading.kind == kind:
                return reading
    raise AssertionError("nothing was read")


def test_cards_keys_and_noise_reach_the_daemons_reader(doord: Doord, board: Simboard) -> None:
    reader = DoorReader()
    door = RemoteDoor(doord.socket, connect_timeout_s=20, read=reader.heard)
    reader.connected = lambda: door.connected
    try:
        assert door.wait_connected(20)
        reader.open()
        assert read_until(reader, board, (encode(CARD),), "card").text == "26:12:3456"
        wide = WiegandCard(34, 60000, 65535)
        assert read_until(reader, board, (encode(wide),), "card").text == wide.id
        assert read_until(reader, board, tuple(key(k) for k in "*47#"), "pin").text in ("47", "4", "7")
        flipped = (1 - encode(CARD)[0], *encode(CARD)[1:])
        assert "parity" in read_until(reader, board, (flipped,), "garbled").text
        assert door.status().locked
    finally:
        door.close()


def test_a_card_that_was_shown_while_no_daemon_was_there_is_forgotten(doord: Doord, board: Simboard) -> None:
    send(board.socket, encode(CARD))
    with Client(doord.socket) as client:
        assert client.ask(op="hello")["ok"] is True
        client.send(op="ping")
        first = client.receive()
        assert first is not None
        assert first.get("re") == "ping"
    assert board.pulses() == []


def test_a_reader_on_the_relays_pin_is_refused(tmp_path: Path, board: Simboard) -> None:
    command = Doord(tmp_path, board, "--wiegand-in", "17,24").command
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78, done.stderr
    assert "D0" in done.stderr


def test_from_the_card_to_the_relay_without_a_face(tmp_path: Path) -> None:
    """The whole device: enrolled by a photo, a card added by the command, its camera looks at an empty doorway; the
    card opens the door, the audit log says by what, and holds no number."""
    from skimage import data
    from skimage.io import imsave

    imsave(tmp_path / "face.png", data.astronaut())
    with Simboard(tmp_path, "17,23:1,24:1") as board:
        device = Device(
            tmp_path / "d",
            {
                "camera": {"source": "replay:../empty", "loop": True},
                "door": {"driver": "simboard", "board_socket": str(board.socket)},
                "reader": {"wiegand_d0_pin": D0, "wiegand_d1_pin": D1},
            },
        )
        (tmp_path / "empty").mkdir()
        for name in ("1.png", "2.png", "3.png"):
            imsave(tmp_path / "empty" / name, data.brick()[:240, :320])
        enrolled = device.edgeface("enroll", "Ada", "--photo", tmp_path / "face.png", "--json")
        assert enrolled.code == 0, enrolled.err
        person = enrolled.json["id"]
        said = device.edgeface("gallery", "factor", "set", person, "--card", CARD.id, "--without-face", "card")
        assert said.code == 0, said.err
        assert str(CARD.number) not in said.out + said.err
        with device.run() as running:
            wait_for(lambda: board.owner_pid(D0) != 0, "the reader's lines are listened to")
            for _ in range(20):
                send(board.socket, encode(CARD))
                if device.audit("access_granted"):
                    break
            granted = running.wait_event("access_granted", person=person)
            assert (granted["by"], granted["track"]) == ("card", -1)
            running.wait_event("door_locked", grant_id=granted["grant_id"])
        assert board.pulses()
        told = running.said() + str(device.audit())
        assert CARD.id not in told


def numbers(board: Simboard, d0: int, d1: int) -> list[tuple[int, ...]]:
    """What a controller on those lines would have read, by the board's log."""
    pulses = sorted([(p.start_s, bit) for bit, pin in ((0, d0), (1, d1)) for p in board.pulses(pin, active=0)])
    found: list[list[int]] = []
    last_s = float("-inf")
    for start_s, bit in pulses:
        if not found or (len(found[-1]) in (26, 34) and start_s - last_s > 0.05):
            found.append([])
        found[-1].append(bit)
        last_s = start_s
    return [tuple(bits) for bits in found]


@pytest.mark.parametrize("card", [CARD, WiegandCard(34, 60000, 65535)])
def test_a_controller_reads_the_number_of_a_grant(tmp_path: Path, card: WiegandCard) -> None:
    """Both lines rest high from the first moment on, no number goes out while the door is locked, and none without
    lines; every pulse is at least as long as a controller needs."""
    with Simboard(tmp_path, "17,5,6") as board, Doord(tmp_path, board, "--wiegand-out", "5,6") as doord:
        assert (board.level(5), board.level(6)) == (1, 1)
        with Client(doord.socket) as client:
            assert client.ask(op="hello")["ok"] is True
            number = [card.bits, card.facility, card.number]
            assert client.ask(op="card_out", card=number)["code"] == "not_allowed"
            assert client.ask(op="grant", id=grant_id(), pulse_ms=5000)["ok"] is True
            assert client.ask(op="card_out", card=number)["ok"] is True

            def out() -> bool:
                client.ask(op="ping")
                time.sleep(0.05)
                return sum(map(len, numbers(board, 5, 6))) >= card.bits

            wait_for(out, "the number is out")
        assert numbers(board, 5, 6) == [encode(card)]
        for pin in (5, 6):
            assert all(p.length_s >= PULSE_S for p in board.pulses(pin, active=0))
            assert board.level(pin) == 1


@pytest.mark.parametrize("wrong", [[27, 1, 1], [26, 256, 0], "26:1:1", [26, 1], [26, True, 1], None])
def test_a_number_that_is_none_is_malformed(doord: Doord, wrong: object) -> None:
    with Client(doord.socket) as client:
        assert client.ask(op="hello")["ok"] is True
        assert client.ask(op="card_out", card=wrong)["code"] == "malformed"


def test_where_no_controller_is_wired_the_number_is_refused(doord: Doord) -> None:
    with Client(doord.socket) as client:
        client.ask(op="hello")
        client.ask(op="grant", id=grant_id(), pulse_ms=3000)
        assert client.ask(op="card_out", card=[26, 1, 1])["code"] == "not_allowed"
