"""Static int8 quantisation with ai-edge-quantizer: symmetric weights a channel, asymmetric activations a tensor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from ai_edge_quantizer import quantizer, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName

from scripts.build_models.graph import Graph

SIGNATURE = "serving_default"


def quantise(graph: Graph, inputs: Sequence[np.ndarray], low: float, high: float, keep_float: Iterable[str]) -> bytes:
    """`inputs` are float32 pictures (1, side, side, 3) in the model's own range `low` to `high`; the operators that
    make the tensors named in `keep_float` stay float32 (the heads: their outputs are coordinates over a wide range,
    where eight bits would be pixels; they cost next to nothing)."""
    graph.make_signature(SIGNATURE)
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(".*", TFLOperationName.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8)
    for name in keep_float:
        recipe.add_quantization_config(
            re.escape(name), TFLOperationName.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    recipe.add_quantization_config(".*", TFLOperationName.OUTPUT, algorithm_key=AlgorithmName.NO_QUANTIZE)
    q = quantizer.Quantizer(bytearray(graph.write()))
    q.load_quantization_recipe(recipe.get_quantization_recipe())
    name = graph.name(int(graph.sub.inputs[0]))
    measured: Any = q.calibrate({SIGNATURE: [{name: x} for x in inputs]}, num_threads=1)
    # The quantiser averages each picture's own extremes: for the input that would clip what is bright.
    for key in ("min", "max"):
        measured[name][key] = np.full_like(measured[name][key], low if key == "min" else high)
    return bytes(q.quantize(measured).quantized_model)
