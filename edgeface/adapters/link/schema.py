"""What a message's fields may hold, said once for both directions: a `Struct` maps a dataclass to a CBOR map with
small integer keys. A field that has its default is left out, and one that is there with its default is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, Generic, TypeVar

from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.text import clean_text

T = TypeVar("T")
BIGGEST = 2**53 - 1  # what every JSON reader holds exactly
REQUIRED: Any = object()
_ID = re.compile(r"[0-9a-f]{32}")


def malformed(what: str) -> MessageRefused:
    return MessageRefused(Refusal.MALFORMED, what)


@dataclass(frozen=True)
class Kind:
    """How one field looks: `name` for the document; `to_wire` and `from_wire` both raise MessageRefused."""

    name: str
    to_wire: Callable[[Any], object]
    from_wire: Callable[[Any], Any]


def _same(name: str, check: Callable[[Any], bool]) -> Kind:
    def passed(value: Any) -> Any:
        if not check(value):
            raise malformed(f"a field is no {name}")
        return value

    return Kind(name, passed, passed)


def uint(lowest: int = 0, highest: int = BIGGEST) -> Kind:
    shown = "2^53-1" if highest == BIGGEST else str(highest)
    return _same(f"integer {lowest}..{shown}", lambda v: type(v) is int and lowest <= v <= highest)


def sint() -> Kind:
    return _same("integer -(2^53-1)..2^53-1", lambda v: type(v) is int and abs(v) <= BIGGEST)


def flag() -> Kind:
    return _same("bool", lambda v: type(v) is bool)


def blob(shortest: int, longest: int | None = None) -> Kind:
    most = shortest if longest is None else longest
    name = f"bytes {shortest}" if shortest == most else f"bytes {shortest}..{most}"
    return _same(name, lambda v: type(v) is bytes and shortest <= len(v) <= most)


def text(longest: int, *, empty: bool = False, lines: bool = False) -> Kind:
    name = f"text {0 if empty else 1}..{longest}" + (" with lines" if lines else "")
    return _same(name, lambda v: (empty and v == "" and type(v) is str) or clean_text(v, longest, lines=lines))


def hex_id() -> Kind:
    """32 hex digits here, 16 bytes on the wire."""

    def to_wire(value: Any) -> bytes:
        if type(value) is not str or _ID.fullmatch(value) is None:
            raise malformed("a field is no id")
        return bytes.fromhex(value)

    def from_wire(raw: Any) -> str:
        if type(raw) is not bytes or len(raw) != 16:
            raise malformed("a field is no id")
        return raw.hex()

    return Kind("id", to_wire, from_wire)


def choice(values: Mapping[int, Enum]) -> Kind:
    numbers = {v: k for k, v in values.items()}

    def to_wire(value: Any) -> int:
        if value not in numbers:
            raise malformed("a value that is not on the list")
        return numbers[value]

    def from_wire(raw: Any) -> Enum:
        if type(raw) is not int or raw not in values:
            raise malformed("a value that is not on the list")
        return values[raw]

    return Kind("one of " + ", ".join(f"{k} {v.value}" for k, v in values.items()), to_wire, from_wire)


def several(of: Kind, longest: int, shortest: int = 0, *, rising: bool = False) -> Kind:
    """A tuple; `rising`: on the wire in strictly rising order, so that a set has one encoding."""

    def check(raw: list[Any]) -> None:
        if not shortest <= len(raw) <= longest:
            raise malformed("a list of another length than allowed")
        if rising and any(a >= b for a, b in pairwise(raw)):
            raise malformed("a list that is not in rising order")

    def to_wire(value: Any) -> list[object]:
        raw: list[Any] = [of.to_wire(v) for v in value]
        check(raw)
        return raw

    def from_wire(raw: Any) -> tuple[Any, ...]:
        if type(raw) is not list or len(raw) > longest:
            raise malformed("a field is no list of an allowed length")
        values = tuple(of.from_wire(r) for r in raw)
        check(raw)
        return values

    order = ", rising" if rising else ""
    return Kind(f"{shortest}..{longest} x ({of.name}){order}", to_wire, from_wire)


def pair(first: Kind, second: Kind) -> Kind:
    def from_wire(raw: Any) -> tuple[Any, Any]:
        if type(raw) is not list or len(raw) != 2:
            raise malformed("a field is no pair")
        return first.from_wire(raw[0]), second.from_wire(raw[1])

    return Kind(f"[{first.name}, {second.name}]", lambda v: [first.to_wire(v[0]), second.to_wire(v[1])], from_wire)


@dataclass(frozen=True)
class Entry:
    """`default` is left out on the wire; without one the field is always there."""

    key: int
    name: str
    kind: Kind
    default: Any = REQUIRED


class Struct(Generic[T]):
    def __init__(self, made: Callable[..., T], name: str, *entries: Entry) -> None:
        self.name = name
        self.entries = entries
        self._made = made
        self._by_key = {e.key: e for e in entries}

    def to_wire(self, value: T) -> dict[int, object]:
        """Raises MessageRefused (malformed) for a value that the protocol has no room for."""
        fields = ((e, getattr(value, e.name)) for e in self.entries)
        return {e.key: e.kind.to_wire(v) for e, v in fields if e.default is REQUIRED or v != e.default}

    def from_wire(self, raw: object) -> T:
        if type(raw) is not dict:
            raise malformed(f"{self.name} is no map")
        found: dict[str, Any] = {}
        for key, value in raw.items():
            entry = self._by_key.get(key) if type(key) is int else None
            if entry is None:
                raise malformed(f"{self.name} has an unknown key")
            found[entry.name] = entry.kind.from_wire(value)
            if entry.default is not REQUIRED and found[entry.name] == entry.default:
                raise malformed(f"{self.name} spells out a default")
        for entry in self.entries:
            if entry.name not in found:
                if entry.default is REQUIRED:
                    raise malformed(f"{self.name} lacks a key")
                found[entry.name] = entry.default
        return self._made(**found)

    def kind(self) -> Kind:
        return Kind(self.name, self.to_wire, self.from_wire)
