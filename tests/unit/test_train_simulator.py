"""The parts of scripts/train that need no PyTorch: who is kept from training, packs, the simulator of attacks."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.train import camera, degrade, media, simulate, split, stage  # noqa: E402
from scripts.train.pack import Pack, PackWriter  # noqa: E402

SIDE = 96


def still(seed: int = 0) -> stage.Still:
    rng = np.random.default_rng(seed)
    picture = rng.integers(60, 200, (120, 120, 3), dtype=np.uint8)
    matte = np.zeros((64, 64), bool)
    matte[16:, 16:48] = True
    return stage.Still(picture, np.array([40, 30, 80, 80], np.float32), matte)


def test_the_kept_identities_are_those_of_the_written_rule():
    """SHA-1 of the name, first 32 bits, modulo 5: 1 is the test's, whatever else is asked."""
    assert split.identity_hash("abc") == 0xA9993E36  # FIPS 180's own example
    names = [f"Person_{i}" for i in range(3000)]
    parts = {name: split.part("lfw", name) for name in names}
    assert all((parts[n] == split.TEST) == (split.identity_hash(n) % 5 == 1) for n in names)
    assert 0.05 < np.mean([p == split.VALIDATE for p in parts.values()]) < 0.11


def test_nuaa_and_clips_are_split_by_person():
    """No subject is on two sides; the clips a and b have no part in anything but the test."""
    assert split.part("nuaa", "0002") == split.TEST
    assert split.part("nuaa", "0013") == split.VALIDATE
    assert split.part("nuaa", "0001") == split.TRAIN
    assert split.part("clip", "d14") == split.VALIDATE
    packed = (ROOT / "scripts/train/pack_spoof.py").read_text()
    assert "spoof/video" not in packed


def test_a_pack_gives_back_what_was_put_in(tmp_path):
    """Pictures within JPEG's error, columns exactly."""
    writer = PackWriter(95)
    pictures = [np.full((40, 30 + i, 3), 40 * i, np.uint8) for i in range(3)]
    for i, picture in enumerate(pictures):
        writer.add(picture, person=f"p{i}", box=np.arange(4) + i)
    writer.save(tmp_path / "a.npz")
    pack = Pack(tmp_path / "a.npz")
    assert len(pack) == 3
    assert pack["person"].tolist() == ["p0", "p1", "p2"]
    for i, picture in enumerate(pictures):
        assert np.abs(pack.picture(i).astype(int) - picture).max() <= 3
    with pytest.raises(SystemExit, match="not there"):
        Pack(tmp_path / "b.npz")


def test_a_pack_that_does_not_travel_is_refused(tmp_path, monkeypatch):
    """More than the limit: it says so, instead of failing on the way."""
    monkeypatch.setattr("scripts.train.pack.MOST_BYTES", 100)
    writer = PackWriter()
    writer.add(np.zeros((64, 64, 3), np.uint8), person="p")
    with pytest.raises(SystemExit, match="take fewer pictures"):
        writer.save(tmp_path / "a.npz")


@pytest.mark.parametrize("kind", simulate.KINDS)
def test_an_attack_keeps_the_face_in_its_place_and_the_numbers_finite(kind):
    """Forty draws: float pictures of the view's size, no NaN, nothing below black by much, the middle never the
    background's."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        shown, box = stage.in_place(still(seed), rng, SIDE, 2.4)
        behind = np.full((SIDE, SIDE, 3), 7.0, np.float32)
        view = simulate.attack(still(seed), shown, box, behind, kind, rng)
        assert view.shape == (SIDE, SIDE, 3)
        assert np.isfinite(view).all()
        cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        middle = view[int(cy) - 4 : int(cy) + 4, int(cx) - 4 : int(cx) + 4]
        assert middle.mean() < 5
        assert view.min() > -0.5


def test_the_same_seed_gives_the_same_picture():
    """What is trained on can be made again."""

    def picture() -> np.ndarray:
        rng = np.random.default_rng(3)
        shown, box = stage.in_place(still(), rng, SIDE, 3.0)
        return camera.expose(simulate.attack(still(), shown, box, stage.room(rng, SIDE), "phone", rng), rng, 64)

    assert (picture() == picture()).all()


def test_a_cut_out_person_hides_the_background_and_a_rim_does_not_show():
    """The face's middle is the person's, the corners are the background's: no straight edge of the still remains."""
    rng = np.random.default_rng(1)
    background = np.full((SIDE, SIDE, 3), 3.0, np.float32)
    view, box = stage.set_before(still(), background, rng, 3.0)
    cx, cy = int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2)
    assert view[cy, cx].max() < 2
    assert view[4, 4].min() == pytest.approx(3.0, abs=0.01)
    assert view[4, -4].min() == pytest.approx(3.0, abs=0.01)


def test_prints_lose_contrast_and_screens_are_cold_on_average():
    """Over many draws: ink spans less than light; blue is lifted over red."""
    rng = np.random.default_rng(2)
    shown = np.linspace(0, 1, SIDE * SIDE * 3, dtype=np.float32).reshape(SIDE, SIDE, 3)
    prints = [media.printed(shown, rng) for _ in range(60)]
    assert np.mean([np.quantile(p, 0.95) - np.quantile(p, 0.05) for p in prints]) < 0.8
    screens = [media.emitted(np.full((SIDE, SIDE, 3), 0.5, np.float32), rng) for _ in range(200)]
    assert np.mean([s[..., 0].mean() / s[..., 2].mean() for s in screens]) > 1.05


def test_degraded_faces_stay_pictures():
    """Any draw of the door's conditions is a uint8 face of 112 pixels; strength 0 changes nothing."""
    rng = np.random.default_rng(4)
    crop = rng.integers(0, 255, (136, 136, 3), dtype=np.uint8)
    for i in range(150):
        face = degrade.lit(degrade.framed(crop, rng, 1.0), rng)
        poor = degrade.degraded(face, rng, 1 - i / 160)
        assert poor.shape == (112, 112, 3)
        assert poor.dtype == np.uint8
        assert degrade.degraded(face, rng, 0.0) is face


@pytest.mark.parametrize("name", ["samples", "spoof", "embedding"])
def test_the_training_simulator_shares_no_code_with_the_one_that_evaluates(name):
    """None of its modules imports the product at all, directly or by another of its own. So a machine that trains
    needs PyTorch, OpenCV and the pack, nothing else."""
    seen, todo = set(), [name]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        tree = ast.parse((ROOT / f"scripts/train/{module}.py").read_text())
        for node in ast.walk(tree):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not any(n.startswith("edgeface") for n in names), module
            todo += [n.removeprefix("scripts.train.") for n in names if n.startswith("scripts.train.")]
