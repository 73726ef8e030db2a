"""No password of a camera's address comes into a message, a log or `config show`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import commands

from edgeface.adapters.camera.sources import open_source
from edgeface.adapters.camera.stream import StreamCamera
from edgeface.domain.errors import CameraUnavailable, ConfigError
from edgeface.domain.redaction import without_secrets

SHOWN = [
    ("rtsp://10.0.0.9/live", "rtsp://10.0.0.9/live"),
    ("rtsp://u:hunter2@cam:554/live", "rtsp://cam:554/live"),
    ("rtsp://u:hun@ter2@cam/live", "rtsp://cam/live"),
    ("rtsp://u:hun/ter2@cam/live", "rtsp://cam/live"),
    ("rtsp://u:hun?ter2@cam/live", "rtsp://…"),
    ("rtsp://u:hun#ter2@cam/live", "rtsp://cam/live"),
    ("http://cam/video?user=u&pwd=hunter2", "http://cam/video?…"),
    ("http://cam/video?user=u@x&pwd=hunter2", "http://…"),
    ("http://u:hunter2@cam/video?user=u@x&pwd=hunter2", "http://…"),
    ("gst:rtspsrc location=rtsp://u:hunter2@cam/live ! decodebin", "gst:rtspsrc location=rtsp://cam/live ! decodebin"),
    ('gst:rtspsrc location="rtsp://u:hunter2@cam/a" ! x', 'gst:rtspsrc location="rtsp://cam/a" ! x'),
    ("gst:rtspsrc location=rtsp://cam/a user-id=u user-pw=hunter2 ! x", "gst:rtspsrc location=rtsp://cam/a user-id=… user-pw=… ! x"),  # noqa: E501
    ('gst:souphttpsrc location=http://cam user-pw="hun ter2" ! x', "gst:souphttpsrc location=http://cam user-pw=… ! x"),
    ("v4l2:usb-Acme", "v4l2:usb-Acme"),
    ("replay:/srv/a b/clip.mp4?loop=1", "replay:/srv/a b/clip.mp4?loop=1"),
]  # fmt: skip


@pytest.mark.parametrize(("address", "shown"), SHOWN)
def test_what_is_shown_of_an_address(address, shown):
    assert without_secrets(address) == shown


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'"), min_size=1),
    st.sampled_from(["rtsp://user:{}@10.0.0.9:554/live", "http://cam/?user=a&pwd={}", "http://u@cam/x?pwd={}&n=1"]),
)
def test_no_password_of_visible_characters_is_shown(password, form):
    secret = f"S3{password}cr3t"
    shown = without_secrets(form.format(secret))
    assert "S3" not in shown
    assert "cr3t" not in shown


class Broken:
    """cv2.VideoCapture that names its address when it fails."""

    def isOpened(self):
        return True

    def get(self, _):
        return 0.0

    def grab(self):
        raise RuntimeError("could not read rtsp://u:hun@ter2@cam/live")

    def release(self):
        pass


def test_a_streams_name_and_errors_hold_no_password():
    camera = StreamCamera("rtsp://u:hun@ter2@cam/live", open_capture=lambda *_: Broken())
    info = camera.open()
    with pytest.raises(CameraUnavailable) as caught:
        camera.read(5.0)
    camera.close()
    assert info.name == "rtsp://cam/live"
    assert "ter2" not in str(caught.value)
    assert "hun" not in str(caught.value)


def test_a_source_that_means_nothing_is_shown_without_its_password():
    with pytest.raises(ConfigError) as caught:
        open_source("rtps://u:hunter2@cam/live")
    assert "hunter2" not in str(caught.value)


def test_the_settings_are_shown_without_it(capsys, tmp_path):
    config = tmp_path / "edgeface.toml"
    config.write_text('[camera]\nsource = "rtsp://u:hun/ter2@cam/live?pwd=hunter2"\n')
    edgeface = commands(capsys, config)
    for command in (("show",), ("show", "--json"), ("explain", "camera"), ("explain", "camera.source", "--json")):
        said = edgeface("config", *command)
        assert said.code == 0
        assert "ter2" not in said.out + said.err
    assert json.loads(edgeface("config", "show", "--json").out)["camera.source"]["value"] == "rtsp://cam/live?…"
