"""The audit log after kill -9, after torn writes, and after somebody was at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.killing import FIRST_SEED, runs, victim

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.adapters.system.anchor import AnchorFile
from edgeface.adapters.system.audit import AuditReader, FileAudit
from edgeface.adapters.system.audit_reader import segments
from edgeface.adapters.system.clock import VirtualClock
from edgeface.domain.errors import AuditBroken, KeyRejected, StorageError
from edgeface.domain.events import DoorLocked

KEYS = DeviceKeys(bytes(range(32)))


def _open(folder: Path, max_bytes: int = 100_000) -> FileAudit:
    return FileAudit(
        folder, keys=KEYS, clock=VirtualClock(), boot_id="boot 2", reserve_bytes=65536, max_bytes=max_bytes
    )


def _filled(folder: Path, batches: int = 10, max_bytes: int = 1_000_000) -> None:
    audit = _open(folder, max_bytes)
    for i in range(batches):
        audit.append([DoorLocked(t_s=float(i), cause="pulse_ended")])
    audit.close()


def _faults(audit: FileAudit) -> list[str]:
    return [str(e["detail"]) for e in audit.read() if e["event"] == "storage_fault"]


@pytest.mark.campaign
def test_an_audit_log_survives_being_killed_at_any_point(tmp_path: Path) -> None:
    with victim("audit", tmp_path) as workload:
        for seed in range(FIRST_SEED, FIRST_SEED + runs(60)):
            acknowledged = [ack["track"] for ack in workload.run(seed) if ack["op"] == "appended"]
            audit = _open(tmp_path)
            audit.verify()
            here = f"{seed:016x}"
            grants = [e for e in audit.read() if e["event"] == "access_granted" and str(e["grant_id"])[:16] == here]
            tracks = [e["track"] for e in grants]
            if acknowledged:
                assert tracks
                assert tracks[-1] in (acknowledged[-1], acknowledged[-1] + 1), f"after kill {seed}"
                assert tracks == list(range(tracks[0], tracks[-1] + 1))
            assert not any("were acknowledged" in fault for fault in _faults(audit))
            audit.close()


def test_a_torn_last_line_is_cut_off_and_recorded(tmp_path: Path) -> None:
    _filled(tmp_path)
    (_, path) = segments(tmp_path)[-1]
    before = path.read_bytes()
    path.write_bytes(before + b'{"seq":11,"at":"2026-')
    assert AuditReader(tmp_path, KEYS).verify().last_seq == 10  # no false alarm even before it is healed
    audit = _open(tmp_path)
    assert path.read_bytes().startswith(before)
    assert _faults(audit) == ["21 bytes of an unfinished entry were cut off the audit log after entry 10."]
    assert audit.verify().count == 11
    audit.close()


def test_a_batch_that_lost_a_block_in_its_middle_is_cut_off_whole(tmp_path: Path) -> None:
    """A later block of the unacknowledged batch may have reached the disk without an earlier one."""
    _filled(tmp_path, 3)
    head = (tmp_path / "head").read_bytes()
    ((_, path),) = segments(tmp_path)
    acknowledged = path.stat().st_size
    audit = _open(tmp_path, 1_000_000)
    audit.append([DoorLocked(t_s=float(i), cause="pulse_ended") for i in range(60)])
    audit.close()
    content = bytearray(path.read_bytes())
    content[acknowledged : acknowledged + 4096] = bytes(4096)
    path.write_bytes(content)
    (tmp_path / "head").write_bytes(head)
    audit = _open(tmp_path, 1_000_000)
    assert audit.verify().count == 4
    assert "unfinished" in _faults(audit)[0]
    audit.append([DoorLocked(t_s=1.0, cause="x")])
    assert audit.verify().count == 5
    audit.close()


def test_entries_that_outran_the_anchor_are_kept(tmp_path: Path) -> None:
    """kill -9 between the entries' sync and the anchor's."""
    _filled(tmp_path, 3)
    head = (tmp_path / "head").read_bytes()
    audit = _open(tmp_path)
    audit.append([DoorLocked(t_s=9.0, cause="last")])
    audit.close()
    (tmp_path / "head").write_bytes(head)
    assert AuditReader(tmp_path, KEYS).verify().count == 4
    audit = _open(tmp_path)
    assert [e["cause"] for e in audit.read(since=3)] == ["last"]
    assert _faults(audit) == []
    audit.close()


def _edit_line(path: Path, number: int, edit: Callable[[bytes], bytes]) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = edit(lines[number - 1])
    path.write_bytes(b"\n".join(lines))


def _delete_line(path: Path, number: int) -> None:
    lines = path.read_bytes().split(b"\n")
    del lines[number - 1]
    path.write_bytes(b"\n".join(lines))


def _swap_lines(path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[3], lines[4] = lines[4], lines[3]
    path.write_bytes(b"\n".join(lines))


def _cut_tail(path: Path) -> None:
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:8]) + b"\n")


def _forge(path: Path) -> None:
    """Somebody without the key rewrites the last line, with a hash of his own."""
    import hashlib

    line = json.loads(path.read_bytes().split(b"\n")[9])
    del line["hash"]
    line["cause"] = "forged"
    body = json.dumps(line, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest().encode()
    _edit_line(path, 10, lambda _: body[:-1] + b',"hash":"' + digest + b'"}')


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "altered": (lambda p: _edit_line(p, 5, lambda x: x.replace(b"pulse_ended", b"pulse_endee")), "line 5 was altered"),
    "flipped bit": (lambda p: _edit_line(p, 2, lambda x: x[:9] + bytes([x[9] ^ 1]) + x[10:]), "line 2 "),
    "line deleted": (lambda p: _delete_line(p, 4), "line 4 is entry 5, but 4 is due"),
    "first line deleted": (lambda p: _delete_line(p, 1), "line 1 is entry 2, but 1 is due"),
    "lines swapped": (_swap_lines, "line 4 is entry 5"),
    "tail cut off": (_cut_tail, "2 are missing"),
    "emptied": (lambda p: p.write_bytes(b""), "10 are missing"),
    "file deleted": (lambda p: p.unlink(), "10 are missing"),
    "forged": (_forge, "line 10 was altered"),
    "anchor deleted": (lambda p: (p.parent / "head").unlink(), "anchor"),
    "anchor altered": (lambda p: (p.parent / "head").write_bytes(bytes(100) + b"x" * 8000), "anchor"),
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_is_found_and_named(tmp_path: Path, kind: str) -> None:
    _filled(tmp_path)
    ((_, path),) = segments(tmp_path)
    tamper, said = TAMPERING[kind]
    tamper(path)
    with pytest.raises(AuditBroken) as e:
        AuditReader(tmp_path, KEYS).verify()
    assert said in str(e.value)
    assert "evidence" in str(e.value)


@pytest.mark.parametrize("kind", [k for k in TAMPERING if "anchor" not in k])
def test_the_daemon_goes_on_after_tampering_and_the_evidence_stays(tmp_path: Path, kind: str) -> None:
    _filled(tmp_path)
    ((_, path),) = segments(tmp_path)
    TAMPERING[kind][0](path)
    tampered = path.read_bytes() if path.exists() else None
    audit = _open(tmp_path)
    audit.append([DoorLocked(t_s=1.0, cause="after")])
    assert [e["cause"] for e in audit.read() if e["event"] == "door_locked"][-1] == "after"
    with pytest.raises(AuditBroken):
        audit.verify()
    if tampered is not None and path.exists():
        assert path.read_bytes().startswith(tampered)
    audit.close()


def test_a_cut_tail_is_recorded_as_a_fact_at_the_next_start(tmp_path: Path) -> None:
    _filled(tmp_path)
    _cut_tail(segments(tmp_path)[0][1])
    audit = _open(tmp_path)
    assert _faults(audit) == ["Entries of the audit log up to 10 were acknowledged, but its files end with 8."]
    audit.close()


def test_another_key_does_not_verify(tmp_path: Path) -> None:
    _filled(tmp_path)
    with pytest.raises(AuditBroken):
        AuditReader(tmp_path, DeviceKeys.generate()).verify()


def test_there_is_no_log_to_verify(tmp_path: Path) -> None:
    with pytest.raises(AuditBroken, match="no audit log"):
        AuditReader(tmp_path / "nowhere", KEYS).verify()


def test_old_segments_are_pruned_and_the_rest_verifies(tmp_path: Path) -> None:
    _filled(tmp_path, 500, max_bytes=70_000)
    verified = AuditReader(tmp_path, KEYS).verify()
    assert verified.last_seq == 500
    assert verified.first_seq > 1
    assert verified.count == 501 - verified.first_seq
    assert sum(path.stat().st_size for _, path in segments(tmp_path)) <= 70_000
    assert [e["seq"] for e in AuditReader(tmp_path, KEYS).read()] == list(range(verified.first_seq, 501))
    first = segments(tmp_path)[0][1]
    first.unlink()  # pruning by hand is not pruning
    with pytest.raises(AuditBroken, match="entries are missing"):
        AuditReader(tmp_path, KEYS).verify()


def test_a_kill_between_moving_the_anchor_and_deleting_a_segment_is_no_alarm(tmp_path: Path) -> None:
    _filled(tmp_path, 60, max_bytes=100_000)
    kept = {path: path.read_bytes() for _, path in segments(tmp_path)}
    _filled(tmp_path, 400, max_bytes=70_000)
    gone = [path for path in kept if not path.exists()]
    assert gone
    for path in gone:
        path.write_bytes(kept[path])
    AuditReader(tmp_path, KEYS).verify()
    audit = _open(tmp_path, 70_000)
    assert not any(path.exists() for path in gone)
    audit.verify()
    audit.close()


def test_two_writers_share_one_chain(tmp_path: Path) -> None:
    """The daemon and a command on the same device."""
    a, b = _open(tmp_path), _open(tmp_path)
    for i in range(6):
        (a, b)[i % 2].append([DoorLocked(t_s=float(i), cause="x")])
    assert a.verify().count == 6
    assert [e["t_s"] for e in b.read()] == [0, 1, 2, 3, 4, 5]
    a.close()
    b.close()


def test_a_failing_sync_is_told_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed sync nobody knows what is on the disk: the entry isn't acknowledged, and the log goes on."""
    audit = _open(tmp_path)
    audit.append([DoorLocked(t_s=0.0, cause="before")])

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("os.fdatasync", fail)
        with pytest.raises(StorageError, match="Input/output error"):
            audit.append([DoorLocked(t_s=1.0, cause="lost")])
    audit.append([DoorLocked(t_s=2.0, cause="after")])
    assert [e["cause"] for e in audit.read()] == ["before", "after"]
    audit.verify()
    audit.close()


def test_a_failing_anchor_is_told_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = _open(tmp_path)
    audit.append([DoorLocked(t_s=0.0, cause="before")])

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(AnchorFile, "write", fail)
        with pytest.raises(StorageError):
            audit.append([DoorLocked(t_s=1.0, cause="unsure")])
    audit.append([DoorLocked(t_s=2.0, cause="after")])
    assert [e["cause"] for e in audit.read()] == ["before", "unsure", "after"]
    audit.verify()
    audit.close()


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "reserve"}


def test_another_key_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    """A new device.key, or another systemd credential: the log of the old one is evidence."""
    _filled(tmp_path)
    before = _contents(tmp_path)
    with pytest.raises(KeyRejected) as e:
        FileAudit(tmp_path, keys=DeviceKeys.generate(), clock=VirtualClock(), boot_id="boot 3", reserve_bytes=65536)
    assert str(tmp_path) in str(e.value)
    assert "move the folder" in str(e.value)
    assert _contents(tmp_path) == before
    assert AuditReader(tmp_path, KEYS).verify().count == 10


def test_another_key_beside_a_deleted_anchor_is_refused_as_well(tmp_path: Path) -> None:
    _filled(tmp_path)
    (tmp_path / "head").unlink()
    with pytest.raises(KeyRejected):
        FileAudit(tmp_path, keys=DeviceKeys.generate(), clock=VirtualClock(), boot_id="boot 3", reserve_bytes=65536)
    assert not (tmp_path / "head").exists()
    audit = _open(tmp_path)  # the right key still heals it
    assert audit.verify().count == 11
    audit.close()


def test_files_that_lose_their_key_under_an_open_log_refuse_the_entry(tmp_path: Path) -> None:
    """As a fault of the storage, which the daemon knows how to live with."""
    other = tmp_path / "other"
    FileAudit(other, keys=DeviceKeys.generate(), clock=VirtualClock(), boot_id="b", reserve_bytes=65536).append(
        [DoorLocked(t_s=0.0, cause="x")]
    )
    folder = tmp_path / "log"
    audit = _open(folder)
    audit.append([DoorLocked(t_s=0.0, cause="x")])
    for name in ("head", "audit-000000000001.jsonl"):
        (folder / name).write_bytes((other / name).read_bytes())
    with pytest.raises(StorageError, match="another device key"):
        audit.append([DoorLocked(t_s=1.0, cause="y")])
    audit.close()


def test_a_first_segment_that_is_damaged_is_kept_when_the_anchor_is_lost_too(tmp_path: Path) -> None:
    _filled(tmp_path, 60, max_bytes=70_000)
    first, second = (path for _, path in segments(tmp_path)[:2])
    damaged = bytes(b ^ 1 for b in first.read_bytes())
    first.write_bytes(damaged)
    (tmp_path / "head").unlink()
    audit = _open(tmp_path, 70_000)
    kept = first.with_name(first.name + ".foreign-1")
    assert kept.read_bytes() == damaged
    assert second.exists()
    assert any(kept.name in fault for fault in _faults(audit))
    audit.verify()
    audit.close()


def test_a_damaged_end_is_kept_when_the_anchor_is_lost_too(tmp_path: Path) -> None:
    """Nothing says then that those entries were never acknowledged."""
    _filled(tmp_path)
    ((_, path),) = segments(tmp_path)
    _edit_line(path, 10, lambda line: line.replace(b"pulse_ended", b"pulse_endee"))
    end = path.read_bytes().split(b"\n")[9] + b"\n"
    (tmp_path / "head").unlink()
    audit = _open(tmp_path)
    kept = path.with_name(path.name + ".foreign-1")
    assert kept.read_bytes() == end
    assert kept.stat().st_mode & 0o777 == 0o600
    assert any(kept.name in fault for fault in _faults(audit))
    assert audit.verify().count == 9 + 3
    audit.close()


def test_a_file_in_the_place_of_a_new_segment_is_kept(tmp_path: Path) -> None:
    """An anchor of this key without an entry, and somebody else's entries (a restored folder, half of it)."""
    _open(tmp_path).close()
    theirs = b'{"seq":1,"somebody":"else"}\n'
    (tmp_path / "audit-000000000001.jsonl").write_bytes(theirs)
    audit = _open(tmp_path)
    audit.append([DoorLocked(t_s=0.0, cause="x")])
    assert (tmp_path / "audit-000000000001.jsonl.foreign-1").read_bytes() == theirs
    assert audit.verify().last_seq >= 1
    audit.close()
