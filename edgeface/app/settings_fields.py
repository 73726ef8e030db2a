"""What the tables of the settings are made of: a described field, and values as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field


def setting(default: Any, description: str, unit: str = "", **bounds: Any) -> Any:
    """A field with its description; `unit` is for people, `bounds` are pydantic's ge, gt, le, lt."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **bounds)


def split(value: object) -> object:
    """`a, b` from the environment is a list too."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def no_bool(value: object) -> object:
    """TOML's true is no number, though Python takes it for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def no_empty(value: object) -> object:
    """An empty variable in the environment means: unset."""
    return None if value == "" else value


Whole = Annotated[int, BeforeValidator(no_bool)]
Number = Annotated[float, BeforeValidator(no_bool)]
OptionalPath = Annotated[Path | None, BeforeValidator(no_empty)]
LivenessMode = Literal["passive", "blink", "challenge"]
Group = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, validate_default=True)
