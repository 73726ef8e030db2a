"""MobileFaceNet with ReLU6, in the reference's shape: a list of blocks of three convolutions, so that each block of the
student can learn from its block of the teacher. The student starts from random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SIDE = 112
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, RGB 0 to 255: what the teacher wants
ACTIVATIONS = {"Clip": nn.ReLU6, "Relu": nn.ReLU}


@dataclass(frozen=True)
class Layer:
    """One convolution of the teacher, batch norm folded in. `adds`: its output is added to the block's input."""

    weight: np.ndarray
    bias: np.ndarray
    stride: int
    padding: int
    groups: int
    activation: str
    adds: bool


def read_onnx(path: Path) -> list[Layer]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    found: list[dict[str, Any]] = []
    for node in graph.node:
        if node.op_type == "Conv":
            a = {x.name: list(x.ints) or x.i for x in node.attribute}
            weight, bias = (constants[n] for n in node.input[1:3])
            shape = {"stride": a["strides"][0], "padding": a["pads"][0], "groups": a["group"]}
            found.append({"weight": weight, "bias": bias, "activation": "", "adds": False, **shape})
        elif node.op_type in ACTIVATIONS:
            found[-1]["activation"] = node.op_type
        elif node.op_type == "Add":
            found[-1]["adds"] = True
    return [Layer(**f) for f in found]


def save_layers(layers: list[Layer], path: Path) -> None:
    """An .npz that a machine without ONNX reads."""
    arrays: dict[str, Any] = {"count": len(layers)}
    for i, layer in enumerate(layers):
        arrays[f"{i}.weight"], arrays[f"{i}.bias"] = layer.weight, layer.bias
        arrays[f"{i}.shape"] = np.array([layer.stride, layer.padding, layer.groups, layer.adds])
        arrays[f"{i}.activation"] = layer.activation
    with path.open("wb") as out:
        np.savez(out, **arrays)


def load_layers(path: Path) -> list[Layer]:
    if not path.is_file():
        raise SystemExit(f"{path} is not there. Make it with: python -m scripts.train pack --help")
    with np.load(path) as file:
        layers = []
        for i in range(int(file["count"])):
            stride, padding, groups, adds = (int(v) for v in file[f"{i}.shape"])
            weight, bias, activation = file[f"{i}.weight"], file[f"{i}.bias"], str(file[f"{i}.activation"])
            layers.append(Layer(weight, bias, stride, padding, groups, activation, bool(adds)))
    return layers


class Block(nn.Module):
    def __init__(self, layers: list[Layer], student: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for layer in layers:
            outputs, inputs, *size = layer.weight.shape
            conv = nn.Conv2d(
                inputs * layer.groups,
                outputs,
                tuple(size),
                layer.stride,
                layer.padding,
                groups=layer.groups,
                bias=not student,
            )
            parts.append(conv)
            if student:
                nn.init.kaiming_normal_(conv.weight, mode="fan_out")
                parts.append(nn.BatchNorm2d(outputs))
            else:
                conv.weight.data = torch.from_numpy(np.array(layer.weight))
                assert conv.bias is not None
                conv.bias.data = torch.from_numpy(np.array(layer.bias))
            if layer.activation:
                parts.append(ACTIVATIONS[layer.activation]())
        self.body, self.adds = nn.Sequential(*parts), any(layer.adds for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + out if self.adds else out


class MobileFaceNet(nn.Module):
    """(n, 3, 112, 112) RGB 0 to 255 -> (n, 128), not normalised."""

    def __init__(self, layers: list[Layer], student: bool) -> None:
        super().__init__()
        groups = [layers[:3], *(layers[i : i + 3] for i in range(3, len(layers) - 3, 3)), layers[-3:]]
        self.blocks = nn.ModuleList(Block(g, student) for g in groups)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def prepared(self, x: Tensor) -> Tensor:
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        return (x - mean) / std

    def features(self, x: Tensor) -> list[Tensor]:
        """The prepared input, then every block's output."""
        out = [self.prepared(x)]
        for block in self.blocks:
            out.append(block(out[-1]))
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[-1].flatten(1)
