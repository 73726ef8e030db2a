"""What can be set about card readers and keypads."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from edgeface.app.settings_fields import Group, Number, setting
from edgeface.domain.factors import FactorRule

_RULE = FactorRule()


class Reader(BaseModel):
    model_config = Group
    usb: str = setting(
        "", "A USB reader or keypad that types like a keyboard, as /dev/input/by-id/NAME; empty: none."
    )
    usb_reads: Literal["card", "pin", "both"] = setting(
        "both", "What the USB reader types: card, pin, or both (up to 8 digits are a PIN, more are a card)."
    )
    valid_s: Number = setting(_RULE.valid_s, "What was shown counts for this long.", "s", ge=1, le=60)
    patience_s: Number = setting(
        _RULE.patience_s, "How long a recognised face waits for its PIN or card.", "s", ge=1, le=60
    )
    step_up: bool = setting(_RULE.step_up, "A PIN or card may tell look-alikes apart; false: they are refused.")
