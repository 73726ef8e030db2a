"""A site's folder on an admin's machine: who he is there, his keys, and, where the site was made, the root key, the
agent's journal and what the broker needs.

    site.json   keys/ (0600, with a passphrase where one was set)   tls/   journal.db   broker/   backup
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeface.adapters.link.certificates import Authority
from edgeface.adapters.link.codec import PartyKeys, RootKey
from edgeface.adapters.link.journal import Journal
from edgeface.adapters.link.secret_file import Box, derived, read_secret, write_secret, write_whole
from edgeface.adapters.link.tls import TlsFiles
from edgeface.domain.errors import ConfigError, LinkBusy
from edgeface.domain.roster import site_id

AGENT = "agent"  # the name that the broker's ACL knows the agent by
VIEWERS = 3  # how many lookers-on (status --watch, events --follow) may run beside other commands
_POLL_S = 0.05


@dataclass(frozen=True)
class Info:
    """What is not secret. `root` is the site's root key in hex; `admin` the id of whose folder it is; `owner` whether
    the root key and the agent's are here. `backup_salt` and `backup_key` are what backups are sealed to.
    `home_assistant`: what the broker allows it: nothing (empty), to look, or to unlock."""

    name: str
    root: str
    admin: str
    admin_name: str
    broker_host: str
    broker_port: int
    owner: bool
    backup_salt: str = ""
    backup_key: str = ""
    format: int = 1
    home_assistant: str = ""

    @property
    def site(self) -> str:
        return site_id(bytes.fromhex(self.root))


class Home:
    """`passphrase` is asked for once, when a key that has one is read."""

    def __init__(self, folder: Path, passphrase: Callable[[], bytes]) -> None:
        """Raises ConfigError where no site is."""
        self.folder = folder
        try:
            self.info = Info(**json.loads((folder / "site.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ConfigError(
                f"There is no site in {folder}.",
                "Make one: edgeface admin site create NAME; or name its folder: --site.",
            ) from None
        except (OSError, ValueError, TypeError) as e:
            raise ConfigError(f"{folder / 'site.json'} can't be read.", "Restore the site from its backup.") from e
        self._ask, self._said = passphrase, b""

    @property
    def site(self) -> str:
        return self.info.site

    @property
    def root_public(self) -> bytes:
        return bytes.fromhex(self.info.root)

    @property
    def broker_folder(self) -> Path:
        return self.folder / "broker"

    def root(self) -> RootKey:
        """Raises KeyRejected, also where this isn't the owner's folder."""
        return RootKey(self.secret("root"))

    def admin(self) -> PartyKeys:
        return PartyKeys.from_secret(self.secret("admin"))

    def agent(self) -> PartyKeys:
        return PartyKeys.from_secret(self.secret("agent"))

    def authority(self) -> Authority:
        return Authority((self.folder / "tls" / "ca.pem").read_bytes(), self.secret("ca"))

    def journal(self) -> Journal:
        return Journal(self.folder / "journal.db", Box(derived(self.agent().secret(), b"edgeface/v1/journal")))

    def tls(self, name: str) -> TlsFiles:
        folder = self.folder / "tls"
        return TlsFiles(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")

    @contextmanager
    def lock(self, name: str, wait_s: float = 0.0, note: str = "") -> Iterator[bool]:
        """Whether it was got. One certificate serves one connection, so two processes would throw each other off."""
        path = self.folder / f"{name}.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            by_s = time.monotonic() + wait_s
            while not _locked(fd):
                if time.monotonic() >= by_s:
                    yield False
                    return
                time.sleep(_POLL_S)
            os.ftruncate(fd, 0)
            os.pwrite(fd, note.encode(), 0)
            yield True
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)

    def lock_note(self, name: str) -> str:
        try:
            return (self.folder / f"{name}.lock").read_text(encoding="utf-8")
        except OSError:
            return ""

    @contextmanager
    def viewer(self) -> Iterator[str]:
        """The name of a looker-on's certificate that nobody uses now. Raises LinkBusy."""
        for number in range(1, VIEWERS + 1):
            with self.lock(f"view{number}") as got:
                if got:
                    yield f"view{number}"
                    return
        raise LinkBusy(f"{VIEWERS} commands look at this site already.", "End one of them.")

    def save_info(self, info: Info) -> None:
        write_info(self.folder, info)
        self.info = info

    def secret(self, name: str) -> bytes:
        """root, admin, agent or ca. Raises KeyRejected."""
        return read_secret(self.folder / "keys" / f"{name}.key", self._passphrase)

    def _passphrase(self) -> bytes:
        self._said = self._said or self._ask()
        return self._said


def viewer_name(admin: str, number: int) -> str:
    """In the certificate and in the broker's ACL."""
    return f"{admin}.view{number}"


def make_folder(folder: Path) -> None:
    """Mode 0700, with what belongs in it. Raises ConfigError where something is there already."""
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty.", "Give another folder; a site is never overwritten.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for name in ("keys", "tls"):
        (folder / name).mkdir(mode=0o700)


def write_info(folder: Path, info: Info) -> None:
    """Last of all: a folder without it is no site."""
    write_whole(folder / "site.json", json.dumps(asdict(info), indent=2).encode() + b"\n")


def write_key(folder: Path, name: str, secret: bytes, passphrase: bytes | None) -> None:
    write_secret(folder / "keys" / f"{name}.key", secret, passphrase)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
