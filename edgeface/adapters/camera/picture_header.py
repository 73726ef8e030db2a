"""How large a picture will be, read from its first bytes: a file of 400 kB may decode to gigabytes.

Formats by their own specifications: JPEG (ITU-T T.81, B.1 and B.2), PNG (ISO/IEC 15948, 11.2.2), BMP (BITMAPCOREHEADER
and BITMAPINFOHEADER), WebP (RFC 9649, 2.5 to 2.7), TIFF 6.0 (section 2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_STANDALONE = (0x01, *range(0xD0, 0xD8))  # markers without a length
_SIZE_TAGS = (256, 257, 322, 323)  # TIFF: width and length of the picture, and of a tile
_MAX_PARTS = 4096  # markers or tags; a picture has a few dozen


@dataclass(frozen=True, slots=True)
class Header:
    """`scalable`: the decoder can leave pixels out while it decodes (a JPEG whose blocks come in order)."""

    width: int
    height: int
    scalable: bool = False


def read_header(data: bytes) -> Header | None:
    """None for what is none of the five formats, or is cut short before its size."""
    try:
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return Header(*struct.unpack_from(">II", data, 16))
        if data.startswith(b"BM"):
            return _bmp(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith((b"II*\0", b"MM\0*")):
            return _tiff(data)
    except (struct.error, IndexError):
        pass
    return None


def _jpeg(data: bytes) -> Header | None:
    at = 2
    for _ in range(_MAX_PARTS):
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker == 0 or marker in _STANDALONE:  # a stuffed byte of garbage that decoders skip too
            continue
        if marker in (0xD8, 0xD9, 0xDA):  # again a start, or an end or a scan before any frame
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 3)
            return Header(width, height, scalable=marker in (0xC0, 0xC1))
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2:
            return None
        at += length
    return None


def _bmp(data: bytes) -> Header:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        return Header(*struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return Header(abs(width), abs(height))  # a negative height: rows from the top


def _webp(data: bytes) -> Header | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return Header(int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header(width & 0x3FFF, height & 0x3FFF)
    return None


def _tiff(data: bytes) -> Header | None:
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    sizes = dict.fromkeys(_SIZE_TAGS, 0)
    for i in range(min(count, _MAX_PARTS)):
        tag, kind = struct.unpack_from(f"{order}HH", data, at + 2 + 12 * i)
        if tag in sizes:
            sizes[tag] = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, at + 2 + 12 * i + 8)[0]
    width, height, tile_width, tile_height = (sizes[tag] for tag in _SIZE_TAGS)
    # decoders hold a whole tile, however small the picture in it is
    return Header(max(width, tile_width), max(height, tile_height)) if width and height else None
