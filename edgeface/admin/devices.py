"""Doors and admins come and go: rosters under the root key, pairing answers, certificates. On the owner's machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from edgeface.adapters.link import codec
from edgeface.adapters.link.certificates import serial
from edgeface.adapters.link.codec import Signed
from edgeface.adapters.link.journal import Journal
from edgeface.adapters.link.pairing import TEXT_PREFIX
from edgeface.adapters.link.secret_file import write_whole
from edgeface.admin import broker_files, creation
from edgeface.admin.desk import Desk, OwnDesk
from edgeface.admin.home import Home
from edgeface.admin.state import SiteState
from edgeface.domain.errors import ConfigError, SourceError
from edgeface.domain.messages import Request, RequestOp
from edgeface.domain.messages_door import PairingAnswer, PairingOffer
from edgeface.domain.refusal import MessageRefused
from edgeface.domain.roster import Device, Roster
from edgeface.domain.text import clean_text

_MOST = 64 * 1024


def read_offer(given: str) -> Signed[PairingOffer]:
    """From a file (the message, or its text) or from the text itself. Raises SourceError."""
    path = Path(given)
    try:
        as_text = given.strip().upper().startswith(TEXT_PREFIX)
        data = given.encode() if as_text else path.read_bytes()[:_MOST]
        if not data.startswith(b"\x01"):
            data = codec.offer_from_text(data.decode("utf-8", "replace"))
        return codec.open_offer(data)
    except OSError as e:
        raise SourceError(f"The offer {given} can't be read: {e.strerror}.", "Check the path.") from e
    except MessageRefused as e:
        raise SourceError(
            f"That is no offer of a device: {e.message}", "Make it anew on the device: edgeface pair."
        ) from e


@dataclass
class Owner:
    """What the root key signs. Raises ConfigError where the folder isn't the owner's."""

    home: Home
    desk: Desk
    shipped_acl: Path
    now: Callable[[], datetime]

    def __post_init__(self) -> None:
        if not self.home.info.owner:
            raise ConfigError("Only the site's owner can do this.", "Do it where the site was made.")

    def add_device(self, offer: Signed[PairingOffer], name: str, replaces: Device | None = None) -> bytes:
        """The pairing answer. Raises ConfigError, MessageRefused, RequestRefused."""
        roster = self.desk.roster
        if not clean_text(name, 128):
            raise ConfigError("A door's name has 1 to 128 characters and no control characters.", "Give --name.")
        if roster.device(offer.signer) is None:
            kept = tuple(d for d in roster.devices if replaces is None or d.id != replaces.id)
            if any(d.name == name for d in kept):
                raise ConfigError(f"A door called {name} is here already.", "Give another name, or use device replace.")
            if offer.signer in roster.revoked:
                raise ConfigError(
                    "This device was removed from the site.",
                    "Have it leave and make new keys: edgeface pair --leave, then edgeface pair.",
                )
            with self._standing() as standing:
                manifest = standing.version
            made = Device(
                name,
                offer.value.ed25519,
                offer.value.x25519,
                roster.version + 1,
                manifest,
                replaces.id if replaces else None,
            )
            changed = replace(roster, devices=(*kept, made))
            self._publish(_without(changed, replaces.id) if replaces else changed)
            if replaces:
                self._forget(replaces.id)
        return self._answer(offer)

    def remove_device(self, device: Device) -> None:
        """A new epoch begins, and its certificate is revoked."""
        roster = self.desk.roster
        kept = tuple(d for d in roster.devices if d.id != device.id)
        self._publish(_without(replace(roster, devices=kept), device.id))
        self._forget(device.id)

    def rotate(self) -> int:
        """A new epoch, whoever is here."""
        roster = self.desk.roster
        self._publish(replace(roster, epoch=roster.epoch + 1))
        return roster.epoch + 1

    def publish_roster(self, changed: Roster) -> None:
        self._publish(changed)

    def roster_message(self) -> bytes:
        with self._standing() as standing:
            return standing.journal.get("roster") or b""

    def certify(self, party: str, certificate: bytes) -> None:
        with self._standing() as standing:
            standing.journal.put_certificate(serial(certificate), party)

    def revoke(self, party: str) -> None:
        self._forget(party)

    # -- within -------------------------------------------------------------------------------------------------------

    def _publish(self, changed: Roster) -> None:
        roster = replace(changed, version=changed.version + 1, issued_s=int(self.now().timestamp()))
        raw = codec.sign(codec.ROSTER, roster, self.home.site, self.home.root())
        self.desk.ask(Request(RequestOp.ROSTER, roster.version - 1, raw, at_s=roster.issued_s))
        broker_files.write_acl(self.home, roster, self.shipped_acl)
        with self._standing() as standing:
            creation.save_backup(self.home, standing)

    def _answer(self, offer: Signed[PairingOffer]) -> bytes:
        with self._standing() as standing:
            roster, epoch = standing.roster, standing.roster.epoch
            device = roster.device(offer.signer)
            if device is None:
                raise ConfigError("The agent has not taken the roster yet.", "Repeat the command.")
            certificate = self.home.authority().certify(offer.value.tls, device.id, self.now())
            standing.journal.put_certificate(serial(certificate), device.id)
            root = self.home.root()
            answer = PairingAnswer(
                device=device.id,
                root=root.public,
                roster=standing.journal.get("roster") or b"",
                grant=codec.sign_grant(standing.epochs[epoch], device, self.home.site, root),
                roster_floor=roster.version,
                manifest_floor=standing.version,
                broker_host=self.home.info.broker_host,
                broker_port=self.home.info.broker_port,
                ca=(self.home.folder / "tls" / "ca.pem").read_text(encoding="ascii"),
                certificate=certificate.decode("ascii"),
                mode=standing.mode[2] if standing.mode else b"",
            )
        return codec.sign_answer(answer, root)

    def _forget(self, party: str) -> None:
        with self._standing() as standing:
            standing.journal.revoke_certificates(party)
            serials = standing.journal.revoked_serials()
        broker_files.write_revocations(self.home, self.home.authority(), serials, self.now())

    def _standing(self) -> _Standing:
        return _Standing(self)


class _Standing:
    """The journal's state: that of the agent inside this command, or read beside the service's."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._journal: Journal | None = None

    def __enter__(self) -> SiteState:
        desk, home = self._owner.desk, self._owner.home
        if isinstance(desk, OwnDesk):
            return desk.agent.state
        self._journal = home.journal()
        return SiteState(self._journal, home.root_public, home.agent(), lambda: int(self._owner.now().timestamp()))

    def __exit__(self, *_: object) -> None:
        if self._journal is not None:
            self._journal.close()


def write_answer(path: Path, answer: bytes) -> None:
    """Mode 0600. Raises StorageError."""
    write_whole(path, answer)


def find_device(roster: Roster, who: str) -> Device:
    """By name, id or the id's beginning. Raises ConfigError."""
    found = [d for d in roster.devices if d.name == who] or [
        d for d in roster.devices if len(who) >= 6 and d.id.startswith(who.lower())
    ]
    if len(found) != 1:
        names = ", ".join(d.name for d in roster.devices) or "none"
        raise ConfigError(f"No door is called {who!r}.", f"The site has: {names}.")
    return found[0]


def _without(roster: Roster, party: str) -> Roster:
    """That party's keys count no more, and the gallery's key is a new one."""
    return replace(roster, revoked=tuple(sorted({*roster.revoked, party})), epoch=roster.epoch + 1)
