"""A device's side of pairing, on bytes alone: its keys, its offer, and what the owner's answer must be."""

from __future__ import annotations

from dataclasses import dataclass

from edgeface.adapters.link import certificates, codec
from edgeface.adapters.link.door_messages import DoorMessages
from edgeface.adapters.link.frame import Trust, open_signed
from edgeface.adapters.link.keys import PartyKeys
from edgeface.domain.messages_door import PairingAnswer, PairingOffer
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Roster
from edgeface.domain.site_change import SiteChange


@dataclass(frozen=True, slots=True)
class Accepted:
    """A good answer: the site, and what a door is to keep of it."""

    site: str
    site_name: str
    door_name: str
    change: SiteChange


class DevicePairing:
    """Stateless."""

    def identity(self) -> tuple[bytes, bytes]:
        """Fresh: (secret of the device's two keys, PEM key for TLS)."""
        return PartyKeys.generate().secret(), certificates.new_key()[1]

    def device(self, identity: bytes) -> str:
        return PartyKeys.from_secret(identity).id

    def offer(self, identity: bytes, tls_key: bytes, name: str, software: str, at_s: int) -> bytes:
        keys, tls_public = PartyKeys.from_secret(identity), certificates.public_half(tls_key)
        offer = PairingOffer(keys.ed25519, keys.x25519, tls_public, name[:128], software[:64], at_s)
        return codec.sign_offer(offer, keys)

    def offer_text(self, offer: bytes) -> str:
        return codec.offer_text(offer)

    def accept(self, answer: bytes, identity: bytes, tls_key: bytes) -> Accepted:
        """Raises MessageRefused: what `open_answer` raises, and for an answer at odds with itself."""
        keys = PartyKeys.from_secret(identity)
        opened = codec.open_answer(answer, keys)
        value = opened.value
        roster = codec.open_roster(value.roster, value.root)
        me = roster.value.device(keys.id)
        if roster.value.version < value.roster_floor:
            raise MessageRefused(Refusal.ROLLED_BACK, "the roster is below its own floor")
        if me is None:
            raise MessageRefused(Refusal.WRONG_RECIPIENT, "the roster doesn't have this device")
        trust = Trust(value.root, roster.value)
        epoch = codec.open_grant(value.grant, keys, trust)
        if certificates.public_key(value.certificate.encode()) != certificates.public_half(tls_key):
            raise MessageRefused(Refusal.CONFLICT, "the certificate is for another key")
        values: dict[str, bytes | None] = {
            "root": value.root,
            "broker": f"{value.broker_host}\n{value.broker_port}".encode(),
            "ca": value.ca.encode(),
            "certificate": value.certificate.encode(),
            "roster": value.roster,
            "roster-floor": str(value.roster_floor).encode(),
            "manifest-floor": str(value.manifest_floor).encode(),
            "epochs": DoorMessages.pack_epochs({epoch.epoch: epoch}),
            "epoch": str(epoch.epoch).encode(),
            "rotation": epoch.rotation_seed,
            **self._mode(value, trust),
        }
        change = SiteChange(values=values, rotation_seed=epoch.rotation_seed)
        return Accepted(trust.site, roster.value.site_name, me.name, change)

    def site(self, root: bytes, roster: bytes) -> tuple[str, Roster]:
        """(site's id, roster) of what is kept."""
        return Trust(root).site, codec.open_roster(roster, root).value

    @staticmethod
    def _mode(value: PairingAnswer, trust: Trust) -> dict[str, bytes | None]:
        """It comes by the owner's hand: in effect at once."""
        if not value.mode:
            return {}
        mode = open_signed(codec.MODE, value.mode, trust)
        return {"mode": value.mode, "mode-in-effect": mode.value.mode.value.encode()}
