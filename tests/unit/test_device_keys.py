"""The device key: who may hold it, and that it is never replaced silently."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeface.adapters.gallery.keys import DeviceKeys
from edgeface.domain.errors import KeyRejected

NOWHERE: dict[str, str] = {}


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "device.key"
    made = DeviceKeys.load_or_create(path, environ=NOWHERE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert DeviceKeys.load(path, environ=NOWHERE).secret("x") == made.secret("x")
    assert DeviceKeys.load_or_create(path, environ=NOWHERE).secret("x") == made.secret("x")
    assert [p.name for p in path.parent.iterdir()] == ["device.key"]


def test_secrets_differ_by_purpose_and_device(tmp_path: Path) -> None:
    a = DeviceKeys.load_or_create(tmp_path / "a", environ=NOWHERE)
    b = DeviceKeys.load_or_create(tmp_path / "b", environ=NOWHERE)
    assert len({a.secret("x"), a.secret("y"), b.secret("x")}) == 3
    assert len(a.secret("x", 64)) == 64


def test_the_umask_does_not_matter(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        DeviceKeys.load_or_create(tmp_path / "key", environ=NOWHERE)
    finally:
        os.umask(old)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o644])
def test_a_lax_mode_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    DeviceKeys.load_or_create(path, environ=NOWHERE)
    path.chmod(mode)
    for load in (DeviceKeys.load, DeviceKeys.load_or_create):
        with pytest.raises(KeyRejected) as e:
            load(path, environ=NOWHERE)
        assert f"chmod 600 {path}" in str(e.value)
        assert e.value.exit_code == 77


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    DeviceKeys.load_or_create(path, environ=NOWHERE)
    if os.geteuid() == 0:
        os.chown(path, 4242, 4242)
    monkeypatch.setattr(os, "geteuid", lambda: 4243)
    with pytest.raises(KeyRejected, match="chown 4243"):
        DeviceKeys.load(path, environ=NOWHERE)


def test_a_missing_key_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyRejected, match="no device key"):
        DeviceKeys.load(tmp_path / "key", environ=NOWHERE)


def test_a_missing_key_beside_a_gallery_is_not_replaced(tmp_path: Path) -> None:
    gallery = tmp_path / "gallery.db"
    gallery.write_bytes(b"anything")
    with pytest.raises(KeyRejected, match="missing, but"):
        DeviceKeys.load_or_create(tmp_path / "key", protects=[gallery], environ=NOWHERE)
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 90, b"edgeface-key-1 " + b"0" * 64, b"edgeface-key-1 " + b"0" * 64 + b" 00000000\n", b"x" * 5000],
    ids=["empty", "zeros", "no check", "wrong check", "long"],
)
def test_a_damaged_key_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    for load in (DeviceKeys.load, DeviceKeys.load_or_create):
        with pytest.raises(KeyRejected, match="damaged"):
            load(path, environ=NOWHERE)
    assert path.read_bytes() == content


def test_every_flipped_bit_of_a_key_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    DeviceKeys.load_or_create(path, environ=NOWHERE)
    sound = path.read_bytes()
    for at in range(len(sound) - 1):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(KeyRejected):
            DeviceKeys.load(path, environ=NOWHERE)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_not_a_file_is_refused_without_hanging(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(KeyRejected, match="regular file"):
        DeviceKeys.load(path, environ=NOWHERE)


def test_a_dangling_link_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.symlink_to(tmp_path / "unplugged" / "key")
    with pytest.raises(KeyRejected):
        DeviceKeys.load_or_create(path, environ=NOWHERE)
    assert path.is_symlink()


def test_systemds_credential_comes_first(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    sealed = DeviceKeys.load_or_create(credentials / "edgeface-key", environ=NOWHERE)
    (credentials / "edgeface-key").chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    found = DeviceKeys.load_or_create(tmp_path / "key", environ=environ)
    assert found.secret("x") == sealed.secret("x")
    assert "systemd" in found.source
    assert not (tmp_path / "key").exists()


def test_a_damaged_credential_is_told_and_no_other_key_is_used(tmp_path: Path) -> None:
    (tmp_path / "edgeface-key").write_bytes(b"rubbish")
    (tmp_path / "edgeface-key").chmod(0o400)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    with pytest.raises(KeyRejected):
        DeviceKeys.load_or_create(tmp_path / "key", environ=environ)
    assert not (tmp_path / "key").exists()


def test_a_key_never_shows_in_text(tmp_path: Path) -> None:
    keys = DeviceKeys(bytes(range(32)))
    assert "0102" not in repr(keys)
    assert repr(bytes(range(32)))[2:20] not in repr(keys)
