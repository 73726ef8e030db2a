"""The virtual camera: scenes, videos and folders through the camera port, on virtual and on real time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.scenes import drawn_portrait, one_act

from edgeface.adapters.camera.recordings import SceneRecording, open_recording
from edgeface.adapters.camera.replay import DEMO_SCENE, ReplayCamera
from edgeface.adapters.camera.scene.parse import load_scene
from edgeface.adapters.camera.scene.render import SceneRenderer
from edgeface.domain.errors import CameraStalled, CameraUnavailable, ConfigError, EndOfStream, SourceError

MODELS = Path(__file__).parents[2] / "models"


class Time:
    """A clock that moves when somebody sleeps, or when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clip(tmp_path):
    """Twenty pictures at 10 a second, each of its own grey."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for i in range(20):
        writer.write(np.full((48, 64, 3), 10 * i, np.uint8))
    writer.release()
    return path


def greys(camera, count):
    return [round(float(camera.read(5.0).pixels.mean()) / 10) for _ in range(count)]


def read_all(camera):
    """The frames up to the end, and what the end says."""
    frames = []
    while True:
        try:
            frames.append(camera.read(5.0))
        except EndOfStream as end:
            return frames, str(end)


# -- time -------------------------------------------------------------------------------------------------------


def test_in_real_time_frames_come_when_they_are_due(clip):
    time = Time()
    camera = ReplayCamera(clip, realtime=True, clock=time, sleep=time.sleep)
    assert camera.open().live
    frames = [camera.read(1.0) for _ in range(5)]
    assert [f.captured_s for f in frames] == pytest.approx([1000.0, 1000.1, 1000.2, 1000.3, 1000.4])
    assert time.now == pytest.approx(1000.4)


def test_a_late_reader_gets_the_newest_frame_as_from_a_real_camera(clip):
    time = Time()
    camera = ReplayCamera(clip, realtime=True, clock=time, sleep=time.sleep)
    camera.open()
    assert greys(camera, 2) == [0, 1]
    time.now += 0.55
    late = camera.read(1.0)
    assert round(late.pixels.mean() / 10) == 6
    assert late.captured_s == pytest.approx(1000.6)
    assert late.index == 2


def test_as_fast_as_read_nothing_is_left_out_and_time_is_the_position(clip):
    camera = ReplayCamera(clip, realtime=False)
    assert not camera.open().live
    frames, _ = read_all(camera)
    assert [round(f.pixels.mean() / 10) for f in frames] == list(range(20))
    assert [f.captured_s for f in frames] == pytest.approx([i / 10 for i in range(20)])


def test_a_start_time_in_the_future_shows_the_first_picture_until_then(clip):
    """So that a process that plays a scene and one that judges it agree on when it began."""
    time = Time()
    camera = ReplayCamera(f"{clip}?start_s=1000.35", realtime=True, clock=time, sleep=time.sleep)
    camera.open()
    seen = [(camera.read(1.0).captured_s, time.now) for _ in range(3)]
    assert seen[0][0] <= 1000.0
    assert greys(camera, 4) == [0, 0, 1, 2]


def test_a_frame_that_is_not_due_within_the_timeout_is_a_stall(clip):
    time = Time()
    camera = ReplayCamera(clip, realtime=True, fps=0.5, clock=time, sleep=time.sleep)
    camera.open()
    camera.read(0.1)
    with pytest.raises(CameraStalled):
        camera.read(0.5)
    assert time.now == pytest.approx(1000.5)
    assert camera.read(2.0).captured_s == pytest.approx(1002.0)


@pytest.mark.parametrize("realtime", [False, True])
def test_a_loop_begins_again_and_time_goes_on(clip, realtime):
    time = Time()
    camera = ReplayCamera(f"{clip}?loop=1", realtime=realtime, clock=time, sleep=time.sleep)
    camera.open()
    frames = [camera.read(1.0) for _ in range(45)]
    assert [round(f.pixels.mean() / 10) for f in frames] == [i % 20 for i in range(45)]
    assert np.diff([f.captured_s for f in frames]) == pytest.approx(0.1)


# -- bad input --------------------------------------------------------------------------------------------------


def test_a_clip_that_breaks_off_plays_up_to_the_damage_and_says_so(clip, tmp_path):
    data = clip.read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: len(data) * 6 // 10])
    camera = ReplayCamera(cut, realtime=False)
    camera.open()
    frames, says = read_all(camera)
    assert 0 < len(frames) < 20
    assert f"breaks off after {len(frames)} of 20" in says


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.mp4", None, "is not there"),
        ("noise.mp4", b"this is no video" * 100, "can't be opened as a video"),
        ("empty.mp4", b"", "can't be opened as a video"),
        ("one.png", b"x", "single picture"),
        ("scene.toml", b"[[act]", "not valid TOML"),
    ],
)
def test_what_cannot_be_played_is_said_in_a_sentence(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=says) as caught:
        ReplayCamera(path, realtime=False).open()
    assert caught.value.advice


def test_an_empty_folder_and_a_damaged_picture_are_source_errors(tmp_path):
    with pytest.raises(SourceError, match="holds no pictures"):
        open_recording(tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"damaged")
    recording = open_recording(tmp_path)
    recording.at(0)
    with pytest.raises(SourceError, match=r"b\.png"):
        recording.at(1)


@pytest.mark.parametrize(
    "options", ["start_s=inf", "start_s=1e300", "start_s=nan", "fps=0", "fps=fast", "seed=-1", "loop=maybe", "speed=2"]
)
def test_an_option_that_makes_no_sense_is_a_config_error(clip, options):
    with pytest.raises(ConfigError, match=options.partition("=")[0]):
        ReplayCamera(f"{clip}?{options}", realtime=False)


def test_reading_before_opening_is_refused(clip):
    with pytest.raises(CameraUnavailable):
        ReplayCamera(clip, realtime=False).read(1.0)


# -- folders and scenes -----------------------------------------------------------------------------------------


def test_a_folder_holds_each_picture_and_fits_all_into_the_firsts_size(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64, 3), 50, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((90, 60, 3), 200, np.uint8))
    camera = ReplayCamera(f"{tmp_path}?hold_s=0.3&fps=10", realtime=False)
    info = camera.open()
    frames, _ = read_all(camera)
    assert (info.width, info.height) == (64, 48)
    assert len(frames) == 6
    assert {f.pixels.shape for f in frames} == {(48, 64, 3)}
    assert (frames[4].pixels[24, 32] == 200).all()


def test_a_scene_is_the_same_bytes_for_the_same_seed_in_any_order_and_pace(monkeypatch):
    monkeypatch.setattr("edgeface.adapters.camera.scene.portrait.load_still", lambda _: drawn_portrait().pixels)
    scene = one_act(keys=[{"at_s": 0, "x": 0.4, "y": 0.5, "face": 0.2}, {"at_s": 1, "x": 0.6, "y": 0.5, "face": 0.3}])
    a, b, c = SceneRenderer(scene), SceneRenderer(scene), SceneRenderer(scene, seed=9)
    forth = [a.frame(i) for i in range(scene.frames)]
    back = [b.frame(i) for i in reversed(range(scene.frames))]
    assert all(np.array_equal(x, y) for x, y in zip(forth, reversed(back), strict=True))
    assert not np.array_equal(forth[3], c.frame(3))
    with pytest.raises(EndOfStream):
        SceneRecording(a).at(scene.frames)


def test_an_own_portrait_needs_the_face_models_and_is_cut_out_of_its_background(tmp_path):
    portrait = drawn_portrait()
    studio = np.where(portrait.matte[..., None] > 127, portrait.pixels, np.uint8(20)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "me.png"), studio)
    scene_file = tmp_path / "s.toml"
    scene_file.write_text(
        'size = [160, 120]\n[[actor]]\nid = "a"\nkind = "live"\nportrait = "me.png"\n[[act]]\nname = "n"\n'
        'start_s = 0\nend_s = 1\nexpect = "nothing"\n[[act.cast]]\nactor = "a"\n'
        "keys = [{ at_s = 0, x = 0.5, y = 0.5, face = 0.3 }]\n"
    )
    with pytest.raises(SourceError, match="face models"):
        ReplayCamera(scene_file, realtime=False).open()
    camera = ReplayCamera(scene_file, realtime=False, find_face=lambda _: portrait.points)
    told: list[float] = []
    camera.prepare(told.append)
    camera.open()
    frame = camera.read(1.0).pixels
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert frame[10, 8:20].mean() > 120  # the wall, not the studio, beside the head


def test_a_missing_demo_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage", None)
    with pytest.raises(SourceError, match=r"edgeface\[demo\]"):
        SceneRenderer(one_act())


# -- the demo's scene through the real models ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo():
    pytest.importorskip("skimage", reason="the portraits of the extra `demo` are not installed")
    pytest.importorskip("matplotlib", reason="the portraits of the extra `demo` are not installed")
    if not (MODELS / "manifest.toml").is_file():
        pytest.skip("the models are not there")
    from edgeface.adapters.vision.bundle import load_vision

    return SceneRenderer(load_scene(DEMO_SCENE)), load_vision(MODELS)


def judged(demo, act_name, at):
    """(cosine with Collins' still, spoof score) of the largest face, at seconds after the act's start."""
    from edgeface.adapters.camera.scene.portrait import load_still

    renderer, vision = demo
    still = load_still("astronaut")
    template = vision.embedder.embed(still, vision.detector.detect(still)[0]).vector
    act = next(a for a in renderer.scene.acts if a.name == act_name)
    out = []
    for t in at:
        frame = renderer.frame(round((act.start_s + t) * renderer.scene.fps))
        faces = vision.detector.detect(frame)
        assert faces, f"no face {t} s into the act"
        face = max(faces, key=lambda f: f.box.width)
        out.append((float(vision.embedder.embed(frame, face).vector @ template), vision.spoof.score(frame, face)))
    return np.array(out)


STANDING = (2.0, 2.4, 2.8, 3.2, 3.6, 4.0)


def test_the_enrolled_person_is_recognised_and_alive(demo):
    cosine, spoof = judged(demo, "the enrolled person", STANDING).T
    assert np.median(cosine) > 0.8
    assert cosine.min() > 0.6
    assert np.median(spoof) < 0.3


def test_the_stranger_is_alive_and_nobody_known(demo):
    cosine, spoof = judged(demo, "a stranger", STANDING).T
    assert cosine.max() < 0.35
    assert np.median(spoof) < 0.3


def test_the_print_shows_the_enrolled_person_and_is_an_attack(demo):
    cosine, spoof = judged(demo, "a photo of the enrolled person", STANDING).T
    assert np.median(cosine) > 0.7
    assert spoof.min() > 0.5


def test_two_people_are_seen_with_the_stranger_behind(demo):
    renderer, vision = demo
    (act,) = (a for a in renderer.scene.acts if len(a.cast) > 1)
    counts = [
        len(vision.detector.detect(renderer.frame(round((act.start_s + t) * renderer.scene.fps)))) for t in STANDING
    ]
    assert counts.count(2) >= 4


def test_an_empty_doorway_shows_no_face(demo):
    renderer, vision = demo
    assert not any(vision.detector.detect(renderer.frame(i)) for i in range(0, 90, 15))
