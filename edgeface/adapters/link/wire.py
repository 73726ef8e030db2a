"""Bytes to plain values and back: deterministic CBOR (RFC 8949, section 4.2.1), of which only unsigned and negative
integers, byte strings, text, arrays, maps, false and true are used. One value has one encoding, and whatever is
encoded otherwise is refused, so that a signature over bytes is a signature over the value."""

from __future__ import annotations

import cbor2

from edgeface.domain.refusal import MessageRefused, Refusal

MAX_DEPTH = 6  # the deepest message has five: the roster's parties' roles
MAX_ITEMS = 65_536  # a roster of 1,000 doors has 15,000
_SIMPLE = (20, 21)  # false, true


def encode(value: object) -> bytes:
    """`value`: int, bytes, str, bool, and lists and dicts of them. Keys of our maps are integers below 24, so
    that every order that was ever called canonical is the same."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, limit: int) -> object:
    """The value of exactly these bytes. Raises MessageRefused: too_large above `limit` bytes, malformed for anything
    that `encode` would not have written."""
    if len(data) > limit:
        raise MessageRefused(Refusal.TOO_LARGE, f"{len(data)} bytes, {limit} at most")
    _scan(data)
    try:
        value: object = cbor2.loads(data)
        again = encode(value)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as e:
        raise MessageRefused(Refusal.MALFORMED, "not CBOR") from e
    if again != data:
        raise MessageRefused(Refusal.MALFORMED, "not deterministic CBOR")
    return value


def _scan(data: bytes) -> None:
    """Before anything is built of it: bounded depth and number of items, every length inside the data, none of the
    types that are not ours, nothing after the end."""
    at, items, size = 0, 0, len(data)
    open_items = [1]  # how many values are missing, for each container that is open
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        items += 1
        if at >= size or items > MAX_ITEMS:
            raise MessageRefused(Refusal.MALFORMED, "cut off" if at >= size else "too many values")
        major, low = data[at] >> 5, data[at] & 31
        at += 1
        if major == 6 or (major == 7 and low not in _SIMPLE) or low > 27:
            raise MessageRefused(Refusal.MALFORMED, "a type that the protocol doesn't use")
        value = low
        if low >= 24:
            width = 1 << (low - 24)
            value = int.from_bytes(data[at : at + width], "big")
            at += width
        if major in (2, 3):
            at += value
        elif major in (4, 5):
            if len(open_items) > MAX_DEPTH or value > size:
                raise MessageRefused(Refusal.MALFORMED, "too deep or too long")
            open_items.append(value * (major - 3))
        if at > size:
            raise MessageRefused(Refusal.MALFORMED, "cut off")
    if at != size:
        raise MessageRefused(Refusal.MALFORMED, "bytes after the end")
