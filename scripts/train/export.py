"""PyTorch -> float TFLite (NHWC, RGB 0 to 255) -> int8, and what the int8 file does differently."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float32]
REFUSED = 0.05


class Nhwc(nn.Module):
    """TFLite's layout around PyTorch's."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x.permute(0, 3, 1, 2))
        return out


def trained(what: str, folder: Path, pack: Path, count: int) -> tuple[nn.Module, int, list[NDArray[np.uint8]]]:
    """The network with a training's averaged weights, the side of its input, and RGB pictures of the kinds that it was
    trained on. The quantiser averages the extremes of single pictures: they have to hold all kinds, live and attack."""
    from scripts.train import split
    from scripts.train.loop import averaged
    from scripts.train.pack import SPOOF_SIDE, SPOOF_WIDE, Pack

    if what == "spoof":
        from scripts.train.samples import Samples
        from scripts.train.spoof_net import SpoofNetwork

        net: nn.Module = SpoofNetwork()
        samples = Samples(Pack(pack), (split.TRAIN,), 11, SPOOF_SIDE, SPOOF_WIDE)
        side, pictures = SPOOF_SIDE, [samples.draw().picture for _ in range(count)]
    else:
        from scripts.train.degrade import degraded, framed, lit
        from scripts.train.embedding import rows_of
        from scripts.train.mobilefacenet import SIDE, MobileFaceNet, load_layers

        net = MobileFaceNet(load_layers(pack.with_name("teacher.npz")), student=True)
        rng, faces = np.random.default_rng(11), Pack(pack)
        rows = rng.choice(rows_of(faces, split.TRAIN), count)
        plain = [lit(framed(faces.picture(int(i)), rng, 1.0), rng) for i in rows]
        side, pictures = SIDE, [degraded(face, rng, 0.3) for face in plain]
    net.load_state_dict(averaged(folder))
    if what == "spoof":
        _centre(net, pack)
    return net, side, [np.ascontiguousarray(p[..., ::-1]) for p in pictures]


def _centre(net: Any, pack: Path) -> None:
    """Moves the zero of the logit to where REFUSED of the validation's live people (simulated conditions and all) are
    refused: so that a limit of 0.5 means the same for every training. The test has no say in it."""
    from scripts.train.pack import SPOOF_WIDE, Pack
    from scripts.train.spoof import validation

    pictures, attack = validation(Pack(pack), SPOOF_WIDE)
    net.eval()
    with torch.no_grad():
        z = torch.cat([net(part)[:, 0] for part in pictures.split(32)])
        limit = torch.quantile(z[torch.from_numpy(attack) == 0], 1 - REFUSED)
        net.head.bias -= limit
    print(
        f"limit 0.5 was at a logit of {float(limit):.2f}; attacks below it there: "
        f"{float((z[torch.from_numpy(attack) == 1] < limit).float().mean()):.1%}"
    )


def float_file(net: nn.Module, side: int, path: Path) -> None:
    """Writes the float TFLite file; `net` takes (1, 3, side, side). SystemExit where the two differ."""
    import litert_torch

    path.parent.mkdir(parents=True, exist_ok=True)
    net = net.cpu().float().eval()
    x = torch.rand(1, side, side, 3) * 255
    with torch.no_grad():
        wanted = Nhwc(net).eval()(x).numpy()
    model = litert_torch.convert(Nhwc(net).eval(), (x,))
    model.export(str(path))
    got = run(path.read_bytes(), x.numpy())
    worst = float(np.abs(got - wanted).max() / (np.abs(wanted).max() + 1e-6))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB, differs from PyTorch by {worst:.1e} of the largest output")
    if worst > 1e-2:
        raise SystemExit(f"{path} does not say what PyTorch says.")


def int8_file(source: Path, pictures: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """`pictures` (side, side, 3) RGB, of all kinds that there are: the quantiser measures ranges on them,
    and scripts/build_models takes them from the file beside, to make the very same int8 file."""
    from scripts.build_models import graph, quantise

    g = graph.Graph(source.read_bytes())
    inputs = [p[None].astype(np.float32) for p in pictures]
    path.write_bytes(quantise.quantise(g, inputs, 0, 255, graph.head_outputs(g)))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
    np.savez_compressed(path.with_name(f"{path.stem.removesuffix('_int8')}_calibration.npz"), rgb=np.stack(pictures))


def run(data: bytes, x: Floats) -> Floats:
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(model_content=data, num_threads=1)
    net.allocate_tensors()
    net.set_tensor(net.get_input_details()[0]["index"], x.astype(np.float32))
    net.invoke()
    return np.asarray(net.get_tensor(net.get_output_details()[0]["index"]), np.float32)


def operators(path: Path) -> list[str]:
    """The operators left after XNNPACK took its own: wholly delegated is ["DELEGATE"]."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(path), num_threads=1)
    net.allocate_tensors()
    nodes = list(net._get_ops_details())
    return [op["op_name"] for op in nodes if op["op_name"] == "DELEGATE"] or [op["op_name"] for op in nodes]


def difference(float_path: Path, int8_path: Path, pictures: Sequence[NDArray[np.uint8]]) -> str:
    """Over the pictures: the cosine of the two outputs, and the largest and the mean difference of them."""
    a, b = (np.stack([_say(path, p) for p in pictures]) for path in (float_path, int8_path))
    cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1) + 1e-9)
    away = np.abs(a - b)
    said = f"cosine {cosine.mean():.4f} (least {cosine.min():.4f})"
    return f"{said}, difference {away.mean():.3f} (most {away.max():.2f})"


def _say(path: Path, picture: NDArray[np.uint8]) -> Floats:
    """`picture` RGB. The whole output, dequantised."""
    net = _interpreter(path)
    given, out = net.get_input_details()[0], net.get_output_details()[0]
    x = picture[None].astype(np.float32)
    if given["dtype"] == np.int8:
        scale, zero = given["quantization"]
        x = np.clip(np.round(x / scale + zero), -128, 127).astype(np.int8)
    net.set_tensor(given["index"], x)
    net.invoke()
    y = np.asarray(net.get_tensor(out["index"]).ravel(), np.float32)
    scale, zero = out["quantization"]
    return np.asarray((y - zero) * scale if scale else y, np.float32)


@cache
def _interpreter(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(path), num_threads=1)
    net.allocate_tensors()
    return net
