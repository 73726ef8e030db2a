"""What every event is: a fact in the past tense with a time, and its one serialisation (events.py)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    kind: ClassVar[str] = "event"
    t_s: float

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types only; `event` is the kind; None values are kept so that the keys are always there."""
        out: dict[str, object] = {"event": self.kind}
        for f in fields(self):
            value = getattr(self, f.name)
            out[f.name] = value.value if isinstance(value, Enum) else value
        out["t_s"] = round(self.t_s, 4)
        return out
