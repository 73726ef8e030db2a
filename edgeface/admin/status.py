"""Each door as the site sees it: online, in step or how far behind, its model, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edgeface.adapters.link import codec
from edgeface.domain.messages_door import Receipt
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Roster

if TYPE_CHECKING:
    from edgeface.admin.state import SiteState


@dataclass(frozen=True, slots=True)
class DoorStatus:
    """`online` None: nothing was heard. `behind` counts manifests; `alarms` are sentences."""

    id: str
    name: str
    online: bool | None
    in_step: bool
    manifest: int
    behind: int
    shards_behind: int
    people: int
    epoch: int
    mode: int
    model: str
    refused: int
    reported_s: int
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a door is compared with; zeros where it isn't known."""

    manifest: int = 0
    manifest_hash: bytes = bytes(32)
    digest: bytes = bytes(32)
    epoch: int = 0
    mode: int = 0


def door_status(
    device: str, name: str, receipt: Receipt | None, online: bool | None, standing: Standing, models: frozenset[str]
) -> DoorStatus:
    """`models` are those of the people's templates; empty where nobody knows."""
    if receipt is None:
        return DoorStatus(
            device, name, online, False, 0, standing.manifest, 256, 0, 0, 0, "", 0, 0, ("no receipt yet",)
        )
    behind = max(0, standing.manifest - receipt.manifest)
    alarms = []
    if receipt.manifest > standing.manifest:
        alarms.append("it has a newer manifest than this site: was the agent's journal restored?")
    elif not behind and receipt.manifest_hash != standing.manifest_hash:
        alarms.append("it has another manifest of the same version")
    if models and receipt.model not in models:
        alarms.append(f"its model {receipt.model} has no templates here")
    if receipt.refused:
        alarms.append(f"it refused {receipt.refused} messages since its start")
    return DoorStatus(
        id=device,
        name=name,
        online=online,
        in_step=receipt.in_step and not behind and receipt.manifest_hash == standing.manifest_hash,
        manifest=receipt.manifest,
        behind=behind,
        shards_behind=receipt.shards_behind,
        people=receipt.people,
        epoch=receipt.epoch,
        mode=receipt.mode,
        model=receipt.model,
        refused=receipt.refused,
        reported_s=receipt.at_s,
        alarms=tuple(alarms),
    )


def read_presence(payload: bytes) -> bool | None:
    """Of a status topic: JSON with a key `state`, "online" or "offline"."""
    try:
        state = json.loads(payload).get("state")
    except (ValueError, AttributeError):
        return None
    return {"online": True, "offline": False}.get(state)


def read_receipt(raw: bytes, device: str, trust: codec.Trust) -> Receipt:
    """Raises MessageRefused; unknown_signer where another signed it than the topic's device."""
    signed = codec.open_signed(codec.RECEIPT, raw, trust)
    if signed.signer != device:
        raise MessageRefused(Refusal.UNKNOWN_SIGNER)
    return signed.value


def rows(
    roster: Roster,
    receipts: Mapping[str, Receipt],
    presence: Mapping[str, bool | None],
    standing: Standing,
    models: frozenset[str] = frozenset(),
) -> list[DoorStatus]:
    """One for each door of the roster, by name."""
    made = [door_status(d.id, d.name, receipts.get(d.id), presence.get(d.id), standing, models) for d in roster.devices]
    return sorted(made, key=lambda s: s.name)


def items(state: SiteState) -> list[bytes]:
    """What the agent answers `status` with: one JSON object a door."""
    receipts = {}
    for device, raw in state.journal.receipt_messages().items():
        try:
            receipts[device] = read_receipt(raw, device, state.trust)
        except MessageRefused:
            continue  # a door that was removed
    standing = Standing(
        state.version, state.manifest.hash if state.manifest else bytes(32), state.shards.overall(), state.roster.epoch
    )
    return [
        json.dumps(asdict(row), sort_keys=True).encode()
        for row in rows(state.roster, receipts, state.presence, standing)
    ]
