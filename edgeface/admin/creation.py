"""A site's beginning: root key, first admin, agent, the CA for its broker, and a sealed backup of all of it."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edgeface.adapters.link import codec
from edgeface.adapters.link.certificates import Authority, Issued
from edgeface.adapters.link.codec import PartyKeys, RootKey
from edgeface.adapters.link.secret_file import (
    backup_public,
    new_code,
    open_backup,
    read_code,
    seal_backup,
    write_whole,
)
from edgeface.admin import broker_files, state
from edgeface.admin import home as homes
from edgeface.admin.home import AGENT, VIEWERS, Home, Info, viewer_name
from edgeface.domain.errors import ConfigError, KeyRejected
from edgeface.domain.messages import EpochKeys
from edgeface.domain.roster import ADMIN_ROLES, Party, Role, Roster
from edgeface.domain.text import clean_text

BACKUP = "backup"
__all__ = ["BACKUP", "Wanted", "create", "new_code", "read_code", "restore", "save_backup"]


@dataclass(frozen=True)
class Wanted:
    """`hosts` are the names and addresses under which the broker is reached; the first is what doors are told.
    `photos`: whether the agent may make records from photos that other software sends."""

    name: str
    admin_name: str
    hosts: tuple[str, ...]
    port: int = 8883
    photos: bool = False


def create(
    folder: Path, wanted: Wanted, code: bytes, passphrase: bytes | None, shipped_acl: Path, now: datetime
) -> Home:
    """`code` opens the backup. Raises ConfigError, StorageError."""
    for text in (wanted.name, wanted.admin_name):
        if not clean_text(text, 128):
            raise ConfigError("A name has 1 to 128 characters and no control characters.", "Give another name.")
    root, admin, agent = RootKey.generate(), PartyKeys.generate(), PartyKeys.generate()
    roster = Roster(
        version=1,
        epoch=1,
        site_name=wanted.name,
        root=root.public,
        admins=(Party(wanted.admin_name, admin.ed25519, admin.x25519, ADMIN_ROLES),),
        agents=(Party("site agent", agent.ed25519, agent.x25519, (Role.ENROL,) if wanted.photos else ()),),
        issued_s=int(now.timestamp()),
    )
    salt = os.urandom(16)
    info = Info(
        name=wanted.name,
        root=root.public.hex(),
        admin=admin.id,
        admin_name=wanted.admin_name,
        broker_host=wanted.hosts[0],
        broker_port=wanted.port,
        owner=True,
        backup_salt=salt.hex(),
        backup_key=backup_public(code, salt).hex(),
    )
    homes.make_folder(folder)
    authority = Authority.create(root.site, now)
    keys = {"root": root.secret(), "admin": admin.secret(), "agent": agent.secret(), "ca": authority.key()}
    signed = codec.sign(codec.ROSTER, roster, root.site, root)
    return _furnish(
        folder, info, keys, authority, signed, codec.new_epoch(1), wanted.hosts, passphrase, shipped_acl, now
    )


def _furnish(
    folder: Path,
    info: Info,
    keys: dict[str, bytes],
    authority: Authority,
    roster: bytes,
    epoch: EpochKeys,
    hosts: tuple[str, ...],
    passphrase: bytes | None,
    shipped_acl: Path,
    now: datetime,
) -> Home:
    for name, secret in keys.items():
        homes.write_key(folder, name, secret, passphrase)
    write_whole(folder / "tls" / "ca.pem", authority.certificate, 0o644)
    broker = folder / "broker"
    broker.mkdir(mode=0o700)
    server = authority.server(hosts, now)
    write_whole(broker / "ca.pem", authority.certificate, 0o644)
    write_whole(broker / "server.pem", server.certificate, 0o644)
    write_whole(broker / "server.key", server.key)
    homes.write_info(folder, info)
    home = Home(folder, lambda: passphrase or b"")
    journal = home.journal()
    try:
        state.found(journal, roster, epoch)
        for name, issued in issue_clients(authority, info.admin, now, agent=True).items():
            write_client(folder, name, issued)
            journal.put_certificate(issued.serial, AGENT if name == AGENT else info.admin)
        broker_files.write_revocations(home, authority, (), now)
        broker_files.write_acl(home, codec.open_roster(roster, home.root_public).value, shipped_acl)
        save_backup(home, state.SiteState(journal, home.root_public, home.agent(), lambda: int(now.timestamp())))
    finally:
        journal.close()
    return home


def issue_clients(authority: Authority, admin: str, now: datetime, *, agent: bool) -> dict[str, Issued]:
    """Certificates with keys for one admin: his own, his lookers-on, and the agent's where it is his."""
    made = {"admin": authority.client(admin, now)}
    made |= {f"view{n}": authority.client(viewer_name(admin, n), now) for n in range(1, VIEWERS + 1)}
    return made | ({AGENT: authority.client(AGENT, now)} if agent else {})


def write_client(folder: Path, name: str, issued: Issued) -> None:
    write_whole(folder / "tls" / f"{name}.pem", issued.certificate, 0o644)
    write_whole(folder / "tls" / f"{name}.key", issued.key)


# -- the backup ---------------------------------------------------------------------------------------------------


def save_backup(home: Home, standing: state.SiteState) -> Path:
    """Everything that can't be had again from the broker; anew after every change of roster or epoch. No passphrase is
    needed: it is sealed to the recovery code's public key."""
    info = home.info
    keys = {name: home.folder / "keys" / f"{name}.key" for name in ("root", "admin", "agent", "ca")}
    secrets = {name: home.secret(name) for name in keys}
    content = {
        "info": info.__dict__,
        "keys": {name: base64.b64encode(secret).decode() for name, secret in secrets.items()},
        "ca": (home.folder / "tls" / "ca.pem").read_text(encoding="ascii"),
        "roster": base64.b64encode(standing.journal.get("roster") or b"").decode(),
        "epochs": {str(e): base64.b64encode(k.key + k.rotation_seed).decode() for e, k in standing.epochs.items()},
        "manifest": standing.version,
    }
    path = home.folder / BACKUP
    salt, public = bytes.fromhex(info.backup_salt), bytes.fromhex(info.backup_key)
    write_whole(path, seal_backup(json.dumps(content).encode(), salt, public))
    return path


def restore(
    folder: Path, backup: bytes, code: bytes, passphrase: bytes | None, shipped_acl: Path, now: datetime
) -> Home:
    """The folder anew. The people come back from the broker's retained records when the agent runs next. Raises
    KeyRejected, ConfigError."""
    content = json.loads(open_backup(backup, code))
    try:
        info = Info(**content["info"])
        keys = {name: base64.b64decode(text) for name, text in content["keys"].items()}
        authority = Authority(content["ca"].encode(), keys["ca"])
        roster = base64.b64decode(content["roster"])
        epochs = {int(e): base64.b64decode(s) for e, s in content["epochs"].items()}
        manifest = int(content["manifest"])
    except (KeyError, ValueError, TypeError) as e:
        raise KeyRejected("The backup is of another version of edgeface.", "Use the one that made it.") from e
    homes.make_folder(folder)
    newest = max(epochs)
    first = EpochKeys(newest, epochs[newest][:32], epochs[newest][32:])
    home = _furnish(folder, info, keys, authority, roster, first, (info.broker_host,), passphrase, shipped_acl, now)
    journal = home.journal()
    try:
        with journal.change():
            for epoch, secret in epochs.items():
                if epoch != newest:
                    journal.put_epoch(epoch, secret)
            journal.set("floor", b"%d" % manifest)
            journal.set("changed", b"0")
            journal.set("recovering", b"1")
    finally:
        journal.close()
    return home
