"""Makes channels equally wide before they share one int8 scale.

A depthwise convolution of BlazeFace has no activation behind it, and the ranges of its channels differ by a hundred
times: one scale for all leaves the quiet ones a few steps. Dividing a channel of the depthwise convolution by a number
and multiplying the next convolution's weights for that channel by the same changes nothing in float (after Nagel et
al., "Data-free quantization through weight equalization and bias correction", ICCV 2019; here with measured ranges)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from scripts.build_models.graph import Graph, Op

LIMIT = 64.0  # a channel that is almost dead must not be blown up: XNNPACK refuses extreme ratios of scales


def equalise(graph: Graph, inputs: Sequence[np.ndarray], strength: float = 1.0) -> int:
    """Works on every depthwise convolution whose output only one plain convolution reads. `strength` 1 makes all
    channels equally wide, 0 changes nothing."""
    pairs = [(op, after) for op in graph.sub.operators if (after := _reader(graph, op)) is not None]
    widths = _widths(graph, inputs, [graph.name(int(op.outputs[0])) for op, _ in pairs])
    for op, after in pairs:
        wide = np.maximum(widths[graph.name(int(op.outputs[0]))], 1e-6)
        factor = np.clip(wide / np.median(wide), 1 / LIMIT, LIMIT) ** strength
        _scale(graph, int(op.inputs[1]), 1 / factor)
        _scale(graph, int(op.inputs[2]), 1 / factor)
        _scale(graph, int(after.inputs[1]), factor)
    return len(pairs)


def _reader(graph: Graph, op: Any) -> Any:
    if graph.kind(op) != Op.DEPTHWISE_CONV_2D:
        return None
    readers = [o for o in graph.sub.operators if int(op.outputs[0]) in [int(t) for t in o.inputs]]
    return readers[0] if len(readers) == 1 and graph.kind(readers[0]) == Op.CONV_2D else None


def _widths(graph: Graph, inputs: Sequence[np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    """Largest absolute value of every channel of these tensors over the inputs (a high quantile of the pictures')."""
    net = Interpreter(
        model_content=graph.write(),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    net.allocate_tensors()
    place = {d["name"]: d["index"] for d in net.get_tensor_details()}
    seen: dict[str, list[np.ndarray]] = {n: [] for n in names}
    for x in inputs:
        net.set_tensor(net.get_input_details()[0]["index"], x)
        net.invoke()
        for n in names:
            seen[n].append(np.abs(net.get_tensor(place[n])).max((0, 1, 2)))
    return {n: np.quantile(np.stack(v), 0.99, axis=0) for n, v in seen.items()}


def _scale(graph: Graph, tensor: int, factor: np.ndarray) -> None:
    """Multiplies a float constant along its last axis (channels, for all three kinds of tensors here)."""
    shape = [int(n) for n in graph.sub.tensors[tensor].shape]
    values = graph.constant(tensor).view(np.float32).reshape(shape)
    graph.set_constant(tensor, values * factor.astype(np.float32))
