"""A board without a battery wakes up days behind: the audit log knows of a later time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeface.adapters.system import clock as clocks
from edgeface.adapters.system.audit import FileAudit
from edgeface.adapters.system.audit_reader import AuditReader, segments
from edgeface.adapters.system.clock import VirtualClock
from edgeface.app import wiring
from edgeface.app.settings import Settings
from edgeface.domain.events import DaemonStopped

NOW = datetime.now(timezone.utc)
STOPPED = DaemonStopped(0.0, "SIGTERM")


def write(folder: Path, keys, *times: datetime) -> None:
    clock = VirtualClock(times[0])
    audit = FileAudit(folder, keys=keys, clock=clock, boot_id="b", reserve_bytes=0)
    for at in times:
        clock.set_utc(at)
        audit.append([STOPPED])
    audit.close()


def test_the_latest_time_counts_and_not_the_last_entrys(tmp_path):
    """The entries that a clock which is behind writes must not hide the ones before them."""
    write(tmp_path, None, NOW, NOW + timedelta(days=2), NOW + timedelta(days=1))
    assert AuditReader(tmp_path, None).newest_time() == NOW + timedelta(days=2)


def test_a_time_that_does_not_authenticate_counts_for_nothing(tmp_path):
    write(tmp_path, None, NOW, NOW + timedelta(days=2))
    path = segments(tmp_path)[-1][1]
    later = (NOW + timedelta(days=2)).strftime("%Y-%m-%d").encode()
    assert later in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(later, b"2999-01-01"))
    assert AuditReader(tmp_path, None).newest_time() == NOW


def test_without_a_log_there_is_no_such_time(tmp_path):
    assert AuditReader(tmp_path / "none", None).newest_time() is None


@pytest.mark.parametrize(("ahead", "is_set"), [(timedelta(days=-1), True), (timedelta(days=2), False)])
def test_the_daemons_clock_knows_the_log(tmp_path, monkeypatch, ahead, is_set):
    monkeypatch.setattr(clocks.SystemClock.__init__, "__defaults__", (None, tmp_path / "synchronized"))
    settings = Settings(
        state_dir=tmp_path / "s", run_dir=tmp_path / "r", door={"driver": "recording"}, audit={"reserve_mb": 1}
    )
    write(settings.audit_folder, wiring.open_keys(settings, create=True), NOW + ahead)
    parts = wiring.build(settings, [], lambda _level, _error: None)
    assert parts.clock.is_set() is is_set
    parts.audit.close()
    parts.store.close()
