"""What can be set about card readers and keypads."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, model_validator

from edgeface.app.settings_door import NOT_WIRED, pin_setting
from edgeface.app.settings_fields import Group, Number, Whole, setting
from edgeface.domain.factors import FactorRule

_RULE = FactorRule()


class Reader(BaseModel):
    model_config = Group
    usb: str = setting("", "A USB reader or keypad that types like a keyboard, as /dev/input/by-id/NAME; empty: none.")
    usb_reads: Literal["card", "pin", "both"] = setting(
        "both", "What the USB reader types: card, pin, or both (up to 8 digits are a PIN, more are a card)."
    )
    wiegand_d0_pin: Whole = pin_setting("line D0 of a Wiegand reader (through a level shifter: readers speak 5 V)")
    wiegand_d1_pin: Whole = pin_setting("line D1 of a Wiegand reader")
    valid_s: Number = setting(_RULE.valid_s, "What was shown counts for this long.", "s", ge=1, le=60)
    patience_s: Number = setting(
        _RULE.patience_s, "How long a recognised face waits for its PIN or card.", "s", ge=1, le=60
    )
    step_up: bool = setting(_RULE.step_up, "A PIN or card may tell look-alikes apart; false: they are refused.")

    @model_validator(mode="after")
    def _both_lines(self) -> Reader:
        lines_of(self.wiegand_d0_pin, self.wiegand_d1_pin, "reader")
        return self

    @property
    def wiegand(self) -> tuple[int, int] | None:
        return lines_of(self.wiegand_d0_pin, self.wiegand_d1_pin, "reader")


class Controller(BaseModel):
    model_config = Group
    wiegand_d0_pin: Whole = pin_setting("line D0 to an existing controller")
    wiegand_d1_pin: Whole = pin_setting("line D1 to an existing controller")

    @model_validator(mode="after")
    def _both_lines(self) -> Controller:
        lines_of(self.wiegand_d0_pin, self.wiegand_d1_pin, "controller")
        return self

    @property
    def wiegand(self) -> tuple[int, int] | None:
        return lines_of(self.wiegand_d0_pin, self.wiegand_d1_pin, "controller")


def lines_of(d0: int, d1: int, table: str) -> tuple[int, int] | None:
    """Both lines, or None where none is wired. Raises ValueError for half a pair."""
    if (d0 == NOT_WIRED) != (d1 == NOT_WIRED):
        raise ValueError(f"Wiegand has two lines: give {table}.wiegand_d0_pin and {table}.wiegand_d1_pin")
    return None if d0 == NOT_WIRED else (d0, d1)
