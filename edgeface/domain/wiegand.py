"""Wiegand, the 26 and 34 bit formats that most readers and controllers speak: an even parity bit over the first half,
facility code, card number, an odd parity bit over the second half. A keypad sends each key as 4 bits, or as 8 of which
the first four are the complement. Pure, stdlib alone: the door process uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FACILITY_BITS = {26: 8, 34: 16}
NUMBER_BITS = 16
KEYS = "0123456789*#"  # by value; a keypad's * clears, its # ends
GAP_S = 0.05  # bits come every 1 to 5 ms; after a pause of this length a number is complete
LONGEST = 64  # bits; more without a pause is noise


@dataclass(frozen=True, slots=True)
class WiegandCard:
    bits: int
    facility: int
    number: int

    def __post_init__(self) -> None:
        if self.bits not in FACILITY_BITS:
            raise ValueError(f"Wiegand cards have 26 or 34 bits here, not {self.bits}")
        if not 0 <= self.facility < 1 << FACILITY_BITS[self.bits]:
            most = (1 << FACILITY_BITS[self.bits]) - 1
            raise ValueError(f"a facility code of {self.bits} bits is 0 to {most}, not {self.facility}")
        if not 0 <= self.number < 1 << NUMBER_BITS:
            raise ValueError(f"a card number is 0 to 65535, not {self.number}")

    @property
    def id(self) -> str:
        """The card's id, as readers and `edgeface gallery factor` write it: bits:facility:number."""
        return f"{self.bits}:{self.facility}:{self.number}"


class Garbled(Exception):
    """What came is no card and no key; the message says why, without the bits."""


def encode(card: WiegandCard) -> tuple[int, ...]:
    facility_bits = FACILITY_BITS[card.bits]
    value = (card.facility << NUMBER_BITS) | card.number
    width = facility_bits + NUMBER_BITS
    middle = [value >> (width - 1 - i) & 1 for i in range(width)]
    half = width // 2
    return (sum(middle[:half]) % 2, *middle, 1 - sum(middle[half:]) % 2)


def decode(bits: Sequence[int]) -> WiegandCard | str:
    """A card, or a key: one of KEYS. Raises Garbled."""
    if any(b not in (0, 1) for b in bits):
        raise Garbled("a bit is neither 0 nor 1")
    if len(bits) in (4, 8):
        return _key(bits)
    if len(bits) not in FACILITY_BITS:
        raise Garbled(f"{len(bits)} bits came, a card has 26 or 34")
    value = _number(bits[1:-1])
    card = WiegandCard(len(bits), value >> NUMBER_BITS, value & ((1 << NUMBER_BITS) - 1))
    if encode(card) != tuple(bits):
        raise Garbled(f"the parity of {len(bits)} bits is wrong")
    return card


def _key(bits: Sequence[int]) -> str:
    low = bits[-4:]
    if len(bits) == 8 and any(a == b for a, b in zip(bits[:4], low, strict=True)):
        raise Garbled("a key's two halves do not fit")
    value = _number(low)
    if value >= len(KEYS):
        raise Garbled("the keypad has no such key")
    return KEYS[value]


def _number(bits: Sequence[int]) -> int:
    value = 0
    for bit in bits:
        value = value << 1 | bit
    return value


class Collector:
    """Edges of the two lines become numbers. A pause ends one; `flush` is asked after each turn."""

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._gap_s = gap_s
        self._bits: list[int] = []
        self._last_s = 0.0

    @property
    def due_s(self) -> float | None:
        """When `flush` has something to give."""
        return self._last_s + self._gap_s if self._bits else None

    def bit(self, value: int, t_s: float) -> tuple[int, ...] | None:
        """One pulse on line `value`; the number before it, where a pause ended that."""
        done = self.flush(t_s)
        self._last_s = t_s
        if len(self._bits) <= LONGEST:  # one more than a number may have, so that it shows as too long
            self._bits.append(value)
        return done

    def flush(self, now_s: float) -> tuple[int, ...] | None:
        """The number that is complete by now."""
        if not self._bits or now_s - self._last_s < self._gap_s:
            return None
        done, self._bits = tuple(self._bits), []
        return done
