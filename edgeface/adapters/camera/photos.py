"""Still pictures from files, for enrolment and evaluation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeface.domain.errors import SourceError
from edgeface.domain.types import Pixels

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MAX_BYTES = 40 * 1024 * 1024  # the largest JPEG of a 100-megapixel camera; more is no portrait
MAX_PIXELS = 120_000_000  # 360 MB decoded: a Pi with 1 GB survives it
WORKING_SIDE = 2048  # faces are looked for at 128 to 192 pixels a side, so nothing is lost beyond this


def read_photo(path: Path) -> Pixels:
    """(h, w, 3) uint8 BGR, upright by its EXIF orientation, at most 2,048 pixels a side. Raises SourceError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SourceError(f"The photo {path} has {size:,} bytes, which is too large.", "Export it smaller.")
        data = path.read_bytes()
    except OSError as e:
        raise SourceError(f"The photo {path} can't be read ({e.strerror or e}).", "Check the path.") from None
    return decode_photo(data, str(path))


def decode_photo(data: bytes, name: str) -> Pixels:
    """The same for a picture in memory; `name` is for the message. Raises SourceError."""
    buffer = np.frombuffer(data, np.uint8)
    try:
        # OpenCV refuses more than 2^30 pixels itself; what lies between is refused here, after decoding
        picture = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        picture = None
    if picture is None:
        raise SourceError(
            f"The photo {name} is no picture that can be decoded, or is cut short.", "Give a JPEG or PNG file."
        )
    h, w = picture.shape[:2]
    if h * w > MAX_PIXELS:
        raise SourceError(f"The photo {name} has {w} x {h} pixels, which is too large.", "Export it smaller.")
    scale = WORKING_SIDE / max(h, w)
    if scale < 1:
        picture = cv2.resize(picture, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture, dtype=np.uint8)


def encode_jpeg(pixels: Pixels, max_width: int, quality: int = 80) -> bytes:
    """The picture as JPEG, scaled down to `max_width` where it is wider."""
    h, w = pixels.shape[:2]
    if w > max_width:
        pixels = cv2.resize(pixels, (max_width, max(1, round(h * max_width / w))), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise SourceError("The picture can't be encoded as JPEG.")
    return bytes(data)
