"""The door socket's packets as bytes (docs/design.md, 10.4): one JSON object each, 1,024 bytes at most. Knows neither
who sends them nor what they mean. Stdlib alone, because doord speaks it too."""

from __future__ import annotations

import json
from collections.abc import Mapping

VERSION = 1
MAX_PACKET = 1024
PING_EVERY_S = 0.2


class WireError(ValueError):
    """A packet that can't be understood; the message says why, without quoting the peer's bytes."""


def encode(message: Mapping[str, object]) -> bytes:
    """Adds the version. Raises WireError where the packet would be too long."""
    packet = json.dumps({"v": VERSION, **message}, separators=(",", ":"), allow_nan=False).encode()
    if len(packet) > MAX_PACKET:
        raise WireError(f"a packet has {len(packet)} bytes, {MAX_PACKET} are allowed")
    return packet


def decode(packet: bytes) -> dict[str, object]:
    """The object without its version. Raises WireError for anything that is not strictly one of ours."""
    if len(packet) > MAX_PACKET:
        raise WireError(f"a packet has more than {MAX_PACKET} bytes")
    try:
        message = json.loads(packet.decode("utf-8"), object_pairs_hook=_no_repeats, parse_constant=_no_constants)
    except (ValueError, RecursionError) as error:
        raise WireError("a packet is not one JSON object in UTF-8") from error
    if not isinstance(message, dict):
        raise WireError("a packet is not a JSON object")
    version = message.pop("v", None)
    if type(version) is not int or version != VERSION:
        raise WireError(f"a packet is not of version {VERSION}")
    return message


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key comes twice")
    return out


def _no_constants(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
