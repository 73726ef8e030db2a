"""What the machine says about itself, and the watchdog that is fed by progress alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edgeface.adapters.system.clock import VirtualClock
from edgeface.adapters.system.host import Host
from edgeface.adapters.system.watchdog import ProgressWatchdog, RecordingNotifier, Systemd, SystemdNotifier


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_hottest_zone_counts(tmp_path: Path) -> None:
    for i, text in enumerate(("41000\n", "63500\n", "", "n/a", "-5000")):
        _write(tmp_path / f"sys/class/thermal/thermal_zone{i}/temp", text)
    assert Host(tmp_path).temperature_c() == 63.5


def test_a_machine_that_tells_nothing_gives_none(tmp_path: Path) -> None:
    status = Host(tmp_path, vcgencmd=None).status(tmp_path / "nowhere")
    assert (status.temperature_c, status.throttled, status.disk_free_bytes, status.rss_bytes) == (None,) * 4
    assert status.boot_id == "unknown"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", ()), ("50005", ("undervoltage", "throttled")), ("throttled=0x8", ("soft temperature limit",)), ("?", None)],
)
def test_throttling_from_the_firmwares_file(tmp_path: Path, text: str, expected: tuple[str, ...] | None) -> None:
    _write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", text)
    assert Host(tmp_path, vcgencmd=None).throttled() == expected


@pytest.mark.parametrize(
    ("script", "expected"), [("echo throttled=0x50001", ("undervoltage",)), ("exit 1", None), ("echo what", None)]
)
def test_throttling_from_the_pis_tool(tmp_path: Path, script: str, expected: tuple[str, ...] | None) -> None:
    tool = tmp_path / "vcgencmd"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    assert Host(tmp_path, vcgencmd=str(tool)).throttled() == expected


def test_this_machine_has_memory_disk_and_a_boot(tmp_path: Path) -> None:
    status = Host().status(tmp_path)
    assert status.rss_bytes is not None
    assert status.rss_bytes > 1_000_000
    assert status.disk_free_bytes is not None
    assert len(status.boot_id) == 36


def test_every_worker_must_make_progress() -> None:
    clock = VirtualClock()
    watchdog = ProgressWatchdog(["vision", "control"], limit_s=2.0, clock=clock)
    assert watchdog.healthy(2.0)
    assert watchdog.late(2.1) == ("control", "vision")
    clock.advance_to(2.0)
    watchdog.progress("vision")
    assert watchdog.late(2.1) == ("control",)
    watchdog.progress("control")
    assert watchdog.healthy(4.0)
    assert not watchdog.healthy(4.1)
    with pytest.raises(KeyError):
        watchdog.progress("nobody")


def test_systemd_is_fed_only_when_every_worker_made_progress() -> None:
    notifier = RecordingNotifier()
    systemd = Systemd(notifier)
    watchdog = ProgressWatchdog(["a", "b"], limit_s=1.0, clock=VirtualClock())
    assert not systemd.feed(watchdog)
    watchdog.progress("a")
    watchdog.progress("a")
    assert not systemd.feed(watchdog)
    watchdog.progress("b")
    assert systemd.feed(watchdog)
    assert not systemd.feed(watchdog)
    assert notifier.states == ["WATCHDOG=1"]


def test_systemd_hears_of_start_and_stop_in_single_lines() -> None:
    notifier = RecordingNotifier()
    systemd = Systemd(notifier)
    systemd.ready("12 people\nWATCHDOG=trigger")
    systemd.status("busy")
    systemd.stopping()
    assert notifier.states == ["READY=1\nSTATUS=12 people WATCHDOG=trigger", "STATUS=busy", "STOPPING=1"]


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Systemd(SystemdNotifier()).ready()


def test_a_watchdog_needs_somebody_to_watch() -> None:
    with pytest.raises(ValueError, match="worker"):
        ProgressWatchdog([], limit_s=1.0, clock=VirtualClock())
