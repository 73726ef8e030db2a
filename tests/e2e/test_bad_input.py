"""Everything that goes wrong in the field: a clear sentence, an exit code that means something, a locked door, and
nothing lost."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.commands import Command, commands
from support.device import Device
from support.netcam import NetworkCamera
from support.portraits import MODELS, astronaut, grace_hopper
from support.simboard import Simboard, wait_for
from support.visits import COLLINS, HOPPER, Visit, write_scene

from edgeface.adapters.door import wire

LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def edgeface(capsys: pytest.CaptureFixture[str], device: Device) -> Command:
    """Commands at this test's device."""
    return commands(capsys, device.config)


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[None]:
    """A file system of its own at `path`; skipped where that may not be made."""
    path.mkdir(exist_ok=True)
    if LIBC.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, f"size={size},mode=700".encode()) != 0:
        code = ctypes.get_errno()
        if code in (errno.EPERM, errno.ENOSYS, errno.ENODEV):
            pytest.skip("mounting a small file system needs root")
        raise OSError(code, os.strerror(code))
    try:
        yield
    finally:
        LIBC.umount2(os.fsencode(path), 2)


def picture(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


# -- photos, clips, names --------------------------------------------------------------------------------------------


def test_a_photo_without_a_face_enrols_nobody(edgeface: Command, tmp_path: Path) -> None:
    said = edgeface("enroll", "Ada", "--photo", picture(tmp_path / "wall.png", np.full((300, 300, 3), 90, np.uint8)))
    assert said.code == 65
    assert "0 of 1 pictures can be used" in said.err
    assert "wall.png: There is no face in the picture." in said.err
    assert "Show the whole face from the front" in said.err


@pytest.mark.parametrize("gap", [0, 600])
def test_a_photo_with_three_faces_enrols_nobody(edgeface: Command, tmp_path: Path, gap: int) -> None:
    """Also where the faces are small in the picture, and the detector alone would find one of them."""
    a, g = astronaut(), cv2.resize(grace_hopper(), (512, 512))
    between = np.full((512, gap, 3), 128, np.uint8)
    said = edgeface("enroll", "Ada", "--photo", picture(tmp_path / "us.jpg", np.hstack([a, between, g, between, a])))
    assert said.code == 65
    assert said.err.count("faces in the picture; one person alone may be in it.") == 1


def test_one_bad_photo_among_good_ones_is_named_and_left_out(edgeface: Command, tmp_path: Path, photos) -> None:
    wall = picture(tmp_path / "wall.png", np.full((300, 300, 3), 90, np.uint8))
    said = edgeface("enroll", COLLINS, "--photo", photos.collins, "--photo", wall, "--json")
    assert said.code == 0
    assert said.json["refused"] == [{"source": str(wall), "reason": "There is no face in the picture."}]


def test_photos_that_can_not_be_read_are_said(edgeface: Command, tmp_path: Path, photos) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photos.collins.read_bytes()[:2000])
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(41 << 20)
    vast = tmp_path / "vast.png"  # small in bytes, enormous in pixels
    vast.write_bytes(cv2.imencode(".png", np.zeros((13_000, 10_000), np.uint8))[1].tobytes())
    for photo, sentence in (
        (tmp_path / "none.jpg", "can't be read (No such file or directory)"),
        (tmp_path, "can't be read (Is a directory)"),
        (cut, "no picture that can be decoded, or is cut short"),
        (huge, "which is too large"),
        (vast, "has 10000 x 13000 pixels, which is too large"),
    ):
        said = edgeface("enroll", "Ada", "--photo", photo)
        assert (said.code, sentence in said.err) == (66, True), said.err
    assert not (tmp_path / "state").exists()  # nothing was begun


def test_names_are_text_that_can_be_shown(edgeface: Command, photos) -> None:
    for name in ("", "   ", "a\nb", "a\x1b[31mb", "a\u202eb", "x" * 129, "x" * 10_000, "\ud800"):
        said = edgeface("enroll", name, "--photo", photos.collins)
        assert (said.code, "1 to 128 characters and no control characters" in said.err) == (65, True), repr(name)[:40]
    name = "Zoë Ångström 👩‍🚀"
    assert edgeface("enroll", name, "--photo", photos.collins).code == 0
    assert [p["name"] for p in edgeface("gallery", "list", "--json").json["people"]] == [name]
    assert "Zoë Ångström" in edgeface("gallery", "show", name).out


def test_who_is_enrolled_already_is_named_with_what_to_do(edgeface: Command, enrolled: Device, photos) -> None:
    said = edgeface("enroll", "Somebody Else", "--photo", photos.collins)
    assert said.code == 65
    assert f"enrolled already, as {COLLINS}" in said.err
    assert "--replace" in said.err
    said = edgeface("enroll", "Somebody Else", "--photo", photos.collins, "--replace", "deadbeef")
    assert (said.code, "Nobody here is 'deadbeef'" in said.err) == (65, True)


def test_arguments_that_make_no_sense_are_wrong_usage(edgeface: Command, enrolled: Device, photos) -> None:
    scene = write_scene(enrolled.folder / "scene.toml", length_s=1)
    for arguments, sentence in (
        (["replay", scene, "--enroll", "Ada"], "NAME=PHOTO"),
        (["replay", scene, "--enroll", f"={photos.collins}"], "NAME=PHOTO"),
        (["replay", scene, "--at", "yesterday"], "no date or time"),
        (["enroll", "Ada", "--photo", photos.collins, "--valid-to", "soon"], "no date or time"),
        (["enroll", "Ada", "--photo", photos.collins, "--clip", scene], "not both"),
        (["audit", "list", "--since", "soon"], "no date or time"),
        (["door", "test", "--pulse-ms", "0"], "--pulse-ms"),
    ):
        said = edgeface(*arguments)
        assert (said.code, sentence in said.err) == (2, True), said.err


def test_a_schedule_that_nobody_made_is_refused_with_those_there_are(edgeface: Command, photos) -> None:
    said = edgeface("enroll", "Ada", "--photo", photos.collins, "--schedule", "offic")
    assert said.code == 65
    assert "There is no schedule 'offic'" in said.err
    assert "always, never" in said.err


# -- recordings ------------------------------------------------------------------------------------------------------


def test_recordings_that_can_not_be_played_are_said(edgeface: Command, tmp_path: Path, photos) -> None:
    nonsense = tmp_path / "nonsense.toml"
    nonsense.write_text('title = "x"\nlenght_s = 3\n')
    broken = tmp_path / "broken.toml"
    broken.write_text("title = ")
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(os.urandom(5000))
    empty = tmp_path / "empty"
    empty.mkdir()
    for source, sentence in (
        (nonsense, "Did you mean `length_s`?"),
        (broken, "broken.toml"),
        (noise, "can't be opened as a video"),
        (empty, "holds no pictures"),
        (tmp_path / "none.mp4", "is not there"),
        (photos.collins, "is a single picture"),
    ):
        said = edgeface("replay", source)
        assert (said.code, sentence in said.err) == (66, True), said.err


def test_a_clip_that_is_cut_off_plays_up_to_there_and_says_so(edgeface: Command, tmp_path: Path) -> None:
    clip = tmp_path / "visit.avi"
    video = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 240))
    rng = np.random.default_rng(1)
    for _ in range(40):
        video.write(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8))
    video.release()
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    said = edgeface("replay", clip)
    assert said.code in (0, 66)
    assert "breaks off after" in said.err or "can't be opened" in said.err


# -- keys and gallery ------------------------------------------------------------------------------------------------


def test_a_key_that_is_missing_wrong_or_lax_is_said_and_nothing_changes(
    edgeface: Command, enrolled: Device, photos, tmp_path: Path
) -> None:
    key, gallery = enrolled.state / "device.key", enrolled.state / "gallery.db"
    before = gallery.read_bytes()
    key.chmod(0o644)
    said = edgeface("gallery", "list")
    assert (said.code, f"chmod 600 {key}" in said.err) == (77, True)
    key.chmod(0o600)
    kept = key.rename(tmp_path / "kept.key")
    for command in (["gallery", "list"], ["enroll", "Grace", "--photo", photos.hopper], ["run"]):
        said = edgeface(*command)
        assert (said.code, str(key) in said.err) == (77, True), said.err
    other = Device(tmp_path / "o")
    assert other.edgeface("enroll", HOPPER, "--photo", photos.hopper).code == 0
    shutil.copy(other.state / "device.key", key)
    said = edgeface("gallery", "list")
    assert said.code == 77
    assert "made with another device key" in said.err
    shutil.copy(kept, key)
    assert gallery.read_bytes() == before
    assert edgeface("gallery", "list").code == 0


def test_a_flipped_bit_refuses_that_person_and_nobody_else(
    edgeface: Command, enrolled: Device, photos, board: Simboard
) -> None:
    assert edgeface("enroll", HOPPER, "--photo", photos.hopper).code == 0
    file = enrolled.state / "gallery.db"
    people = {p["name"]: p["id"] for p in edgeface("gallery", "list", "--json").json["people"]}
    db = sqlite3.connect(file)
    (sealed,) = db.execute("SELECT sealed FROM person WHERE id = ?", (people[COLLINS],)).fetchone()
    db.close()
    content = bytearray(file.read_bytes())
    content[content.index(sealed[20:40])] ^= 1
    file.write_bytes(content)

    said = edgeface("gallery", "list")
    assert said.code == 65
    assert HOPPER in said.out
    assert COLLINS not in said.out
    assert people[COLLINS] in said.err
    assert list(edgeface("gallery", "list", "--json").json["damaged"]) == [people[COLLINS]]
    write_scene(enrolled.folder / "scene.toml", Visit("collins", 0, 4), Visit("hopper", 4.5, 8.5))
    enrolled.write({"camera": {"source": "replay:scene.toml"}})
    said = edgeface("replay", enrolled.folder / "scene.toml", "--gallery", enrolled.state, "--json")
    decided = [(e["event"], e["reason"], e["person"]) for e in said.lines if e["event"].startswith("access")]
    assert decided[0] == ("access_denied", "unknown_person", None)
    assert ("access_granted", None, HOPPER) in decided
    assert all(person != COLLINS for _, _, person in decided)
    with enrolled.run() as daemon:
        refused = daemon.wait_event("record_refused")
        assert refused["person"] == people[COLLINS]
        assert list(daemon.ask("status")["gallery"]["damaged"]) == [people[COLLINS]]


def test_an_audit_log_that_was_tampered_with_is_found_out(edgeface: Command, enrolled: Device, photos) -> None:
    assert edgeface("enroll", HOPPER, "--photo", photos.hopper).code == 0
    assert edgeface("audit", "verify").code == 0
    (file,) = (enrolled.state / "audit").glob("audit-*.jsonl")
    file.write_text(file.read_text().replace('"source":"photo"', '"source":"clip"', 1))
    said = edgeface("audit", "verify")
    assert said.code == 65
    assert "1" in said.err
    assert said.err.count("\n") <= 3
    assert edgeface("audit", "verify", "--json").code == 65


def test_there_is_nothing_to_verify_or_list_where_nothing_ever_ran(edgeface: Command) -> None:
    for command in (["gallery", "list"], ["audit", "list"], ["audit", "verify"]):
        said = edgeface(*command)
        assert (said.code, "There is no device key" in said.err) == (77, True)
        assert "first enrolment" in said.err


# -- the disk --------------------------------------------------------------------------------------------------------


def test_a_full_disk_opens_nothing_that_it_can_not_record(
    device: Device, enrolled_state: Path, board: Simboard
) -> None:
    """With the log's own reserve gone she is refused; with room again she is let in again."""
    write_scene(device.folder / "scene.toml", Visit("collins", 0, 3.5), length_s=4)
    device.write(
        {
            "camera": {"source": "replay:scene.toml", "loop": True},
            "door": {"pulse_ms": 300},
            "decision": {"cooldown_s": 0.5},
        }
    )
    with small_disk(device.state, 6 << 20):
        shutil.copytree(enrolled_state, device.state, dirs_exist_ok=True)
        filler = device.state / "filler"

        def fill() -> bool:
            """Takes what is free, again and again."""
            with filler.open("ab", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    return daemon.ask("status")["audit_fault"] is not None

        with device.run() as daemon:
            daemon.wait_event("access_granted")
            (device.state / "audit" / "reserve").unlink()
            daemon.wait(fill, "the log has no room left")
            refused_s = device.audit()[-1]["t_s"]
            frames = daemon.ask("status")["camera"]["frames"]
            pulses = len(board.pulses())
            wait_for(lambda: daemon.ask("status")["camera"]["frames"] > frames + 60, "one more visit", 60)
            assert len(board.pulses()) == pulses
            assert "audit_fault" in daemon.said()
            assert "audit log" in device.edgeface("door", "status").out
            filler.unlink()
            recovered = daemon.wait_event("storage_recovered")
            daemon.wait_event("access_granted", after_seq=recovered["seq"])
            assert daemon.end() == 0
        grants = [e["t_s"] for e in device.audit("access_granted")]
        assert all(any(t <= p.start_s for t in grants) for p in board.pulses())
        assert device.audit("storage_fault", "access_denied")
        assert refused_s < recovered["t_s"]
        assert device.edgeface("audit", "verify").code == 0


def test_a_read_only_disk_is_said_and_still_shows_who_is_enrolled(device: Device, enrolled_state: Path, photos) -> None:
    with small_disk(device.state, 8 << 20):
        shutil.copytree(enrolled_state, device.state, dirs_exist_ok=True)
        assert LIBC.mount(b"tmpfs", os.fsencode(device.state), b"tmpfs", 1 | 32, None) == 0  # remounted read-only
        said = device.edgeface("gallery", "list", "--json")
        assert [p["name"] for p in said.json["people"]] == [COLLINS]
        for command in (["enroll", HOPPER, "--photo", photos.hopper], ["gallery", "remove", COLLINS, "--yes"]):
            said = device.edgeface(*command)
            assert (said.code, "read-only" in said.err.lower()) == (74, True), said.err


# -- settings, models, sockets, pins -----------------------------------------------------------------------------------


def test_a_setting_that_is_unknown_is_said_with_the_nearest_name(device: Device) -> None:
    device.write({"door": {"pulse_mss": 3000}})
    said = device.edgeface("run")
    assert said.code == 78
    assert "Did you mean door.pulse_ms?" in said.err
    assert "edgeface.toml, line" in said.err


def test_a_camera_that_means_nothing_is_said_before_anything_starts(enrolled: Device) -> None:
    enrolled.write({"camera": {"source": "webcam"}})
    said = enrolled.edgeface("run")
    assert said.code == 78
    assert "The camera source 'webcam' means nothing." in said.err
    assert enrolled.audit("daemon_started") == []


def test_a_recording_that_is_not_there_ends_the_daemon_with_a_sentence(enrolled: Device, board: Simboard) -> None:
    said = enrolled.edgeface("run")
    assert said.code == 66
    assert "scene.toml" in said.err
    assert "Traceback" not in said.out + said.err


def test_models_that_are_missing_or_altered_refuse_the_start(edgeface: Command, enrolled: Device) -> None:
    folder = enrolled.folder / "models"
    shutil.copytree(MODELS, folder)
    enrolled.write({}, models_dir=str(folder))
    write_scene(enrolled.folder / "scene.toml", length_s=1)
    victim = max(folder.glob("*.tflite"), key=lambda f: f.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    for command in (["run"], ["replay", enrolled.folder / "scene.toml"]):
        said = edgeface(*command)
        assert (said.code, victim.name in said.err) == (78, True), said.err
    victim.unlink()
    said = edgeface("run")
    assert (said.code, victim.name in said.err) == (78, True), said.err
    shutil.rmtree(folder)
    assert edgeface("run").code == 78
    assert enrolled.audit("daemon_started") == []


def test_a_relay_pin_that_is_in_use_refuses_the_start(enrolled: Device, board: Simboard) -> None:
    write_scene(enrolled.folder / "scene.toml", Visit("collins", 0, 4))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as somebody:
        somebody.connect(str(board.socket))
        somebody.send(wire.encode({"op": "claim", "pin": 17, "level": 0}))
        assert wire.decode(somebody.recv(4096))["ok"] is True
        said = enrolled.edgeface("run")
    assert said.code == 69
    assert f"GPIO 17 is in use by process {os.getpid()}" in said.err
    assert board.pulses() == []


def test_a_second_daemon_refuses_to_start_and_leaves_the_first_alone(enrolled: Device, board: Simboard) -> None:
    write_scene(enrolled.folder / "scene.toml", length_s=4)
    enrolled.write({"camera": {"source": "replay:scene.toml", "loop": True}})
    with enrolled.run() as daemon:
        said = enrolled.edgeface("run")
        assert said.code == 69
        assert "Another edgeface is running" in said.err
        assert daemon.ask("status")["door"]["reachable"] is True
        assert len(enrolled.audit("daemon_started")) == 1


def test_a_socket_path_that_is_too_long_is_said(edgeface: Command, enrolled: Device) -> None:
    enrolled.write({}, run_dir=str(enrolled.folder / ("r" * 120)))
    for command in (["run"], ["door", "status"]):
        said = edgeface(*command)
        assert said.code == 78
        assert "Linux allows 107" in said.err
        assert "run_dir" in said.err


def test_settings_from_nowhere_are_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    edgeface = commands(capsys)
    said = edgeface("run", "--config", tmp_path / "none.toml")
    assert (said.code, "can't be read" in said.err) == (78, True)
    said = edgeface("run", "--config", tmp_path)
    assert (said.code, "Is a directory" in said.err) == (78, True)


# -- the camera ------------------------------------------------------------------------------------------------------


def test_a_camera_that_is_not_there_leaves_the_door_locked_and_is_said(
    enrolled: Device, board: Simboard, edgeface: Command
) -> None:
    """The daemon stays and tries again: a technician may plug it in."""
    enrolled.write({"camera": {"source": "v4l2:no-such-camera-anywhere"}})
    said = edgeface("enroll", HOPPER)
    assert said.code == 69
    assert "no-such-camera-anywhere" in said.err
    with enrolled.run() as daemon:
        lost = daemon.wait_event("camera_lost")
        assert lost["fault"] == "unavailable"
        assert daemon.ask("status")["camera"]["ok"] is False
        assert "NO PICTURE" in enrolled.edgeface("door", "status").out
        assert daemon.end() == 0
    assert board.pulses() == []
    assert "Traceback" not in enrolled.log.read_text()


def test_a_camera_that_vanishes_goes_dark_or_hangs_is_recorded_and_comes_back(
    enrolled: Device, board: Simboard
) -> None:
    with NetworkCamera() as camera:
        enrolled.write({"camera": {"source": camera.address, "stall_s": 1.0}})
        with enrolled.run() as daemon:
            daemon.wait(lambda: daemon.ask("status")["camera"]["ok"], "the camera gives pictures")
            seq = daemon.last_seq()
            for mode, faults in (
                ("off", ("unavailable", "stalled")),
                ("black", ("black",)),
                ("frozen", ("frozen", "stalled")),  # repeats are passed over: whichever limit is reached first
            ):
                camera.mode = mode
                lost = daemon.wait_event("camera_lost", after_seq=seq)
                assert lost["fault"] in faults
                camera.mode = "live"
                seq = daemon.wait_event("camera_recovered", after_seq=lost["seq"])["seq"]
            daemon.wait(lambda: daemon.ask("status")["camera"]["ok"], "the camera gives pictures again")
            assert daemon.ask("status")["door"]["locked"] is True
            assert daemon.end() == 0
    assert board.pulses() == []
