"""How long does a match take among many templates? In a process of its own, on one thread, as in the daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import numpy as np

from edgeface.app.bench.processes import call_module
from edgeface.domain.matching import DIMENSIONS, GalleryMatrix
from edgeface.domain.types import Embedding, Floats, Person, Template

SIZES = (100, 10_000, 100_000)
TEMPLATES_EACH = 10
REPEATS = 101
MODEL = "bench"


def random_people(templates: int, model: str, seed: int = 1) -> list[Person]:
    """Strangers to everybody: random directions. Ten templates a person, as after a good enrolment."""
    vectors = random_units(templates, seed)
    return [
        Person(
            f"{start:032x}",
            f"person {start // TEMPLATES_EACH}",
            tuple(Template(v, model, "bench") for v in vectors[start : start + TEMPLATES_EACH]),
        )
        for start in range(0, templates, TEMPLATES_EACH)
    ]


def random_units(count: int, seed: int) -> Floats:
    """(count, 128) float32 of unit length."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def measure_here(sizes: Sequence[int] = SIZES, repeats: int = REPEATS) -> dict[int, float]:
    """Number of templates -> median milliseconds."""
    probes = [Embedding(v, MODEL) for v in random_units(repeats, seed=2)]
    out = {}
    for size in sizes:
        matrix = GalleryMatrix.build(random_people(size, MODEL), MODEL)
        took = []
        for probe in (probes[0], *probes):  # the first touches the memory
            start = time.perf_counter()
            matrix.match(probe, 0.5)
            took.append(time.perf_counter() - start)
        out[size] = float(np.median(took[1:]) * 1000)
    return out


def measure() -> dict[int, float]:
    """As `measure_here`, by a process whose linear algebra has one thread from the start."""
    answer = json.loads(call_module("edgeface.app.bench.matching", timeout_s=120))
    return {int(size): float(ms) for size, ms in answer.items()}


if __name__ == "__main__":
    import sys

    sys.stdout.write(json.dumps(measure_here()))
