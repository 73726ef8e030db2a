"""MQTT's framing: whatever the chunks, packets pass unchanged, and oversized messages lose their payload only."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.link.backoff import Backoff
from edgeface.adapters.link.filters import check_filter, check_topic, matches
from edgeface.adapters.link.framing import FramingError, PacketFilter
from edgeface.domain.errors import LinkError

LIMIT = 300


def length(value: int) -> bytes:
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (128 if value else 0))
        if not value:
            return bytes(out)


def publish(topic: bytes, payload: bytes, qos: int = 1, packet_id: int = 7) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if qos else b"") + payload
    return bytes([0x30 | qos << 1]) + length(len(body)) + body


PACKETS = st.one_of(
    st.sampled_from(
        [b"\x20\x02\x00\x00", b"\xd0\x00", b"\x40\x02\x00\x09", b"\x90\x03\x00\x01\x80", b"\xb0\x02\x00\x01"]
    ),
    st.tuples(st.binary(min_size=1, max_size=40), st.integers(0, 700), st.integers(0, 1)).map(
        lambda t: publish(t[0], bytes(t[1]), t[2])
    ),
)


def expected(packet: bytes) -> bytes:
    if packet[0] >> 4 != 3:
        return packet
    start = 2 + (packet[1] >> 7)
    variable = 2 + int.from_bytes(packet[start : start + 2], "big") + (2 if packet[0] & 6 else 0)
    if len(packet) - start - variable <= LIMIT:
        return packet
    return packet[:1] + length(variable) + packet[start : start + variable]


@given(st.lists(PACKETS, max_size=12), st.lists(st.integers(1, 50), min_size=1, max_size=30))
@settings(max_examples=200)
def test_packets_pass_whatever_the_chunks_and_large_messages_are_emptied(
    packets: list[bytes], sizes: list[int]
) -> None:
    stream, passed, at, turn = b"".join(packets), bytearray(), 0, 0
    packet_filter = PacketFilter(LIMIT)
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        packet_filter.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
        while packet_filter.ready:
            passed += packet_filter.receive(size, lambda _count: b"")
    assert bytes(passed) == b"".join(expected(p) for p in packets)
    sizes_left_out = [packet_filter.take_oversized() for p in packets if p[0] >> 4 == 3]
    assert [s is not None for s in sizes_left_out] == [expected(p) != p for p in packets if p[0] >> 4 == 3]


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_nonsense_is_refused_or_passed_and_never_kept(data: bytes) -> None:
    packet_filter = PacketFilter(LIMIT)
    try:
        packet_filter.feed(data)
    except FramingError:
        return
    assert len(packet_filter._out) <= len(data) + 4
    assert len(packet_filter._header) <= 2000


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x34\x04\x00\x01a\x00",  # QoS 2, never asked for
        b"\x36\x04\x00\x01a\x00",  # QoS 3
        b"\x32\x03\x00\x05a",  # the topic is longer than the packet
        b"\x30\x80\x80\x08\xff\xff",  # a topic of 64 KiB
        b"\x10\x02\x00\x00",  # CONNECT from a broker
        b"\x90\xff\x7f",  # a SUBACK of 16 KiB
        b"\x00\x00",
    ],
)
def test_what_no_broker_sends_ends_the_connection(data: bytes) -> None:
    with pytest.raises(FramingError):
        PacketFilter(LIMIT).feed(data)


def test_a_giant_message_takes_no_memory() -> None:
    packet_filter = PacketFilter(LIMIT)
    body = (1).to_bytes(2, "big") + b"t" + b"\x00\x07"
    size = 64 << 20

    def chunks() -> Iterator[bytes]:
        yield b"\x32" + length(len(body) + size) + body
        block = bytes(65536)
        for _ in range(size // len(block)):
            yield block
        yield b"\xd0\x00"

    tracemalloc.start()
    for chunk in chunks():
        packet_filter.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert packet_filter.take_oversized() == size
    assert packet_filter.receive(100, lambda _count: b"") == b"\x32" + length(len(body)) + body + b"\xd0\x00"


def test_the_ends_of_the_socket_pass_through() -> None:
    packet_filter = PacketFilter(LIMIT)
    assert packet_filter.receive(1, lambda _count: b"") == b""

    def nothing_now(_count: int) -> bytes:
        raise BlockingIOError

    with pytest.raises(BlockingIOError):
        packet_filter.receive(1, nothing_now)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "wanted"),
    [
        ("a/b", "a/b", True), ("a/b", "a/b/", False), ("a/+", "a/b", True), ("a/+", "a/b/c", False), ("a/#", "a", True),
        ("a/#", "a/b/c", True), ("#", "a/b", True), ("#", "$SYS/x", False), ("+/x", "$SYS/x", False), ("+", "a", True),
        ("+/+", "a/", True), ("a/+/c", "a//c", True), ("$SYS/#", "$SYS/x", True),
    ],
)  # fmt: skip
def test_filters_match_as_the_standard_says(topic_filter: str, topic: str, wanted: bool) -> None:
    """MQTT 3.1.1, section 4.7, its own examples among them."""
    check_filter(topic_filter)
    check_topic(topic)
    assert matches(topic_filter, topic) is wanted


@given(st.text(max_size=50))
@settings(max_examples=200)
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        check_filter(text)
    except LinkError:
        return
    matches(text, "a/b")


def test_the_back_off_doubles_to_its_cap_and_spreads() -> None:
    backoff, rng = Backoff(first_s=0.5, most_s=30.0, jitter=0.5), random.Random(1)
    delays = [[backoff.delay_s(n, rng) for _ in range(50)] for n in (1, 2, 7, 1000)]
    for full, some in zip((0.5, 1.0, 30.0, 30.0), delays, strict=True):
        assert all(full / 2 <= d <= full for d in some)
        assert max(some) - min(some) > full / 5
