"""Writes models/manifest.toml. Measured tables of a model outlive a rebuild that makes the very same file."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from scripts.build_models.catalogue import CATALOGUE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEADER = """\
# The models that edgeface runs. Written by scripts/build_models; every file is checked against this before it is
# loaded, and a changed byte refuses the start. One card a model: <id>.md. Licences and sources: NOTICE.
"""
MODELS = Path(__file__).resolve().parents[2] / "models"
PIN = MODELS.parent / "edgeface" / "adapters" / "vision" / "pinned.py"
MEASURED = ("accuracy", "calibration", "operating_points")


def load(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {"version": 1, "model": []}


def entries(folder: Path) -> list[dict[str, Any]]:
    """The manifest's tables for the files that lie in `folder`, with what was measured of the same files before."""
    before = {m["id"]: m for m in load(folder)["model"]}
    out = []
    for item in CATALOGUE:
        data = (folder / item["file"]).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        net = Interpreter(model_content=data)
        entry = {k: item[k] for k in ("id", "version", "role", "file")} | {"sha256": digest, "bytes": len(data)}
        entry["default"] = item.get("default", False)
        (given,) = net.get_input_details()
        entry |= {k: item[k] for k in ("preprocessing", "licence", "provenance")}
        entry["input"] = tensor(given) | {"colour": item["colour"], "range": item["range"]}
        pairs = zip(item["outputs"], net.get_output_details(), strict=True)
        entry["outputs"] = [{"name": name} | tensor(details) for name, details in pairs]
        old = before.get(item["id"], {})
        if old.get("sha256") == digest:
            entry |= {k: old[k] for k in MEASURED if k in old}
        out.append(entry)
    return out


def tensor(details: dict[str, Any]) -> dict[str, Any]:
    return {"shape": [int(n) for n in details["shape"]], "dtype": details["dtype"].__name__}


def write(folder: Path, models: list[dict[str, Any]]) -> None:
    parts = [HEADER, "version = 1\n"]
    for model in models:
        parts.append("\n[[model]]\n")
        parts += [f"{k} = {value(v)}\n" for k, v in model.items() if not isinstance(v, dict) and not _tables(v)]
        for key, v in model.items():
            if isinstance(v, dict):
                parts.append(f"\n[model.{key}]\n")
                parts += [f"{k} = {value(x)}\n" for k, x in v.items()]
            elif _tables(v):
                for table in v:
                    parts.append(f"\n[[model.{key}]]\n")
                    parts += [f"{k} = {value(x)}\n" for k, x in table.items()]
    text = "".join(parts)
    tomllib.loads(text)  # never write what can't be read
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    pin(folder)


def pin(folder: Path) -> None:
    """Makes the manifest of `folder` the one that counts: for the project's own folder in the package, for another one
    beside the manifest."""
    data = (folder / "manifest.toml").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if folder.resolve() == MODELS:
        head = PIN.read_text(encoding="utf-8").rpartition("MANIFEST_SHA256 = ")[0]
        PIN.write_text(f'{head}MANIFEST_SHA256 = "{digest}"\n', encoding="utf-8")
    else:
        (folder / "manifest.sha256").write_text(f"{digest}  manifest.toml\n", encoding="ascii")


def update(folder: Path, model: str, **measured: Any) -> None:
    """Replaces measured tables of one model and leaves everything else as it is."""
    models = load(folder)["model"]
    for entry in models:
        if entry["id"] == model:
            entry.update(measured)
    write(folder, models)


def value(v: Any) -> str:
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (int, float)):
        return repr(v)
    if isinstance(v, str):
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(value(x) for x in v) + "]"
    if isinstance(v, dict):
        return "{ " + ", ".join(f"{k} = {value(x)}" for k, x in v.items()) + " }"
    raise TypeError(f"no TOML for {type(v)}")


def _tables(v: Any) -> bool:
    return isinstance(v, (list, tuple)) and bool(v) and isinstance(v[0], dict)
