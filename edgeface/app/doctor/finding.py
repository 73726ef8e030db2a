"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from edgeface.app.settings import Settings

State = Literal["fine", "note", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`note`: works, but somebody should know; `wrong`: mend it; `unknown`: this machine doesn't tell, or it was not
    looked at. `advice` says what to do."""

    group: str
    name: str
    state: State
    sentence: str
    advice: str = ""


class Machine(Protocol):
    """adapters.system.inspection.Inspection. What isn't known is None or empty; nothing raises."""

    def board(self) -> str: ...

    def system(self) -> str: ...

    def memory_mb(self) -> int | None: ...

    def temperature_c(self) -> float | None: ...

    def throttled(self) -> tuple[str, ...] | None: ...

    def time_status(self) -> dict[str, str]: ...

    def has_rtc(self) -> bool: ...

    def disk(self, path: str) -> dict[str, Any] | None: ...

    def wear(self, device: str) -> str | None: ...

    def unit(self, name: str) -> dict[str, str]: ...

    def exposure(self, unit: str) -> float | None: ...

    def watchdog(self) -> str | None: ...

    def utc_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Context:
    """`ask` calls an operation of the running daemon and raises EdgefaceError; None: none runs."""

    settings: Settings
    machine: Machine
    ask: Callable[[str], Any] | None


Check = Callable[[Context], Iterator[Finding]]
