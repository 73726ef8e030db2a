"""The only reader of the settings' file and variables. Later ones win: the file, variables named
EDGEFACE_<TABLE>__<KEY>, what the caller overrides."""

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

SYSTEM_FILE = Path("/etc/edgeface/edgeface.toml")
PREFIX = "EDGEFACE_"
FILE_VARIABLE = "EDGEFACE_CONFIG"
MAX_FILE_BYTES = 1 << 20  # a settings file is a few KiB; more is a wrong file


class Sources:
    """`values`: nested as the tables of `model`, whose names alone are known here. `origins`: key -> where its value
    is from, as "edgeface.toml, line 3" or "$EDGEFACE_DOOR__PIN"."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}

    def read_all(self, path: Path | None, overrides: Mapping[str, Any], environ: Mapping[str, str]) -> Path | None:
        """The file that was read, None where there is none. Raises ConfigError."""
        file = _choose_file(path, environ)
        if file is not None:
            self._read_file(file)
        for name, key in self._variables(environ).items():
            _put(self.values, key, _from_text(environ[name]))
            self.origins[key] = f"${name}"
        for key, value in overrides.items():
            self._refuse_unknown(key, "the command line")
            _put(self.values, key, value)
            self.origins[key] = "command line"
        return file

    def _read_file(self, file: Path) -> None:
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise ConfigError(f"The settings file {file} is larger than 1 MiB.", "Is it the right file?")
            text = data.decode("utf-8")
            self.values.update(tomllib.loads(text))
        except OSError as error:
            raise ConfigError(
                f"The settings file {file} can't be read: {error.strerror}.", "Name another one with --config."
            ) from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"The settings file {file} is no TOML: {error}.", "Mend that place.") from None
        lines = settings_help.lines_of_keys(text)
        for key in settings_help.flat_keys(self.values):
            line = settings_help.line_of(key, lines)
            self.origins[key] = f"{file.name}, line {line}" if line else file.name
            self._refuse_unknown(key, self.origins[key])
        self._anchor_paths(file.absolute().parent)

    def _anchor_paths(self, folder: Path) -> None:
        """A relative path in a file is meant from the file's own folder: a daemon has no working folder to speak of."""
        for key, field in settings_help.fields(self._model).items():
            value = settings_help.get(self.values, key)
            if isinstance(value, str) and value.strip() and settings_help.is_path(field):
                _put(self.values, key, str(folder / Path(value).expanduser()))
            elif key == "camera.source" and isinstance(value, str) and value.startswith("replay:"):
                _put(self.values, key, f"replay:{folder / value.removeprefix('replay:')}")

    def _variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Variable -> key. One that is nearly a setting's is an error, and so is every unknown one with two
        underscores; other programs may have their own EDGEFACE_… variables."""
        known = {key.upper().replace(".", "__"): key for key in settings_help.fields(self._model)}
        found: dict[str, str] = {}
        for name in sorted(environ):
            rest = name.removeprefix(PREFIX)
            if rest == name:
                continue
            if rest in known:
                found[name] = known[rest]
            elif "__" in rest or rest.lower() in self._model.model_fields:
                self._refuse_unknown(rest.lower().replace("__", "."), f"${name}")
            elif close := get_close_matches(rest, [*known, *(k.replace("__", "_") for k in known)], 1, cutoff=0.9):
                meant = next(k for k in known if close[0] in (k, k.replace("__", "_")))
                raise ConfigError(f"The variable {name} is no setting.", f"Did you mean {PREFIX}{meant}?")
        return found

    def _refuse_unknown(self, key: str, where: str) -> None:
        plain = re.sub(r"\[\d+\]", "", key)
        if plain not in settings_help.fields(self._model) and plain not in settings_help.fields_of_lists(self._model):
            raise settings_help.unknown(key, where, self._model)


def _choose_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = path or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    return named or (SYSTEM_FILE if SYSTEM_FILE.exists() else None)


def _from_text(text: str) -> object:
    """Lists and tables stand in the environment as JSON; everything else is read as the setting's own type."""
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *groups, last = key.split(".")
    for group in groups:
        below = values.setdefault(group, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{group} must be a table, not {below!r}.", f"Write it as [{group}].")
        values = below
    values[last] = value
