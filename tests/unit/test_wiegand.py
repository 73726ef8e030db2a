"""Wiegand numbers: what is encoded is decoded, and whatever is altered on the way is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.domain.wiegand import KEYS, LONGEST, Collector, Garbled, WiegandCard, decode, encode

CARDS = st.one_of(
    st.builds(WiegandCard, st.just(26), st.integers(0, 255), st.integers(0, 65535)),
    st.builds(WiegandCard, st.just(34), st.integers(0, 65535), st.integers(0, 65535)),
)


def test_a_published_example() -> None:
    """Facility 159, card 65535 of the 26 bit format (H10301): parity even over bits 2 to 13, odd over 14 to 25."""
    assert encode(WiegandCard(26, 159, 65535)) == tuple(int(b) for b in "0" + "10011111" + "1" * 16 + "1")
    assert encode(WiegandCard(26, 1, 1)) == tuple(int(b) for b in "1" + "00000001" + "0" * 15 + "1" + "0")


@given(CARDS)
def test_what_is_encoded_is_decoded(card: WiegandCard) -> None:
    bits = encode(card)
    assert len(bits) == card.bits
    assert sum(bits[: card.bits // 2]) % 2 == 0
    assert sum(bits[card.bits // 2 :]) % 2 == 1
    assert decode(bits) == card


@given(CARDS, st.data())
def test_one_flipped_or_lost_bit_is_refused(card: WiegandCard, data: st.DataObject) -> None:
    bits = list(encode(card))
    at = data.draw(st.integers(0, card.bits - 1))
    flipped = [*bits[:at], 1 - bits[at], *bits[at + 1 :]]
    for broken in (flipped, bits[:at] + bits[at + 1 :]):
        with pytest.raises(Garbled):
            decode(broken)


@given(st.lists(st.integers(0, 1), max_size=70))
def test_noise_is_refused_or_a_sound_card_or_key(bits: list[int]) -> None:
    try:
        found = decode(bits)
    except Garbled:
        return
    assert found in KEYS if isinstance(found, str) else encode(found) == tuple(bits)


@pytest.mark.parametrize("value", range(16))
def test_keys_of_four_and_eight_bits(value: int) -> None:
    low = [value >> i & 1 for i in (3, 2, 1, 0)]
    for bits in (low, [1 - b for b in low] + low):
        if value < len(KEYS):
            assert decode(bits) == KEYS[value]
        else:
            with pytest.raises(Garbled):
                decode(bits)
    with pytest.raises(Garbled):
        decode(low + low)


@pytest.mark.parametrize("card", [(27, 1, 1), (26, 256, 1), (26, 1, 65536), (34, 65536, 1), (26, -1, 0)])
def test_numbers_beyond_the_format_are_refused(card: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"bits|facility|number"):
        WiegandCard(*card)


def test_a_pause_ends_a_number_and_noise_without_one_stays_bounded() -> None:
    collector, done = Collector(), []
    for i, bit in enumerate(encode(WiegandCard(26, 12, 3456))):
        assert collector.bit(bit, 10 + i * 0.002) is None
    assert collector.flush(10.07) is None
    assert collector.due_s == pytest.approx(10.1)
    assert decode(collector.flush(10.11) or ()) == WiegandCard(26, 12, 3456)
    assert collector.flush(11.0) is None
    for i in range(1000):
        collector.bit(1, 20 + i * 0.001)
    done = collector.flush(30.0)
    assert done is not None
    assert len(done) == LONGEST + 1
    with pytest.raises(Garbled):
        decode(done)
