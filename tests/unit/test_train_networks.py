"""The training itself, on made-up pictures: skipped where PyTorch is not installed (no device has it)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.train import embedding, mobilefacenet, spoof  # noqa: E402
from scripts.train.loop import Plan, Trainer, averaged  # noqa: E402
from scripts.train.pack import PackWriter  # noqa: E402
from scripts.train.spoof_net import SpoofNetwork  # noqa: E402


@pytest.fixture
def spoof_pack(tmp_path):
    rng = np.random.default_rng(0)
    writer = PackWriter()
    rows = [("lfw", f"P{i}", 0) for i in range(40)] + [("nuaa", "0001", 0), ("nuaa", "0001", 1), ("nuaa", "0016", 1)]
    for source, person, label in [*rows, ("negatives", "n", 2)]:
        writer.add(
            rng.integers(0, 255, (100, 100, 3), dtype=np.uint8),
            source=source,
            person=person,
            label=label,
            box=np.array([30, 20, 70, 70], np.float32),
            teacher=np.float32(0.5),
            features=rng.normal(size=256).astype(np.float16),
            matte=np.packbits(np.eye(64, dtype=bool)),
        )
    writer.save(tmp_path / "spoof.npz")
    return tmp_path / "spoof.npz"


def test_the_spoof_network_says_one_thing_twice():
    """Two logits, [attack, -attack]: a single one would collapse in the quantiser's calibration."""
    net = SpoofNetwork().eval()
    out = net(torch.rand(2, 3, 128, 128) * 255)
    assert out.shape == (2, 2)
    assert torch.allclose(out[:, 0], -out[:, 1])


def test_a_training_goes_on_where_it_ended(tmp_path, spoof_pack, monkeypatch):
    """Three steps, then two more: the curve's steps are five, and the checkpoint says so."""
    monkeypatch.setattr(spoof, "VALIDATION", 8)
    folder = tmp_path / "run"
    for steps in (3, 5):
        spoof.train_spoof(spoof_pack, Plan(folder, steps, 4, 1e-3, keep_every=1, device="cpu"))
        assert torch.load(folder / "last.pt", weights_only=True)["step"] == steps
    net = SpoofNetwork()
    net.load_state_dict(averaged(folder))


def layers():
    """A small MobileFaceNet: a block of three, one with a shortcut, the last."""
    rng = np.random.default_rng(1)

    def conv(inputs, outputs, size, stride, padding, groups=1, activation="Clip", adds=False):
        weight = rng.normal(0, 0.1, (outputs, inputs // groups, size, size)).astype(np.float32)
        return mobilefacenet.Layer(weight, np.zeros(outputs, np.float32), stride, padding, groups, activation, adds)

    stem = [conv(3, 8, 3, 4, 1), conv(8, 8, 3, 2, 1, 8), conv(8, 8, 1, 1, 0)]
    middle = [conv(8, 16, 1, 1, 0), conv(16, 16, 3, 1, 1, 16), conv(16, 8, 1, 1, 0, activation="", adds=True)]
    last = [conv(8, 16, 1, 1, 0), conv(16, 16, 14, 1, 0, 16, ""), conv(16, 128, 1, 1, 0, activation="")]
    return [*stem, *middle, *last]


def test_the_teacher_travels_without_onnx(tmp_path):
    """Saved and read again it computes the same; the student has its shape and other weights."""
    mobilefacenet.save_layers(layers(), tmp_path / "teacher.npz")
    read = mobilefacenet.load_layers(tmp_path / "teacher.npz")
    x = torch.rand(2, 3, 112, 112) * 255
    first, second = (mobilefacenet.MobileFaceNet(made, student=False).eval() for made in (layers(), read))
    assert torch.equal(first(x), second(x))
    student = mobilefacenet.MobileFaceNet(read, student=True)
    assert [f.shape for f in student.features(x)] == [f.shape for f in first.features(x)]
    assert not torch.allclose(student(x), first(x))


def test_both_phases_of_the_distillation_run(tmp_path, monkeypatch):
    """Block by block, then end to end with full degradation: twelve steps, a curve with both phases' figures."""
    rng = np.random.default_rng(2)
    writer = PackWriter()
    for i in range(60):
        writer.add(rng.integers(0, 255, (136, 136, 3), dtype=np.uint8), source="lfw", person=f"P{i // 2}")
    writer.save(tmp_path / "embedding.npz")
    mobilefacenet.save_layers(layers(), tmp_path / "teacher.npz")
    embedding.train_embedding(tmp_path / "embedding.npz", Plan(tmp_path / "e", 50, 4, 1e-3, device="cpu"))
    rows = (tmp_path / "e/curve.csv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[1].split(",")[3] == "2"
    assert averaged(tmp_path / "e")


def test_a_plan_of_no_steps_left_does_nothing(tmp_path):
    """A finished training that is started again ends at once."""
    net = torch.nn.Linear(2, 1)
    assert list(Trainer(Plan(tmp_path, 0, 1, 1e-3), net, ("loss",))) == []


def test_a_training_may_begin_with_another_ones_weights(tmp_path):
    """Its first step has the other's averaged weights, and a count of its own."""
    plan = Plan(tmp_path / "a", 4, 1, 1e-2, keep_every=2)
    first = torch.nn.Linear(2, 1)
    trainer = Trainer(plan, first, ("loss",))
    for _ in trainer:
        trainer.update(first(torch.ones(1, 2)).sum())
    second = torch.nn.Linear(2, 1)
    again = Trainer(Plan(tmp_path / "b", 4, 1, 1e-2, begin=tmp_path / "a"), second, ("loss",))
    assert again.step == 0
    assert torch.equal(second.weight, averaged(tmp_path / "a")["weight"])
