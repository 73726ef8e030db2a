from __future__ import annotations

import pytest
from support.fake_capture import machine

from edgeface.adapters.camera.picamera import PiCamera
from edgeface.adapters.camera.sources import FORMS, AutoCamera, open_source
from edgeface.adapters.camera.stream import StreamCamera
from edgeface.adapters.camera.v4l2 import V4l2Camera
from edgeface.domain.errors import CameraUnavailable, ConfigError

SETTINGS = {"width": 640, "height": 480, "fps": 30.0, "exposure": "auto", "fourcc": None}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("auto", AutoCamera),
        ("v4l2:usb-Acme*", V4l2Camera),
        ("/dev/video0", V4l2Camera),
        ("/dev/v4l/by-id/usb-x", V4l2Camera),
        ("picamera", PiCamera),
        ("picamera:1", PiCamera),
        ("rtsp://10.0.0.9/live", StreamCamera),
        ("gst:nvarguscamerasrc ! video/x-raw(memory:NVMM)", StreamCamera),
    ],
)
def test_each_form_gives_its_adapter(source, kind):
    """All settings may be given to every kind: what it has not, it leaves out."""
    assert isinstance(open_source(source, **SETTINGS), kind)


@pytest.mark.parametrize(
    "source",
    ["", "webcam", "v4l2:", "picamera:x", "picamera:", "replay:", "rtsp:", "rtsp://", "gst:", "0x1", "\x1b[31m"],
)
def test_nonsense_is_refused_with_the_forms(source):
    with pytest.raises(ConfigError) as caught:
        open_source(source)
    assert "\x1b" not in str(caught.value)
    for form, _ in FORMS:
        assert form in str(caught.value)


def test_an_option_that_nothing_has_is_a_programming_error():
    with pytest.raises(TypeError, match="widht"):
        open_source("auto", widht=640)


def test_auto_without_any_camera_says_what_to_check(tmp_path):
    with pytest.raises(CameraUnavailable, match="No camera is connected"):
        AutoCamera(roots=machine(tmp_path)).open()


def test_auto_before_opening_gives_nothing(tmp_path):
    camera = AutoCamera(roots=machine(tmp_path))
    with pytest.raises(CameraUnavailable, match="not open"):
        camera.read(0.1)
    camera.close()
