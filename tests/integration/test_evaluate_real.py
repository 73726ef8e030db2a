"""The evaluations on real models and real faces: a slice of the data, to see that the whole path fits together."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from edgeface.adapters.camera.photos import read_photo
from edgeface.adapters.camera.sources import open_source
from edgeface.adapters.vision.bundle import load_vision
from edgeface.app.evaluate.pictures import EvalModels
from edgeface.app.evaluate.recognition import evaluate_recognition
from edgeface.app.evaluate.spoof import evaluate_spoof
from edgeface.domain.liveness import SpoofRule

MODELS = Path(__file__).parents[2] / "models"
DATA = os.environ.get("EDGEFACE_TEST_DATA")
pytestmark = [
    pytest.mark.skipif(not DATA, reason="EDGEFACE_TEST_DATA is not set"),
    pytest.mark.skipif(not (MODELS / "manifest.toml").exists(), reason="models/ has no manifest"),
]


@pytest.fixture(scope="module")
def models():
    vision = load_vision(MODELS)
    return EvalModels(vision.detector, vision.embedder, vision.spoof, vision.spoof.model)


def test_people_of_several_photos_are_told_apart(models, tmp_path):
    """Forty people with four photos and more: most faces found, nearly no two people alike."""
    folders = [f for f in sorted((Path(DATA) / "lfw").iterdir()) if len(list(f.glob("*.jpg"))) >= 4][:40]
    for folder in folders:
        (tmp_path / folder.name).mkdir()
        for photo in sorted(folder.glob("*.jpg"))[:4]:
            (tmp_path / folder.name / photo.name).symlink_to(photo)
    pairs = tmp_path.parent / "pairs.txt"
    lines = [f"{f.name}\t{first.stem[-4:].lstrip('0')}\t{second.stem[-4:].lstrip('0')}"
             for f in folders for first, second in [sorted(f.glob("*.jpg"))[:2]]]  # fmt: skip
    for one, other in pairwise(folders):
        a, b = (sorted(f.glob("*.jpg"))[0].stem[-4:].lstrip("0") for f in (one, other))
        lines.append(f"{one.name}\t{a}\t{other.name}\t{b}")
    pairs.write_text("\n".join(lines))
    out = evaluate_recognition(models, tmp_path, read=read_photo, pairs=pairs).to_dict()
    assert out["images"] == 160
    assert out["detected"] >= 150
    assert out["pairs"]["accuracy"] > 0.93
    assert out["all_pairs"]["genuine"] >= 200
    assert out["all_pairs"]["tar"]["1e-3"] > 0.85


def test_prints_and_people_are_told_apart(models, tmp_path):
    for kind in ("live", "print"):
        (tmp_path / kind).mkdir()
        for photo in sorted((Path(DATA) / "spoof" / "nuaa" / kind).iterdir())[::12]:
            (tmp_path / kind / photo.name).symlink_to(photo)
    clip = next((Path(DATA) / "spoof" / "video").glob("a-screen.*"))
    (tmp_path / "print" / clip.name).symlink_to(clip)
    report = evaluate_spoof(
        models, tmp_path / "live", tmp_path / "print", read=read_photo,
        open_clip=lambda p: open_source(f"replay:{p}", realtime=False, loop=False), rule=SpoofRule(),
    )  # fmt: skip
    out = report.to_dict()
    assert report.unreadable == []
    assert out["live"]["bpcer"]["value"] <= 0.2
    assert out["attack"]["apcer"]["value"] <= 0.2
    assert out["attack"]["undetected"] == 0
