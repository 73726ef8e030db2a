"""The scene file: what is right is read, what is wrong is named with its place and a remedy."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest

from edgeface.adapters.camera.replay import DEMO_SCENE
from edgeface.adapters.camera.scene.parse import EXPECTATIONS, load_scene
from edgeface.domain.errors import SourceError

GOOD = """
size = [320, 240]
[[actor]]
id = "a"
kind = "live"
portrait = "builtin:astronaut"
[[act]]
name = "one"
start_s = 0
end_s = 2.5
expect = "nothing"
  [[act.cast]]
  actor = "a"
  keys = [{ at_s = 0, x = 0.5, y = 0.5, face = 0.2 }, { at_s = 1, x = 0.6, y = 0.5, face = 0.2, yaw = 10 }]
"""


def load(tmp_path, text):
    path = tmp_path / "scene.toml"
    path.write_text(text, encoding="utf-8")
    return load_scene(path)


def test_a_good_file_is_read_with_its_defaults(tmp_path):
    scene = load(tmp_path, GOOD)
    assert (scene.width, scene.height, scene.fps, scene.frames) == (320, 240, 30.0, 75)
    assert scene.acts[0].cast[0].keys[1].yaw == 10
    assert scene.folder == tmp_path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("face = 0.2,", "fase = 0.2,", "`face` is missing"),
        ("yaw = 10", "yav = 10", "Did you mean `yaw`?"),
        ("yaw = 10", "roll = 30", "leans a living head"),
        ("yaw = 10", "yaw = 90", "outside -42 to 42"),
        ("at_s = 1", "at_s = 0", "doesn't rise"),
        ('actor = "a"', 'actor = "b"', "no actor 'b'"),
        ('kind = "live"', 'kind = "alive"', "live, print, screen, phone"),
        ('expect = "nothing"', 'expect = "granted"', "access_granted"),
        ("end_s = 2.5", "end_s = -1", "outside"),
        ("x = 0.6", "x = true", "not a number"),
        ("x = 0.6", "x = nan", "not a number"),
        ("size = [320, 240]", "size = [320]", "list of 2"),
        ("size = [320, 240]", "size = [320, 240]\nlength_s = 1", "outside 2.5"),
        ('name = "one"', "name = 1", "not a text"),
        ("[[act]]", "[act]", "not a list of tables"),
        ("[[act]]", '[[actor]]\nid = "a"\nkind = "live"\nportrait = "x.png"\n[[act]]', "twice"),
        ("size = [320, 240]", "size = [320, 240", "not valid TOML"),
        ('expect = "nothing"', 'expect = "nothing"\nadmin = "revoke"', "revoke, and not whom"),
        ('expect = "nothing"', 'expect = "nothing"\nadmin = "sack"\nperson = "a"', "enrol, revoke"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_remedy(tmp_path, old, new, says):
    assert old in GOOD
    with pytest.raises(SourceError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert says in str(caught.value)
    assert "scene.toml" in str(caught.value)
    assert caught.value.advice


def test_a_missing_file_is_a_source_error(tmp_path):
    with pytest.raises(SourceError, match="can't be read"):
        load_scene(tmp_path / "none.toml")


def test_the_demos_scene_shows_every_expectation_in_at_most_three_quarters_of_a_minute():
    scene = load_scene(DEMO_SCENE)
    assert {a.expect for a in scene.acts} == set(EXPECTATIONS)
    assert scene.length_s <= 45
    assert any("tailgating_seen" in a.also for a in scene.acts)
    assert [a.admin for a in scene.acts if a.admin] == ["enrol", "revoke"]
    played = [a for a in scene.acts if a.admin != "enrol"]  # that one happens in the empty doorway
    assert all(a.end_s <= b.start_s for a, b in pairwise(played))


def test_reading_expectations_loads_no_heavy_package():
    code = (
        "import sys; from edgeface.adapters.camera.scene.parse import load_scene; "
        "sys.exit(sum(m in sys.modules for m in ('cv2', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
