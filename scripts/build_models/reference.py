"""The float originals behind the product's own adapters: what the int8 models are measured against."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter

from edgeface.adapters.vision.blazeface import BlazeFace
from edgeface.adapters.vision.manifest import InputSpec, ModelSpec, TensorSpec
from edgeface.adapters.vision.runtime import Model
from scripts.build_models import source
from scripts.build_models.catalogue import CATALOGUE
from scripts.build_models.writer import tensor


def model(data: bytes, id: str) -> Model:
    """Any build of the catalogue's model `id`, loaded as the product loads it."""
    item = next(m for m in CATALOGUE if m["id"] == id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / item["file"]
        path.write_bytes(data)
        return Model(_spec(item, path, data))


def detector(wheel: Path, id: str = "blazeface-short-1", min_score: float = 0.5) -> BlazeFace:
    item = next(m for m in CATALOGUE if m["id"] == id)
    return BlazeFace(model(source.read_float_model(wheel, item["source"]), id), min_score)


def _spec(item: dict[str, Any], path: Path, data: bytes) -> ModelSpec:
    net = Interpreter(model_content=data)
    given = tensor(net.get_input_details()[0])
    outputs = [tensor(o) for o in net.get_output_details()]
    return ModelSpec(
        id=item["id"],
        version=item["version"],
        role=item["role"],
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        input=InputSpec(tuple(given["shape"]), given["dtype"], item["colour"], tuple(item["range"])),
        outputs=tuple(
            TensorSpec(n, tuple(o["shape"]), o["dtype"]) for n, o in zip(item["outputs"], outputs, strict=True)
        ),
        preprocessing="",
        licence="",
        provenance="",
    )
