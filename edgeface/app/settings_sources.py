"""Where values of settings come from: a TOML file and the environment. What they mean is settings.py's business, which
is the caller; nothing is read here that it did not name."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edgeface.app import settings_help
from edgeface.domain.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "EDGEFACE_"
MAX_FILE_BYTES = 1 << 20  # a settings file is a few KiB; more is a wrong file


def read_file(model: type[BaseModel], file: Path, values: dict[str, Any], origins: dict[str, str]) -> None:
    """Puts what the file says into `values`, and where it says so into `origins`. Raises ConfigError."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigError(f"The settings file {file} is larger than 1 MiB.", "Is it the right file?")
        text = data.decode("utf-8")
        values.update(tomllib.loads(text))
    except OSError as error:
        raise ConfigError(
            f"The settings file {file} can't be read: {error.strerror}.", "Name another one with --config."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The settings file {file} is no TOML: {error}.", "Mend that place.") from None
    lines = settings_help.lines_of_keys(text)
    for key in settings_help.flat_keys(values):
        line = settings_help.line_of(key, lines)
        origins[key] = f"{file.name}, line {line}" if line else file.name
        refuse_unknown(model, key, origins[key])
    _anchor_paths(model, values, file.absolute().parent)


def _anchor_paths(model: type[BaseModel], values: dict[str, Any], folder: Path) -> None:
    """A relative path in a file is meant from the file's own folder: a daemon has no working folder to speak of."""
    for key, field in settings_help.fields(model).items():
        value = settings_help.get(values, key)
        if isinstance(value, str) and value.strip() and settings_help.is_path(field):
            put(values, key, str(folder / Path(value).expanduser()))
        elif key == "camera.source" and isinstance(value, str) and value.startswith("replay:"):
            put(values, key, f"replay:{folder / value.removeprefix('replay:')}")


def variables(model: type[BaseModel], environ: Mapping[str, str]) -> dict[str, str]:
    """Variable -> key. One that is nearly a setting's is an error, and so is every unknown one with two underscores;
    other programs may have their own EDGEFACE_… variables."""
    known = {key.upper().replace(".", "__"): key for key in settings_help.fields(model)}
    found: dict[str, str] = {}
    for name in sorted(environ):
        rest = name.removeprefix(PREFIX)
        if rest == name:
            continue
        if rest in known:
            found[name] = known[rest]
        elif "__" in rest or rest.lower() in model.model_fields:
            refuse_unknown(model, rest.lower().replace("__", "."), f"${name}")
        elif close := get_close_matches(rest, [*known, *(k.replace("__", "_") for k in known)], 1, cutoff=0.9):
            meant = next(k for k in known if close[0] in (k, k.replace("__", "_")))
            raise ConfigError(f"The variable {name} is no setting.", f"Did you mean {PREFIX}{meant}?")
    return found


def from_text(text: str) -> object:
    """Lists and tables stand in the environment as JSON; everything else is read as the setting's own type."""
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def refuse_unknown(model: type[BaseModel], key: str, where: str) -> None:
    plain = re.sub(r"\[\d+\]", "", key)
    if plain not in settings_help.fields(model) and plain not in settings_help.fields_of_lists(model):
        raise settings_help.unknown(key, where, model)


def put(values: dict[str, Any], key: str, value: object) -> None:
    *groups, last = key.split(".")
    for group in groups:
        below = values.setdefault(group, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{group} must be a table, not {below!r}.", f"Write it as [{group}].")
        values = below
    values[last] = value
