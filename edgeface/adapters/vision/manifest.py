"""models/manifest.toml: what the models are, checked before any of them is loaded."""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from edgeface.domain.errors import ModelError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROLES = ("detector", "landmarks", "spoof", "embedder")
DTYPES = ("float32", "int8", "uint8")
NAME = "manifest.toml"
REINSTALL = "Install the models again, or restore the folder from the package."


@dataclass(frozen=True, slots=True)
class TensorSpec:
    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class InputSpec:
    """`colour` is the channels' order, RGB or BGR; `range` is what a pixel of 0 and one of 255 become, before any
    quantisation."""

    shape: tuple[int, ...]
    dtype: str
    colour: str
    range: tuple[float, float]

    @property
    def size(self) -> int:
        """Side of the square input in pixels."""
        return self.shape[1]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The embedder's measured rate of false matches: `fmr[i]` of all impostor comparisons reach `threshold[i]`
    (cosine). Falling rates; nothing is vouched for below `measured_to`."""

    pairs: int
    people: int
    source: str
    measured_to: float
    fmr: tuple[float, ...]
    threshold: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One entry of the manifest. `accuracy` and `operating_points` are as written there."""

    id: str
    version: int
    role: str
    path: Path
    sha256: str
    size_bytes: int
    input: InputSpec
    outputs: tuple[TensorSpec, ...]
    preprocessing: str
    licence: str
    provenance: str
    default: bool = False
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    operating_points: tuple[Mapping[str, Any], ...] = ()

    def read(self) -> bytes:
        """The file's bytes. Raises ModelError where it is missing, or is not the very file that the manifest pins."""
        try:
            data = self.path.read_bytes()
        except OSError as e:
            raise ModelError(f"Model {self.id} can't be read: {self.path} ({e.strerror}).", REINSTALL) from e
        if len(data) != self.size_bytes or hashlib.sha256(data).hexdigest() != self.sha256:
            raise ModelError(
                f"Model {self.id} was altered: {self.path} is not the file that the manifest pins "
                f"({len(data)} bytes of {self.size_bytes}).",
                REINSTALL,
            )
        return data


@dataclass(frozen=True, slots=True)
class Manifest:
    folder: Path
    models: tuple[ModelSpec, ...]

    def pick(self, role: str, id: str | None = None) -> ModelSpec:
        """The model `id` of that role, or the role's default. Raises ModelError naming the ones that there are."""
        of_role = [m for m in self.models if m.role == role]
        chosen = [m for m in of_role if (m.default if id is None else m.id == id)]
        if not chosen:
            known = ", ".join(m.id for m in of_role) or "none"
            wanted = f"model {id!r}" if id else "default model"
            raise ModelError(f"There is no {wanted} for the {role} in {self.folder}; there is: {known}.", REINSTALL)
        return chosen[0]

    def verify(self) -> None:
        """Reads and hashes every file. Raises ModelError at the first that is missing or altered."""
        for model in self.models:
            model.read()


def load_manifest(folder: Path) -> Manifest:
    """Reads `folder`/manifest.toml. Every file that it names must be there with the size that it says; the hashes are
    checked of the bytes that are loaded (ModelSpec.read). Raises ModelError with what is wrong where. Whether the
    manifest itself is the right one: `trusted.load_pinned`."""
    return parse_manifest(folder, read_manifest(folder))


def read_manifest(folder: Path) -> bytes:
    """Raises ModelError."""
    path = folder / NAME
    try:
        return path.read_bytes()
    except OSError as e:
        raise ModelError(f"The models' manifest can't be read: {path} ({e.strerror}).", REINSTALL) from e


def parse_manifest(folder: Path, data: bytes) -> Manifest:
    """Raises ModelError."""
    path = folder / NAME
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ModelError(f"The models' manifest is damaged: {path} ({e}).", REINSTALL) from e
    if document.get("version") != 1:
        raise ModelError(
            f"The models' manifest {path} has version {document.get('version')!r}; this program reads version 1.",
            "Install the models that belong to this program.",
        )
    tables = document.get("model")
    if not isinstance(tables, list) or not tables:
        raise ModelError(f"The models' manifest {path} names no model.", REINSTALL)
    models = tuple(_Reader(folder, table, i).model() for i, table in enumerate(tables))
    _check_together(models, path)
    return Manifest(folder, models)


def _check_together(models: tuple[ModelSpec, ...], path: Path) -> None:
    ids = [m.id for m in models]
    for doubled in {i for i in ids if ids.count(i) > 1}:
        raise ModelError(f"The models' manifest {path} has two models named {doubled}.", REINSTALL)
    for role in ROLES:
        if sum(m.default for m in models if m.role == role) > 1:
            raise ModelError(f"The models' manifest {path} has two default models for the {role}.", REINSTALL)


class _Reader:
    """One [[model]] table, key by key, so that every refusal names model and key."""

    def __init__(self, folder: Path, table: object, position: int) -> None:
        self.folder = folder
        self.name = f"model number {position + 1}"
        if not isinstance(table, dict):
            self.refuse("is not a table")
        self.table: dict[str, Any] = table
        self.name = str(table.get("id", self.name))

    def refuse(self, what: str) -> NoReturn:
        raise ModelError(f"The models' manifest in {self.folder} is wrong: {self.name} {what}.", REINSTALL)

    def get(self, table: Mapping[str, Any], key: str, kind: type[Any] | tuple[type[Any], ...], label: str = "") -> Any:
        value = table.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(f"has no proper {label}{key}")
        return value

    def model(self) -> ModelSpec:
        t = self.table
        role = self.get(t, "role", str)
        if role not in ROLES:
            self.refuse(f"has the unknown role {role!r} (known: {', '.join(ROLES)})")
        sha256 = self.get(t, "sha256", str)
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            self.refuse("has no proper sha256")
        size = self.get(t, "bytes", int)
        return ModelSpec(
            id=self.get(t, "id", str),
            version=self.get(t, "version", int),
            role=role,
            path=self.file(size),
            sha256=sha256,
            size_bytes=size,
            input=self.input(self.get(t, "input", dict)),
            outputs=self.outputs(self.get(t, "outputs", list)),
            preprocessing=self.get(t, "preprocessing", str),
            licence=self.get(t, "licence", str),
            provenance=self.get(t, "provenance", str),
            default=t.get("default", False) is True,
            accuracy=t.get("accuracy", {}),
            calibration=self.calibration(t["calibration"]) if "calibration" in t else None,
            operating_points=tuple(t.get("operating_points", ())),
        )

    def file(self, size: int) -> Path:
        name = self.get(self.table, "file", str)
        if Path(name).name != name:
            self.refuse(f"names a file outside the folder ({name!r})")
        path: Path = self.folder / name
        try:
            found = path.stat().st_size
        except OSError as e:
            raise ModelError(f"Model {self.name} is missing: {path} ({e.strerror}).", REINSTALL) from e
        if found != size:
            raise ModelError(f"Model {self.name} was altered: {path} has {found} bytes, not {size}.", REINSTALL)
        return path

    def shape(self, table: Mapping[str, Any], label: str) -> tuple[int, ...]:
        shape = self.get(table, "shape", list, label)
        if not shape or not all(type(n) is int and n > 0 for n in shape):
            self.refuse(f"has no proper {label}shape")
        return tuple(shape)

    def dtype(self, table: Mapping[str, Any], label: str) -> str:
        dtype = self.get(table, "dtype", str, label)
        if dtype not in DTYPES:
            self.refuse(f"has the unknown {label}dtype {dtype!r}")
        return str(dtype)

    def input(self, t: Mapping[str, Any]) -> InputSpec:
        shape = self.shape(t, "input ")
        if len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] != 3:
            self.refuse(f"has input shape {list(shape)}, not [1, side, side, 3]")
        colour = self.get(t, "colour", str, "input ")
        if colour not in ("RGB", "BGR"):
            self.refuse(f"has the unknown input colour {colour!r}")
        numbers = self.floats(t, "range", "input ")
        if len(numbers) != 2 or numbers[0] >= numbers[1]:
            self.refuse("has no proper input range")
        return InputSpec(shape, self.dtype(t, "input "), colour, (numbers[0], numbers[1]))

    def outputs(self, tables: list[Any]) -> tuple[TensorSpec, ...]:
        if not tables or not all(isinstance(o, dict) for o in tables):
            self.refuse("has no proper outputs")
        return tuple(
            TensorSpec(self.get(o, "name", str, "output "), self.shape(o, "output "), self.dtype(o, "output "))
            for o in tables
        )

    def floats(self, table: Mapping[str, Any], key: str, label: str) -> tuple[float, ...]:
        values = self.get(table, key, list, label)
        if not all(type(v) in (int, float) and math.isfinite(v) for v in values):
            self.refuse(f"has no proper {label}{key}")
        return tuple(float(v) for v in values)

    def calibration(self, t: object) -> Calibration:
        if not isinstance(t, dict):
            self.refuse("has no proper calibration")
        label = "calibration "
        fmr, threshold = self.floats(t, "fmr", label), self.floats(t, "threshold", label)
        falling = all(a > b for a, b in pairwise(fmr))
        rising = all(a <= b for a, b in pairwise(threshold))
        if len(fmr) != len(threshold) or len(fmr) < 2 or not falling or not rising or fmr[-1] <= 0:
            self.refuse("has a calibration whose rates do not fall while its thresholds rise")
        return Calibration(
            pairs=self.get(t, "pairs", int, label),
            people=self.get(t, "people", int, label),
            source=self.get(t, "source", str, label),
            measured_to=float(self.get(t, "measured_to", (int, float), label)),
            fmr=fmr,
            threshold=threshold,
        )
