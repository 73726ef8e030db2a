from __future__ import annotations

import os
import re

import pytest
from support.fake_capture import machine

from edgeface.adapters.camera import devices
from edgeface.domain.errors import CameraUnavailable

USB = "HD Webcam|usb-Acme_HD_Webcam_SN123-video-index0"


def test_lists_cameras_by_number_with_their_stable_names(tmp_path):
    """A UVC camera's metadata node and the Pi's codecs are listed, but not as cameras."""
    roots = machine(
        tmp_path, video10="bcm2835-codec-decode", video1="HD Webcam|usb-Acme_HD_Webcam_SN123-video-index1|1", video0=USB
    )
    found = devices.list_cameras(roots)
    assert [c.node.name for c in found] == ["video0", "video1", "video10"]
    assert [c.capture for c in found] == [True, False, False]
    assert found[0].stable is not None
    assert found[0].stable.name == "usb-Acme_HD_Webcam_SN123-video-index0"


@pytest.mark.parametrize(
    "wanted", ["auto", "SN123", "usb-Acme*", "*index0", "0", "usb-Acme_HD_Webcam_SN123-video-index0"]
)
def test_a_camera_is_found_by_any_of_its_names(tmp_path, wanted):
    roots = machine(tmp_path, video0=USB, video1="HD Webcam||1")
    assert devices.resolve(wanted, roots).node.name == "video0"


def test_a_by_id_path_is_followed_to_the_node_it_means_now(tmp_path):
    """After a replug the number may be another one; the stable name finds it."""
    roots = machine(tmp_path, video4=USB)
    link = roots.dev / "v4l" / "by-id" / "usb-Acme_HD_Webcam_SN123-video-index0"
    assert devices.resolve(str(link), roots).node.name == "video4"


def test_auto_prefers_a_usb_camera_to_a_node_without_a_stable_name(tmp_path):
    roots = machine(tmp_path, video0="some grabber", video2=USB)
    assert devices.resolve("auto", roots).node.name == "video2"


def test_no_camera_at_all_says_what_to_check(tmp_path):
    with pytest.raises(CameraUnavailable, match=r"no video capture device.*ribbon"):
        devices.resolve("auto", machine(tmp_path))


def test_a_wrong_name_is_answered_with_what_is_there(tmp_path):
    roots = machine(tmp_path, video0=USB)
    with pytest.raises(CameraUnavailable, match=r"SN999.*These are there: .*SN123"):
        devices.resolve("SN999", roots)
    with pytest.raises(CameraUnavailable, match=r"video7 is not there.*SN123"):
        devices.resolve(str(roots.dev / "video7"), roots)


def test_a_name_that_fits_two_cameras_is_refused(tmp_path):
    roots = machine(tmp_path, video0=USB, video2="HD Webcam|usb-Acme_HD_Webcam_SN456-video-index0")
    with pytest.raises(CameraUnavailable, match="means 2 cameras"):
        devices.resolve("Acme", roots)


def test_who_holds_a_busy_camera_is_named(tmp_path):
    roots = machine(tmp_path, video0=USB)
    process = roots.proc / "4242"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("motion\n")
    (process / "fd" / "7").symlink_to(roots.dev / "video0")
    error = devices.why_busy(devices.resolve("auto", roots), roots)
    assert "in use by motion (4242)" in str(error)


def test_a_node_that_is_no_video_device_is_refused(tmp_path):
    """A plain file answers QUERYCAP with ENOTTY."""
    roots = machine(tmp_path, video0=USB)
    with pytest.raises(CameraUnavailable, match="not a video device"):
        devices.check_usable(devices.resolve("auto", roots), roots)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_refused_permission_names_the_group(tmp_path):
    roots = machine(tmp_path, video0=USB)
    (roots.dev / "video0").chmod(0)
    with pytest.raises(CameraUnavailable, match=r"group .*usermod"):
        devices.check_usable(devices.resolve("auto", roots), roots)


def test_permission_and_absence_are_told_apart(tmp_path):
    camera = devices.resolve("auto", machine(tmp_path, video0=USB))
    refused = devices._cannot_open(camera, PermissionError(13, "Permission denied"), None)
    assert re.search(r"belongs to the group \w+.*usermod -aG", str(refused))
    gone = devices._cannot_open(camera, OSError(19, "No such device"), None)
    assert "no longer there" in str(gone)


def test_a_hostile_device_name_is_cleaned(tmp_path):
    roots = machine(tmp_path, video0="Evil\x1b[31mCam" + "x" * 500)
    assert devices.list_cameras(roots)[0].name.startswith("Evil[31mCam")
    assert len(devices.list_cameras(roots)[0].name) <= 80


def test_controls_of_a_file_that_is_no_camera_are_not_set(tmp_path):
    roots = machine(tmp_path, video0=USB)
    assert not devices.set_control(roots.dev / "video0", devices.EXPOSURE_DYNAMIC_FRAMERATE, 0)
    assert not devices.set_control(roots.dev / "video9", devices.EXPOSURE_DYNAMIC_FRAMERATE, 0)


def test_csi_receivers_are_seen(tmp_path):
    assert devices.has_csi_receiver(machine(tmp_path / "pi", video0="rp1-cfe-csi2_ch0"))
    assert not devices.has_csi_receiver(machine(tmp_path / "pc", video0=USB))
