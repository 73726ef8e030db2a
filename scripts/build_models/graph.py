"""Rewrites of a float TFLite graph before it is quantised. Each keeps what the graph computes."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Op = schema.BuiltinOperator
FLOAT32 = schema.TensorType.FLOAT32
FLOAT16 = schema.TensorType.FLOAT16
_FUSABLE = (Op.CONV_2D, Op.DEPTHWISE_CONV_2D, Op.ADD)


class Graph:
    """A model with one subgraph, in flatbuffers' object form."""

    def __init__(self, data: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
        (self.sub,) = self.model.subgraphs
        for code in self.model.operatorCodes:  # old files have the deprecated field alone; the quantiser reads the new
            code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)

    def write(self) -> bytes:
        self._prune()
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _prune(self) -> None:
        """Drops tensors, buffers and operator codes that no operator refers to any more."""
        sub, model = self.sub, self.model
        used = sorted(
            {int(t) for op in sub.operators for t in (*op.inputs, *op.outputs) if t >= 0}
            | {int(t) for t in (*sub.inputs, *sub.outputs)}
        )
        place = {old: new for new, old in enumerate(used)} | {-1: -1}
        for op in sub.operators:
            op.inputs, op.outputs = [place[int(t)] for t in op.inputs], [place[int(t)] for t in op.outputs]
        sub.inputs, sub.outputs = [place[int(t)] for t in sub.inputs], [place[int(t)] for t in sub.outputs]
        sub.tensors = [sub.tensors[t] for t in used]
        buffers = [schema.BufferT()]  # the first is the empty one, by convention
        for tensor in sub.tensors:
            data = model.buffers[tensor.buffer].data
            if data is None or len(data) == 0:
                tensor.buffer = 0
            else:
                buffers.append(model.buffers[tensor.buffer])
                tensor.buffer = len(buffers) - 1
        model.buffers, model.metadata, model.metadataBuffer = buffers, None, None
        codes = sorted({op.opcodeIndex for op in sub.operators})
        for op in sub.operators:
            op.opcodeIndex = codes.index(op.opcodeIndex)
        model.operatorCodes = [model.operatorCodes[c] for c in codes]

    def kind(self, op: Any) -> int:
        return int(self.model.operatorCodes[op.opcodeIndex].builtinCode)

    def code(self, kind: int) -> int:
        """Index of the operator code, added where the model had none."""
        for i, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == kind:
                return i
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 1
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def name(self, tensor: int) -> str:
        name = self.sub.tensors[tensor].name
        return name.decode() if isinstance(name, bytes) else str(name)

    def constant(self, tensor: int) -> Any:
        """The bytes of a constant tensor, None where it is computed."""
        data = self.model.buffers[self.sub.tensors[tensor].buffer].data
        return None if data is None or len(data) == 0 else np.asarray(data, np.uint8)

    def set_constant(self, tensor: int, values: Any) -> None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        t = self.sub.tensors[tensor]
        t.buffer, t.type, t.shape = len(self.model.buffers) - 1, FLOAT32, list(values.shape)

    def add_tensor(self, name: str, shape: Any) -> int:
        t = schema.TensorT()
        t.name, t.shape, t.type, t.buffer = name.encode(), [int(n) for n in shape], FLOAT32, 0
        t.hasRank = True
        self.sub.tensors.append(t)
        return len(self.sub.tensors) - 1

    def operator(self, kind: int, inputs: list[int], output: int) -> Any:
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = self.code(kind), inputs, [output]
        options = {Op.ADD: ("AddOptions", schema.AddOptionsT), Op.SUB: ("SubOptions", schema.SubOptionsT)}
        options[Op.MUL] = ("MulOptions", schema.MulOptionsT)
        if kind in options:
            union, cls = options[kind]
            op.builtinOptionsType, op.builtinOptions = getattr(schema.BuiltinOptions, union), cls()
        return op

    def make_signature(self, name: str) -> None:
        """The quantiser addresses inputs by signature; these models have none."""
        self._prune()  # a signature names tensors by number
        sig = schema.SignatureDefT()
        sig.signatureKey, sig.subgraphIndex = name.encode(), 0
        sig.inputs, sig.outputs = [], []
        for tensors, maps in ((self.sub.inputs, sig.inputs), (self.sub.outputs, sig.outputs)):
            for t in tensors:
                m = schema.TensorMapT()
                m.name, m.tensorIndex = self.name(int(t)).encode(), int(t)
                maps.append(m)
        self.model.signatureDefs = [sig]


def fold_half_weights(graph: Graph) -> int:
    """The weights lie in float16 behind DEQUANTIZE operators, which the quantiser does not look through."""
    folded = []
    for op in graph.sub.operators:
        source, target = int(op.inputs[0]), int(op.outputs[0])
        if graph.kind(op) != Op.DEQUANTIZE or graph.sub.tensors[source].type != FLOAT16:
            continue
        values = graph.constant(source).view(np.float16).astype(np.float32)
        graph.set_constant(target, values.reshape([int(n) for n in graph.sub.tensors[source].shape]))
        folded.append(op)
    graph.sub.operators = [op for op in graph.sub.operators if op not in folded]
    return len(folded)


def fuse_relu(graph: Graph) -> int:
    """RELU behind a convolution or an addition becomes its activation: one rounding and one operator less."""
    uses: dict[int, int] = {}
    maker: dict[int, Any] = {}
    for op in graph.sub.operators:
        maker.update({int(t): op for t in op.outputs})
        for t in op.inputs:
            uses[int(t)] = uses.get(int(t), 0) + 1
    fused = []
    for op in graph.sub.operators:
        before = maker.get(int(op.inputs[0])) if graph.kind(op) == Op.RELU else None
        if before is None or graph.kind(before) not in _FUSABLE or uses[int(op.inputs[0])] != 1:
            continue
        if before.builtinOptions.fusedActivationFunction != schema.ActivationFunctionType.NONE:
            continue
        before.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU
        before.outputs = op.outputs
        fused.append(op)
    graph.sub.operators = [op for op in graph.sub.operators if op not in fused]
    return len(fused)


def expand_prelu(graph: Graph) -> int:
    """PRELU is slow in int8 (XNNPACK has no kernel for it): relu(x) - a relu(-x) instead. The ReLUs are activations of
    multiplications by 1 and -1, because a ReLU on its own is not delegated in int8 either."""
    operators: list[Any] = []
    prelus = [op for op in graph.sub.operators if graph.kind(op) == Op.PRELU]
    signs = {sign: graph.add_tensor(f"prelu/{sign}", []) for sign in ("plus", "minus")}
    graph.set_constant(signs["plus"], np.ones(1, np.float32))
    graph.set_constant(signs["minus"], -np.ones(1, np.float32))
    for op in graph.sub.operators:
        if op not in prelus:
            operators.append(op)
            continue
        x, slope, out = int(op.inputs[0]), int(op.inputs[1]), int(op.outputs[0])
        shape, name = graph.sub.tensors[x].shape, graph.name(out)
        up, down, scaled = (graph.add_tensor(f"{name}/{part}", shape) for part in ("positive", "negative", "scaled"))
        multiply = [graph.operator(Op.MUL, [x, signs["plus"]], up), graph.operator(Op.MUL, [x, signs["minus"]], down)]
        for half in multiply:
            half.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU
        operators += [
            *multiply,
            graph.operator(Op.MUL, [down, slope], scaled),
            graph.operator(Op.SUB, [up, scaled], out),
        ]
    graph.sub.operators = operators
    return len(prelus)


def head_outputs(graph: Graph) -> list[str]:
    """Names of the tensors between the last convolutions (included) and the outputs: the part that stays float."""
    maker = {int(t): op for op in graph.sub.operators for t in op.outputs}
    names, todo = [], [int(t) for t in graph.sub.outputs]
    while todo:
        t = todo.pop()
        op = maker.get(t)
        if op is None:
            continue
        names.append(graph.name(t))
        if graph.kind(op) not in (Op.CONV_2D, Op.DEPTHWISE_CONV_2D, Op.FULLY_CONNECTED):
            todo += [int(i) for i in op.inputs]
    return names
