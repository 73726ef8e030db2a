"""How it stands with the key that wraps the keys of everybody in a gallery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """`generation` rises with each renewal; 0 is the key that galleries had before they had one of their own.
    `renewed_s` is when it was made, `owed_since_s` since when a person's removal demands another one (None: it does
    not); both in Unix seconds as this device had them, 0 where its clock could not be right. `traces`: something
    superseded is still to be overwritten in the file."""

    generation: int
    renewed_s: int
    owed_since_s: int | None
    traces: bool
