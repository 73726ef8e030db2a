"""Sentences about the settings: what each one is, which name was probably meant, where a value stands in the file."""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from edgeface.domain.errors import ConfigError

_ALL = "`edgeface config show` lists all of them."
_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([\w.-]+)\s*=")
_SIGNS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}

_WANTS = {
    "int_": "be a whole number",
    "float_": "be a number",
    "bool_": "be true or false",
    "string_type": "be text",
    "string_pattern": "be letters, digits, dots, dashes and underscores, 64 at most",
    "tuple_": "be a list",
    "too_short": "name at least one",
    "missing": "is missing",
    "path_": "be a path",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`default` is written as in the file; None where it is unset, or follows from another setting."""

    key: str
    description: str
    type: str
    unit: str
    bounds: str
    default: str | None


@lru_cache(maxsize=8)
def fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Every setting by its key: `door.pulse_ms`. A list of tables is one setting."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            found.update({f"{name}.{key}": leaf for key, leaf in fields(below).items()})
        else:
            found[name] = field
    return found


def description_of(table: str, model: type[BaseModel]) -> str:
    """Of a table of settings: `door.inputs`. Raises KeyError where it is none."""
    first, _, rest = table.partition(".")
    field = model.model_fields[first]
    below = field.annotation
    if rest and isinstance(below, type) and issubclass(below, BaseModel):
        return description_of(rest, below)
    return field.description or ""


@lru_cache(maxsize=8)
def fields_of_lists(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The keys inside lists of tables: `schedule.windows.from`."""
    found: dict[str, FieldInfo] = {}
    for key, field in fields(model).items():
        for item in get_args(field.annotation):
            if isinstance(item, type) and issubclass(item, BaseModel):
                for name, leaf in item.model_fields.items():
                    found[f"{key}.{leaf.alias or name}"] = leaf
                found.update({f"{key}.{inner}": leaf for inner, leaf in fields_of_lists(item).items()})
    return found


def get(values: Any, key: str) -> Any:
    """The value under a dotted key, None where it is not there."""
    for part in key.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return None
        values = values[part]
    return values


def flat_keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key that has a value: `door.pulse_ms`, and `schedule[0].name` in lists of tables."""
    for name, value in values.items():
        key = prefix + name
        if isinstance(value, dict):
            yield from flat_keys(value, f"{key}.")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield key
            for index, item in enumerate(value):
                yield from flat_keys(item, f"{key}[{index}].")
        else:
            yield key


def lines_of_keys(text: str) -> dict[str, int]:
    """Key -> line, counted from 1, of a TOML text that parses. Keys inside inline tables are not found; `line_of` then
    gives the line of the list that they stand in."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = header[2]
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = f"{table}[{counts[table]}]"
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault(f"{table}.{key[1]}" if table else key[1], number)
    return found


def line_of(key: str, lines: Mapping[str, int]) -> int | None:
    """The line of the key, else of what it stands in."""
    while key:
        if key in lines:
            return lines[key]
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return None


def is_path(field: FieldInfo) -> bool:
    return Path in (field.annotation, *get_args(field.annotation))


def unknown(key: str, where: str, model: type[BaseModel]) -> ConfigError:
    """The error for a key that is no setting, with the name that was probably meant."""
    known = [*fields(model), *fields_of_lists(model)]
    plain = re.sub(r"\[\d+\]", "", key)
    if any(name.startswith(f"{plain}.") for name in known):
        return ConfigError(f"{plain} ({where}) is a table of settings.", f"Write its settings below [{plain}].")

    def likeness(name: str) -> float:
        whole = difflib.SequenceMatcher(None, plain, name).ratio()
        last = difflib.SequenceMatcher(None, plain.rpartition(".")[2], name.rpartition(".")[2]).ratio()
        return max(whole, 0.95 * last)  # the right key in the wrong table comes second

    best = max(known, key=likeness)
    advice = f"Did you mean {best}?" if likeness(best) >= 0.6 else _ALL
    return ConfigError(f"The setting {key} ({where}) is unknown.", advice)


def explain_refusal(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> ConfigError:
    """Pydantic's findings as sentences: key, where it is from, value, what it must be."""
    wants: dict[str, list[str]] = {}
    values: dict[str, object] = {}
    for found in error.errors(include_url=False):
        key = _key_of(found["loc"], model)
        wants.setdefault(key, []).append(_want(found["type"], found["msg"]))
        values[key] = found["input"]
    sentences = []
    for key, wanted in wants.items():
        if any(other.startswith(f"{key}[") for other in wants):
            continue  # what is wrong with an item says more than what that makes of the list
        place = origins.get(key) or origins.get(re.sub(r"\[\d+\].*", "", key))
        named = f"{key} ({place})" if place else key
        want = " or ".join(dict.fromkeys(wanted)).rstrip(".")
        if not key or (key in model.model_fields and key not in fields(model)):
            sentences.append(want)  # a rule between settings, which names them itself
        elif want.startswith(("be ", "name ")):
            sentences.append(f"{named} is {_toml(values[key])} and must {want}")
        else:
            sentences.append(f"{named}: {want}")
    if len(sentences) == 1:
        return ConfigError(f"{sentences[0]}.", "See `edgeface config explain`.")
    return ConfigError(f"{len(sentences)} settings are wrong:\n- " + ";\n- ".join(sentences) + ".")


def _want(kind: str, message: str) -> str:
    """Pydantic's message in the words of a person who writes the file: "be …" follows "must"."""
    for start, want in _WANTS.items():
        if kind.startswith(start):
            return want
    return message.removeprefix("Value error, ").replace("Input should be", "be").removeprefix("must ")


def explain(key: str, model: type[BaseModel]) -> Explanation:
    """Raises ConfigError for a name that is no setting."""
    field = {**fields_of_lists(model), **fields(model)}.get(key)
    if field is None:
        raise unknown(key, "asked for", model)
    unit = str(field.json_schema_extra.get("unit", "")) if isinstance(field.json_schema_extra, dict) else ""
    default = None if field.default is None or field.is_required() else _toml(field.default)
    bounds = ", ".join(f"{_SIGNS[sign]} {value:g}" for sign, value in _bounds(field))
    return Explanation(key, field.description or "", _type_name(field.annotation), unit, bounds, default)


def _bounds(field: FieldInfo) -> Iterator[tuple[str, float]]:
    for constraint in field.metadata:
        for sign in _SIGNS:
            value = getattr(constraint, sign, None)
            if value is not None:
                yield sign, value


def _type_name(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _type_name(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return ", ".join(str(choice) for choice in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_type_name(k) for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is tuple:
        return f"list of {_type_name(get_args(kind)[0])}"
    names = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path"}
    return names.get(kind, "table" if isinstance(kind, type) and issubclass(kind, BaseModel) else str(kind.__name__))


def _key_of(loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """`door.pulse_ms` from pydantic's location, without what it adds for the branches of a union."""
    known = {*fields(model), *fields_of_lists(model)}
    key = ""
    for part in loc:
        longer = f"{key}[{part}]" if isinstance(part, int) else f"{key}.{part}".lstrip(".")
        plain = re.sub(r"\[\d+\]", "", longer)
        if not any(name == plain or name.startswith(f"{plain}.") for name in known):
            break
        key = longer
    return key


def _toml(value: Any) -> str:
    """As it would stand in the file."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)[:200]


def from_text(text: str) -> object:
    """Lists and tables stand in the environment as JSON; everything else is read as the setting's own type."""
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def put(values: dict[str, Any], key: str, value: object) -> None:
    """Puts a dotted key into nested tables. Raises ConfigError."""
    *groups, last = key.split(".")
    for group in groups:
        below = values.setdefault(group, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{group} must be a table, not {below!r}.", f"Write it as [{group}].")
        values = below
    values[last] = value
