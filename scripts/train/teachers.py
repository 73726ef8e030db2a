"""What the two MiniFASNets (crop scales 2.7 and 4) say of a face: probability of a live person, and their features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from scripts.train.pack import Pixels

FILES = (("minifasnet_v2_f32.tflite", 2.7), ("minifasnet_v1se_f32.tflite", 4.0))
SIDE, LIVE, FEATURES = 80, 1, 128


class MiniFasNets:
    def __init__(self, folder: Path) -> None:
        self._nets = [(_Net(folder / name), scale) for name, scale in FILES]

    def __call__(self, pixels: Pixels, box: tuple[float, float, float, float]) -> tuple[float, NDArray[np.float16]]:
        """`pixels` BGR; `box` (x1, y1, x2, y2) with a quarter of BlazeFace's height added above. Returns the mean
        probability of a live person and (256,) features."""
        said = [net(_crop(pixels, box, scale)) for net, scale in self._nets]
        return float(np.mean([p for p, _ in said])), np.concatenate([f for _, f in said]).astype(np.float16)


class _Net:
    def __init__(self, path: Path) -> None:
        self._net = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
        self._net.allocate_tensors()
        self._in = self._net.get_input_details()[0]["index"]
        self._out = self._net.get_output_details()[0]["index"]
        shapes = {d["index"]: tuple(d["shape"]) for d in self._net.get_tensor_details()}
        ops: list[Any] = self._net._get_ops_details()
        last = next(op for op in reversed(ops) if self._out in op["outputs"] or FEATURES in _widths(op, shapes))
        fed = [i for op in (last, ops[-2], ops[-3]) for i in op["inputs"] if shapes.get(int(i)) == (1, FEATURES)]
        self._features = int(fed[0])

    def __call__(self, crop: Pixels) -> tuple[float, NDArray[np.float32]]:
        self._net.set_tensor(self._in, crop[None].astype(np.float32))
        self._net.invoke()
        p = self._net.get_tensor(self._out)[0]
        return float(p[LIVE]), np.array(self._net.get_tensor(self._features)[0], np.float32)


def _widths(op: Any, shapes: dict[int, tuple[int, ...]]) -> list[int]:
    return [shapes[int(i)][-1] for i in op["inputs"] if len(shapes.get(int(i), ())) == 2]


def _crop(pixels: Pixels, box: tuple[float, float, float, float], scale: float) -> Pixels:
    """Silent-Face's own rule: as wide as asked for or as the picture allows, shifted to stay inside."""
    h, w = pixels.shape[:2]
    x1, y1, x2, y2 = box
    bw, bh = x2 - x1, y2 - y1
    scale = min((h - 1) / bh, (w - 1) / bw, scale)
    cw, ch = bw * scale, bh * scale
    left = min(max((x1 + x2) / 2 - cw / 2, 0), w - 1 - cw)
    top = min(max((y1 + y2) / 2 - ch / 2, 0), h - 1 - ch)
    cut = pixels[int(top) : int(top + ch) + 1, int(left) : int(left + cw) + 1]
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
