"""Still pictures from files, for enrolment and evaluation."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import cv2
import numpy as np

from edgeface.adapters.camera.picture_header import Header, read_header
from edgeface.domain.errors import SourceError
from edgeface.domain.types import Pixels

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MAX_BYTES = 40 * 1024 * 1024  # the largest JPEG of a 100-megapixel camera; more is no portrait
MAX_PIXELS = 36_000_000  # decoded whole: under 400 MB in the worst of the formats, so that a Pi with 1 GB survives it
MAX_SCALED_PIXELS = 240_000_000  # of a JPEG that is scaled down while it is decoded; phones make 200 megapixels
WORKING_SIDE = 2048  # faces are looked for at 128 to 192 pixels a side, so nothing is lost beyond this
_REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


def read_photo(path: Path) -> Pixels:
    """(h, w, 3) uint8 BGR, upright by its EXIF orientation, at most 2,048 pixels a side. Raises SourceError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not block
        with os.fdopen(fd, "rb") as f:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise SourceError(f"The photo {path} is not a file.", "Give a JPEG or PNG file.")
            data = f.read(MAX_BYTES + 1)
    except OSError as e:
        raise SourceError(f"The photo {path} can't be read ({e.strerror or e}).", "Check the path.") from None
    if len(data) > MAX_BYTES:
        raise SourceError(
            f"The photo {path} has more than {MAX_BYTES >> 20} MiB, which is too large.", "Export it smaller."
        )
    return decode_photo(data, str(path))


def decode_photo(data: bytes, name: str) -> Pixels:
    """The same for a picture in memory; `name` is for the message. Raises SourceError before it would take more
    memory than a small device has."""
    header = read_header(data)
    picture = None
    if header is not None:
        limit = MAX_SCALED_PIXELS if header.scalable else MAX_PIXELS
        if header.width * header.height > limit:
            raise SourceError(
                f"The photo {name} has {header.width} x {header.height} pixels, which is too large.",
                "Export it smaller.",
            )
        with contextlib.suppress(cv2.error):
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), _reading(header))
    if picture is None:
        raise SourceError(
            f"The photo {name} is no picture that can be decoded, or is cut short.", "Give a JPEG or PNG file."
        )
    h, w = picture.shape[:2]
    scale = WORKING_SIDE / max(h, w)
    if scale < 1:
        size = max(1, round(w * scale)), max(1, round(h * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture, dtype=np.uint8)


def _reading(header: Header) -> int:
    """OpenCV's flag: a JPEG is scaled down by its own transform as far as it stays above the working size."""
    if header.scalable:
        for factor, flag in _REDUCED:
            if max(header.width, header.height) >= factor * WORKING_SIDE:
                return flag
    return cv2.IMREAD_COLOR


def encode_jpeg(pixels: Pixels, max_width: int, quality: int = 80) -> bytes:
    """The picture as JPEG, scaled down to `max_width` where it is wider."""
    h, w = pixels.shape[:2]
    if w > max_width:
        pixels = cv2.resize(pixels, (max_width, max(1, round(h * max_width / w))), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise SourceError("The picture can't be encoded as JPEG.")
    return bytes(data)
