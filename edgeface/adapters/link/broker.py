"""A real Mosquitto on this machine, with certificates of its own: for the demo, for trying things out, for tests.

It runs with the configuration that ships (`config/mosquitto`); only paths, port, address and user are this folder's."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from edgeface.adapters.link.certificates import CLIENT_DAYS, Authority, Issued
from edgeface.adapters.link.tls import TlsFiles
from edgeface.domain.errors import ConfigError, LinkError

HOST = "127.0.0.1"
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")  # Debian's is not on every user's path
_STARTS = 3  # another process may take the free port before Mosquitto does


def find_mosquitto() -> str:
    """Raises ConfigError where it isn't installed."""
    path = os.pathsep.join([os.defpath, *_PLACES, *os.get_exec_path()])
    found = shutil.which("mosquitto", path=path)
    if found is None:
        raise ConfigError("Mosquitto is not installed.", "Run as root: apt-get install mosquitto")
    return found


def free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        return int(s.getsockname()[1])


def home_assistant_rights(acl: str, *, unlock: bool) -> str:
    """The ACL that ships, with its blocks for Home Assistant; that for unlocking too, if asked for."""
    acl = re.sub(r"^#(user|topic|pattern) ", r"\1 ", acl, flags=re.MULTILINE)
    return re.sub(r"^##(user|topic) ", r"\1 ", acl, flags=re.MULTILINE) if unlock else acl


class BrokerProcess:
    """The process, in a folder that has what it needs: ca.pem, crl.pem, server.pem, server.key, acl; as
    `edgeface admin site create` makes them."""

    def __init__(
        self, folder: Path, config: Path, *, port: int | None = None, extra: str = "", before: Sequence[str] = ()
    ) -> None:
        """`config` is the folder with mosquitto.conf and acl; `extra` lines of configuration win over it; `before` is
        what the command begins with."""
        self._command = [*before, find_mosquitto()]
        self.folder, self._config, self._extra = folder.absolute(), config, extra
        self._fixed_port = port
        self.port = port or 0
        self._process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def log(self) -> Path:
        return self.folder / "mosquitto.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def reload(self) -> None:
        """Has it read its ACL and its own certificate again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def start(self, timeout_s: float = 20.0) -> None:
        """Returns once it listens. Raises LinkError with the log's end where it doesn't."""
        for _ in range(_STARTS):
            self.port = self._fixed_port or self.port or free_port()
            self._configure()
            with self.log.open("ab") as log:
                command = [*self._command, "-c", str(self.folder / "mosquitto.conf")]
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if self._listens(timeout_s):
                return
            self.kill()
            taken = "in use" in self.log.read_text("utf-8", "replace")[-400:]
            if not taken or self._fixed_port:
                break
            self.port = 0
        end = self.log.read_text("utf-8", "replace").strip()[-600:]
        raise LinkError(f"Mosquitto did not start: {end}", f"See {self.log}.")

    def save(self, timeout_s: float = 10.0) -> None:
        """Has it write its database now."""
        assert self._process is not None
        database = self.folder / "data" / "mosquitto.db"
        before = database.stat().st_mtime_ns if database.exists() else 0
        self._process.send_signal(signal.SIGUSR1)
        by_s = time.monotonic() + timeout_s
        while not database.exists() or database.stat().st_mtime_ns == before:
            if time.monotonic() > by_s:
                raise LinkError("Mosquitto did not write its database.", f"See {self.log}.")
            time.sleep(0.01)

    def stop(self, timeout_s: float = 10.0) -> None:
        """SIGTERM: it writes its database and goes. Idempotent."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
            self.kill()

    def kill(self) -> None:
        """SIGKILL: what it did not write is lost. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Removes its database; only while it doesn't run."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def _configure(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True, mode=0o700)
        text = (self._config / "mosquitto.conf").read_text(encoding="utf-8")
        text = text.replace("/etc/mosquitto/edgeface/", f"{self.folder}/")
        text = text.replace("/var/lib/mosquitto/", f"{self.folder}/data/")
        text = re.sub(r"^listener \d+$", f"listener {self.port} {HOST}", text, flags=re.MULTILINE)
        replaced = {line.split()[0] for line in self._extra.splitlines() if line.strip()}
        kept = [line for line in text.splitlines() if not line.strip() or line.split()[0] not in replaced]
        user = pwd.getpwuid(os.geteuid()).pw_name  # started by root it would change to one that can't read this folder
        lines = [*kept, self._extra, f"user {user}", "log_dest stderr"]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _listens(self, timeout_s: float) -> bool:
        assert self._process is not None
        by_s = time.monotonic() + timeout_s
        while time.monotonic() < by_s and self._process.poll() is None:
            # Not just a port that is open: Mosquitto answers TLS, or its log says why it doesn't.
            try:
                with socket.create_connection((HOST, self.port), 1.0):
                    return True
            except OSError:
                time.sleep(0.01)
        return False


class LocalBroker(BrokerProcess):
    """With a CA of its own, kept if it is there, and what it certifies."""

    def __init__(
        self, folder: Path, config: Path, *, site: str = "dev", port: int | None = None, extra: str = ""
    ) -> None:
        super().__init__(folder, config, port=port, extra=extra)
        self.authority = self._authority(site)
        self._revoked: set[int] = set()
        self._write_revocations()

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def client(self, name: str, days: float = CLIENT_DAYS) -> TlsFiles:
        """A fresh certificate for a client of that name."""
        folder = self.folder / "clients" / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = TlsFiles(self.ca, folder / "client.pem", folder / "client.key")
        self.write(self.authority.client(name, _now(), days), files.certificate, files.key)
        return files

    @staticmethod
    def write(issued: Issued, certificate: Path, key: Path) -> None:
        certificate.write_bytes(issued.certificate)
        key.unlink(missing_ok=True)
        fd = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as f:
            f.write(issued.key)

    def revoke(self, *serials: int) -> None:
        """In force once the broker is started again."""
        self._revoked |= set(serials)
        self._write_revocations()

    def write_acl(self, *admins: str, home_assistant: bool = False, remote_unlock: bool = False) -> None:
        """The ACL that ships, with the admin's block for each of these names. Before `start`, or with `reload`."""
        text = (self._config / "acl").read_text(encoding="utf-8")
        if home_assistant:
            text = home_assistant_rights(text, unlock=remote_unlock)
        block = re.search(r"^user admin\n(?:(?:topic|#) ?.*\n)+", text, re.MULTILINE)
        assert block is not None
        others = [block[0].replace("user admin\n", f"user {name}\n", 1) for name in admins if name != "admin"]
        (self.folder / "acl").write_text("\n".join([text, *others]), encoding="utf-8")

    def start(self, timeout_s: float = 20.0) -> None:
        """The same, with the ACL that ships where none was written."""
        if not (self.folder / "acl").exists():
            self.write_acl()
        super().start(timeout_s)

    def _authority(self, site: str) -> Authority:
        key = self.folder / "ca.key"
        if self.ca.exists() and key.exists():
            return Authority(self.ca.read_bytes(), key.read_bytes())
        authority = Authority.create(site, _now())
        self.write(Issued(authority.certificate, authority.key(), 0, _now()), self.ca, key)
        self.write(authority.server(self.names(), _now()), self.folder / "server.pem", self.folder / "server.key")
        return authority

    @staticmethod
    def names() -> Iterable[str]:
        return ["localhost", HOST]

    def _write_revocations(self) -> None:
        (self.folder / "crl.pem").write_bytes(self.authority.revocation_list(self._revoked, _now()))


def _now() -> datetime:
    return datetime.now(timezone.utc)
