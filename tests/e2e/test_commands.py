"""Every command as a technician or a script uses it: help, JSON, files, exit codes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.commands import Command, Said, commands
from support.device import Device
from support.portraits import astronaut, grace_hopper
from support.visits import COLLINS, HOPPER, Visit, write_scene

from edgeface.app import wiring_tools
from edgeface.cli.main import COMMANDS
from edgeface.domain.errors import EndOfStream

FIRST_KEYS = ["t_s", "event", "person", "reason", "score"]
TARS = {"1e-3", "1e-4", "1e-5", "1e-6"}
LEAVES = [
    "run", "demo", "enroll", "gallery list", "gallery show", "gallery remove", "gallery export", "gallery backup",
    "door test", "door lock", "door status", "config check", "config explain", "config show", "config example",
    "replay", "audit list", "audit verify", "audit export", "bench", "eval recognition", "eval identification",
    "eval spoof", "version", "pair", "top", "config reload", "door mode", "door options",
    "admin status", "admin events", "admin agent", "admin seal", "admin site create", "admin site show",
    "admin site restore", "admin device add", "admin device remove", "admin device list", "admin person add",
    "admin person update", "admin person revoke", "admin person erase", "admin person list", "admin person show",
    "admin person export", "admin person import", "admin door unlock", "admin door lockdown", "admin door release",
    "admin admin add", "admin admin remove", "admin admin list", "admin key rotate", "doctor",
]  # fmt: skip


@pytest.fixture
def edgeface(capsys: pytest.CaptureFixture[str], device: Device) -> Command:
    return commands(capsys, device.config)


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene: Eileen Collins, then Grace Hopper, then a print of Eileen Collins."""
    folder = tmp_path_factory.mktemp("visit")
    visits = Visit("collins", 0, 3.5), Visit("hopper", 3.5, 6), Visit("print", 6, 9)
    return write_scene(folder / "scene.toml", *visits, fps=10)


@pytest.fixture(scope="module")
def glimpse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene: Eileen Collins, for a moment."""
    return write_scene(tmp_path_factory.mktemp("glimpse") / "scene.toml", Visit("collins", 0, 3), fps=10)


@pytest.fixture(scope="module")
def pictures(visit: Path) -> list[np.ndarray]:
    """The scene's pictures."""
    camera, found = wiring_tools.open_clip(visit), []
    camera.open()
    try:
        while True:
            found.append(camera.read(10).pixels)
    except EndOfStream:
        camera.close()
        return found


@pytest.fixture(scope="module")
def clip(pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a video."""
    path = tmp_path_factory.mktemp("clip") / "visit.avi"
    write_video(path, pictures)
    return path


def write_video(path: Path, pictures: list[np.ndarray]) -> Path:
    h, w = pictures[0].shape[:2]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (w, h))
    video.set(cv2.VIDEOWRITER_PROP_QUALITY, 95)
    for one in pictures:
        video.write(one)
    video.release()
    return path


def decisions(said: Said) -> list[tuple[str, str | None, str | None]]:
    return [(e["event"], e["reason"], e["person"]) for e in said.lines if "reason" in e]


# -- help --------------------------------------------------------------------------------------------------------------


def test_the_list_of_commands_here_is_whole() -> None:
    assert {leaf.split()[0] for leaf in LEAVES} == set(COMMANDS)


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], leaf: str) -> None:
    said = commands(capsys)(*leaf.split(), "--help")
    assert said.code == 0
    assert f"edgeface {leaf}" in said.out.replace("\n", " ")
    assert "xample" in said.out
    assert "Usage:" in said.out


@pytest.mark.parametrize("group", ["gallery", "door", "config", "audit", "eval", "admin", ""])
def test_a_group_without_a_command_shows_its_commands(capsys: pytest.CaptureFixture[str], group: str) -> None:
    said = commands(capsys)(*group.split())
    for leaf in LEAVES:
        if leaf.startswith(group):
            assert leaf.removeprefix(group).split()[0] in said.out + said.err


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_persons_life_from_enrolment_to_erasure(edgeface: Command, device: Device, photos) -> None:
    said = edgeface("gallery", "list")
    assert said.code == 77  # nothing was ever enrolled: there is no key yet
    said = edgeface(
        "enroll", COLLINS, "--photo", photos.collins, "--group", "crew", "--door", "front", "--valid-to", "2031-01-01",
        "--json",
    )  # fmt: skip
    person = said.json["id"]
    assert set(said.json) == {"id", "name", "templates", "accepted", "refused", "warnings"}
    listed = edgeface("gallery", "list", "--json").json
    assert [(p["id"], p["name"], p["groups"], p["doors"], p["seq"]) for p in listed["people"]] == [
        (person, COLLINS, ["crew"], ["front"], 1)
    ]
    table = edgeface("gallery", "list").out
    assert person in table
    assert "2031-01-01" in table
    for who in (person, person[:6], COLLINS, COLLINS.lower()):
        assert edgeface("gallery", "show", who, "--json").json["id"] == person
    shown = edgeface("gallery", "show", COLLINS).out
    assert "vector" not in shown
    assert "crew" in shown
    assert edgeface("gallery", "show", "Ada").code == 65

    said = edgeface("enroll", "Eileen M. Collins", "--photo", photos.collins, "--replace", person[:8], "--json")
    assert said.json["id"] == person
    again = edgeface("gallery", "show", person, "--json").json
    assert (again["name"], again["groups"], again["seq"]) == ("Eileen M. Collins", ["crew"], 2)

    copy = device.folder / "copy.json"
    assert edgeface("gallery", "export", person, "--output", copy).code == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert json.loads(copy.read_text())["name"] == "Eileen M. Collins"
    assert edgeface("gallery", "export", person, "--output", copy).code == 74  # never over another file

    assert edgeface("gallery", "remove", person, "--yes", "--json").json == {
        "removed": person,
        "name": "Eileen M. Collins",
    }
    assert edgeface("gallery", "list", "--json").json == {"people": [], "damaged": {}}
    assert "Begin with" in edgeface("gallery", "list").err
    assert edgeface("gallery", "remove", person, "--yes").code == 0  # repeated: whatever was left of it is gone as well
    assert edgeface("gallery", "remove", "0" * 32, "--yes").code == 65
    assert edgeface("gallery", "remove", "Eileen M. Collins", "--yes").code == 65
    assert b"Collins" not in (device.state / "gallery.db").read_bytes()


def test_the_audit_log_is_listed_filtered_verified_and_exported(edgeface: Command, device: Device, photos) -> None:
    person = edgeface("enroll", COLLINS, "--photo", photos.collins, "--json").json["id"]
    edgeface("enroll", HOPPER, "--photo", photos.hopper)
    edgeface("gallery", "remove", HOPPER, "--yes")
    entries = edgeface("audit", "list", "--json").lines
    assert [e["event"] for e in entries] == ["person_enrolled", "person_enrolled", "person_removed"]
    assert entries[0]["person"] == person
    assert COLLINS not in edgeface("audit", "list").out
    assert COLLINS in edgeface("audit", "list", "--names").out
    assert len(edgeface("audit", "list", "--event", "person_removed", "--json").lines) == 1
    assert [e["seq"] for e in edgeface("audit", "list", "--last", "1", "--json").lines] == [entries[-1]["seq"]]
    assert edgeface("audit", "list", "--since", "2999-01-01", "--json").out == ""
    verified = edgeface("audit", "verify", "--json").json
    assert (verified["ok"], verified["count"], verified["head"]) == (True, 3, entries[-1]["hash"])
    sheet, lines = device.folder / "log.csv", device.folder / "log.jsonl"
    assert edgeface("audit", "export", "--output", sheet).code == 0
    assert [row["event"] for row in csv.DictReader(sheet.read_text().splitlines())] == [e["event"] for e in entries]
    assert edgeface("audit", "export", "--output", lines, "--format", "jsonl").code == 0
    assert [json.loads(line) for line in lines.read_text().splitlines()] == entries
    assert edgeface("audit", "export", "--output", lines).code == 74


def test_a_person_is_enrolled_from_a_clip_and_a_clip_of_a_print_is_refused(
    edgeface: Command, device: Device, pictures: list[np.ndarray]
) -> None:
    alive = write_video(device.folder / "alive.avi", pictures[:35])
    attack = write_video(device.folder / "attack.avi", pictures[60:])
    refused = edgeface("enroll", COLLINS, "--clip", attack)
    assert refused.code == 65
    assert not (device.state / "gallery.db").exists() or edgeface("gallery", "list", "--json").json["people"] == []
    said = edgeface("enroll", COLLINS, "--clip", alive, "--json")
    assert said.code == 0, said.err
    assert said.json["accepted"] >= 5


# -- replay ------------------------------------------------------------------------------------------------------------


def test_a_scene_a_folder_and_a_video_of_it_are_decided_alike(
    edgeface: Command, visit: Path, clip: Path, pictures: list[np.ndarray], photos, tmp_path: Path
) -> None:
    """She is let in, the stranger and the print are not."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n, one in enumerate(pictures):
        cv2.imwrite(str(folder / f"{n:04}.png"), one)
    known = "--enroll", f"{COLLINS}={photos.collins}"
    for source in (visit, clip, f"{folder}?fps=10"):
        said = edgeface("replay", source, *known, "--json")
        assert said.code == 0, said.err
        made = decisions(said)
        assert made[0] == ("access_granted", None, COLLINS)
        assert ("access_denied", "unknown_person", None) in made
        assert ("spoof_refused", "spoof", None) in made
        assert [m for m in made if m[0] == "access_granted"] == [made[0]]
        for event in said.lines:
            if "person" in event and event["event"].startswith(("access", "spoof")):
                assert list(event)[:5] == FIRST_KEYS
        assert [e["event"] for e in said.lines].count("door_unlocked") == 1
        assert [e["event"] for e in said.lines].count("door_locked") == 1


def test_the_same_input_and_seed_give_the_same_bytes(edgeface: Command, glimpse: Path, photos) -> None:
    known = "--enroll", f"{COLLINS}={photos.collins}"
    first, second = (edgeface("replay", glimpse, *known, "--seed", "5", "--json") for _ in range(2))
    other = edgeface("replay", glimpse, *known, "--seed", "6", "--json")
    assert first.out == second.out
    assert first.out != other.out
    assert len(first.lines) >= 3


def test_a_replay_knows_the_people_of_a_gallery(edgeface: Command, enrolled: Device, glimpse: Path) -> None:
    for gallery in (enrolled.state, enrolled.state / "gallery.db"):
        said = edgeface("replay", glimpse, "--gallery", gallery, "--json")
        assert decisions(said)[0] == ("access_granted", None, COLLINS)
    text = edgeface("replay", glimpse, "--gallery", enrolled.state)
    assert f"person {COLLINS}" in text.out
    assert "1 people known" in text.err


def test_a_replay_goes_by_the_time_it_is_given(edgeface: Command, device: Device, glimpse: Path, photos) -> None:
    """A schedule of the settings decides, at the recording's own time."""
    config = device.config.read_text()
    config += '[[schedule]]\nname = "office"\nwindows = [{ days = ["mon"], from = "08:00", to = "18:00" }]\n'
    device.config.write_text(config)
    assert edgeface("enroll", COLLINS, "--photo", photos.collins, "--schedule", "office").code == 0
    on_monday, at_night = (
        decisions(edgeface("replay", glimpse, "--gallery", device.state, "--at", at, "--json"))[0]
        for at in ("2026-12-07T12:00", "2026-12-07T03:00")
    )
    assert on_monday == ("access_granted", None, COLLINS)
    assert at_night == ("access_denied", "outside_schedule", COLLINS)


# -- evaluation --------------------------------------------------------------------------------------------------------


def variants(picture: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The picture again, a little turned, lighter and noisier."""
    rng = np.random.default_rng(seed)
    h, w = picture.shape[:2]
    made = []
    for _ in range(count):
        turn = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-8, 8), rng.uniform(0.9, 1.1))
        moved = cv2.warpAffine(picture, turn, (w, h), borderMode=cv2.BORDER_REPLICATE)
        made.append(np.clip(moved * rng.uniform(0.85, 1.1) + rng.normal(0, 4, moved.shape), 0, 255).astype(np.uint8))
    return made


def lay_out(folder: Path, people: dict[str, list[np.ndarray]]) -> Path:
    for name, pictures in people.items():
        (folder / name).mkdir(parents=True)
        for n, one in enumerate(pictures, 1):
            cv2.imwrite(str(folder / name / f"{name}_{n:04}.jpg"), one)
    return folder


def assert_bounded(rate: dict[str, Any]) -> None:
    assert set(rate) == {"value", "low", "high"}
    assert 0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1


def test_eval_recognition_has_the_keys_that_it_promises(edgeface: Command, tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "faces", {"A": variants(astronaut(), 3, 1), "B": variants(grace_hopper(), 3, 2)})
    report = edgeface("eval", "recognition", "--images", folder, "--json").json
    assert list(report)[:6] == ["images", "identities", "detected", "model", "pairs", "all_pairs"]
    assert (report["images"], report["identities"], report["detected"], report["pairs"]) == (6, 2, 6, None)
    rates = report["all_pairs"]
    assert set(rates) == {"genuine", "impostor", "eer", "tar", "threshold"}
    assert (rates["genuine"], rates["impostor"], rates["eer"]) == (6, 9, 0.0)
    assert set(rates["tar"]) == set(rates["threshold"]) == TARS
    assert set(rates["tar"].values()) == {None}  # nine impostor pairs say nothing about one in a thousand

    pairs = tmp_path / "pairs.txt"
    sets = "A\t1\t2\nB\t1\t3\nA\t1\tB\t1\nA\t2\tB\t3\n"
    pairs.write_text("10\t2\n" + sets * 10)
    told = edgeface("eval", "recognition", "--images", folder, "--pairs", pairs, "--json").json["pairs"]
    assert told == {"count": 40, "accuracy": 1.0, "std": 0.0}
    assert "all_pairs eer" in edgeface("eval", "recognition", "--images", folder).out


def test_eval_spoof_has_the_keys_that_it_promises(
    edgeface: Command, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    live, attack = tmp_path / "live", tmp_path / "attack"
    for folder in (live, attack / "prints"):
        folder.mkdir(parents=True)
    cv2.imwrite(str(live / "collins.jpg"), pictures[20])
    write_video(live / "collins.avi", pictures[10:25])
    cv2.imwrite(str(attack / "prints" / "print.jpg"), pictures[75])
    write_video(attack / "prints" / "print.avi", pictures[68:83])
    report = edgeface("eval", "spoof", "--live", live, "--attack", attack, "--json").json
    assert list(report)[:4] == ["limit", "model", "live", "attack"]
    assert set(report["live"]) == {"count", "undetected", "bpcer"}
    assert set(report["attack"]) == {"count", "undetected", "apcer", "by_folder"}
    assert (report["live"]["count"], report["attack"]["count"]) == (2, 2)
    assert set(report["attack"]["by_folder"]) == {"prints"}
    assert set(report["attack"]["by_folder"]["prints"]) == {"count", "apcer"}
    for rate in (report["live"]["bpcer"], report["attack"]["apcer"], report["attack"]["by_folder"]["prints"]["apcer"]):
        assert_bounded(rate)


def test_eval_identification_says_who_is_missed_and_who_is_let_in(edgeface: Command, tmp_path: Path) -> None:
    gallery = lay_out(tmp_path / "gallery", {"A": variants(astronaut(), 2, 1)})
    probes = lay_out(tmp_path / "probes", {"A": variants(astronaut(), 3, 2)})
    strangers = lay_out(tmp_path / "strangers", {"B": variants(grace_hopper(), 3, 3)})
    said = edgeface(
        "eval", "identification", "--gallery", gallery, "--probes", probes, "--strangers", strangers, "--json"
    )
    report = said.json
    assert (report["probes"]["count"], report["strangers"]["count"]) == (3, 3)
    assert report["probes"]["fnir"]["value"] == 0.0
    assert report["strangers"]["fpir"]["value"] == 0.0
    for rate in (report["probes"]["fnir"], report["strangers"]["fpir"]):
        assert_bounded(rate)
    assert 0 < report["threshold"] < 1


def test_an_evaluation_of_nothing_is_said(edgeface: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments in (
        ["recognition", "--images", empty],
        ["recognition", "--images", tmp_path / "none"],
        ["spoof", "--live", empty, "--attack", empty],
        ["identification", "--gallery", empty, "--probes", empty, "--strangers", empty],
    ):
        said = edgeface("eval", *arguments)
        assert said.code == 66, said.err
        assert str(tmp_path) in said.err
    folder = lay_out(tmp_path / "faces", {"A": variants(astronaut(), 2, 1)})
    shutil.copy(__file__, folder / "A" / "broken.jpg")
    said = edgeface("eval", "recognition", "--images", folder, "--json")
    assert "broken.jpg" in said.err
    said = edgeface("eval", "recognition", "--images", folder, "--pairs", folder / "none.txt")
    assert (said.code, "none.txt" in said.err) == (66, True)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_config_checks_explains_and_shows(edgeface: Command, device: Device, tmp_path: Path) -> None:
    assert edgeface("config", "check", "--json").json["ok"] is True
    assert edgeface("config", "show", "--json").json["door.pulse_ms"]["value"] == 600
    assert "door.pulse_ms" in edgeface("config", "show").out
    (told,) = edgeface("config", "explain", "door.pulse_ms", "--json").json
    assert (told["value"], told["unit"]) == (600, "ms")
    device.write({"door": {"pulse_ms": "soon"}})
    said = edgeface("config", "check")
    assert (said.code, "door.pulse_ms" in said.err) == (78, True)


def test_version_says_what_a_report_of_a_fault_needs(capsys: pytest.CaptureFixture[str]) -> None:
    edgeface = commands(capsys)
    told = edgeface("version", "--json").json
    assert set(told) == {"edgeface", "python", "machine", "parts"}
    assert edgeface("version").out == f"edgeface {told['edgeface']}\n"
