"""Removing people by the commands: damaged records too, and while another process keeps the erasure from finishing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Command, commands
from support.device import Device
from support.people import person, person_id

from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.app import wiring
from edgeface.app.settings import load_settings
from edgeface.domain.errors import TracesRemain

READER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT * FROM person").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Three people are enrolled."""
    made = Device(tmp_path)
    gallery = opened(made)
    for i in range(3):
        gallery.put(person(i, name=f"Person {i}"))
    gallery.close()
    return made


@pytest.fixture
def edgeface(capsys: pytest.CaptureFixture[str], device: Device) -> Command:
    return commands(capsys, device.config)


@pytest.fixture
def reader(device: Device):
    """Another process with a read transaction, as a backup has one; `close` ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", READER, device.state / "gallery.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline()
    yield process
    process.communicate()


def opened(device: Device) -> SqliteGallery:
    settings = load_settings(device.config)
    return wiring.open_gallery(settings, wiring.open_keys(settings, create=True))


def row(device: Device, number: int) -> tuple[bytes, bytes]:
    with sqlite3.connect(device.state / "gallery.db") as db:
        found = db.execute("SELECT wrapped_key, sealed FROM person WHERE id = ?", (person_id(number),)).fetchone()
    db.close()
    return found


def flip(device: Device, number: int) -> None:
    sealed = bytearray(row(device, number)[1])
    sealed[40] ^= 1
    with sqlite3.connect(device.state / "gallery.db") as db:
        db.execute("UPDATE person SET sealed = ? WHERE id = ?", (bytes(sealed), person_id(number)))
    db.close()


def left_on_disk(device: Device, needles: tuple[bytes, bytes]) -> list[str]:
    return [
        path.name
        for path in sorted(device.state.glob("gallery.db*"))
        if any(needle[:48] in path.read_bytes() for needle in needles)
    ]


@pytest.mark.parametrize("length", [6, 32])
def test_a_damaged_record_is_counted_and_can_be_removed_by_its_id(device, edgeface, length):
    flip(device, 1)
    said = edgeface("gallery", "list")
    assert said.code == 65
    assert "2 people, and 1 record is damaged" in said.out + said.err
    assert edgeface("gallery", "show", person_id(1)).code == 65
    assert edgeface("gallery", "remove", person_id(1)[:length], "--yes", "--json").json == {
        "removed": person_id(1),
        "name": None,
    }
    assert edgeface("gallery", "list").code == 0
    assert [e["person"] for e in device.audit("person_removed")] == [person_id(1)]


def test_a_gallery_of_damaged_records_alone_is_not_called_empty(device, edgeface):
    for i in range(3):
        flip(device, i)
    said = edgeface("gallery", "list")
    assert "3 records are damaged" in said.out + said.err
    assert "Nobody is enrolled" not in said.out + said.err


def test_a_removal_beside_a_reader_is_in_force_recorded_and_finished_by_repeating_it(device, edgeface, reader):
    needles = row(device, 1)
    said = edgeface("gallery", "remove", "Person 1", "--yes")
    assert said.code == 74
    assert "in force" in said.err
    assert f"edgeface gallery remove {person_id(1)}" in said.err
    assert [e["person"] for e in device.audit("person_removed")] == [person_id(1)]
    assert left_on_disk(device, needles)
    assert edgeface("gallery", "remove", person_id(1), "--yes").code == 74  # the reader is still there
    reader.communicate()
    assert edgeface("gallery", "remove", person_id(1), "--yes").code == 0
    assert left_on_disk(device, needles) == []
    assert edgeface("gallery", "remove", person_id(1), "--yes").code == 0
    assert edgeface("gallery", "list", "--json").json["damaged"] == {}


def test_another_change_and_another_opening_finish_an_erasure_too(device, reader):
    needles, more = row(device, 1), row(device, 2)
    daemon, command = opened(device), opened(device)
    with pytest.raises(TracesRemain):
        command.remove(person_id(1))
    with pytest.raises(TracesRemain):
        daemon.remove(person_id(2))
    command.close()
    reader.communicate()
    daemon.put(person(0, seq=2))
    daemon.close()
    opened(device).close()
    assert left_on_disk(device, needles) == left_on_disk(device, more) == []


def test_an_id_that_never_was_is_still_unknown(edgeface):
    assert edgeface("gallery", "remove", "f" * 32, "--yes").code == 65
