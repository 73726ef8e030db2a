"""`edgeface doctor`: each check says what is, and what to do where that isn't fine."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import Command, commands
from support.people import person

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.gallery.store import SqliteGallery
from edgeface.adapters.system.inspection import Inspection
from edgeface.app import wiring
from edgeface.app.doctor import parts
from edgeface.app.doctor.bundle import write_bundle
from edgeface.app.doctor.examine import examine
from edgeface.app.doctor.finding import Context, Finding
from edgeface.app.settings import load_settings, read_settings
from edgeface.domain.errors import ControlError
from edgeface.domain.events import AccessGranted

NOW_S = 1_790_000_000.0
STATUS: dict[str, Any] = {
    "door_name": "Vault 9",
    "camera": {"ok": True, "name": "cam", "size": [640, 480], "frames": 0, "not_looked_at": 0},
    "door": {"reachable": True, "locked": True, "mode": "normal", "alarms": [], "detail": ""},
    "threshold": {"sentence": "1 false accept a year; the threshold is 0.51."},
    "alarms": {},
    "audit_fault": "",
    "site": None,
}
SITE: dict[str, Any] = {
    "name": "Canary Wharf", "connected": True, "fault": "", "in_step": True, "manifest": 7, "people": 3,
    "shards_behind": 0, "confirmed_s_ago": 2.0, "certificate_days_left": 300.0, "refused": 0, "refusals": {},
}  # fmt: skip


class Machine:
    """A Pi at which all is well; each test changes one thing."""

    def __init__(self, **changes: Any) -> None:
        self.told: dict[str, Any] = {
            "board": "Raspberry Pi 5", "system": "Debian 12", "memory_mb": 4000, "temperature_c": 50.0,
            "throttled": (), "time_status": {"NTP": "yes", "NTPSynchronized": "yes", "Timezone": "UTC"},
            "has_rtc": True, "utc_s": NOW_S, "wear": "0 to 10 % of its life is used", "watchdog": "15s",
            "disk": {"free": 4 << 30, "total": 8 << 30, "read_only": False, "device": "/dev/mmcblk0p2", "type": "ext4"},
            "unit": {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NRestarts": "0"},
            "exposure": 1.2,
        } | changes  # fmt: skip

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *_: self.told[name]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LOOK_S", 0.01)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "edgeface.toml"
    file.write_text('state_dir = "state"\nrun_dir = "."\n[door]\ndriver = "gpiozero"\npin = 17\n')
    return file


def found(config: Path, machine: Machine, status: dict[str, Any] | None = STATUS) -> dict[str, Finding]:
    def running() -> Callable[[str], Any]:
        seen = iter(range(0, 10**9, 1000))

        def ask(_op: str) -> Any:
            assert status is not None
            return {**status, "camera": {**status["camera"], "frames": next(seen)}}

        return ask

    context = Context(load_settings(config), machine, None if status is None else running())  # type: ignore[arg-type]
    return {f"{f.group}/{f.name}": f for f in examine(context)}


def test_a_door_at_which_all_is_well_has_nothing_wrong(config: Path) -> None:
    findings = found(config, Machine())
    assert {f.state for f in findings.values()} <= {"fine", "note"}
    assert {k for k, f in findings.items() if f.state == "note"} == {"people/gallery", "log/audit log"}
    assert all(f.advice for f in findings.values() if f.state == "wrong")


@pytest.mark.parametrize(
    ("changes", "where", "state", "says", "advises"),
    [
        ({"memory_mb": 512}, "machine/memory", "note", "512 MB", "1 GB"),
        ({"memory_mb": None}, "machine/memory", "unknown", "doesn't say", ""),
        ({"temperature_c": 85.0}, "machine/temperature", "wrong", "85 °C", "heat sink"),
        ({"temperature_c": 72.0}, "machine/temperature", "note", "72 °C", "heat sink"),
        ({"throttled": ("undervoltage",)}, "machine/throttling", "wrong", "undervoltage", "power supply"),
        ({"throttled": ("throttled",)}, "machine/throttling", "wrong", "throttled", "Cool"),
        ({"utc_s": 10.0}, "clock/time", "wrong", "never set", "NTP"),
        ({"time_status": {"NTP": "yes", "NTPSynchronized": "no"}}, "clock/time", "note", "waits", "timesync"),
        ({"time_status": {"NTP": "no"}}, "clock/time", "note", "Nothing keeps", "timedatectl"),
        ({"time_status": {}}, "clock/time", "unknown", "doesn't say", ""),
        ({"has_rtc": False}, "clock/real-time clock", "note", "no real-time clock", "Fit one"),
        (
            {"time_status": {"NTPSynchronized": "yes", "Timezone": "Asia/Tokyo"}},
            "clock/time zone", "note", "Asia/Tokyo", "time_zone",
        ),
        ({"disk": {**Machine().told["disk"], "read_only": True}}, "disk/space", "wrong", "read-only", "partition"),
        ({"disk": {**Machine().told["disk"], "free": 10 << 20}}, "disk/space", "wrong", "10 MB", "Free space"),
        ({"disk": {**Machine().told["disk"], "free": 200 << 20}}, "disk/space", "note", "200 MB", "Free space"),
        ({"disk": {**Machine().told["disk"], "type": "tmpfs"}}, "disk/kind", "wrong", "in memory", "partition"),
        ({"disk": None}, "disk/space", "unknown", "can't be looked at", ""),
        ({"wear": "90 to 100 % of its life is used"}, "disk/wear", "wrong", "90 to", "Replace"),
        ({"wear": None}, "disk/wear", "unknown", "doesn't tell", ""),
        ({"watchdog": None}, "machine/hardware watchdog", "note", "hangs stays so", "dtparam"),
        ({"watchdog": "infinity"}, "machine/hardware watchdog", "note", "not used", "RuntimeWatchdogSec"),
        ({"unit": {}}, "system/edgeface.service", "unknown", "no systemd", ""),
        ({"unit": {"LoadState": "not-found"}}, "system/edgeface.service", "note", "not installed", "install.sh"),
        (
            {"unit": {**Machine().told["unit"], "ActiveState": "failed"}},
            "system/edgeface-doord.service", "wrong", "failed", "systemctl enable",
        ),
        (
            {"unit": {**Machine().told["unit"], "NRestarts": "9"}},
            "system/edgeface.service", "note", "9 times", "journalctl",
        ),
        ({"exposure": 5.0}, "system/sandbox of edgeface.service", "wrong", "5", "drop-in"),
    ],
)  # fmt: skip
def test_what_the_machine_tells(
    config: Path, changes: dict[str, Any], where: str, state: str, says: str, advises: str
) -> None:
    finding = found(config, Machine(**changes))[where]
    assert finding.state == state
    assert says in finding.sentence
    assert advises in finding.advice
    assert bool(finding.advice) is (state in ("note", "wrong"))


@pytest.mark.parametrize(
    ("status", "where", "state", "says"),
    [
        ({"camera": {**STATUS["camera"], "ok": False}}, "camera/camera", "wrong", "no picture"),
        ({"door": {"reachable": False, "detail": "gone"}}, "door/door process", "wrong", "gone"),
        ({"door": {**STATUS["door"], "mode": "lockdown"}}, "door/door process", "note", "lockdown"),
        ({"alarms": {"tamper": "The lid is open."}}, "decision/alarm tamper", "wrong", "lid"),
        ({"audit_fault": "The disk is full."}, "log/audit log", "wrong", "full"),
        ({"site": SITE}, "site/broker", "fine", "Canary Wharf"),
        ({"site": {**SITE, "connected": False, "fault": "refused"}}, "site/broker", "wrong", "refused"),
        ({"site": {**SITE, "in_step": False, "shards_behind": 3}}, "site/gallery", "wrong", "3 shards"),
        ({"site": {**SITE, "certificate_days_left": 12.0}}, "site/certificate", "note", "12 days"),
        ({"site": {**SITE, "certificate_days_left": 0.2}}, "site/certificate", "wrong", "0 days"),
        ({"site": {**SITE, "refused": 2, "refusals": {"replayed": 2}}}, "site/messages", "note", "replayed 2"),
        (
            {"threshold": {"sentence": "With 900 templates no rate is promised; …"}},
            "decision/threshold", "note", "no rate is promised",
        ),
    ],
)  # fmt: skip
def test_what_the_running_daemon_tells(config: Path, status: dict[str, Any], where: str, state: str, says: str) -> None:
    finding = found(config, Machine(), {**STATUS, **status})[where]
    assert finding.state == state
    assert says in finding.sentence


def test_a_camera_that_is_too_slow_is_wrong(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LOOK_S", 0.2)
    slow = {**STATUS, "camera": {**STATUS["camera"]}}
    context = Context(load_settings(config), Machine(), lambda _op: slow)  # type: ignore[arg-type]
    (finding,) = parts.camera(context)
    assert finding.state == "wrong"
    assert "too few" in finding.sentence


def test_a_gallery_that_is_damaged_and_a_log_that_was_changed_are_wrong(config: Path) -> None:
    settings = load_settings(config)
    settings.state_dir.mkdir(mode=0o700)
    keys = wiring.open_keys(settings, create=True)
    store = SqliteGallery(settings.gallery_path, keys)
    for number in range(3):
        store.put(person(number))
    audit = wiring.open_audit(settings, keys)
    audit.append([AccessGranted(1.0, 1, person(1).id, 0.9, 0.5, 300, "a" * 32)])
    audit.close()
    findings = found(config, Machine())
    assert (findings["people/gallery"].state, findings["log/audit log"].state) == ("fine", "fine")
    with store._writing("damage it"), store._file.transaction() as db:
        db.execute("UPDATE person SET sealed = zeroblob(300) WHERE id = ?", (person(1).id,))
    store.close()
    (segment,) = settings.audit_folder.glob("audit-*.jsonl")
    segment.write_bytes(
        segment.read_bytes().replace(b'"score"', b'"scare"').replace(b"access_granted", b"access_denied")
    )
    findings = found(config, Machine())
    assert findings["people/gallery"].state == "wrong"
    assert "1 of 3" in findings["people/gallery"].sentence
    assert findings["log/audit log"].state == "wrong"
    assert all(findings[k].advice for k in ("people/gallery", "log/audit log"))


def test_a_check_that_fails_hides_none_of_the_others(config: Path) -> None:
    def foreseen(_: Context) -> Iterator[Finding]:
        raise ControlError("The daemon closed the connection.", "Look at its log.")

    def unforeseen(_: Context) -> Iterator[Finding]:
        yield Finding("a", "b", "fine", "So far.")
        raise ZeroDivisionError("oh")

    context = Context(load_settings(config), Machine(), None)  # type: ignore[arg-type]
    findings = list(examine(context, (foreseen, unforeseen, parts.models)))
    assert [f.state for f in findings] == ["wrong", "fine", "unknown", "fine"]
    assert "ZeroDivisionError" in findings[2].sentence


def test_the_support_file_has_no_key_no_face_no_name_and_no_password(config: Path, tmp_path: Path) -> None:
    """Canaries of each are planted; the whole file is searched, unpacked."""
    config.write_text(
        'state_dir = "state"\nrun_dir = "."\ndoor_name = "CanaryDoor"\n[door]\ndriver = "gpiozero"\npin = 17\n'
        '[camera]\nsource = "rtsp://canaryuser:canarypass@192.0.2.1/stream?token=canarytoken"\n'
    )
    loaded = read_settings(config)
    settings = loaded.settings
    settings.state_dir.mkdir(mode=0o700)
    keys = DeviceKeys.load_or_create(settings.key_file, environ={})
    store = SqliteGallery(settings.gallery_path, keys)
    whom = replace(person(1), name="Canary Name", notes={"badge": "canarybadge"})
    store.put(whom)
    store.close()
    audit = wiring.open_audit(settings, keys)
    audit.append([AccessGranted(1.0, 1, whom.id, 0.9, 0.5, 300, "a" * 32)])
    audit.close()
    site = {**SITE, "fault": "tls://canaryuser:canarypass@broker"}
    status = {**STATUS, "door_name": "CanaryDoor", "site": {**site, "code": "CANARY-CODE"}}
    context = Context(settings, Machine(), lambda _op: status)  # type: ignore[arg-type]
    target = tmp_path / "support.tar.gz"
    names = write_bundle(
        target, context, loaded, [], lambda unit, _: f"{unit}: rtsp://canaryuser:canarypass@cam is gone\n"
    )
    assert {"doctor.json", "settings.json", "versions.json", "status.json", "events.jsonl"} < set(names)
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as archive:
        members = archive.getmembers()
        contents = {m.name: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]
    text = b"\n".join(contents.values())
    assert all(m.mode == 0o600 for m in members)
    vector = whom.templates[0].vector.tobytes()
    for canary in (b"anary", settings.key_file.read_bytes()[-32:], vector, vector[:16]):
        assert canary not in text, canary
    assert whom.id.encode() in text  # people are their record ids
    assert b"access_granted" in text
    assert all(
        json.loads(c) is not None or n.endswith("status.json") for n, c in contents.items() if n.endswith(".json")
    )
    with pytest.raises(Exception, match="can't be written"):
        write_bundle(target, context, loaded, [], lambda _u, _n: None)


def test_the_command_shows_each_finding_and_ends_with_1_where_something_is_wrong(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edgeface: Command = commands(capsys)
    config.write_text(
        'state_dir = "state"\nrun_dir = "."\n[door]\ndriver = "simboard"\n[camera]\nsource = "replay:no.mp4"\n'
    )
    said = edgeface("doctor", "--config", config)
    assert said.code == 1
    assert "✗ camera:" in said.out
    assert "→" in said.out
    assert "wrong" in said.err
    told = edgeface("doctor", "--config", config, "--json")
    assert told.code == 1
    assert told.json["counts"]["wrong"] == sum(f["state"] == "wrong" for f in told.json["findings"])


def test_this_machine_is_looked_at_without_an_error(tmp_path: Path) -> None:
    here = Inspection()
    assert here.memory_mb()
    assert "Python" in here.system()
    disk = here.disk(str(tmp_path / "not" / "there"))
    assert disk is not None
    assert disk["free"] > 0
    assert disk["type"]
    assert here.utc_s() > 1_700_000_000
    for told in (here.board(), here.time_status(), here.unit("edgeface.service"), here.watchdog(), here.wear("/dev/x")):
        assert told is None or isinstance(told, (str, dict))


def test_what_a_pi_says_is_read(tmp_path: Path) -> None:
    for name, text in {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Raspberry Pi OS 12"\n',
        "proc/meminfo": "MemTotal:        3885396 kB\nMemFree: 1 kB\n",
        "proc/mounts": "/dev/mmcblk0p2 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n",
        "sys/block/mmcblk0/device/life_time": "0x02 0x0a\n",
        "sys/class/rtc/rtc0/name": "x",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    pi = Inspection(tmp_path, vcgencmd=None)
    assert pi.board() == "Raspberry Pi 4 Model B Rev 1.5"
    assert pi.system().startswith("Raspberry Pi OS 12, Linux")
    assert pi.memory_mb() == 3794
    assert pi.has_rtc()
    assert pi.wear("/dev/mmcblk0p2") == "90 to 100 % of its life is used"
    assert pi.disk("/")["device"] == "/dev/mmcblk0p2"  # type: ignore[index]
    assert pi.watchdog() is None
