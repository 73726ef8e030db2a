"""Measures spoof networks on the test pack, beside the teachers and the shipped model: one table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeface.domain.liveness import SpoofEvidence, SpoofRule, Verdict
from edgeface.domain.stats import clopper_pearson
from scripts.train.pack import SPOOF_SIDE

Scores = NDArray[np.float64]
Scorer = Callable[[NDArray[np.uint8]], float]
"""A crop (128, 128, 3) BGR -> probability of an attack."""

# attacks, the people they are measured against, and the share of those people that may be refused
RATES = (
    ("NUAA prints", ("nuaa",), ("nuaa",), 0.01),
    ("scene prints", ("scene print",), ("scene live",), 0.02),
    ("scene screens", ("scene screen",), ("scene live",), 0.02),
    ("scene phones", ("scene phone",), ("scene live",), 0.02),
    ("scene attacks", ("scene print", "scene screen", "scene phone"), ("scene live",), 0.02),
    ("scene attacks", ("scene print", "scene screen", "scene phone"), ("portraits",), 0.02),
)
LIMIT = 0.5


def load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SystemExit(f"{path} is not there. Make it with: python -m scripts.train pack-test --help")
    with np.load(path) as file:
        return {k: file[k] for k in file.files}


def tflite(path: Path) -> Scorer:
    """A float or int8 file with two logits, [attack, -attack], of a crop as wide as the test pack's."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(path), num_threads=1)
    net.allocate_tensors()
    given, out = net.get_input_details()[0], net.get_output_details()[0]
    side, scale, zero = int(given["shape"][1]), *given["quantization"]

    def score(crop: NDArray[np.uint8]) -> float:
        rgb = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)
        if side != rgb.shape[0]:
            rgb = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)
        x = rgb[None].astype(np.float32)
        if given["dtype"] == np.int8:
            x = np.clip(np.round(x / scale + zero), -128, 127).astype(np.int8)
        net.set_tensor(given["index"], x)
        net.invoke()
        a, b = net.get_tensor(out["index"]).ravel().astype(float)
        return float(1 / (1 + np.exp(-(a - b) / 2)))

    return score


def scores(pack: dict[str, Any], files: list[Path]) -> dict[str, Scores]:
    """By name: the teachers', the shipped model's, each file's."""
    out = {"teachers": pack["teacher"].astype(float), str(pack["shipped_id"]): pack["shipped"].astype(float)}
    for path in files:
        scorer = tflite(path)
        out[path.stem] = np.array([scorer(c) for c in pack["crop"]])
    return out


def table(pack: dict[str, Any], by_name: dict[str, Scores]) -> list[list[str]]:
    """Rows of text: what is measured, then a column for each contender."""
    group, attack = pack["group"].astype(str), pack["attack"].astype(bool)
    rows = [["", *by_name]]
    for what, attacks, live, bpcer in RATES:
        cells = []
        for s in by_name.values():
            people, fakes = s[np.isin(group, live) & ~attack], s[np.isin(group, attacks) & attack]
            limit = np.quantile(people, 1 - bpcer, method="higher") + 1e-9
            cells.append(_share(int((fakes < limit).sum()), len(fakes)))
        against = " against portraits" if live == ("portraits",) else ""
        rows.append([f"{what}: APCER at BPCER {bpcer:.0%}{against}", *cells])
    for name in sorted(set(group)):
        for kind in (False, True):
            these = (group == name) & (attack == kind)
            if these.any():
                wrong = "accepted" if kind else "refused"
                cells = [_share(int(((s < LIMIT) == kind)[these].sum()), int(these.sum())) for s in by_name.values()]
                rows.append([f"{name}, single pictures: {wrong} at {LIMIT}", *cells])
    for clip in sorted(set(pack["clip"][np.char.startswith(group, "clip")])):
        these = pack["clip"] == clip
        cells = [verdict(s[these], pack["t_s"][these]) for s in by_name.values()]
        rows.append([f"clip {clip}: the door's decision", *cells])
    return rows


def verdict(score: Scores, t_s: NDArray[np.float64]) -> str:
    """The first that the door's evidence comes to, and the mean score."""
    evidence = SpoofEvidence(SpoofRule())
    for t, s in zip(t_s, score, strict=True):
        evidence.add(float(t), float(np.clip(s, 0, 1)))
        if evidence.verdict() is not Verdict.UNSURE:
            return f"{evidence.verdict().value} ({score.mean():.2f})"
    return f"unsure ({score.mean():.2f})"


def text(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(r)} |" for r in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def _share(count: int, total: int) -> str:
    """Per cent with the 95 % upper bound."""
    return f"{100 * count / total:.1f} % (≤ {100 * clopper_pearson(count, total)[1]:.1f})"


def write(models: Path, id: str, pack: dict[str, Any], score: Scores, plain: Scores, speed: dict[str, float]) -> None:
    """Puts what was measured of `id` into the manifest; `plain` are the float file's scores of the same pictures."""
    from scripts.build_models import writer

    group, attack = pack["group"].astype(str), pack["attack"].astype(bool)
    people = np.isin(group, ("nuaa", "scene live", "portraits")) & ~attack
    fakes = np.isin(group, ("nuaa", "scene print", "scene screen", "scene phone")) & attack
    points = [
        {
            "limit": limit,
            "apcer": round(float((score[fakes] < limit).mean()), 4),
            "bpcer": round(float((score[people] >= limit).mean()), 4),
        }
        for limit in (0.3, 0.4, 0.5, 0.6, 0.7, 0.9)
    ]
    accuracy: dict[str, Any] = {
        "source": "people, subjects and clips that no training saw; scenes by the demo's camera, not by training's",
        "live_pictures": int(people.sum()),
        "attack_pictures": int(fakes.sum()),
    }
    for what, attacks, live, bpcer in RATES:
        limit = np.quantile(score[np.isin(group, live) & ~attack], 1 - bpcer, method="higher") + 1e-9
        these = score[np.isin(group, attacks) & attack]
        against = "_against_portraits" if live == ("portraits",) else ""
        key = f"apcer_{what.replace(' ', '_').lower()}_at_bpcer_{bpcer:.0%}{against}".replace("%", "")
        accuracy[key] = round(float((these < limit).mean()), 4)
        accuracy[f"{key}_upper_bound"] = round(clopper_pearson(int((these < limit).sum()), len(these))[1], 4)
    for name in ("nuaa", "portraits", "scene live", "motion"):
        these = (group == name) & ~attack
        accuracy[f"bpcer_at_half_{name.replace(' ', '_')}"] = round(float((score[these] >= LIMIT).mean()), 4)
    for clip in sorted(set(pack["clip"][np.char.startswith(group, "clip")])):
        these = pack["clip"] == clip
        accuracy[f"clip_{clip.replace('-', '_')}"] = verdict(score[these], pack["t_s"][these])
    accuracy["decisions_unlike_float_at_half"] = round(float(((score < LIMIT) != (plain < LIMIT)).mean()), 4)
    accuracy["score_difference_to_float_mean"] = round(float(np.abs(score - plain).mean()), 4)
    accuracy |= speed
    writer.update(models, id, accuracy=accuracy, operating_points=points)


def speed(float_path: Path, int8_path: Path) -> dict[str, float]:
    """Milliseconds of one thread, cropping apart: the least of many runs, interleaved."""
    scorers, least = [tflite(p) for p in (int8_path, float_path)], [math.inf, math.inf]
    crop = np.random.default_rng(0).integers(0, 256, (SPOOF_SIDE, SPOOF_SIDE, 3), dtype=np.uint8)
    for _ in range(300):
        for i, scorer in enumerate(scorers):
            start = time.perf_counter()
            scorer(crop)
            least[i] = min(least[i], 1e3 * (time.perf_counter() - start))
    return {"milliseconds": round(least[0], 2), "milliseconds_float": round(least[1], 2)}
