"""The device key and the secrets derived from it. It comes from systemd's credentials (sealed by the TPM where there
is one) or else from a file of mode 0600. It is never replaced while something that needs it exists."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeface.adapters.gallery import cipher, files
from edgeface.domain.errors import KeyRejected, StorageError

CREDENTIAL = "edgeface-key"
_LINE = re.compile(rb"edgeface-key-1 ([0-9a-f]{64}) ([0-9a-f]{8})\n?")
_MAX_BYTES = 4096  # a key file has 90 bytes; whatever is larger isn't one


class DeviceKeys:
    """Implements ports.Keys. `source` says where the key came from."""

    def __init__(self, key: bytes, source: str = "memory") -> None:
        if len(key) != cipher.KEY_BYTES:
            raise KeyRejected(f"A device key has {cipher.KEY_BYTES} bytes, this one has {len(key)}.")
        self._key = key
        self.source = source

    def secret(self, purpose: str, length: int = cipher.KEY_BYTES) -> bytes:
        return cipher.derive(self._key, purpose, length)

    def __repr__(self) -> str:
        return f"DeviceKeys(source={self.source!r})"

    @classmethod
    def generate(cls) -> DeviceKeys:
        """A fresh key that lives in memory alone."""
        return cls(cipher.new_key())

    @classmethod
    def load(cls, path: Path, *, environ: Mapping[str, str] | None = None) -> DeviceKeys:
        """The key from $CREDENTIALS_DIRECTORY/edgeface-key, else from `path`. Raises KeyRejected."""
        credential = _credential(environ)
        if credential is not None:
            # systemd guards its own folder and may give a group entry for the service's user (an ACL)
            return cls(_read(credential, forbidden=0o007), f"systemd credential {CREDENTIAL}")
        return cls(_read(path, forbidden=0o077), str(path))

    @classmethod
    def load_or_create(
        cls, path: Path, *, protects: Sequence[Path] = (), environ: Mapping[str, str] | None = None
    ) -> DeviceKeys:
        """As `load`; where there is no key yet, a new one is made at `path`, unless one of `protects` (the gallery,
        the audit log) exists already: those need the key that they were made with. Raises KeyRejected, StorageError."""
        credential = _credential(environ)
        if credential is not None or path.exists() or path.is_symlink():
            return cls.load(path, environ=environ)
        for thing in protects:
            if thing.exists():
                raise KeyRejected(
                    f"The device key {path} is missing, but {thing} exists and can only be read with it.",
                    f"Put the key back, or move {thing} away to start anew and enrol everybody again.",
                )
        try:
            files.make_private_folder(path.parent)
            files.write_whole(path, _line(cipher.new_key()))
        except OSError as e:
            raise StorageError(
                f"The device key {path} can't be written: {e.strerror}.", "Free space or mend its folder."
            ) from e
        return cls.load(path, environ={})


def _credential(environ: Mapping[str, str] | None) -> Path | None:
    folder = (os.environ if environ is None else environ).get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / CREDENTIAL if folder else None
    return path if path is not None and path.exists() else None


def _line(key: bytes) -> bytes:
    text = key.hex().encode()
    return b"edgeface-key-1 " + text + b" " + hashlib.sha256(text).hexdigest()[:8].encode() + b"\n"


def _read(path: Path, forbidden: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe in its place must not block
    except FileNotFoundError:
        raise KeyRejected(
            f"There is no device key at {path}.", "It is made by the first enrolment; put it back if it was moved."
        ) from None
    except OSError as e:
        raise KeyRejected(
            f"The device key {path} can't be read: {e.strerror}.",
            "Run this as the key's owner, or with sudo; `ls -l` shows the owner.",
        ) from e
    try:
        _check_guard(path, os.fstat(fd), forbidden)
        content = os.read(fd, _MAX_BYTES)
    except OSError as e:
        raise KeyRejected(f"The device key {path} can't be read: {e.strerror}.", "Put a sound copy back.") from e
    finally:
        os.close(fd)
    found = _LINE.fullmatch(content)
    if found is None or hashlib.sha256(found[1]).hexdigest()[:8].encode() != found[2]:
        raise KeyRejected(
            f"The device key {path} is damaged or isn't one.", "Put a sound copy back; nothing was changed."
        )
    return bytes.fromhex(found[1].decode())


def _check_guard(path: Path, info: os.stat_result, forbidden: int) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise KeyRejected(f"The device key {path} is not a regular file.", "Put the key file itself there.")
    mode = stat.S_IMODE(info.st_mode)
    if mode & forbidden:
        raise KeyRejected(
            f"The device key {path} has mode {mode:04o}: others may read or change it.", f"Run: chmod 600 {path}"
        )
    me = os.geteuid()
    if me != 0 and info.st_uid not in (me, 0):
        raise KeyRejected(
            f"The device key {path} belongs to user {info.st_uid}, not to {me} who runs this.",
            f"Run: sudo chown {me} {path}",
        )
