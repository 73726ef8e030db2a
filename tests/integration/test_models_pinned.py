"""The manifest, and what happens where a model is missing, altered or of another specification."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from support.portraits import MODELS

from edgeface.adapters.vision.bundle import load_vision
from edgeface.adapters.vision.manifest import ROLES, load_manifest
from edgeface.adapters.vision.runtime import Model
from edgeface.adapters.vision.trusted import load_pinned
from edgeface.app import wiring
from edgeface.app.settings import Settings
from edgeface.domain.errors import ModelError


@pytest.fixture
def folder(tmp_path):
    """A copy of models/ to spoil."""
    return shutil.copytree(MODELS, tmp_path / "models")


def edit(folder, old, new, count=1):
    path = folder / "manifest.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_every_role_has_one_default_and_all_files_are_the_pinned_ones():
    """The shipped folder is whole, and no model lies in it that the manifest does not name."""
    manifest = load_manifest(MODELS)
    manifest.verify()
    for role in ROLES:
        assert manifest.pick(role).default
    assert {p.name for p in MODELS.glob("*.tflite")} == {m.path.name for m in manifest.models}
    for model in manifest.models:
        assert (MODELS / f"{model.id}.md").is_file(), f"{model.id} has no card"


def test_the_embedder_carries_its_curve_of_false_matches():
    """Rates fall, thresholds rise, and nothing is claimed with fewer than thirty pairs behind it."""
    curve = load_manifest(MODELS).pick("embedder").calibration
    assert curve is not None
    assert curve.measured_to == curve.fmr[-1]
    assert curve.measured_to * curve.pairs >= 30
    assert len(curve.fmr) == len(curve.threshold)


@pytest.mark.parametrize("role", ROLES)
def test_a_changed_byte_refuses_the_start(folder, role):
    """One flipped bit in the middle of any model: ModelError that names it, nothing is loaded."""
    spec = load_manifest(folder).pick(role)
    data = bytearray(spec.path.read_bytes())
    data[len(data) // 2] ^= 1
    spec.path.write_bytes(data)
    with pytest.raises(ModelError, match=f"Model {spec.id} was altered"):
        load_vision(folder)
    with pytest.raises(ModelError, match="was altered"):
        load_manifest(folder).verify()


def test_the_package_pins_the_manifest_that_it_ships():
    """After a change of models/manifest.toml: python -m scripts.build_models pin."""
    assert load_pinned(MODELS).models == load_manifest(MODELS).models


def test_a_changed_byte_in_a_model_that_is_not_in_use_refuses_the_start_too(folder):
    """It may be in use after the next change of a setting."""
    path = folder / "blazeface_full.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    load_vision(folder)  # by itself it reads what it uses
    with pytest.raises(ModelError, match="blazeface-full-1 was altered"):
        wiring.open_vision(Settings(models_dir=folder))


def test_a_lowered_threshold_in_the_manifest_refuses_the_start(folder):
    """Nobody becomes somebody else by an edit of a text file."""
    edit(folder, "0.5934]", "0.5410]")
    load_manifest(folder)  # it is well formed
    with pytest.raises(ModelError, match="not the one that belongs to this program") as caught:
        wiring.open_vision(Settings(models_dir=folder))
    assert "sha256sum manifest.toml > manifest.sha256" in caught.value.advice


def test_a_folder_of_ones_own_models_is_pinned_by_its_own_file(folder):
    """And an edit after that is refused."""
    edit(folder, "lfw_pictures = 2000", "lfw_pictures = 1999")
    subprocess.run("sha256sum manifest.toml > manifest.sha256", cwd=folder, shell=True, check=True)
    wiring.open_vision(Settings(models_dir=folder))
    edit(folder, "lfw_pictures = 1999", "lfw_pictures = 1998")
    with pytest.raises(ModelError, match="was altered"):
        wiring.open_vision(Settings(models_dir=folder))
    (folder / "manifest.sha256").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="was altered"):
        wiring.open_vision(Settings(models_dir=folder))


def test_a_copy_of_the_shipped_models_needs_no_pin_of_its_own(folder):
    """The manifest is the same one."""
    wiring.open_vision(Settings(models_dir=folder))


def test_a_cut_off_file_is_told_by_its_size(folder):
    """A half-written model is refused before it is read."""
    path = folder / "facemesh.tflite"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="1000 bytes"):
        load_manifest(folder)


def test_a_missing_model_is_named(folder):
    """The sentence names the file, and says what to do."""
    (folder / "spoof.tflite").unlink()
    with pytest.raises(ModelError, match=r"spoof\.tflite.*Install the models again"):
        load_vision(folder)


def test_a_missing_or_damaged_manifest_is_told(folder):
    """No manifest, no TOML, another version, no model: each is said."""
    path = folder / "manifest.toml"
    for text, told in (
        ("version = = 1", "damaged"),
        ("version = 2", "version 2"),
        ("version = 1", "names no model"),
        ("version = 1\nmodel = [3]", "not a table"),
    ):
        path.write_text(text)
        with pytest.raises(ModelError, match=told):
            load_manifest(folder)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="damaged"):
        load_manifest(folder)
    path.unlink()
    with pytest.raises(ModelError, match="can't be read"):
        load_manifest(folder)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('role = "spoof"', 'role = "oracle"', "unknown role 'oracle'"),
        ('file = "spoof.tflite"', 'file = "../spoof.tflite"', "outside the folder"),
        ('id = "spoof-0"', "id = 7", "no proper id"),
        ("version = 1\nrole", "version = true\nrole", "no proper version"),
        ('id = "blazeface-full-1"', 'id = "blazeface-short-1"', "two models named"),
        ("default = false", "default = true", "two default models"),
        ('colour = "RGB"', 'colour = "CMYK"', "unknown input colour"),
        ('dtype = "int8"', 'dtype = "int7"', "unknown input dtype"),
        ("shape = [1, 128, 128, 3]", "shape = [1, 128, 96, 3]", "not \\[1, side, side, 3\\]"),
        ("range = [0.0, 1.0]", "range = [1.0, 0.0]", "input range"),
        ("0.5934]", "nan]", "no proper calibration threshold"),
        ("threshold = [0.1581", "threshold = [-inf", "no proper calibration threshold"),
        ("fmr = [0.1, 0.03,", "fmr = [0.03, 0.1,", "do not fall"),
        ('sha256 = "', 'sha256 = "Z', "no proper sha256"),
    ],
)
def test_a_wrong_entry_is_refused_with_model_and_key(folder, old, new, told):
    """The manifest is checked whole before a model is loaded."""
    edit(folder, old, new)
    with pytest.raises(ModelError, match=told):
        load_manifest(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shape = [1, 128, 128, 3]", "shape = [1, 192, 192, 3]"),
        ("shape = [1, 896, 16]", "shape = [1, 896, 12]"),
        ('dtype = "int8"', 'dtype = "float32"'),
        ('[[model.outputs]]\nname = "classifiers"\nshape = [1, 896, 1]\ndtype = "float32"\n', ""),
    ],
)
def test_a_file_of_another_specification_is_refused(folder, old, new):
    """Shape, type and number of the tensors are compared with the manifest when the file is opened."""
    edit(folder, old, new)
    spec = load_manifest(folder).pick("detector")
    with pytest.raises(ModelError, match=r"another specification|outputs, not"):
        Model(spec)


def test_a_model_in_the_wrong_role_is_refused(folder):
    """A manifest that gives the embedder's file the role of another does not get through."""
    edit(folder, 'role = "embedder"', 'role = "landmarks"')
    edit(folder, "default = true", "default = false", 9)
    with pytest.raises(ModelError, match=r"no default|is no FaceMesh"):
        load_vision(folder)
    for role in ("detector", "landmarks", "spoof"):
        wrong = next(m.id for m in load_manifest(MODELS).models if m.role != role)
        with pytest.raises(ModelError, match=f"no model '{wrong}' for the {role}"):
            load_manifest(MODELS).pick(role, wrong)


def test_an_unknown_id_names_the_known_ones():
    """The sentence lists what there is."""
    with pytest.raises(ModelError, match="blazeface-short-1, blazeface-full-1"):
        load_manifest(MODELS).pick("detector", "retinaface")


def test_a_picture_of_the_wrong_size_is_refused():
    """The runtime never resizes silently."""
    model = Model(load_manifest(MODELS).pick("spoof"))
    for wrong in (np.zeros((96, 96, 3), np.uint8), np.zeros((112, 112, 3), np.float32)):
        with pytest.raises(ModelError, match="takes"):
            model.invoke(wrong)


def test_loading_is_quiet_and_lazy():
    """The bundle's module loads neither OpenCV nor the runtime; loading the models prints nothing at all."""
    code = (
        "import sys, pathlib, edgeface.adapters.vision.bundle as b\n"
        "assert not {'cv2', 'ai_edge_litert', 'tflite_runtime'} & set(sys.modules), 'too eager'\n"
        f"b.load_vision(pathlib.Path({str(MODELS)!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=MODELS.parent, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
