"""The only door to LiteRT (or the older tflite-runtime): a model whose bytes and shapes are those of the manifest."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.adapters.vision.manifest import REINSTALL, InputSpec, ModelSpec
from edgeface.domain.errors import ModelError
from edgeface.domain.types import Floats, Pixels


class Model:
    """A loaded model. Not thread-safe: one thread invokes it. Raises ModelError where the file is missing, altered,
    can't be loaded, or takes or gives other tensors than the manifest says."""

    def __init__(self, spec: ModelSpec, threads: int = 1) -> None:
        self.spec = spec
        self.runs = 0  # of `invoke`, for whoever wants to know what a frame took
        data = spec.read()  # hashed here, handed over as it is: no second read in between
        interpreter_class = _interpreter_class()
        try:
            with _quiet_stderr():
                self._net = interpreter_class(model_content=data, num_threads=threads)
                self._net.allocate_tensors()
        except (ValueError, RuntimeError) as e:
            raise ModelError(f"Model {spec.id} can't be loaded: {e}.", REINSTALL) from e
        inputs, outputs = self._net.get_input_details(), self._net.get_output_details()
        if len(inputs) != 1:
            raise ModelError(f"Model {spec.id} takes {len(inputs)} inputs, not one.", REINSTALL)
        _check(spec, "input", inputs[0], spec.input.shape, spec.input.dtype)
        if len(outputs) != len(spec.outputs):
            raise ModelError(f"Model {spec.id} gives {len(outputs)} outputs, not {len(spec.outputs)}.", REINSTALL)
        for found, said in zip(outputs, spec.outputs, strict=True):
            _check(spec, f"output {said.name}", found, said.shape, said.dtype)
        self._input = int(inputs[0]["index"])
        self._outputs = [(int(o["index"]), *_quantisation(o)) for o in outputs]
        self._table = _pixel_table(spec.input, *_quantisation(inputs[0]))
        # Most int8 files take pixel - 128, which is a flip of the top bit: 10 times as fast as the table.
        self._shifted = self._table.dtype == np.int8 and bool((self._table == np.arange(-128, 128)).all())
        # And a float file that begins at 0 takes a multiple: 4 times as fast as the table.
        self._factor = np.float32(spec.input.range[1] / 255) if _is_multiple(spec.input) else None

    def invoke(self, pixels: Pixels) -> list[Floats]:
        """Runs the model on one (side, side, 3) uint8 picture in the *manifest's* colour order; range and quantisation
        are done here. Returns the outputs in the manifest's order, float32, dequantised, owned by the caller."""
        tensor = self._net.tensor(self._input)()[0]
        if pixels.shape != tensor.shape or pixels.dtype != np.uint8:
            raise ModelError(
                f"Model {self.spec.id} takes {tensor.shape} uint8, not {pixels.shape} {pixels.dtype}.",
                "This is a fault of the program: please report it.",
            )
        if self._shifted:
            np.bitwise_xor(pixels, 0x80, out=tensor.view(np.uint8))
        elif self._factor is not None:
            np.multiply(pixels, self._factor, out=tensor)
        else:
            np.take(self._table, pixels, out=tensor, mode="clip")
        self.runs += 1
        del tensor  # LiteRT refuses to run while a view of its memory lives
        self._net.invoke()
        return [self._output(*o) for o in self._outputs]

    def rerun(self) -> None:
        """The network alone, once more on the input of the last `invoke`: what a benchmark compares with."""
        self._net.invoke()

    def _output(self, index: int, scale: float, zero: int) -> Floats:
        raw = self._net.get_tensor(index)
        if raw.dtype == np.float32:
            return raw  # type: ignore[no-any-return]
        out = raw.astype(np.float32)
        out -= zero
        out *= scale
        return out  # type: ignore[no-any-return]


def sigmoid(logit: float) -> float:
    """A probability; of a logit that is NaN, NaN."""
    return 1 / (1 + math.exp(-min(max(logit, -80.0), 80.0))) if logit == logit else math.nan


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as e:
            raise ModelError(
                "No runtime for the models is installed.", "Install ai-edge-litert (or the board's tflite-runtime)."
            ) from e
    return Interpreter


def _check(spec: ModelSpec, what: str, found: dict[str, Any], shape: tuple[int, ...], dtype: str) -> None:
    is_shape, is_dtype = tuple(int(n) for n in found["shape"]), np.dtype(found["dtype"]).name
    if is_shape != shape or is_dtype != dtype:
        raise ModelError(
            f"Model {spec.id} is of another specification: its {what} is {list(is_shape)} {is_dtype}, "
            f"the manifest says {list(shape)} {dtype}.",
            REINSTALL,
        )
    if is_dtype != "float32" and not found["quantization"][0]:
        raise ModelError(f"Model {spec.id} is of another specification: its {what} has no scale.", REINSTALL)


def _quantisation(details: dict[str, Any]) -> tuple[float, int]:
    scale, zero = details["quantization"]
    return float(scale), int(zero)


def _pixel_table(spec: InputSpec, scale: float, zero: int) -> NDArray[Any]:
    """What each of the 256 values of a pixel becomes at the model's input."""
    low, high = spec.range
    real = low + (high - low) * np.arange(256) / 255
    if spec.dtype == "float32":
        return real.astype(np.float32)
    kind = np.iinfo(spec.dtype)
    return np.clip(np.round(real / scale + zero), kind.min, kind.max).astype(spec.dtype)


def _is_multiple(spec: InputSpec) -> bool:
    return spec.dtype == "float32" and spec.range[0] == 0.0


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """LiteRT greets on the process's stderr, past Python. Its INFO lines are dropped, everything else is passed on."""
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no stderr at all: nothing to keep quiet
        yield
        return
    try:
        with tempfile.TemporaryFile() as caught:
            os.dup2(caught.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(saved, 2)
                caught.seek(0)
                rest = b"".join(line for line in caught if not line.startswith((b"INFO:", b"VERBOSE:")))
                if rest:
                    os.write(2, rest)
    finally:
        os.close(saved)
