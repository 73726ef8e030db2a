"""One suite over every reader: what is shown arrives once, what is pulled out is told, what comes back is read again.
The USB reader reads recorded events of an input device from a pipe, the fake what it is told."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from support.doorway import Doorway, enrolled
from support.simboard import wait_for

from edgeface.adapters.door.card_reader import DoorReader
from edgeface.adapters.gallery.factors import FactorHasher
from edgeface.adapters.reader.scripted import ScriptedReader
from edgeface.adapters.reader.usb import KEYS, UsbReader
from edgeface.app.readers import keep_reading
from edgeface.domain.errors import ReaderUnavailable
from edgeface.ports import Reader

CODES = {key: code for code, key in reversed(KEYS.items())}
ENTER, ESC, SHIFT, F1 = 28, 1, 42, 59


def events(*codes: int) -> bytes:
    """Each key pressed, held for a repeat, let go, as the kernel reports it, with its scan code and SYN."""
    one = struct.Struct("@llHHi")
    out = b""
    for code in codes:
        for value in (1, 2, 0):
            out += one.pack(1, 2, 4, 4, 0x70000 + code) + one.pack(1, 2, 1, code, value) + one.pack(1, 2, 0, 0, 0)
    return out


def typed(text: str, *more: int) -> bytes:
    return events(*(CODES[c] for c in text), *(more or (ENTER,)))


class Rig(Protocol):
    reader: Reader

    def card(self, text: str) -> None: ...
    def pin(self, digits: str) -> None: ...
    def nonsense(self) -> None: ...
    def unplug(self) -> None: ...
    def plug(self) -> None: ...


class FakeRig:
    def __init__(self, folder: Path) -> None:
        self.reader = ScriptedReader()
        self.card, self.pin = self.reader.show, self.reader.type
        self.unplug, self.plug = self.reader.unplug, self.reader.plug

    def nonsense(self) -> None:
        self.reader.babble("noise")


class UsbRig:
    """A named pipe stands for the input device; its writer is the reader's plug."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "event7"
        self.reader = UsbReader(str(self.path), grab=False)
        self.plug()

    def plug(self) -> None:
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR)

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._fd)

    def card(self, text: str) -> None:
        os.write(self._fd, typed(text))

    def pin(self, digits: str) -> None:
        os.write(self._fd, typed(digits))

    def nonsense(self) -> None:
        os.write(self._fd, typed("12", F1, ENTER))


class DoorRig:
    """What the door process would say of the reader on its lines; its plug is the connection."""

    def __init__(self, folder: Path) -> None:
        self.reader, self._there = DoorReader(), True
        self.reader.connected = lambda: self._there

    def _say(self, **message: object) -> None:
        self.reader.heard({"v": 1, "t_s": time.monotonic(), **message})

    def card(self, text: str) -> None:
        self._say(event="card_read", card=text)

    def pin(self, digits: str) -> None:
        for key in f"9*{digits}#":
            self._say(event="key_read", key=key)

    def nonsense(self) -> None:
        self._say(event="read_garbled", detail="27 bits came")
        for wrong in ({"event": "card_read", "card": 5}, {"event": "key_read", "key": "x"}, {"event": "card_read"}):
            self._say(**wrong)

    def unplug(self) -> None:
        self._there = False

    def plug(self) -> None:
        self._there = True


@pytest.fixture(params=[FakeRig, UsbRig, DoorRig])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    make: Callable[[Path], Rig] = request.param
    made = make(tmp_path)
    yield made
    made.reader.close()


def test_what_is_typed_and_spoilt_is_not_told(tmp_path: Path) -> None:
    rig = UsbRig(tmp_path)
    rig.reader.open()
    os.write(rig._fd, typed("947113", F1, ENTER))
    garbled = rig.reader.read(5)
    assert garbled is not None
    assert "947113" not in garbled.text + repr(garbled)
    rig.reader.close()


def test_what_is_shown_arrives_once(rig: Rig) -> None:
    rig.reader.open()
    rig.card("0012345678")
    rig.pin("4711")
    got = [rig.reader.read(5), rig.reader.read(5), rig.reader.read(0.01)]
    assert [(r.kind, r.text) for r in got if r] == [("card", "0012345678"), ("pin", "4711")]
    assert got[2] is None


def test_nonsense_is_told_without_what_it_was_and_the_next_reading_is_sound(rig: Rig) -> None:
    rig.reader.open()
    rig.nonsense()
    rig.card("0012345678")
    garbled, card = rig.reader.read(5), rig.reader.read(5)
    assert garbled is not None
    assert garbled.kind == "garbled"
    assert card is not None
    assert card.text == "0012345678"


def test_a_reader_that_is_pulled_out_says_so_and_can_be_opened_again(rig: Rig) -> None:
    rig.reader.open()
    rig.unplug()
    with pytest.raises(ReaderUnavailable):
        rig.reader.read(1)
    rig.reader.close()
    rig.reader.close()
    with pytest.raises(ReaderUnavailable):
        rig.reader.open()
    rig.plug()
    rig.reader.open()
    rig.card("0099887766")
    back = rig.reader.read(5)
    assert back is not None
    assert back.text == "0099887766"


def test_reading_a_closed_reader_is_refused(rig: Rig) -> None:
    with pytest.raises(ReaderUnavailable):
        rig.reader.read(0.01)


def test_the_keeper_tells_of_a_loss_once_and_of_the_return(rig: Rig) -> None:
    """And what is shown after the return counts; while it is away, whoever needs a factor is not let in."""
    door = Doorway(enrolled("anna"), hasher=FactorHasher(bytes(32)))
    door.desk.set_ready("reader", False)
    stop = threading.Event()
    keeper = threading.Thread(target=keep_reading, args=(rig.reader, door.desk, door.recorder, door.clock, stop))
    keeper.start()
    try:
        wait_for(lambda: door.desk.shown([], 0.0).ready, "the reader is open")
        rig.unplug()
        wait_for(lambda: door.count("reader_lost") == 1, "the loss is told")
        assert not door.desk.shown([], 0.0).ready
        rig.plug()
        wait_for(lambda: door.count("reader_recovered") == 1, "the return is told")
        rig.card("0012345678")
        wait_for(lambda: door.desk.card is not None, "a card is read")
        assert door.count("reader_lost") == 1
    finally:
        stop.set()
        keeper.join(10)
    assert not keeper.is_alive()
    assert not door.desk.shown([], 0.0).ready


# -- the USB reader alone -----------------------------------------------------------------------------------------


@pytest.fixture
def usb(tmp_path: Path) -> Iterator[Callable[[bytes, str], list[tuple[str, str]]]]:
    def play(stream: bytes, reads: str = "both") -> list[tuple[str, str]]:
        path = tmp_path / "event"
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        fd = os.open(path, os.O_RDWR)
        reader = UsbReader(str(path), reads, grab=False)  # type: ignore[arg-type]
        reader.open()
        got = []
        for at in range(0, len(stream), 100):  # events torn apart, as no kernel does, but a pipe may
            os.write(fd, stream[at : at + 100])
            while (reading := reader.read(0.0)) is not None:
                got.append((reading.kind, reading.text))
        reader.close()
        os.close(fd)
        return got

    return play


def test_clearing_empty_lines_shift_and_the_number_pad(usb) -> None:
    assert usb(typed("99", ESC) + typed("47") + typed("") + events(71, 72, 73, 82, 96)) == [
        ("pin", "47"),
        ("pin", "7890"),
    ]
    assert usb(events(SHIFT, CODES["A"], SHIFT, CODES["B"], ENTER)) == [("card", "AB")]


def test_what_a_reader_types_is_what_the_settings_say(usb) -> None:
    assert usb(typed("4711"), "card") == [("card", "4711")]
    assert usb(typed("123456789") + typed("4711"), "pin")[0][0] == "garbled"
    assert usb(typed("123456789")) == [("card", "123456789")]


def test_lost_and_too_many_keys_spoil_the_line_alone(usb) -> None:
    dropped = struct.Struct("@llHHi").pack(1, 2, 0, 3, 0)
    got = usb(events(CODES["1"]) + dropped + typed("234") + typed("1" * 200) + typed("4711"))
    assert [kind for kind, _ in got] == ["garbled", "garbled", "pin"]


def test_a_path_that_is_no_input_device_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReaderUnavailable, match="by-id"):
        UsbReader(str(tmp_path / "nothing")).open()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ReaderUnavailable, match="input device"):
        UsbReader(str(tmp_path / "file")).open()
