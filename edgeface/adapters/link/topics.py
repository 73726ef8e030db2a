"""Every topic of a site (docs/protocol.md, section 3), made and taken apart in one place. Ids are 32 hex digits. A
record's shard is the first byte of its id, which is random."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeface.domain.refusal import MessageRefused, Refusal

ROOT = "edgeface/v1"
_ID = re.compile(r"[0-9a-f]{32}")
_SHARD = re.compile(r"[0-9a-f]{2}")
_NUMBER = re.compile(r"[1-9][0-9]{0,15}")

_OF_SITE = ("roster", "manifest", "mode", "gallery-log")
_OF_DEVICE = (
    "status", "receipt", "erasure", "telemetry", "event/access", "event/door", "event/alarm", "beacon/ask",
    "beacon/answer", "cmd/ask", "cmd/nonce", "cmd/run", "cmd/reply",
)  # fmt: skip
_OF_ADMIN = ("request", "reply", "enrol")


@dataclass(frozen=True, slots=True)
class Topic:
    """`name` is the kind of topic as it stands in the protocol's table; the rest is there where the topic has it."""

    site: str
    name: str
    record: str | None = None
    shard: int | None = None
    device: str | None = None
    party: str | None = None
    epoch: int | None = None


def shard_of(record_id: str) -> int:
    """0 to 255."""
    return int(_checked(record_id)[:2], 16)


def of_site(site: str, name: str) -> str:
    """`name`: roster, manifest, mode (retained), gallery-log (not)."""
    if name not in _OF_SITE:
        raise ValueError(f"no topic of a site is called {name!r}")
    return f"{ROOT}/{_checked(site)}/{name}"


def record(site: str, record_id: str) -> str:
    """Retained: the newest record or the removal."""
    return f"{ROOT}/{_checked(site)}/gallery/{shard_of(record_id):02x}/{record_id}"


def shard(site: str, number: int) -> str:
    """Filter: all records of one shard."""
    if not 0 <= number <= 255:
        raise ValueError(f"shard {number} is not within 0 and 255")
    return f"{ROOT}/{_checked(site)}/gallery/{number:02x}/+"


def removal(site: str, record_id: str) -> str:
    """Retained: a revoke admin's removal, until the agent has taken it over and clears it."""
    return f"{ROOT}/{_checked(site)}/removal/{_checked(record_id)}"


def removals(site: str) -> str:
    """Filter."""
    return f"{ROOT}/{_checked(site)}/removal/+"


def of_admin(site: str, name: str, admin: str) -> str:
    """`name`: request, enrol (to the agent), reply (from it). `admin` is "+" for a filter."""
    if name not in _OF_ADMIN:
        raise ValueError(f"no topic of an admin is called {name!r}")
    return f"{ROOT}/{_checked(site)}/{name}/{admin if admin == '+' else _checked(admin)}"


def of_device(site: str, device: str, name: str) -> str:
    """`name`: status, receipt, erasure, telemetry, event/access, event/door, event/alarm, beacon/ask, beacon/answer,
    cmd/ask, cmd/nonce, cmd/run, cmd/reply. `device` is "+" for a filter."""
    if name not in _OF_DEVICE:
        raise ValueError(f"no topic of a device is called {name!r}")
    return f"{ROOT}/{_checked(site)}/device/{device if device == '+' else _checked(device)}/{name}"


def grant(site: str, device: str, epoch: int | None = None) -> str:
    """Retained: K(epoch) for this device. Without an epoch the filter for all."""
    if epoch is not None and epoch < 1:
        raise ValueError(f"epoch {epoch} is below 1")
    return f"{ROOT}/{_checked(site)}/device/{_checked(device)}/grant/{'+' if epoch is None else epoch}"


def door_filters(site: str, device: str) -> list[str]:
    """What a door subscribes to for good."""
    mine = [of_device(site, device, name) for name in ("beacon/answer", "cmd/ask", "cmd/run")]
    shared = [of_site(site, name) for name in _OF_SITE]
    return [*shared, removals(site), grant(site, device), *mine]


def agent_filters(site: str) -> list[str]:
    """What the agent subscribes to for good, beside its own retained state when it looks for what is there."""
    asked = [of_admin(site, "request", "+"), of_admin(site, "enrol", "+"), removals(site), of_site(site, "mode")]
    doors = [of_device(site, "+", name) for name in ("status", "receipt", "erasure", "beacon/ask")]
    return [*asked, of_site(site, "gallery-log"), *doors]


def parse(topic: str) -> Topic:
    """Raises MessageRefused (malformed) for whatever is not exactly one of the above."""
    parts = topic.split("/")
    if len(parts) < 4 or "/".join(parts[:2]) != ROOT or not _ID.fullmatch(parts[2]):
        raise MessageRefused(Refusal.MALFORMED, "no topic of this protocol")
    site, name, rest = parts[2], parts[3], parts[4:]
    if not rest and name in _OF_SITE:
        return Topic(site, name)
    if name == "gallery" and len(rest) == 2 and _SHARD.fullmatch(rest[0]) and _ID.fullmatch(rest[1]):
        if rest[1][:2] == rest[0]:
            return Topic(site, "gallery", record=rest[1], shard=int(rest[0], 16))
    elif name == "removal" and len(rest) == 1 and _ID.fullmatch(rest[0]):
        return Topic(site, "removal", record=rest[0])
    elif name in _OF_ADMIN and len(rest) == 1 and _ID.fullmatch(rest[0]):
        return Topic(site, name, party=rest[0])
    elif name == "device" and len(rest) >= 2 and _ID.fullmatch(rest[0]):
        tail = "/".join(rest[1:])
        if tail in _OF_DEVICE:
            return Topic(site, tail, device=rest[0])
        if len(rest) == 3 and rest[1] == "grant" and _NUMBER.fullmatch(rest[2]):
            return Topic(site, "grant", device=rest[0], epoch=int(rest[2]))
    raise MessageRefused(Refusal.MALFORMED, "no topic of this protocol")


def _checked(identifier: str) -> str:
    if not _ID.fullmatch(identifier):
        raise ValueError("an id has 32 hexadecimal digits")
    return identifier
