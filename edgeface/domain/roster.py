"""Who belongs to a site and what each may sign (docs/protocol.md, sections 4 and 6). Keys are raw bytes: Ed25519 and
X25519 public keys of 32 bytes each. An id is 32 hex digits, and is the fingerprint of the keys that it stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from edgeface.domain.refusal import MessageRefused, Refusal

ID_BYTES = 16
_SITE = b"edgeface/v1/site\0"
_PARTY = b"edgeface/v1/party\0"
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_CODE_CHARACTERS = 12  # 60 bits: nobody finds other keys with the same code


class Role(str, Enum):
    """`OWNER` stands for the root key alone, `AGENT` and `DEVICE` for where a party stands in the roster; the other
    four are given to admins, and to the agent where it makes templates from photos (`enrol`)."""

    ENROL = "enrol"
    REVOKE = "revoke"
    OPERATE = "operate"
    AUDIT = "audit"
    AGENT = "agent"
    DEVICE = "device"
    OWNER = "owner"


ADMIN_ROLES = (Role.ENROL, Role.REVOKE, Role.OPERATE, Role.AUDIT)


def site_id(root: bytes) -> str:
    """The site's id is its root key's fingerprint, so a site can't be impersonated by another key."""
    return hashlib.sha256(_SITE + root).digest()[:ID_BYTES].hex()


def party_id(ed25519: bytes, x25519: bytes) -> str:
    """The id of an admin, an agent or a device: the fingerprint of its two public keys."""
    return hashlib.sha256(_PARTY + ed25519 + x25519).digest()[:ID_BYTES].hex()


def short_code(party: str) -> str:
    """The first 60 bits of an id for people to compare, as XXXX-XXXX-XXXX."""
    value = int(party, 16) >> (4 * len(party) - 5 * _CODE_CHARACTERS)
    text = "".join(_BASE32[value >> (5 * i) & 31] for i in reversed(range(_CODE_CHARACTERS)))
    return "-".join(text[i : i + 4] for i in range(0, _CODE_CHARACTERS, 4))


@dataclass(frozen=True)
class Party:
    """An admin or an agent. `roles` is sorted by the order of ADMIN_ROLES."""

    name: str
    ed25519: bytes
    x25519: bytes
    roles: tuple[Role, ...] = ()

    @cached_property
    def id(self) -> str:
        return party_id(self.ed25519, self.x25519)


@dataclass(frozen=True)
class Device:
    """A door. `name` is what records' `doors` name, and outlives the hardware; the floors are the versions that stood
    when it was paired; `replaces` is the id of the hardware before it."""

    name: str
    ed25519: bytes
    x25519: bytes
    roster_floor: int = 0
    manifest_floor: int = 0
    replaces: str | None = None

    @cached_property
    def id(self) -> str:
        return party_id(self.ed25519, self.x25519)


@dataclass(frozen=True)
class Roster:
    """Signed by the root key. `revoked` names admins, agents and devices that were removed. `epoch` is the gallery
    key's epoch that is in force or about to be. `issued_s` is Unix seconds, for people alone."""

    version: int
    epoch: int
    site_name: str
    root: bytes
    admins: tuple[Party, ...] = ()
    agents: tuple[Party, ...] = ()
    devices: tuple[Device, ...] = ()
    revoked: tuple[str, ...] = ()
    issued_s: int = 0

    @cached_property
    def site(self) -> str:
        return site_id(self.root)

    @cached_property
    def _members(self) -> Mapping[str, tuple[bytes, frozenset[Role]]]:
        members = {p.id: (p.ed25519, frozenset(p.roles)) for p in self.admins}
        members |= {p.id: (p.ed25519, frozenset(p.roles) | {Role.AGENT}) for p in self.agents}
        members |= {d.id: (d.ed25519, frozenset({Role.DEVICE})) for d in self.devices}
        members[self.site] = (self.root, frozenset({Role.OWNER}))
        return {k: v for k, v in members.items() if k not in self._removed}

    @cached_property
    def _removed(self) -> frozenset[str]:
        return frozenset(self.revoked)

    @cached_property
    def _devices(self) -> Mapping[str, Device]:
        return {d.id: d for d in self.devices if d.id not in self._removed}

    def device(self, device_id: str) -> Device | None:
        return self._devices.get(device_id)

    def agent(self, agent_id: str) -> Party | None:
        return next((p for p in self.agents if p.id == agent_id and p.id not in self._removed), None)

    def admin(self, admin_id: str) -> Party | None:
        return next((p for p in self.admins if p.id == admin_id and p.id not in self._removed), None)

    def roles(self, signer: str) -> frozenset[Role]:
        """Empty for a stranger and for somebody removed."""
        return self._members[signer][1] if signer in self._members else frozenset()

    def verifying_key(self, signer: str, allowed: frozenset[Role]) -> bytes:
        """The Ed25519 key of a signer who has any of these roles. Raises MessageRefused: unknown_signer,
        revoked_signer, not_allowed."""
        if signer not in self._members:
            raise MessageRefused(Refusal.REVOKED_SIGNER if signer in self._removed else Refusal.UNKNOWN_SIGNER)
        key, roles = self._members[signer]
        if not roles & allowed:
            raise MessageRefused(Refusal.NOT_ALLOWED)
        return key
