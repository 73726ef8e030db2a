"""A door's end of the protocol: what comes over a topic is opened and verified as docs/protocol.md says, and what goes
out is signed. Knows keys and bytes, and nothing of what is done with them."""

from __future__ import annotations

from typing import Any

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.frame import Signed, Spec, Trust, opened, split
from edgeface.adapters.link.keys import PartyKeys
from edgeface.domain.messages import EpochKeys, Manifest, ModeState, SealedRecord
from edgeface.domain.messages_door import BeaconRequest, CommandNonce, CommandReply, ErasureReceipt, Receipt
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Roster
from edgeface.domain.site_change import Opened

_PLAIN: dict[str, Spec[Any]] = {
    "manifest": codec.MANIFEST,
    "mode": codec.MODE,
    "removal": codec.REMOVAL,
    "beacon/answer": codec.BEACON,
    "cmd/ask": codec.COMMAND_ASK,
    "cmd/run": codec.COMMAND,
}
_EITHER = {spec.number: spec for spec in (codec.RECORD, codec.REMOVAL)}
_RETAINED = ("roster", "manifest", "mode")
_OUT: dict[type, tuple[Spec[Any], str, bool]] = {  # kind, topic, retained
    Receipt: (codec.RECEIPT, "receipt", True),
    ErasureReceipt: (codec.ERASURE, "erasure", False),
    BeaconRequest: (codec.BEACON_REQUEST, "beacon/ask", False),
    CommandNonce: (codec.COMMAND_NONCE, "cmd/nonce", False),
    CommandReply: (codec.COMMAND_REPLY, "cmd/reply", False),
}
_EPOCH_BYTES = 8 + 32 + 32


class DoorMessages:
    """`root` is the pinned root key. Stateless, and so thread-safe."""

    def __init__(self, root: bytes, keys: PartyKeys) -> None:
        self._root, self._keys = root, keys
        self.site = Trust(root).site
        self.device = keys.id

    # -- topics -------------------------------------------------------------------------------------------------------

    def filters(self) -> list[str]:
        """To be subscribed to for good."""
        return topics.door_filters(self.site, self.device)

    def retained_filters(self) -> list[str]:
        """Those whose retained messages may be good after a new roster."""
        of_site = [topics.of_site(self.site, name) for name in _RETAINED[1:]]
        return [*of_site, topics.removals(self.site), topics.grant(self.site, self.device)]

    def shard_filter(self, number: int) -> str:
        return topics.shard(self.site, number)

    def device_topic(self, name: str) -> str:
        return topics.of_device(self.site, self.device, name)

    # -- in -----------------------------------------------------------------------------------------------------------

    def open(self, topic: str, payload: bytes, retained: bool, roster: Roster | None) -> Opened | None:
        """The verified message; None for a state that was cleared. Raises MessageRefused."""
        where = topics.parse(topic)
        if where.site != self.site:
            raise MessageRefused(Refusal.WRONG_SITE)
        if where.device not in (None, self.device):
            raise MessageRefused(Refusal.WRONG_RECIPIENT)
        if not payload and where.name in (*_RETAINED, "gallery", "removal", "grant"):
            return None
        trust = Trust(self._root, roster)
        if where.name == "roster":
            return _of(codec.open_roster(payload, self._root), retained)
        if where.name == "grant":
            return self._grant(payload, where.epoch, trust, retained)
        if where.name in ("gallery", "gallery-log"):
            spec: Spec[Any] | None = _EITHER.get(split(payload, codec.RECORD.limit).kind)
        else:
            spec = _PLAIN.get(where.name)
        if spec is None:
            raise MessageRefused(Refusal.WRONG_KIND)
        signed = codec.open_signed(spec, payload, trust)
        if where.record is not None and signed.value.id != where.record:
            raise MessageRefused(Refusal.CONFLICT, "the topic is another record's")
        return _of(signed, retained)

    def open_held(self, raw: bytes, roster: Roster | None) -> Opened:
        """A record that was held aside, once more. Raises MessageRefused."""
        return _of(codec.open_signed(codec.RECORD, raw, Trust(self._root, roster)), False)

    def open_person(self, record: SealedRecord, keys: EpochKeys, roster: Roster | None) -> Opened:
        """The person in a verified record: `value` is a PersonContent, `signer` the admin. Raises MessageRefused."""
        return _of(codec.open_record(record, keys, Trust(self._root, roster)), False)

    def _grant(self, payload: bytes, epoch: int | None, trust: Trust, retained: bool) -> Opened:
        keys = codec.open_grant(payload, self._keys, trust)
        if keys.epoch != epoch:
            raise MessageRefused(Refusal.WRONG_EPOCH)
        return Opened(keys, "", b"", payload, retained)

    # -- what was verified once and kept, sealed, since --------------------------------------------------------------

    def kept_roster(self, raw: bytes) -> tuple[Roster, bytes]:
        """(value, hash). Raises MessageRefused."""
        signed = codec.open_roster(raw, self._root)
        return signed.value, signed.hash

    def kept_manifest(self, raw: bytes) -> tuple[Manifest, bytes]:
        """Its signer may have been removed since: it is not asked for again."""
        signed = opened(codec.MANIFEST, split(raw, codec.MANIFEST.limit), raw)
        return signed.value, signed.hash

    def kept_mode(self, raw: bytes) -> ModeState:
        return opened(codec.MODE, split(raw, codec.MODE.limit), raw).value

    @staticmethod
    def pack_epochs(epochs: dict[int, EpochKeys]) -> bytes:
        return b"".join(e.epoch.to_bytes(8, "big") + e.key + e.rotation_seed for _, e in sorted(epochs.items()))

    @staticmethod
    def unpack_epochs(data: bytes) -> dict[int, EpochKeys]:
        parts = [data[i : i + _EPOCH_BYTES] for i in range(0, len(data), _EPOCH_BYTES)]
        found = [EpochKeys(int.from_bytes(p[:8], "big"), p[8:40], p[40:]) for p in parts]
        return {e.epoch: e for e in found}

    # -- out ----------------------------------------------------------------------------------------------------------

    def sign(self, value: object) -> tuple[str, bytes, bool]:
        """(topic, message, whether it is retained) of a receipt, a beacon's request, a command's nonce or reply."""
        spec, name, retain = _OUT[type(value)]
        return self.device_topic(name), codec.sign(spec, value, self.site, self._keys), retain


def _of(signed: Signed[Any], retained: bool) -> Opened:
    return Opened(signed.value, signed.signer, signed.hash, signed.raw, retained)
