"""How a door comes to belong to a site, and leaves it. Everything that pairing brings is kept in one commit: a door is
paired or it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edgeface.domain.errors import EdgefaceError, GalleryError
from edgeface.domain.roster import Roster, short_code
from edgeface.domain.site_change import SiteChange
from edgeface.ports import GalleryStore


class PairingError(EdgefaceError):
    exit_code = 65


class Memory(Protocol):
    """adapters.gallery.site.SiteMemory."""

    def read(self) -> Mapping[str, bytes]: ...

    def commit(self, change: SiteChange) -> None: ...

    def forget(self) -> None: ...


class Answered(Protocol):
    """adapters.link.device_pairing.Accepted."""

    @property
    def site(self) -> str: ...

    @property
    def site_name(self) -> str: ...

    @property
    def door_name(self) -> str: ...

    @property
    def change(self) -> SiteChange: ...


class Device(Protocol):
    """adapters.link.device_pairing.DevicePairing."""

    def identity(self) -> tuple[bytes, bytes]: ...

    def device(self, identity: bytes) -> str: ...

    def offer(self, identity: bytes, tls_key: bytes, name: str, software: str, at_s: int) -> bytes: ...

    def offer_text(self, offer: bytes) -> str: ...

    def accept(self, answer: bytes, identity: bytes, tls_key: bytes) -> Answered: ...

    def site(self, root: bytes, roster: bytes) -> tuple[str, Roster]: ...


@dataclass(frozen=True, slots=True)
class PairedSite:
    id: str
    name: str
    door_name: str
    root: bytes
    host: str
    port: int
    ca: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    tls_key: bytes = field(repr=False)
    identity: bytes = field(repr=False)

    @property
    def code(self) -> str:
        """For people to compare."""
        return short_code(self.id)


@dataclass(frozen=True, slots=True)
class Offer:
    """`text` is the same as `data`, for a QR code; `code` is what the owner compares."""

    device: str
    code: str
    data: bytes
    text: str


class Pairing:
    """Raises StorageError, GalleryError from everything."""

    def __init__(self, memory: Memory, device: Device, store: GalleryStore, door_name: str, software: str) -> None:
        self._memory, self._device, self._store = memory, device, store
        self._door_name, self._software = door_name, software

    @property
    def site(self) -> PairedSite | None:
        kept = self._memory.read()
        if "root" not in kept:
            return None
        site, roster = self._device.site(kept["root"], kept["roster"])
        host, _, port = kept["broker"].decode().partition("\n")
        me = roster.device(self._device.device(kept["identity"]))
        return PairedSite(
            site, roster.site_name, me.name if me else "", kept["root"], host, int(port), kept["ca"],
            kept["certificate"], kept["tls-key"], kept["identity"],
        )  # fmt: skip

    @property
    def device_code(self) -> str:
        """Empty while the device has made no keys."""
        kept = self._memory.read()
        return short_code(self._device.device(kept["identity"])) if "identity" in kept else ""

    def offer(self, at_s: int) -> Offer:
        """The same keys each time, made by the first call, until the door leaves its site."""
        kept = self._memory.read()
        if "identity" not in kept:
            identity, tls_key = self._device.identity()
            self._memory.commit(SiteChange(values={"identity": identity, "tls-key": tls_key}))
            kept = self._memory.read()
        data = self._device.offer(kept["identity"], kept["tls-key"], self._door_name, self._software, at_s)
        device = self._device.device(kept["identity"])
        return Offer(device, short_code(device), data, self._device.offer_text(data))

    def accept(self, answer: bytes) -> PairedSite:
        """The owner's answer. Raises PairingError, and MessageRefused for one that isn't for this device or isn't
        sound; then nothing has changed. A door that belongs to the same site already takes newer certificates and
        floors, never older ones."""
        kept = self._memory.read()
        if "identity" not in kept:
            raise PairingError("This door has made no offer yet.", "Run `edgeface pair` first.")
        accepted = self._device.accept(answer, kept["identity"], kept["tls-key"])
        change = accepted.change
        if "root" in kept:
            change = self._renewed(kept, accepted)
        elif people := sum(1 for _ in self._store.people()) + len(self._store.damaged()):
            raise PairingError(
                f"{people} people were enrolled at this door itself; at a site's door there are only the site's.",
                "Enrol them at the site; then `edgeface gallery remove` them here, and pair.",
            )
        self._memory.commit(change)
        paired = self.site
        if paired is None:
            raise GalleryError("Pairing left nothing behind.", "Pair again.")
        return paired

    def _renewed(self, kept: Mapping[str, bytes], accepted: Answered) -> SiteChange:
        if kept["root"] != accepted.change.values["root"]:
            raise PairingError("This door belongs to another site.", "`edgeface pair --leave` first, if that is meant.")
        floor = accepted.change.values["roster-floor"] or b"0"
        if int(floor) < int(kept["roster-floor"]):
            raise PairingError("This answer is older than the one that this door has.", "Ask for a new one.")
        wanted = ("broker", "ca", "certificate", "roster-floor", "manifest-floor")
        return SiteChange(values={name: accepted.change.values[name] for name in wanted})

    def leave(self) -> None:
        """The site's people, keys and removals are destroyed here, and this door's keys with them."""
        self._memory.forget()
