"""MQTT's framing, looked at before anything is kept: a PUBLISH above a size never reaches memory.

paho reads a packet whole, up to MQTT's 256 MiB, and 3.1.1 has no way to tell the broker a limit. Dropping the
connection would not help either: the persistent session delivers the same message again, for ever. So the payload of
an oversized PUBLISH is read past, and what goes on is the same packet with an empty payload, to be acknowledged and
counted. (MQTT 3.1.1, sections 2.2 and 3.3.)"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

CHUNK = 65536  # bytes asked of the socket at a time
LONGEST_TOPIC = 1024  # ours have less than 200; the protocol allows 65,535
_PUBLISH = 3
_LENGTH_BYTES = 4  # of a remaining length, at most
# What a broker may send beside PUBLISH: CONNACK, PUBACK, SUBACK, UNSUBACK, PINGRESP. SUBACK has a byte a filter.
_LONGEST_OTHER = 4096
_OTHERS = (2, 4, 9, 11, 13)


class FramingError(ConnectionError):
    """The peer does not speak MQTT 3.1.1 as a broker may to a subscriber of QoS 1. An OSError: paho ends on it."""


class PacketFilter:
    """A stream of packets, with the payload of those above `limit` bytes left out. Holds a chunk and a header at most.
    Not thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._header = bytearray()  # of the packet that begins
        self._pass = 0  # bytes of the current packet that go on as they come
        self._skip = 0  # bytes of it that are left out
        self._out = bytearray()
        self._oversized: deque[int | None] = deque()  # for every PUBLISH that went on: its size if it was cut

    @property
    def ready(self) -> bool:
        """True while there are bytes that `receive` gives without asking the socket."""
        return bool(self._out)

    def take_oversized(self) -> int | None:
        """To be asked once for each PUBLISH that came out, in order: the size of a payload that was left out."""
        return self._oversized.popleft()

    def receive(self, count: int, read: Callable[[int], bytes]) -> bytes:
        """At most `count` bytes; empty at the end of the stream. `read` is the socket's, and its exceptions pass
        through (BlockingIOError when there is nothing now). Raises FramingError."""
        while not self._out:
            data = read(CHUNK)
            if not data:
                return b""
            self.feed(data)
        out = bytes(self._out[:count])
        del self._out[:count]
        return out

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._pass:
                part = data[at : at + self._pass]
                self._out += part
                self._pass -= len(part)
                at += len(part)
            elif self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
            else:
                self._header.append(data[at])
                at += 1
                self._look()

    def _look(self) -> None:
        """Decides about the packet as soon as its header is there."""
        parsed = _fixed_header(self._header)
        if parsed is None:
            return
        start, remaining = parsed
        kind, qos = self._header[0] >> 4, (self._header[0] >> 1) & 3
        if kind != _PUBLISH:
            if kind not in _OTHERS or remaining > _LONGEST_OTHER:
                raise FramingError(f"the broker sent a packet of kind {kind} with {remaining} bytes")
            self._begin(bytes(self._header), remaining)
            return
        if qos > 1:
            raise FramingError("the broker sent a message of a higher QoS than was asked for")
        if len(self._header) < start + 2:
            if remaining < 2 + 2 * qos:
                raise FramingError("the broker sent a message that is too short")
            return
        length = int.from_bytes(self._header[start : start + 2], "big")
        variable = 2 + length + 2 * qos
        if length > LONGEST_TOPIC or variable > remaining:
            raise FramingError(f"the broker sent a message with a topic of {length} bytes")
        payload = remaining - variable
        if payload <= self._limit:
            self._oversized.append(None)
            self._begin(bytes(self._header), start + remaining - len(self._header))
        elif len(self._header) == start + variable:
            self._oversized.append(payload)
            self._skip = payload
            self._begin(bytes(self._header[:1]) + _encoded(variable) + bytes(self._header[start:]), 0)

    def _begin(self, header: bytes, rest: int) -> None:
        self._out += header
        self._pass = rest
        self._header.clear()


def _fixed_header(data: bytearray) -> tuple[int, int] | None:
    """(its length, the remaining length), None while bytes of it are missing."""
    value = 0
    for i, byte in enumerate(data[1 : 1 + _LENGTH_BYTES]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return 2 + i, value
    if len(data) > _LENGTH_BYTES:
        raise FramingError("the broker sent a length that is none")
    return None


def _encoded(length: int) -> bytes:
    out = bytearray()
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(out)
