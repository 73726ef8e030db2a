from __future__ import annotations

import json

import numpy as np
import pytest
from support import fake_vision
from support.fake_vision import picture, read, write

from edgeface.app.evaluate.identification import evaluate_identification
from edgeface.domain.calibration import ErrorBudget, FmrCurve
from edgeface.domain.errors import SourceError

BUDGET = ErrorBudget(max_false_accepts_per_year=1.0, stranger_attempts_per_day=10)
CURVE = FmrCurve(
    tuple(10.0 ** -np.arange(1, 8)), tuple(float(t) for t in (0.1, 0.18, 0.24, 0.29, 0.33, 0.37, 0.4)), 1e-7
)


def run(tmp_path, **opts):
    return evaluate_identification(
        fake_vision.models(), tmp_path / "gallery", tmp_path / "probes", tmp_path / "strangers",
        read=read, curve=CURVE, budget=BUDGET, **opts,
    )  # fmt: skip


def lay_out(tmp_path):
    for person in range(5):
        for i in range(2):
            write(tmp_path / "gallery" / f"P{person}" / f"{i}.jpg", picture(person, i))
            write(tmp_path / "probes" / f"P{person}" / f"{i}.jpg", picture(person, 10 + i))
    for person in range(100, 140):
        write(tmp_path / "strangers" / f"S{person}" / "1.jpg", picture(person))


def test_people_are_named_and_strangers_are_not(tmp_path):
    lay_out(tmp_path)
    out = json.loads(json.dumps(run(tmp_path).to_dict()))
    assert out["gallery"] == {"people": 5, "templates": 10, "undetected": 0}
    assert out["probes"]["count"] == 10
    assert out["probes"]["fnir"]["value"] == 0.0
    assert 0.2 < out["probes"]["fnir"]["high"] < 0.35
    assert out["strangers"]["fpir"]["value"] == 0.0
    assert out["threshold"] > 0.29
    assert out["vouched"] is True


def test_probes_without_a_face_or_of_another_face_are_missed(tmp_path):
    lay_out(tmp_path)
    write(tmp_path / "probes" / "P0" / "9.jpg", picture(faces=0))
    (tmp_path / "probes" / "P0" / "8.jpg").write_bytes(b"cut")
    write(tmp_path / "probes" / "P1" / "9.jpg", picture(2, 50))
    write(tmp_path / "strangers" / "impostor.jpg", picture(3, 60))
    report = run(tmp_path)
    assert (report.probes, report.missed, report.mistaken, report.probes_undetected) == (13, 3, 1, 2)
    assert (report.strangers, report.named) == (41, 1)
    assert [u.path.name for u in report.unreadable] == ["8.jpg"]


def test_a_margin_that_nobody_keeps_names_nobody(tmp_path):
    lay_out(tmp_path)
    report = run(tmp_path, min_margin=1.9)
    assert report.missed == report.probes


def test_probes_of_people_who_are_not_enrolled_are_refused(tmp_path):
    lay_out(tmp_path)
    write(tmp_path / "probes" / "Unknown" / "1.jpg", picture(77))
    with pytest.raises(SourceError, match=r"not in the gallery: Unknown.*--strangers"):
        run(tmp_path)


def test_a_gallery_without_any_face_is_refused(tmp_path):
    lay_out(tmp_path)
    for path in (tmp_path / "gallery").rglob("*.jpg"):
        write(path, picture(faces=0))
    with pytest.raises(SourceError, match="No face was found"):
        run(tmp_path)
