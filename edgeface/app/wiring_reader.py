"""wiring.py's part for card readers and keypads, and for what is shown to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.app.settings import Settings
from edgeface.ports import FactorHasher, Keys, Reader

if TYPE_CHECKING:
    from edgeface.adapters.door.card_reader import DoorReader


def factor_hasher(keys: Keys) -> FactorHasher:
    from edgeface.adapters.gallery.factors import PURPOSE, FactorHasher

    return FactorHasher(keys.secret(PURPOSE))


def door_reader(settings: Settings) -> DoorReader | None:
    """The one on the door process's lines, where there is one."""
    from edgeface.adapters.door.card_reader import DoorReader

    wired = settings.reader.wiegand is not None and settings.door.driver != "recording"
    return DoorReader() if wired else None


def open_readers(settings: Settings, lines: DoorReader | None) -> list[Reader]:
    """Those of the settings, not yet opened."""
    from edgeface.adapters.reader.usb import UsbReader

    usb = [UsbReader(settings.reader.usb, settings.reader.usb_reads)] if settings.reader.usb else []
    return [*usb, *([] if lines is None else [lines])]
