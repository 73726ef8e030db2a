"""A TOML table that knows where it stands, so that every complaint names the file, the place and the remedy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgeface.domain.errors import SourceError


class Table:
    """Each getter takes its key out; `finish` refuses what nobody asked for. All raise SourceError."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self._data = dict(data)
        self._known: list[str] = []
        self._where = where

    def error(self, what: str, advice: str = "") -> SourceError:
        return SourceError(f"In {self._where}: {what}.", advice or "docs/scenes.md describes the scene file.")

    def _take(self, key: str, default: object) -> Any:
        self._known.append(key)
        value = self._data.pop(key, default)
        if value is None:
            raise self.error(f"`{key}` is missing")
        return value

    def number(self, key: str, default: float | None = None, *, low: float, high: float) -> float:
        return self._checked(key, self._take(key, default), low, high)

    def _checked(self, key: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(f"`{key}` is {value!r}, not a number")
        if not low <= value <= high:
            raise self.error(f"`{key}` is {value:g}, outside {low:g} to {high:g}")
        return float(value)

    def last_number(self, key: str, default: float, *, low: float, high: float) -> float:
        """The one number of a table that holds nothing else."""
        value = self.number(key, default, low=low, high=high)
        self.finish()
        return value

    def numbers(self, key: str, default: Sequence[float], *, count: int, low: float, high: float) -> list[float]:
        value = self._take(key, default)
        if not isinstance(value, list) or len(value) != count:
            raise self.error(f"`{key}` is {value!r}, not a list of {count} numbers")
        return [self._checked(key, v, low, high) for v in value]

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self.error(f"`{key}` is {value!r}, not a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.error(f"`{key}` is {value!r}, not a list of texts")
        return tuple(value)

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        value = self.text(key) if default is None else self.text(key, default)
        if value not in choices and value != default:
            raise self.error(f"`{key}` is {value!r}", f"It is one of: {', '.join(choices)}.")
        return value

    def table(self, key: str) -> Table:
        value = self._take(key, {})
        if not isinstance(value, dict):
            raise self.error(f"`{key}` is not a table")
        return Table(value, f"{self._where}, [{key}]")

    def tables(self, key: str) -> list[Table]:
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.error(f"`{key}` is not a list of tables")
        return [Table(v, f"{self._where}, {key} {i + 1}") for i, v in enumerate(value)]

    def finish(self) -> None:
        for key in self._data:
            near = difflib.get_close_matches(key, self._known, n=1)
            raise self.error(f"`{key}` is unknown", f"Did you mean `{near[0]}`?" if near else "Remove it.")
