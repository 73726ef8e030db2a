"""The reader hangs outside: noise on its wires must not keep the door process from its work."""

from __future__ import annotations

import os
import selectors

import pytest

from edgeface.adapters.door.driver import MOST_EDGES
from edgeface.domain.wiegand import WiegandCard, encode
from edgeface.doord.card_lines import FLOOD, MUTE_S, CardLines

CARD = WiegandCard(26, 12, 3456)


class Wires:
    """Edges that the test makes; implements adapters.door.driver.Edges."""

    def __init__(self) -> None:
        self._fd, self._end = os.pipe()
        self.edges: list[tuple[int, float]] = []

    def fileno(self) -> int:
        return self._fd

    def read(self) -> list[tuple[int, float]]:
        now, self.edges = self.edges[:MOST_EDGES], self.edges[MOST_EDGES:]
        return now

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._end)

    def card(self, at_s: float, period_s: float = 0.001) -> float:
        self.edges += [(bit, at_s + i * period_s) for i, bit in enumerate(encode(CARD))]
        return at_s + 26 * period_s


@pytest.fixture
def wires():
    made = Wires()
    yield made
    made.close()


def kinds(lines: CardLines, now_s: float) -> list[object]:
    return [m["event"] for m in lines.messages(now_s)]


def test_a_quick_reader_is_no_flood(wires: Wires) -> None:
    lines, now = CardLines(wires), 100.0
    for _ in range(50):
        now = wires.card(now) + 0.06
        assert kinds(lines, now) == ["card_read"]


def test_noise_without_end_is_told_once_and_then_not_listened_to(wires: Wires) -> None:
    lines, now, told = CardLines(wires), 100.0, []
    with selectors.DefaultSelector() as selector:
        lines.follow(selector, now)
        assert len(selector.get_map()) == 1
        reads = 0
        while now < 105:
            wires.edges = [(i % 2, now) for i in range(10 * MOST_EDGES)]
            before = len(wires.edges)
            told += kinds(lines, now)
            reads += before != len(wires.edges)
            lines.follow(selector, now)
            now += 0.02
        assert told == ["read_garbled"]
        assert reads <= FLOOD // MOST_EDGES + 1
        assert len(selector.get_map()) == 0  # the loop sleeps while the noise goes on


def test_when_the_noise_is_over_a_card_is_read_again_and_what_came_meanwhile_is_not(wires: Wires) -> None:
    lines = CardLines(wires)
    wires.edges = [(0, 100.0)] * (FLOOD + MOST_EDGES)
    told = [k for _ in range(FLOOD // MOST_EDGES + 2) for k in kinds(lines, 100.0)]
    assert told == ["read_garbled"]
    wires.edges = []
    wires.card(105.0)
    over = 100.0 + MUTE_S + 0.1
    with selectors.DefaultSelector() as selector:
        lines.follow(selector, over)
        assert len(selector.get_map()) == 1
    assert kinds(lines, over) == []
    assert kinds(lines, wires.card(over + 1) + 0.06) == ["card_read"]


def test_a_number_is_not_cut_in_two_by_what_is_read_at_once(wires: Wires) -> None:
    lines, now = CardLines(wires), 100.0
    for _ in range(MOST_EDGES // 26 + 1):
        now = wires.card(now) + 0.06
    found = kinds(lines, now + 1) + kinds(lines, now + 1)
    assert found == ["card_read"] * (MOST_EDGES // 26 + 1)
