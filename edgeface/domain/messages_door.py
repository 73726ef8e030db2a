"""What a door says and is told, pairing included (docs/protocol.md, sections 9 to 12). Ids are 32 hex digits; hashes,
keys and nonces are raw bytes; `_s` is Unix time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

COMMAND_VALID_S = 10.0  # of the device issuing the nonce, by its own clock


class CommandOp(str, Enum):
    UNLOCK = "unlock"
    LOCK = "lock"
    LOCKDOWN = "lockdown"
    RELEASE = "release"
    IDENTIFY = "identify"


@dataclass(frozen=True)
class PairingOffer:
    """`tls` is the DER SubjectPublicKeyInfo for the broker's client certificate; `name` is only a proposal."""

    ed25519: bytes
    x25519: bytes
    tls: bytes
    name: str = ""
    software: str = ""
    at_s: int = 0


@dataclass(frozen=True)
class PairingAnswer:
    """`roster`, `grant` and `mode` are signed messages in their wire form; the certificates are PEM."""

    device: str
    root: bytes
    roster: bytes
    grant: bytes
    roster_floor: int
    manifest_floor: int
    broker_host: str
    broker_port: int
    ca: str
    certificate: str
    mode: bytes = b""


@dataclass(frozen=True)
class Receipt:
    """What a door has, durably. `digest` is SHA-256 over its shard digests; `refused` counts messages since start."""

    manifest: int
    manifest_hash: bytes
    digest: bytes
    people: int
    templates: int
    roster: int
    epoch: int
    mode: int
    in_step: bool
    shards_behind: int
    audit_seq: int
    audit_head: bytes
    model: str
    refused: int = 0
    at_s: int = 0


@dataclass(frozen=True)
class ErasureReceipt:
    """The person's key and record are destroyed at this door; `rotated` once its wrapping key was renewed since."""

    record: str
    destroyed_s: int
    rotated: bool = False
    rotated_s: int = 0
    manifest: int = 0


@dataclass(frozen=True)
class BeaconRequest:
    nonce: bytes


@dataclass(frozen=True)
class Beacon:
    """The versions in force when the agent answered this device's nonce; `_hash` is SHA-256 of the signed body."""

    device: str
    nonce: bytes
    manifest: int
    manifest_hash: bytes
    roster: int
    roster_hash: bytes
    mode: int = 0


@dataclass(frozen=True)
class CommandAsk:
    """An admin wants to command this device and needs a nonce."""

    id: str
    device: str


@dataclass(frozen=True)
class CommandNonce:
    """Good for one command of that admin, within COMMAND_VALID_S."""

    ask: str
    admin: str
    nonce: bytes


@dataclass(frozen=True)
class Command:
    device: str
    nonce: bytes
    op: CommandOp
    pulse_ms: int = 0


@dataclass(frozen=True)
class CommandReply:
    nonce: bytes
    done: bool
    code: str = ""
    message: str = ""
