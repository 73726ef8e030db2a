"""Photos from files: what is too large is refused by what its header says, before a byte of it is decoded."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.camera.photos import WORKING_SIDE, decode_photo, read_photo
from edgeface.adapters.camera.picture_header import read_header
from edgeface.domain.errors import SourceError

MOST_MB = 600  # of a whole interpreter; a giant that is decoded takes thousands
CHILD = """
import sys
from pathlib import Path
from edgeface.adapters.camera.photos import read_photo
from edgeface.domain.errors import SourceError
try:
    print(read_photo(Path(sys.argv[1])).shape)
except SourceError as e:
    print(e)
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


def black_png(width: int, height: int) -> bytes:
    """A few kB for any size, as zlib makes them."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    pixels = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def in_a_child(path: Path) -> tuple[str, float]:
    """(what became of it, peak of the resident memory in MB)"""
    command = [sys.executable, "-c", CHILD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said, peak = done.stdout.strip().splitlines()
    return said, int(peak) / 1024


def test_a_giant_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "giant.png"
    path.write_bytes(black_png(20_000, 20_000))
    assert path.stat().st_size < 2_000_000
    said, peak_mb = in_a_child(path)
    assert "20000 x 20000 pixels, which is too large" in said
    assert peak_mb < MOST_MB


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero")
def test_a_device_is_no_photo() -> None:
    said, peak_mb = in_a_child(Path("/dev/zero"))
    assert "is not a file" in said
    assert peak_mb < MOST_MB


def test_a_pipe_is_no_photo_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(SourceError, match="is not a file"):
        read_photo(tmp_path / "pipe.jpg")


def test_more_bytes_than_any_portrait_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.jpg"
    with path.open("wb") as f:
        f.truncate(10 << 30)  # a sparse file
    said, peak_mb = in_a_child(path)
    assert "40 MiB" in said
    assert peak_mb < MOST_MB


def test_a_large_jpeg_of_a_phone_is_scaled_down_while_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    cv2.imwrite(str(path), np.full((9000, 12_000, 3), 90, np.uint8))
    said, peak_mb = in_a_child(path)
    assert said == f"({WORKING_SIDE * 9 // 12}, {WORKING_SIDE}, 3)"
    assert peak_mb < 300


@pytest.mark.parametrize(("width", "height"), [(30_000, 1), (1, 30_000), (5000, 2), (1, 1)])
def test_a_thin_picture_keeps_a_pixel_on_each_side(width: int, height: int) -> None:
    picture = decode_photo(black_png(width, height), "thin.png")
    assert min(picture.shape[:2]) >= 1
    assert max(picture.shape[:2]) == min(WORKING_SIDE, max(width, height))


KINDS: dict[str, tuple[str, list[int]]] = {
    "jpeg": (".jpg", []),
    "progressive jpeg": (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "png": (".png", []),
    "bmp": (".bmp", []),
    "webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 80]),
    "lossless webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
    "tiff": (".tif", []),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (37, 200), (640, 480)])
def test_the_header_says_what_the_decoder_makes_of_it(kind: str, width: int, height: int) -> None:
    ending, how = KINDS[kind]
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    done, data = cv2.imencode(ending, picture, how)
    assert done
    header = read_header(data.tobytes())
    assert header is not None
    assert (header.width, header.height) == (width, height)
    assert header.scalable == (kind == "jpeg")
    assert decode_photo(data.tobytes(), kind).shape == (height, width, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_is_cut_short_is_no_picture(kind: str) -> None:
    ending, how = KINDS[kind]
    data = cv2.imencode(ending, np.full((30, 40, 3), 90, np.uint8), how)[1].tobytes()
    for end in range(min(len(data), 400)):
        header = read_header(data[:end])
        assert header is None or (header.width, header.height) == (40, 30)


@settings(max_examples=200)
@given(st.data())
def test_no_garbage_breaks_the_reader_of_headers(data: st.DataObject) -> None:
    starts = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"BM", b"RIFF\0\0\0\0WEBPVP8 ", b"II*\0", b"MM\0*", b"")
    read_header(data.draw(st.sampled_from(starts)) + data.draw(st.binary(max_size=200)))


def test_a_jpeg_of_nothing_but_markers_is_given_up() -> None:
    assert read_header(b"\xff\xd8" + b"\xff\x00" * 5_000_000) is None


def test_other_formats_that_opencv_knows_are_refused() -> None:
    with pytest.raises(SourceError, match="no picture"):
        decode_photo(b"P6 2 2 255 " + bytes(12), "a.ppm")
