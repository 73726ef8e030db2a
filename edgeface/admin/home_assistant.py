"""Home Assistant at the site's broker: its certificate, and its rights in the broker's ACL. It is no member of the
site; what it may do at a door, the door's own settings say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgeface.adapters.link.secret_file import write_whole
from edgeface.admin import broker_files
from edgeface.admin.devices import Owner

NAME = "homeassistant"  # in its certificate and in the ACL that ships


def allow(owner: Owner, folder: Path, *, unlock: bool) -> list[Path]:
    """A fresh certificate in `folder` (CA, certificate, key), and its rights in the ACL. Raises ConfigError,
    StorageError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    issued = owner.home.authority().client(NAME, owner.now())
    owner.certify(NAME, issued.certificate)
    files = [folder / "ca.pem", folder / f"{NAME}.pem", folder / f"{NAME}.key"]
    write_whole(files[0], (owner.home.folder / "tls" / "ca.pem").read_bytes(), 0o644)
    write_whole(files[1], issued.certificate, 0o644)
    write_whole(files[2], issued.key)
    _write(owner, "unlock" if unlock else "look")
    return files


def forbid(owner: Owner) -> None:
    """Its rights end, and every certificate that it ever got. Raises ConfigError, StorageError."""
    owner.revoke(NAME)
    _write(owner, "")


def _write(owner: Owner, rights: str) -> None:
    owner.home.save_info(replace(owner.home.info, home_assistant=rights))
    broker_files.write_acl(owner.home, owner.desk.roster, owner.shipped_acl)
