"""Secrets of the admin's side in files: mode 0600, whole or not at all, with a passphrase where one is wanted; and a
backup that anybody may write but only the recovery code opens."""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from edgeface.adapters.link import hpke
from edgeface.domain.errors import KeyRejected, StorageError
from edgeface.domain.refusal import MessageRefused

Ask = Callable[[], bytes]
_PLAIN, _SEALED, _BACKUP = b"EDGEFACE-KEY plain\n", b"EDGEFACE-KEY scrypt\n", b"EDGEFACE-BACKUP 1\n"
_SCRYPT_N = 1 << 15  # 32 MiB and a tenth of a second on a laptop (RFC 7914)
_SALT, _NONCE, _KEY = 16, 12, 32
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_CHARACTERS = 28  # 140 bits


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Durable, all of it or nothing. Raises StorageError."""
    aside = path.with_name(f"{path.name}.new")
    try:
        aside.unlink(missing_ok=True)
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        aside.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as e:
        raise StorageError(f"{path} can't be written: {e.strerror}.", "Check the disk and the folder's mode.") from e


def write_secret(path: Path, secret: bytes, passphrase: bytes | None) -> None:
    if passphrase is None:
        write_whole(path, _PLAIN + base64.b64encode(secret) + b"\n")
        return
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    sealed = AESGCM(_stretch(passphrase, salt)).encrypt(nonce, secret, _name(path))
    write_whole(path, _SEALED + base64.b64encode(salt + nonce + sealed) + b"\n")


def read_secret(path: Path, ask: Ask) -> bytes:
    """`ask` is called for the passphrase where the file has one. Raises KeyRejected."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyRejected(f"The key {path} can be read by others.", f"Run: chmod 600 {path}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise KeyRejected(
            f"The key {path.name} is not here ({path.parent}).", "It is where the site was made."
        ) from None
    except OSError as e:
        raise KeyRejected(f"The key {path} can't be read: {e.strerror}.") from e
    head, _, body = data.partition(b"\n")
    try:
        raw = base64.b64decode(body, validate=False)
    except ValueError:
        raw = b""
    if head + b"\n" == _PLAIN and raw:
        return raw
    if head + b"\n" != _SEALED or len(raw) <= _SALT + _NONCE:
        raise KeyRejected(f"The key {path} is damaged.", "Restore the site from its backup.")
    salt, nonce, sealed = raw[:_SALT], raw[_SALT : _SALT + _NONCE], raw[_SALT + _NONCE :]
    try:
        return AESGCM(_stretch(ask(), salt)).decrypt(nonce, sealed, _name(path))
    except InvalidTag:
        raise KeyRejected("The passphrase is wrong.", "Try again.") from None


def derived(secret: bytes, purpose: bytes) -> bytes:
    """A key (32) for another purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=b"edgeface/v1", info=purpose).derive(secret)


class Box:
    """AES-256-GCM for small things in a database, bound to their place."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, content: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Raises KeyRejected."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place)
        except (InvalidTag, ValueError):
            raise KeyRejected("The journal belongs to another agent key, or is damaged.", "Restore the site.") from None


# -- the backup ---------------------------------------------------------------------------------------------------


def new_code() -> str:
    """To be written down: 28 characters in groups of four."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARACTERS))
    return "-".join(text[i : i + 4] for i in range(0, _CODE_CHARACTERS, 4))


def read_code(text: str) -> bytes:
    """Blanks, dashes, small letters and look-alikes don't matter."""
    table = str.maketrans("OIL", "011")
    return "".join(c for c in text.upper().translate(table) if c in _ALPHABET).encode()


def backup_public(secret: bytes, salt: bytes) -> bytes:
    """What a backup is sealed to; kept beside the site, so that a newer backup needs nobody's passphrase."""
    return _backup_key(secret, salt).public_key().public_bytes_raw()


def seal_backup(content: bytes, salt: bytes, public: bytes) -> bytes:
    return _BACKUP + salt + public + hpke.seal(content, public, b"edgeface/v1/backup\0" + salt)


def open_backup(data: bytes, secret: bytes) -> bytes:
    """Raises KeyRejected."""
    if not data.startswith(_BACKUP) or len(data) < len(_BACKUP) + _SALT + _KEY + hpke.OVERHEAD_BYTES:
        raise KeyRejected("This is no backup of a site.", "Give the file that `site create` wrote.")
    rest = data[len(_BACKUP) :]
    salt, sealed = rest[:_SALT], rest[_SALT + _KEY :]
    try:
        return hpke.unseal(sealed, _backup_key(secret, salt), b"edgeface/v1/backup\0" + salt)
    except MessageRefused:
        raise KeyRejected("The recovery code or passphrase doesn't open this backup.", "Look at it again.") from None


def _backup_key(secret: bytes, salt: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(_stretch(secret, salt))


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY, n=_SCRYPT_N, r=8, p=1).derive(passphrase)


def _name(path: Path) -> bytes:
    return b"edgeface/v1/key\0" + path.name.encode()
